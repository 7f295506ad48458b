//! Least squares from normal equations, with a ridge.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use ndarray_linalg::error::LinalgError;

use super::lapack::eigenvectors;

/// A scatter matrix S = XᵀX of D centred features taken apart, S = V·diag(λ)·Vᵀ, so that
///
/// ```text
/// W(ρ) = (S + ρ·(tr S/D)·I)⁻¹ XᵀY
/// ```
///
/// costs two products for any ridge ρ and any Y. Directions whose deviation is below the rounding of
/// features in float32, λ ≤ D·ε₃₂²·(λ₁ + n‖x̄‖²), carry no information and are left out.
#[derive(Debug, Clone)]
pub struct RidgeSolver {
    /// D×r.
    basis: Array2<f64>,
    /// The r eigenvalues kept.
    values: Array1<f64>,
    mean: f64,
}

impl RidgeSolver {
    /// Of a symmetric D×D matrix of features that were centred, and n‖x̄‖² of their mean.
    ///
    /// # Errors
    /// LAPACK's iteration did not converge (values that are not finite).
    pub fn new(scatter: ArrayView2<'_, f64>, of_mean: f64) -> Result<Self, LinalgError> {
        let order = scatter.nrows();
        let (values, vectors) = eigenvectors(scatter)?;
        let rounding = f64::from(f32::EPSILON).powi(2) * order as f64;
        let least = rounding * (values.last().copied().unwrap_or(0.0).max(0.0) + of_mean);
        let first = values.iter().position(|v| *v > least).unwrap_or(order);
        Ok(Self {
            basis: vectors.slice(s![.., first..]).to_owned(),
            values: values.slice(s![first..]).to_owned(),
            mean: values.sum() / order.max(1) as f64,
        })
    }

    /// r: directions in which the features differ.
    pub fn rank(&self) -> usize {
        self.values.len()
    }

    /// VᵀXᵀY, for [`RidgeSolver::solve`].
    pub fn project(&self, cross: ArrayView2<'_, f64>) -> Array2<f64> {
        self.basis.t().dot(&cross)
    }

    /// W, D×K, for what [`RidgeSolver::project`] gave of XᵀY and a ridge relative to the mean
    /// eigenvalue.
    pub fn solve(&self, projected: ArrayView2<'_, f64>, ridge: f64) -> Array2<f64> {
        let damped = self.values.mapv(|v| 1.0 / (v + ridge * self.mean));
        self.basis.dot(&(&projected * &damped.insert_axis(Axis(1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_ridge_shrinks_what_varies_little() -> Result<(), LinalgError> {
        let solver = RidgeSolver::new(array![[3.0, 0.0], [0.0, 1.0]].view(), 0.0)?;
        let cross = solver.project(array![[6.0], [1.0]].view());
        let plain = solver.solve(cross.view(), 0.0);
        let shrunk = solver.solve(cross.view(), 0.5);
        assert!((&plain - &array![[2.0], [1.0]]).iter().all(|v| v.abs() < 1e-14));
        assert!((&shrunk - &array![[1.5], [0.5]]).iter().all(|v| v.abs() < 1e-14));
        Ok(())
    }

    #[test]
    fn directions_without_variance_are_left_out() -> Result<(), LinalgError> {
        let solver = RidgeSolver::new(array![[2.0, 2.0], [2.0, 2.0]].view(), 0.0)?;
        let found = solver.solve(solver.project(array![[4.0], [4.0]].view()).view(), 0.0);
        assert_eq!(solver.rank(), 1);
        assert!((&found - &array![[1.0], [1.0]]).iter().all(|v| v.abs() < 1e-12));
        let nothing = RidgeSolver::new(Array2::zeros((3, 3)).view(), 0.0)?;
        assert_eq!(nothing.rank(), 0);
        assert_eq!(
            nothing.solve(nothing.project(Array2::ones((3, 1)).view()).view(), 0.0).sum(),
            0.0
        );
        Ok(())
    }

    #[test]
    fn what_is_rounding_beside_the_mean_is_left_out() -> Result<(), LinalgError> {
        let scatter = array![[1e-14, 0.0], [0.0, 4.0]];
        assert_eq!(RidgeSolver::new(scatter.view(), 0.0)?.rank(), 1);
        let constant = RidgeSolver::new(array![[3e-16]].view(), 48.0)?;
        assert_eq!(constant.rank(), 0);
        Ok(())
    }
}
