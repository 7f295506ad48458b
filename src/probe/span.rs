//! Features in the coordinates of the directions in which they differ.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use crate::linalg::eigenvectors;

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
    /// Of features, which need not be centred. Directions with s² ≤ max(n, D)·ε·s₁² are rounding and left out.
    ///
    /// # Errors
    /// LAPACK's iteration did not converge.
    pub fn of(rows: ArrayView2<'_, f64>) -> Result<Self, String> {
        let (n, width) = rows.dim();
        let mean = rows.sum_axis(Axis(0)) / n.max(1) as f64;
        let centred = &rows - &mean;
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

    #[test]
    fn constant_features_span_nothing() {
        let span = Span::of(Array2::from_elem((5, 3), 0.1).view()).expect("finite");
        assert_eq!((span.rank(), span.rows.dim()), (0, (5, 0)));
    }
}
