//! LAPACK's routines for symmetric matrices that ndarray-linalg has not.
#![expect(unsafe_code, reason = "LAPACK's routines have no safe form")]

use std::ffi::{c_char, c_int};

use lapack_sys::{dsterf_, dsyevd_, dsytrd_, dsytrd_2stage_};
use ndarray::{Array1, Array2, ArrayView2};
use ndarray_linalg::error::LinalgError;

use super::threads::serial;

/// From this order on a matrix becomes a band first: nearly all of that is products of matrices, and not of a matrix
/// with a vector, for which the memory is too slow.
const BANDED: usize = 768;

/// A symmetric tridiagonal matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Tridiagonal {
    /// Its diagonal, n ≥ 1.
    pub diagonal: Vec<f64>,
    /// What lies beside the diagonal, n − 1.
    pub beside: Vec<f64>,
}

impl Tridiagonal {
    /// QᵀMQ of a symmetric n×n matrix, Q orthogonal: of a large one by way of a band, which is then chased to this form
    /// (Bischof, Lang & Sun 2000).
    ///
    /// # Errors
    /// The matrix is not square, or empty.
    pub fn of(matrix: Array2<f64>) -> Result<Self, LinalgError> {
        serial(|| Self::reduced(matrix))
    }

    fn reduced(matrix: Array2<f64>) -> Result<Self, LinalgError> {
        let (mut a, n, order) = square(matrix)?;
        let (mut d, mut e, mut tau) = (vec![0.0; order], vec![0.0; order], vec![0.0; order]);
        let mut call = |kept: &mut [f64], work: &mut [f64]| {
            let (a, d, e, tau) = (a.as_mut_ptr(), d.as_mut_ptr(), e.as_mut_ptr(), tau.as_mut_ptr());
            let (kept, most) = (kept.as_mut_ptr(), asked(kept));
            let (work, room) = (work.as_mut_ptr(), asked(work));
            let mut info = 0;
            // SAFETY: A is n×n, d, e and τ have n numbers, the others as many as stated.
            unsafe {
                if order < BANDED {
                    dsytrd_(&LOWER, &n, a, &n, d, e, tau, work, &room, &mut info);
                } else {
                    let vectors = &NO_VECTORS;
                    dsytrd_2stage_(
                        vectors, &LOWER, &n, a, &n, d, e, tau, kept, &most, work, &room, &mut info,
                    );
                }
            }
            checked(info, n)
        };
        let (mut most, mut best) = ([0.0], [0.0]);
        call(&mut most, &mut best)?;
        call(&mut vec![0.0; room(most[0] as usize)], &mut vec![0.0; room(best[0] as usize)])?;
        e.truncate(order - 1);
        Ok(Self { diagonal: d, beside: e })
    }

    /// Its eigenvalues, ascending.
    ///
    /// # Errors
    /// The iteration did not converge (values that are not finite).
    pub fn eigenvalues(mut self) -> Result<Vec<f64>, LinalgError> {
        let (n, mut info) = (self.diagonal.len() as c_int, 0);
        // SAFETY: arrays of n and n − 1 numbers.
        unsafe { dsterf_(&n, self.diagonal.as_mut_ptr(), self.beside.as_mut_ptr(), &mut info) };
        checked(info, n)?;
        Ok(self.diagonal)
    }
}

/// The eigenvalues of a symmetric n×n matrix, ascending. (`EigValsh` of ndarray-linalg 0.18 computes the eigenvectors
/// too, and takes nine times as long.)
///
/// # Errors
/// The matrix is not square, or empty, or the iteration did not converge (values that are not finite).
pub fn eigenvalues(matrix: Array2<f64>) -> Result<Vec<f64>, LinalgError> {
    Tridiagonal::of(matrix)?.eigenvalues()
}

/// Eigenvalues, ascending, and in the columns of a matrix the eigenvectors of a symmetric one, by divide and
/// conquer: a quarter of the time of the iteration that ndarray-linalg calls.
///
/// # Errors
/// The matrix is not square, or empty, or the iteration did not converge (values that are not finite).
pub fn eigenvectors(
    matrix: ArrayView2<'_, f64>,
) -> Result<(Array1<f64>, Array2<f64>), LinalgError> {
    serial(|| divided(matrix))
}

fn divided(matrix: ArrayView2<'_, f64>) -> Result<(Array1<f64>, Array2<f64>), LinalgError> {
    let (mut a, n, order) = square(matrix.to_owned())?;
    let mut values = vec![0.0; order];
    let mut call = |work: &mut [f64], whole: &mut [c_int]| {
        let mut info = 0;
        // SAFETY: A is n×n, W has n numbers, the others have as many as stated.
        unsafe {
            dsyevd_(
                &VECTORS,
                &LOWER,
                &n,
                a.as_mut_ptr(),
                &n,
                values.as_mut_ptr(),
                work.as_mut_ptr(),
                &asked(work),
                whole.as_mut_ptr(),
                &asked(whole),
                &mut info,
            );
        }
        checked(info, n)
    };
    let (mut best, mut best_whole) = ([0.0], [0]);
    call(&mut best, &mut best_whole)?;
    call(&mut vec![0.0; room(best[0] as usize)], &mut vec![0; room(best_whole[0] as usize)])?;
    // LAPACK's columns are rows here.
    let vectors = Array2::from_shape_vec((order, order), a)?.reversed_axes();
    Ok((values.into(), vectors))
}

const LOWER: c_char = b'L' as c_char;
const VECTORS: c_char = b'V' as c_char;
const NO_VECTORS: c_char = b'N' as c_char;

/// The length of a work array; of one number: that the best length be put into it.
fn asked<T>(work: &[T]) -> c_int {
    if work.len() == 1 { -1 } else { work.len() as c_int }
}

/// More than the one number that asks.
fn room(best: usize) -> usize {
    best.max(2)
}

/// The numbers of a square matrix and its order.
fn square(matrix: Array2<f64>) -> Result<(Vec<f64>, c_int, usize), LinalgError> {
    let (rows, columns) = matrix.dim();
    match c_int::try_from(rows) {
        Ok(n) if rows == columns && n > 0 => Ok((numbers(matrix), n, rows)),
        _ => Err(LinalgError::NotSquare { rows: rows as i32, cols: columns as i32 }),
    }
}

/// Row by row or column by column: of a symmetric matrix these are the same.
fn numbers(matrix: Array2<f64>) -> Vec<f64> {
    match matrix.is_standard_layout() {
        true => matrix.into_raw_vec_and_offset().0,
        false => matrix.iter().copied().collect(),
    }
}

fn checked(info: c_int, n: c_int) -> Result<(), LinalgError> {
    match info {
        0 => Ok(()),
        _ => Err(LinalgError::NotStandardShape { obj: "eigenvalues", rows: n, cols: n }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::{assert_abs_diff_eq, assert_relative_eq};

    fn symmetric(order: usize) -> Array2<f64> {
        let half = Array2::from_shape_fn((order, order), |(i, j)| {
            ((i * 31 + j * 7 + i * j * j) as f64).sin()
        });
        &half + &half.t()
    }

    #[test]
    fn eigenvectors_rebuild_the_matrix() -> Result<(), LinalgError> {
        for order in [1, 2, 7, 60] {
            let matrix = symmetric(order);
            let (values, vectors) = eigenvectors(matrix.view())?;
            assert!(values.windows(2).into_iter().all(|pair| pair[0] <= pair[1]));
            let rebuilt = (&vectors * &values).dot(&vectors.t());
            assert_relative_eq!(rebuilt, matrix, epsilon = 1e-12);
            assert_relative_eq!(vectors.t().dot(&vectors), Array2::eye(order), epsilon = 1e-12);
        }
        Ok(())
    }

    #[test]
    fn a_tridiagonal_form_has_the_eigenvalues() -> Result<(), LinalgError> {
        for order in [1, 2, 7, 90, BANDED - 1, BANDED, BANDED + 33] {
            let matrix = symmetric(order);
            let (values, _) = eigenvectors(matrix.view())?;
            let found = Array1::from(eigenvalues(matrix)?);
            let largest = values.mapv(f64::abs).fold(0.0, |most: f64, v| most.max(*v));
            assert_abs_diff_eq!(found, values, epsilon = 1e-14 * order as f64 * largest);
        }
        Ok(())
    }

    #[test]
    fn what_is_not_square_or_finite_is_refused() {
        assert!(eigenvectors(Array2::zeros((2, 3)).view()).is_err());
        assert!(eigenvalues(Array2::zeros((0, 0))).is_err());
        let bad = Array2::from_elem((3, 3), f64::NAN);
        assert!(eigenvalues(bad).is_err());
    }
}
