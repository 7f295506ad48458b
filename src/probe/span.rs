//! Features in the coordinates of the directions in which they differ.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use crate::linalg::{Singular, eigenvectors};

/// How many times as large the largest column may be as the smallest, where products of columns keep the digits of
/// both.
const LOPSIDED: f64 = 1e5;

/// Centred n×D features X = Z·Vᵀ with orthonormal V, D×r, and ZᵀZ = diag(s²): a rotation, which changes no
/// Euclidean distance and no optimum of a linear model with an L2 penalty. Where D > n the n×n matrix XXᵀ is taken
/// apart in place of the D×D one, so wide layers cost no more than samples.
#[derive(Debug, Clone)]
pub struct Span {
    /// Z, n×r.
    pub rows: Array2<f64>,
    /// s², r of them, ascending.
    pub squares: Array1<f64>,
    /// V, D×r.
    basis: Array2<f64>,
    mean: Array1<f64>,
}

impl Span {
    /// Of features, which need not be centred. Directions with s² ≤ max(n, D)·ε·s₁² are rounding and left out. Columns
    /// of very different size are taken apart as they are, for their products would lose the digits of the small ones;
    /// directions with s ≤ max(n, D)·ε·s₁ are left out there.
    ///
    /// # Errors
    /// LAPACK's iteration did not converge.
    pub fn of(rows: ArrayView2<'_, f64>) -> Result<Self, String> {
        let (n, width) = rows.dim();
        let mean = rows.sum_axis(Axis(0)) / n.max(1) as f64;
        let centred = &rows - &mean;
        if is_lopsided(&centred) {
            return Self::of_lopsided(&centred, mean);
        }
        let wide = width > n;
        let product = if wide { centred.dot(&centred.t()) } else { centred.t().dot(&centred) };
        let (values, vectors) = eigenvectors(product.view())
            .map_err(|e| format!("failed to take the features apart: {e}"))?;
        let least = n.max(width) as f64 * f64::EPSILON * values.last().copied().unwrap_or(0.0);
        let first = values.iter().position(|v| *v > least).unwrap_or(values.len());
        let squares = values.slice(s![first..]).to_owned();
        let vectors = vectors.slice(s![.., first..]);
        let (rows, basis) = match wide {
            true => {
                let roots = squares.mapv(f64::sqrt);
                let basis = centred.t().dot(&vectors) / &roots;
                (&vectors * &roots, basis)
            }
            false => (centred.dot(&vectors), vectors.to_owned()),
        };
        Ok(Self { rows, squares, basis, mean })
    }

    /// The same by singular values of the centred features.
    fn of_lopsided(centred: &Array2<f64>, mean: Array1<f64>) -> Result<Self, String> {
        let Singular { left, values, right } = Singular::of(centred.view())
            .map_err(|e| format!("failed to take the features apart: {e}"))?;
        let (n, width) = centred.dim();
        let least = n.max(width) as f64 * f64::EPSILON * values.first().copied().unwrap_or(0.0);
        let kept: Vec<usize> = (0..values.len()).rev().filter(|&i| values[i] > least).collect();
        let values: Array1<f64> = kept.iter().map(|&i| values[i]).collect();
        let rows = left.select(Axis(1), &kept) * &values;
        let basis = right.select(Axis(1), &kept);
        Ok(Self { rows, squares: values.mapv(|s| s * s), basis, mean })
    }

    /// r.
    pub fn rank(&self) -> usize {
        self.squares.len()
    }

    /// Other features in these coordinates: what lies outside of the span is left out.
    ///
    /// # Panics
    /// If they are of another width.
    pub fn place(&self, rows: ArrayView2<'_, f64>) -> Array2<f64> {
        (&rows - &self.mean).dot(&self.basis)
    }

    /// Weights of the features, D×T, from those of the coordinates, r×T, and what their intercepts become.
    pub fn of_features(
        &self,
        weights: ArrayView2<'_, f64>,
        intercepts: &Array1<f64>,
    ) -> (Array2<f64>, Array1<f64>) {
        let own = self.basis.dot(&weights);
        let shift = self.mean.dot(&own);
        (own, intercepts - &shift)
    }
}

/// Whether columns differ in size by so much that their products lose digits.
fn is_lopsided(centred: &Array2<f64>) -> bool {
    let sizes = centred.columns().into_iter().map(|column| column.dot(&column).sqrt());
    let ends = sizes.filter(|size| *size > 0.0).fold((f64::INFINITY, 0.0), |(low, high), size| {
        (f64::min(low, size), f64::max(high, size))
    });
    ends.1 > LOPSIDED * ends.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    fn example(n: usize, width: usize) -> Array2<f64> {
        Array2::from_shape_fn((n, width), |(i, j)| ((i * 31 + j * j * (i + 1)) as f64).sin() + 2.0)
    }

    #[test]
    fn coordinates_keep_products_and_put_rows_back() {
        for (n, width) in [(20, 6), (6, 20)] {
            let rows = example(n, width);
            let span = Span::of(rows.view()).expect("finite");
            let centred = &rows - &(rows.sum_axis(Axis(0)) / n as f64);
            assert_abs_diff_eq!(
                span.rows.dot(&span.rows.t()),
                centred.dot(&centred.t()),
                epsilon = 1e-10
            );
            assert_abs_diff_eq!(span.place(rows.view()), span.rows, epsilon = 1e-10);
            let squares = Array2::from_diag(&span.squares);
            assert_abs_diff_eq!(span.rows.t().dot(&span.rows), squares, epsilon = 1e-10);
            assert_eq!(span.rank(), if n > width { width } else { n - 1 });
        }
    }

    /// A column of 10⁹ beside columns of 1: all directions stay, and the small columns keep their digits.
    #[test]
    fn large_columns_do_not_hide_small_ones() {
        for (n, width) in [(20, 6), (6, 20)] {
            let mut rows = example(n, width);
            rows.column_mut(2).mapv_inplace(|v| 1e9 * v);
            let span = Span::of(rows.view()).expect("finite");
            let rank = if n > width { width } else { n - 1 };
            assert_eq!(span.rank(), rank);
            assert!(span.squares.windows(2).into_iter().all(|pair| pair[0] <= pair[1]));
            let centred = &rows - &(rows.sum_axis(Axis(0)) / n as f64);
            let back = span.rows.dot(&span.basis.t());
            let small = |matrix: &Array2<f64>| matrix.select(Axis(1), &[0, 1, 3, 4, 5]);
            assert_abs_diff_eq!(small(&back), small(&centred), epsilon = 1e-6);
            assert_abs_diff_eq!(span.place(rows.view()), span.rows, epsilon = 1e-6);
        }
    }

    #[test]
    fn constant_features_span_nothing() {
        let span = Span::of(Array2::from_elem((5, 3), 0.1).view()).expect("finite");
        assert_eq!((span.rank(), span.rows.dim()), (0, (5, 0)));
    }
}
