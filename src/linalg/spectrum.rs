//! Singular value decompositions of centred features.

use ndarray::{Array2, ArrayView2, Axis};
use ndarray_linalg::error::LinalgError;
use ndarray_linalg::{JobSvd, SVDDC};

use super::PackedSymmetric;
use super::lapack::eigenvectors;
use super::threads::serial;

/// The left half of X = U·diag(s)·Vᵀ, as far as the rank of X goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    /// U, n×r: an orthonormal column a direction, the largest singular value first.
    pub basis: Array2<f64>,
    /// The r singular values s, descending, all above rounding.
    pub values: Vec<f64>,
}

impl Spectrum {
    /// Of an n×D matrix. Singular values up to max(n, D)·ε·s₁ are rounding and left out.
    ///
    /// # Errors
    /// LAPACK's iteration did not converge (values that are not finite).
    pub fn of_rows(rows: ArrayView2<'_, f64>) -> Result<Self, LinalgError> {
        let (n, width) = rows.dim();
        let (basis, values, _) = serial(|| rows.svddc(JobSvd::Some))?;
        let basis = basis.unwrap_or_else(|| Array2::zeros((n, 0)));
        let values = values.to_vec();
        let rounding = n.max(width) as f64 * f64::EPSILON * values.first().unwrap_or(&0.0);
        let rank = values.iter().take_while(|s| **s > rounding).count();
        Ok(Self::cut(basis.view(), values, rank))
    }

    /// Of X by its Gram matrix XXᵀ, which is cheaper where D ≥ n: s = √λ. Eigenvalues up to n·ε·λ₁
    /// are rounding and left out, so singular values below about √(n·ε)·s₁ are lost.
    ///
    /// # Errors
    /// LAPACK's iteration did not converge (values that are not finite).
    pub fn of_gram(gram: &PackedSymmetric) -> Result<Self, LinalgError> {
        let (values, vectors) = eigenvectors(gram.to_square().view())?;
        let values: Vec<f64> = values.iter().rev().copied().collect();
        let rounding = values.len() as f64 * f64::EPSILON * values.first().unwrap_or(&0.0);
        let rank = values.iter().take_while(|v| **v > rounding).count();
        let order: Vec<usize> = (0..values.len()).rev().collect();
        let roots = values.into_iter().map(|v| v.max(0.0).sqrt()).collect();
        Ok(Self::cut(vectors.select(Axis(1), &order).view(), roots, rank))
    }

    /// r.
    pub fn rank(&self) -> usize {
        self.values.len()
    }

    fn cut(basis: ArrayView2<'_, f64>, mut values: Vec<f64>, rank: usize) -> Self {
        values.truncate(rank);
        let kept: Vec<usize> = (0..rank).collect();
        Self { basis: basis.select(Axis(1), &kept), values }
    }
}

/// The singular values of a matrix, descending; none of an empty one.
///
/// # Errors
/// LAPACK's iteration did not converge (values that are not finite).
pub fn singular_values(matrix: ArrayView2<'_, f64>) -> Result<Vec<f64>, LinalgError> {
    // LAPACK's wrapper refuses the strides of some matrices of one row or column.
    match matrix.dim() {
        (0, _) | (_, 0) => Ok(Vec::new()),
        (1, _) | (_, 1) => Ok(vec![matrix.iter().map(|v| v * v).sum::<f64>().sqrt()]),
        _ => Ok(serial(|| matrix.svddc(JobSvd::None))?.1.to_vec()),
    }
}

/// The left singular vectors, m×min(m, k), and the singular values of an m×k matrix that is not
/// empty.
///
/// # Errors
/// LAPACK's iteration did not converge (values that are not finite).
pub fn left_singular(matrix: ArrayView2<'_, f64>) -> Result<(Array2<f64>, Vec<f64>), LinalgError> {
    let (vectors, values, _) = serial(|| matrix.svddc(JobSvd::Some))?;
    Ok((vectors.unwrap_or_else(|| Array2::zeros((matrix.nrows(), 0))), values.to_vec()))
}

/// The singular value decomposition M = U·diag(s)·Vᵀ of an m×k matrix, r = min(m, k).
#[derive(Debug, Clone, PartialEq)]
pub struct Singular {
    /// U, m×r.
    pub left: Array2<f64>,
    /// s, descending.
    pub values: Vec<f64>,
    /// V, k×r.
    pub right: Array2<f64>,
}

impl Singular {
    /// Of a matrix that is not empty.
    ///
    /// # Errors
    /// LAPACK's iteration did not converge (values that are not finite).
    pub fn of(matrix: ArrayView2<'_, f64>) -> Result<Self, LinalgError> {
        let (left, values, right) = serial(|| matrix.svddc(JobSvd::Some))?;
        let none = || Array2::zeros((0, 0));
        let right = right.unwrap_or_else(none).reversed_axes();
        Ok(Self { left: left.unwrap_or_else(none), values: values.to_vec(), right })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::gram;
    use approx::assert_relative_eq;
    use ndarray::Array1;

    fn of_rank_three() -> Array2<f64> {
        let wave = |i: usize, j: usize| ((i * 13 + j * 7) as f64 * 0.37).sin() + (i % 3) as f64;
        let left = Array2::from_shape_fn((9, 3), |(i, j)| wave(i, 2 * j + j * j));
        left.dot(&Array2::from_shape_fn((3, 6), |(i, j)| wave(j + 5, i * i + i)))
    }

    #[test]
    fn both_ways_find_the_same() -> Result<(), LinalgError> {
        let x = of_rank_three();
        let (rows, square) = (Spectrum::of_rows(x.view())?, Spectrum::of_gram(&gram(x.view()))?);
        assert_eq!((rows.rank(), square.rank()), (3, 3));
        for found in [&rows, &square] {
            let scaled = &found.basis * &Array1::from(found.values.clone());
            assert_relative_eq!(scaled.dot(&scaled.t()), x.dot(&x.t()), max_relative = 1e-9);
        }
        Ok(())
    }

    #[test]
    fn the_sum_of_squares_is_the_frobenius_norm() -> Result<(), LinalgError> {
        let x = of_rank_three();
        let squares: f64 = singular_values(x.view())?.iter().map(|s| s * s).sum();
        assert_relative_eq!(squares, x.iter().map(|v| v * v).sum::<f64>(), max_relative = 1e-12);
        assert!(singular_values(Array2::zeros((0, 4)).view())?.is_empty());
        Ok(())
    }
}
