//! Squared Euclidean distances between the rows of two matrices.

use std::ops::Range;

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, s};

use super::PackedSymmetric;

/// Bytes that a block of rows takes, about.
const BLOCK_BYTES: usize = 32 << 20;

/// Share of ‖x‖² + ‖y‖² below which a squared distance is taken from the rows themselves.
const CLOSE: f64 = 1e-5;

/// Squared distances between the m rows of `x` and the n rows of `y`, an m×n matrix in row-major
/// order, by one matrix product:
///
/// ```text
/// ‖xᵢ − yⱼ‖² = ‖xᵢ‖² + ‖yⱼ‖² − 2 xᵢ·yⱼ
/// ```
///
/// The subtraction cancels where rows lie closer to each other than to the origin. Centre both
/// sides about a common point first, so that few do; entries below 10⁻⁵ of ‖xᵢ‖² + ‖yⱼ‖² are
/// computed again as Σ(xᵢ − yⱼ)², at the price of that sum. So no entry is negative, equal rows are
/// exactly 0 apart, and the relative error stays below 10⁻⁹. NaN in a row stays NaN.
///
/// # Panics
/// If the widths of the rows differ.
pub fn squared_distances(x: ArrayView2<'_, f64>, y: ArrayView2<'_, f64>) -> Array2<f64> {
    let (of_x, of_y) = (squared_norms(x), squared_norms(y));
    let mut distances = Array2::zeros((x.nrows(), y.nrows()));
    general_mat_mul(-2.0, &x, &y.t(), 0.0, &mut distances);
    for (i, mut row) in distances.rows_mut().into_iter().enumerate() {
        for (j, (v, norm)) in row.iter_mut().zip(&of_y).enumerate() {
            let total = of_x[i] + norm;
            *v += total;
            if *v < CLOSE * total {
                *v = squared_distance(x.row(i), y.row(j));
            }
        }
    }
    distances
}

/// The same between the rows of one matrix: some rows at a time, so that no square is made.
pub fn squared_distances_within(x: ArrayView2<'_, f64>) -> PackedSymmetric {
    let n = x.nrows();
    let mut packed = PackedSymmetric::with_order(n);
    for block in row_blocks(n, n) {
        let before = x.slice(s![..block.end, ..]);
        packed.push_rows(squared_distances(x.slice(s![block, ..]), before).view());
    }
    packed
}

/// Σ(x − y)² of two rows, free of cancellation.
///
/// # Panics
/// If their lengths differ.
pub fn squared_distance(x: ArrayView1<'_, f64>, y: ArrayView1<'_, f64>) -> f64 {
    let difference = &x - &y;
    difference.dot(&difference)
}

/// Ranges that cover `0..rows` in order, such that so many rows of `columns` float64 values take
/// about 32 MiB; never less than one row.
pub fn row_blocks(rows: usize, columns: usize) -> impl Iterator<Item = Range<usize>> {
    let step = (BLOCK_BYTES / size_of::<f64>() / columns.max(1)).max(1);
    (0..rows).step_by(step).map(move |first| first..(first + step).min(rows))
}

fn squared_norms(rows: ArrayView2<'_, f64>) -> Array1<f64> {
    rows.rows().into_iter().map(|row| row.dot(&row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use ndarray::{array, s};

    fn example(n: usize, width: usize, seed: usize) -> Array2<f64> {
        Array2::from_shape_fn((n, width), |(i, j)| ((i * 31 + j * 17 + seed) as f64 * 0.7).sin())
    }

    #[test]
    fn agrees_with_the_definition() {
        let (x, y) = (example(7, 5, 0), example(4, 5, 3));
        let distances = squared_distances(x.view(), y.view());
        let direct = Array2::from_shape_fn((7, 4), |(i, j)| {
            x.row(i).iter().zip(y.row(j)).map(|(a, b)| (a - b) * (a - b)).sum()
        });
        assert_relative_eq!(distances, direct, max_relative = 1e-9);
        let turned = squared_distances(y.view(), x.view()).reversed_axes();
        assert_relative_eq!(distances, turned, max_relative = 1e-9);
    }

    #[test]
    fn layouts_make_no_difference() {
        let x = example(5, 6, 1);
        let turned = x.t().as_standard_layout().into_owned().reversed_axes();
        let distances = squared_distances(turned.view(), turned.view());
        assert!(distances.is_standard_layout());
        assert_relative_eq!(distances, squared_distances(x.view(), x.view()), epsilon = 1e-12);
    }

    #[test]
    fn equal_rows_are_exactly_zero_apart() {
        let x = example(9, 2048, 2) + 1e6;
        let distances = squared_distances(x.slice(s![2.., ..]), x.view());
        assert!((0..7).all(|i| distances[(i, i + 2)] == 0.0));
        assert!(distances.iter().all(|v| *v >= 0.0));
    }

    #[test]
    fn close_rows_keep_their_digits() {
        let (x, y) = (array![[1e8, 1.0]], array![[1e8, 1.5]]);
        assert_eq!(squared_distances(x.view(), y.view())[(0, 0)], 0.25);
    }

    #[test]
    fn nan_is_not_hidden() {
        let distances = squared_distances(array![[f64::NAN]].view(), array![[1.0]].view());
        assert!(distances[(0, 0)].is_nan());
    }

    #[test]
    fn blocks_cover_every_row_once() {
        for (rows, columns) in [(0, 5), (3, 0), (10_000, 50_000), (3, usize::MAX)] {
            let blocks: Vec<_> = row_blocks(rows, columns).collect();
            assert!(blocks.iter().cloned().flatten().eq(0..rows));
            assert!(blocks.iter().all(|b| b.len() == 1 || b.len() * columns * 8 <= BLOCK_BYTES));
        }
    }
}
