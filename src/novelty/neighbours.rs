//! Distances from the k-th nearest reference sample.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use crate::error::{Error, Result};
use crate::linalg::distances::{row_blocks, squared_distance, squared_distances};

/// Distances from the k-th nearest of n reference samples (Sun et al. 2022), between features
/// scaled to length 1:
///
/// ```text
/// d(x) = ‖z − z₍ₖ₎‖,   z = x/‖x‖,   z₍ₖ₎ the k-th nearest of the reference's zᵢ
/// ```
///
/// So 0 ≤ d ≤ 2. A row of zeros stays one, at distance 1 from all others. A sample that is in the
/// reference finds itself first.
#[derive(Debug, Clone)]
pub struct Neighbours {
    /// Reference rows of length 1, less the centre.
    rows: Array2<f64>,
    centre: Array1<f64>,
    k: usize,
}

impl Neighbours {
    /// From an n×D reference: a row a sample.
    ///
    /// # Errors
    /// k below 1 or above n.
    pub fn fit(rows: Array2<f64>, k: usize) -> Result<Self> {
        if k < 1 || rows.nrows() < k {
            return Err(Error::usage(
                format!("{} reference samples have no nearest number {k}", rows.nrows()),
                "ask for a neighbour from 1 to the number of reference samples",
            ));
        }
        let rows = normalised(rows);
        let centre = rows.sum_axis(Axis(0)) / rows.nrows() as f64;
        Ok(Self { rows: rows - &centre, centre, k })
    }

    /// The distance of each of m×D rows from its k-th nearest reference row. The neighbour is
    /// found by [`squared_distances`], a block of rows at a time, its distance from the two rows
    /// themselves.
    ///
    /// # Panics
    /// If the rows have another width than the reference.
    pub fn kth(&self, rows: ArrayView2<'_, f64>) -> Vec<f64> {
        let mut found = Vec::with_capacity(rows.nrows());
        let mut order: Vec<(f64, usize)> = Vec::with_capacity(self.rows.nrows());
        for block in row_blocks(rows.nrows(), self.rows.nrows().max(rows.ncols())) {
            let queries = normalised(rows.slice(s![block, ..]).to_owned()) - &self.centre;
            let distances = squared_distances(queries.view(), self.rows.view());
            for (query, distances) in queries.rows().into_iter().zip(distances.rows()) {
                order.clear();
                order.extend(distances.iter().copied().zip(0..));
                let nearest = *order.select_nth_unstable_by(self.k - 1, by_distance).1;
                found.push(squared_distance(query, self.rows.row(nearest.1)).sqrt());
            }
        }
        found
    }
}

fn by_distance(a: &(f64, usize), b: &(f64, usize)) -> std::cmp::Ordering {
    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
}

/// Rows divided by their length, where it is not zero.
fn normalised(mut rows: Array2<f64>) -> Array2<f64> {
    for mut row in rows.rows_mut() {
        let norm = row.dot(&row).sqrt();
        if norm != 0.0 {
            row /= norm;
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use ndarray::array;

    fn example(n: usize, seed: usize) -> Array2<f64> {
        Array2::from_shape_fn((n, 5), |(i, j)| ((i * i * 31 + j * 17 + seed) as f64 * 0.7).sin())
    }

    #[test]
    fn corners_of_a_circle() -> Result<()> {
        let reference = array![[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]];
        let query = array![[5.0, 0.0], [0.0, 0.0]];
        for (k, first) in [(1, 0.0), (2, 2f64.sqrt()), (3, 2.0)] {
            let found = Neighbours::fit(reference.clone(), k)?.kth(query.view());
            assert_relative_eq!(found[0], first, epsilon = 1e-15);
            assert_relative_eq!(found[1], 1.0, max_relative = 1e-15);
        }
        Ok(())
    }

    #[test]
    fn agrees_with_sorting_and_ignores_scale() -> Result<()> {
        let (reference, queries) = (example(30, 1), example(8, 2));
        let found = Neighbours::fit(reference.clone(), 4)?.kth(queries.view());
        for (query, found) in queries.rows().into_iter().zip(&found) {
            let cosines = reference
                .rows()
                .into_iter()
                .map(|row| row.dot(&query) / (row.dot(&row) * query.dot(&query)).sqrt());
            let mut all: Vec<_> = cosines.map(|c| (2.0 - 2.0 * c).max(0.0).sqrt()).collect();
            all.sort_by(f64::total_cmp);
            assert_relative_eq!(*found, all[3], max_relative = 1e-9);
        }
        let scaled = Neighbours::fit(reference * 1e3, 4)?.kth((queries * 1e-3).view());
        assert_relative_eq!(scaled.as_slice(), found.as_slice(), max_relative = 1e-9);
        Ok(())
    }

    #[test]
    fn tiny_angles_keep_their_digits() -> Result<()> {
        let reference = array![[1.0, 0.0], [1.0, 1e-9], [0.0, 1.0]];
        let found = Neighbours::fit(reference, 2)?.kth(array![[1.0, 0.0], [1.0, 3e-9]].view());
        assert_relative_eq!(found[0], 1e-9, max_relative = 1e-6);
        assert_relative_eq!(found[1], 3e-9, max_relative = 1e-6);
        Ok(())
    }

    #[test]
    fn neighbours_that_are_not_there_are_refused() {
        assert!(Neighbours::fit(example(3, 1), 0).is_err());
        assert!(Neighbours::fit(example(3, 1), 4).is_err());
        assert!(Neighbours::fit(example(3, 1), 3).is_ok());
    }
}
