//! Roots of centred Gram matrices.

use ndarray::{Array1, Array2, Axis, s};
use ndarray_linalg::{Cholesky, UPLO};

use super::PackedSymmetric;
use super::threads::serial;

/// F, n×(n−1), of a Gram matrix K whose rows sum to zero: FFᵀ = K. `None` where K fills fewer than n − 1
/// directions.
///
/// The reflection that takes (1, …, 1)/√n to the first axis takes K to a matrix whose first row and column are
/// zero; of the rest, with the Cholesky factor L, F is the reflection of (0, L).
pub fn root_of_centred(gram: &PackedSymmetric) -> Option<Array2<f64>> {
    let n = gram.order();
    let even = 1.0 / (n as f64).sqrt();
    let twice = 2.0 / (2.0 - 2.0 * even);
    let shift = -0.5 * twice * twice * gram.get(0, 0);
    let along = |i: usize| -twice * gram.get(i, 0) + shift * even;
    let along: Vec<f64> = (1..n).map(along).collect();
    let rest = Array2::from_shape_fn((n - 1, n - 1), |(i, j)| {
        gram.get(i + 1, j + 1) - even * (along[i] + along[j])
    });
    let largest = rest.diag().iter().copied().fold(0.0, f64::max);
    let rounding = n as f64 * f64::EPSILON * largest;
    let lower = serial(|| rest.cholesky(UPLO::Lower)).ok()?;
    lower
        .diag()
        .iter()
        .all(|pivot| pivot * pivot > rounding)
        .then(|| reflected(&lower, even, twice))
}

fn reflected(lower: &Array2<f64>, even: f64, twice: f64) -> Array2<f64> {
    let n = lower.nrows() + 1;
    let sums: Array1<f64> = twice * even * lower.sum_axis(Axis(0));
    let mut root = Array2::zeros((n, n - 1));
    root.row_mut(0).assign(&((1.0 - even) * &sums));
    root.slice_mut(s![1.., ..]).assign(&(lower - &(even * &sums)));
    root
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::{centre_columns, gram};
    use approx::assert_abs_diff_eq;

    /// Of as many directions as there are rows or columns.
    fn wave(i: usize, j: usize) -> f64 {
        ((i * 31 + j * j * (i + 1)) as f64).sin()
    }

    #[test]
    fn the_root_gives_the_matrix_back() {
        for n in [2, 3, 40] {
            let mut rows = Array2::from_shape_fn((n, n + 9), |(i, j)| wave(i, j));
            centre_columns(&mut rows);
            let Some(root) = root_of_centred(&gram(rows.view())) else { panic!("no root of {n}") };
            assert_abs_diff_eq!(root.dot(&root.t()), rows.dot(&rows.t()), epsilon = 1e-12);
        }
    }

    #[test]
    fn a_matrix_of_fewer_directions_has_none() {
        let mut rows = Array2::from_shape_fn((12, 5), |(i, j)| wave(i, j));
        centre_columns(&mut rows);
        assert!(root_of_centred(&gram(rows.view())).is_none());
    }
}
