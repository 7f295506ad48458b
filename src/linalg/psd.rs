//! Positive semi-definite matrices as RᵀR, and the trace of the root of a product of two.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use ndarray_linalg::error::LinalgError;
use ndarray_linalg::{Cholesky, UPLO};

use super::lapack::{Tridiagonal, eigenvalues, eigenvectors};
use super::root_trace::Roots;
use super::singular_values;
use super::threads::serial;

/// Columns that are found one by one before the rest of the matrix is brought up to date.
const BLOCK: usize = 64;

/// Parts in which a symmetric product is made.
const BANDS: usize = 8;

/// Largest entry, relative to the diagonal, that pivots may leave of a semi-definite matrix.
const LEFT_OVER: f64 = 1e-9;

/// How negative an eigenvalue may be, relative to the largest, for the matrix to pass as
/// semi-definite: what storing it in float32 does.
const NEGATIVE: f64 = 1e-6;

/// From this order on eigenvalues are tried before singular values.
const LARGE: usize = 256;

/// A positive semi-definite D×D matrix Σ as RᵀR: R has a row for each dimension that Σ fills.
///
/// Samples are such an R already: the centred rows of an n×D matrix over √(n−1) give their
/// covariance. A stored matrix gives its Cholesky factor, or where it is singular one with pivots.
#[derive(Debug, Clone, PartialEq)]
pub struct Factor {
    rows: Array2<f64>,
    /// The rank of Σ, at most.
    rank: usize,
}

/// A matrix with a negative eigenvalue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Indefinite {
    /// Its smallest eigenvalue.
    pub smallest: f64,
    /// Its largest eigenvalue.
    pub largest: f64,
}

/// How a root trace was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Roots of the eigenvalues of R₁Σ₂R₁ᵀ.
    Eigenvalues,
    /// Singular values of R₁R₂ᵀ.
    SingularValues,
    /// The matrices are the same: the root of their product is either.
    Equal,
}

/// The trace of √(Σ₁Σ₂).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RootTrace {
    /// The trace.
    pub value: f64,
    /// Most that rounding can have moved it.
    pub error: f64,
    /// Directions that both matrices fill.
    pub rank: usize,
    /// How it was found.
    pub route: Route,
}

impl Factor {
    /// The factor of the covariance of samples (ddof = 1): `rows` is n×D, n ≥ 2.
    pub fn of_samples(rows: ArrayView2<'_, f64>) -> Self {
        let shift = rows.row(0).to_owned();
        let mut rows = &rows - &shift;
        let scale = 1.0 / (rows.nrows().saturating_sub(1).max(1) as f64).sqrt();
        if let Some(mean) = rows.mean_axis(Axis(0)) {
            rows -= &mean;
        }
        rows *= scale;
        let rank = rows.nrows().saturating_sub(1).min(rows.ncols());
        Self { rows, rank }
    }

    /// The factor of a symmetric matrix.
    ///
    /// A Cholesky factor of the correlations, scaled back, so that features of very different
    /// variance count alike. Where a pivot falls below D·ε the matrix is singular: then pivots are
    /// taken in the order of their size and the rest, which is rounding, is left out.
    ///
    /// # Errors
    /// The matrix has an eigenvalue that is negative beyond rounding.
    pub fn of_covariance(matrix: ArrayView2<'_, f64>) -> Result<Self, Indefinite> {
        let scale = matrix.diag().mapv(|v| v.max(0.0).sqrt());
        let correlations = correlations(matrix, &scale);
        let tolerance = matrix.nrows() as f64 * f64::EPSILON;
        let mut rows = match serial(|| correlations.cholesky(UPLO::Lower)) {
            Ok(lower) if lower.diag().iter().all(|p| p * p > tolerance) => lower.reversed_axes(),
            _ => {
                let (rows, left) = pivoted(correlations.clone(), tolerance);
                if left <= LEFT_OVER { rows } else { by_eigenvectors(&correlations, matrix)? }
            }
        };
        rows *= &scale;
        let rank = rows.nrows();
        Ok(Self { rows, rank })
    }

    /// D.
    pub fn width(&self) -> usize {
        self.rows.ncols()
    }

    /// The rank of Σ, at most.
    pub fn rank_bound(&self) -> usize {
        self.rank
    }

    /// The trace of Σ.
    pub fn trace(&self) -> f64 {
        self.rows.iter().map(|v| v * v).sum()
    }

    /// The trace of the root of a product,
    ///
    /// ```text
    /// tr √(Σ₁Σ₂) = ‖R₁R₂ᵀ‖_* = Σ √λᵢ(R₁Σ₂R₁ᵀ)
    /// ```
    ///
    /// where ‖·‖_* is the sum of the singular values. For large matrices eigenvalues, which take a
    /// third of the time, are tried first: rounding moves each by up to about ε·√D·λ_max, which the
    /// roots of small ones suffer from. Where what that makes of the sum (taken as independent from
    /// one eigenvalue to the next) is more than `accepts` takes, the singular values are taken, which
    /// rounding moves by ε·D·σ_max. Both matrices must have the same D.
    ///
    /// # Errors
    /// LAPACK's iteration did not converge (values that are not finite).
    pub fn root_trace(
        &self,
        other: &Self,
        accepts: impl Fn(&RootTrace) -> bool,
    ) -> Result<RootTrace, LinalgError> {
        if self.rows.nrows() >= LARGE && self.rows == other.rows {
            let (value, rank) = (self.trace(), self.rank_bound());
            let error = self.width() as f64 * f64::EPSILON * value;
            return Ok(RootTrace { value, error, rank, route: Route::Equal });
        }
        nuclear_norm(self.rows.dot(&other.rows.t()).view(), LARGE, accepts)
    }
}

/// The sum of the singular values of a matrix, by the route that [`Factor::root_trace`] describes: eigenvalues
/// are tried where both sides are at least `large`.
///
/// # Errors
/// LAPACK's iteration did not converge (values that are not finite).
pub fn nuclear_norm(
    matrix: ArrayView2<'_, f64>,
    large: usize,
    accepts: impl Fn(&RootTrace) -> bool,
) -> Result<RootTrace, LinalgError> {
    if matrix.is_empty() {
        let route = Route::SingularValues;
        return Ok(RootTrace { value: 0.0, error: 0.0, rank: 0, route });
    }
    if matrix.nrows().min(matrix.ncols()) >= large {
        let found = by_eigenvalues(matrix)?;
        if accepts(&found) {
            return Ok(found);
        }
    }
    by_singular_values(matrix)
}

fn by_eigenvalues(product: ArrayView2<'_, f64>) -> Result<RootTrace, LinalgError> {
    let gram = match product.nrows() <= product.ncols() {
        true => symmetric(product),
        false => symmetric(product.t()),
    };
    let order = gram.nrows();
    let reduced = Tridiagonal::of(gram)?;
    match Roots::of(&reduced) {
        Some(roots) => Ok(of_roots(roots, order)),
        None => Ok(of_eigenvalues(&reduced.eigenvalues()?)),
    }
}

/// Of a matrix whose eigenvalues are all above rounding.
fn of_roots(roots: Roots, order: usize) -> RootTrace {
    let rounding = (order as f64).sqrt() * f64::EPSILON * roots.largest;
    RootTrace {
        value: roots.trace,
        error: (rounding * rounding / 4.0 * roots.inverses).sqrt(),
        rank: order,
        route: Route::Eigenvalues,
    }
}

fn of_eigenvalues(values: &[f64]) -> RootTrace {
    let largest = values.iter().copied().fold(0.0, f64::max);
    let rounding = (values.len() as f64).sqrt() * f64::EPSILON * largest;
    let (above, below): (Vec<f64>, Vec<f64>) = values.iter().partition(|v| **v > rounding);
    let moved: f64 = above.iter().map(|v| rounding * rounding / (4.0 * v)).sum();
    RootTrace {
        value: values.iter().map(|v| v.max(0.0).sqrt()).sum(),
        error: moved.sqrt() + below.len() as f64 * rounding.sqrt(),
        rank: above.len(),
        route: Route::Eigenvalues,
    }
}

/// MMᵀ. What lies above the blocks on the diagonal is copied from below.
fn symmetric(matrix: ArrayView2<'_, f64>) -> Array2<f64> {
    let order = matrix.nrows();
    let step = order.div_ceil(BANDS).max(BLOCK);
    let mut gram = Array2::zeros((order, order));
    for first in (0..order).step_by(step) {
        let end = order.min(first + step);
        let (below, own) = (matrix.slice(s![first.., ..]), matrix.slice(s![first..end, ..]));
        let mut band = gram.slice_mut(s![first.., first..end]);
        general_mat_mul(1.0, &below, &own.t(), 0.0, &mut band);
        let (lower, mut upper) =
            gram.multi_slice_mut((s![end.., first..end], s![first..end, end..]));
        upper.assign(&lower.t());
    }
    gram
}

fn by_singular_values(product: ArrayView2<'_, f64>) -> Result<RootTrace, LinalgError> {
    let values = singular_values(product)?;
    let largest = values.iter().copied().fold(0.0, f64::max);
    let (rows, columns) = product.dim();
    let rounding = rows.max(columns) as f64 * f64::EPSILON * largest;
    Ok(RootTrace {
        value: values.iter().sum(),
        error: rounding * values.len() as f64,
        rank: values.iter().filter(|v| **v > rounding).count(),
        route: Route::SingularValues,
    })
}

/// The factor √λ·vᵀ of all eigenvalues above rounding; small negative ones are left out.
fn by_eigenvectors(
    correlations: &Array2<f64>,
    matrix: ArrayView2<'_, f64>,
) -> Result<Array2<f64>, Indefinite> {
    let Ok((values, vectors)) = eigenvectors(correlations.view()) else {
        return Err(Indefinite::of(matrix));
    };
    let largest = values.iter().copied().fold(0.0, f64::max);
    let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
    if smallest.is_nan() || smallest < -NEGATIVE * largest {
        return Err(Indefinite::of(matrix));
    }
    // What a negative eigenvalue shows of rounding, positive ones of its size are too.
    let least = (-smallest).max(values.len() as f64 * f64::EPSILON * largest);
    let kept: Vec<usize> = (0..values.len()).filter(|&i| values[i] > least).collect();
    let mut rows = vectors.select(Axis(1), &kept).reversed_axes();
    for (mut row, &i) in rows.rows_mut().into_iter().zip(&kept) {
        row *= values[i].sqrt();
    }
    Ok(rows)
}

impl Indefinite {
    fn of(matrix: ArrayView2<'_, f64>) -> Self {
        let values = eigenvalues(matrix.to_owned()).unwrap_or_else(|_| vec![f64::NAN]);
        let over = |pick: fn(f64, f64) -> f64, none| values.iter().copied().fold(none, pick);
        Self { smallest: over(f64::min, f64::INFINITY), largest: over(f64::max, f64::NEG_INFINITY) }
    }
}

/// σᵢⱼ/√(σᵢᵢσⱼⱼ); the largest variance stands for one that is zero.
fn correlations(matrix: ArrayView2<'_, f64>, scale: &Array1<f64>) -> Array2<f64> {
    // A feature without variance must have no covariance either; what it has stays to be seen.
    let most = scale.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let inverse = scale.mapv(|v| if v > 0.0 { 1.0 / v } else { 1.0 / most });
    let mut scaled = &matrix * &inverse;
    scaled *= &inverse.view().insert_axis(Axis(1));
    scaled
}

/// Cholesky with complete pivoting, in blocks: R with as many rows as there are pivots above the
/// tolerance, and the largest entry of what RᵀR leaves of the matrix.
fn pivoted(mut rest: Array2<f64>, tolerance: f64) -> (Array2<f64>, f64) {
    let order = rest.nrows();
    let mut rows = Array2::zeros((order, order));
    let mut diagonal = rest.diag().to_owned();
    let mut open = vec![true; order];
    let (mut done, mut over) = (0, false);
    while !over && done < order {
        let start = done;
        serial(|| {
            while done < order.min(start + BLOCK) {
                let most = largest(diagonal.view(), &open);
                let Some(pivot) = most.filter(|&p| diagonal[p] > tolerance) else {
                    over = true;
                    break;
                };
                open[pivot] = false;
                let found = rows.slice(s![start..done, ..]);
                let row = next_row(&rest, found, (pivot, diagonal[pivot]), &open);
                diagonal.iter_mut().zip(&row).for_each(|(d, r)| *d -= r * r);
                rows.row_mut(done).assign(&row);
                done += 1;
            }
        });
        let block = rows.slice(s![start..done, ..]);
        general_mat_mul(-1.0, &block.t(), &block, 1.0, &mut rest);
    }
    rows.slice_collapse(s![..done, ..]);
    let inside = rest.indexed_iter().filter(|((i, j), _)| open[*i] && open[*j]);
    let left =
        inside.fold(0.0, |most: f64, (_, v)| if v.is_nan() { *v } else { most.max(v.abs()) });
    (rows, left)
}

/// The row of R that a pivot gives: what is left of its row after the rows of this block.
fn next_row(
    rest: &Array2<f64>,
    block: ArrayView2<'_, f64>,
    (pivot, value): (usize, f64),
    open: &[bool],
) -> Array1<f64> {
    let root = value.sqrt();
    let mut row = &rest.row(pivot) - &block.t().dot(&block.column(pivot));
    row.iter_mut().zip(open).for_each(|(v, open)| *v = if *open { *v / root } else { 0.0 });
    row[pivot] = root;
    row
}

fn largest(diagonal: ArrayView1<'_, f64>, open: &[bool]) -> Option<usize> {
    let candidates = (0..open.len()).filter(|&i| open[i]);
    candidates.max_by(|&i, &j| diagonal[i].total_cmp(&diagonal[j]).then(j.cmp(&i)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::{assert_abs_diff_eq, assert_relative_eq};
    use ndarray::array;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    fn noise(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        Array2::from_shape_simple_fn((rows, columns), || {
            (0..12).map(|_| random.next_u32() as f64 / u32::MAX as f64).sum::<f64>() - 6.0
        })
    }

    fn covariance(rows: &Array2<f64>) -> Array2<f64> {
        let factor = Factor::of_samples(rows.view());
        factor.rows.t().dot(&factor.rows)
    }

    fn assert_rebuilds(factor: &Factor, matrix: &Array2<f64>) {
        assert_relative_eq!(factor.rows.t().dot(&factor.rows), matrix, epsilon = 1e-12);
    }

    #[test]
    fn factors_rebuild_full_and_singular_matrices() -> Result<(), Indefinite> {
        for (n, rank) in [(400, 150), (90, 89), (5, 4)] {
            let matrix = covariance(&noise(n, 150, 1));
            let factor = Factor::of_covariance(matrix.view())?;
            assert_eq!(factor.rank_bound(), rank);
            assert_rebuilds(&factor, &matrix);
        }
        Ok(())
    }

    #[test]
    fn features_of_any_scale_count_alike() -> Result<(), Indefinite> {
        let scales = Array1::from_shape_fn(20, |i| 10f64.powi(i as i32 - 10));
        let matrix = covariance(&(noise(60, 20, 2) * &scales));
        let factor = Factor::of_covariance(matrix.view())?;
        assert_eq!(factor.rank_bound(), 20);
        let rebuilt = factor.rows.t().dot(&factor.rows) / &matrix;
        assert_relative_eq!(rebuilt, Array2::ones((20, 20)), epsilon = 1e-9);
        Ok(())
    }

    #[test]
    fn a_constant_feature_takes_no_row() -> Result<(), Indefinite> {
        let mut rows = noise(50, 6, 3);
        rows.column_mut(2).fill(4.0);
        let matrix = covariance(&rows);
        let factor = Factor::of_covariance(matrix.view())?;
        assert_eq!(factor.rank_bound(), 5);
        assert_rebuilds(&factor, &matrix);
        Ok(())
    }

    #[test]
    fn a_singular_matrix_in_float32_is_taken() -> Result<(), Indefinite> {
        let matrix = covariance(&noise(60, 150, 8)).mapv(|v| f64::from(v as f32));
        let factor = Factor::of_covariance(matrix.view())?;
        assert!((59..70).contains(&factor.rank_bound()), "{}", factor.rank_bound());
        let rebuilt = factor.rows.t().dot(&factor.rows);
        assert_abs_diff_eq!(rebuilt, matrix, epsilon = 1e-5);
        Ok(())
    }

    #[test]
    fn matrices_of_rank_zero_have_no_trace() -> Result<(), Box<dyn std::error::Error>> {
        let Ok(zero) = Factor::of_covariance(Array2::zeros((4, 4)).view()) else { panic!("no") };
        let other = Factor::of_samples(noise(9, 4, 1).view());
        assert_eq!(zero.rank_bound(), 0);
        for (a, b) in [(&zero, &other), (&other, &zero), (&zero, &zero)] {
            assert_eq!(a.root_trace(b, |_| false)?.value, 0.0);
        }
        Ok(())
    }

    #[test]
    fn an_indefinite_matrix_is_told_how_far() {
        let found = Factor::of_covariance(array![[1.0, 2.0], [2.0, 1.0]].view());
        let Err(Indefinite { smallest, largest }) = found else { panic!("taken") };
        assert_abs_diff_eq!(smallest, -1.0, epsilon = 1e-12);
        assert_abs_diff_eq!(largest, 3.0, epsilon = 1e-12);
        let small = array![[0.0, 1.0], [1.0, 1.0]] * 1e-7;
        assert!(Factor::of_covariance(small.view()).is_err());
    }

    #[test]
    fn symmetric_products_are_whole() {
        for (rows, columns) in [(1, 3), (64, 20), (150, 40), (700, 9)] {
            let x = noise(rows, columns, 7);
            assert_relative_eq!(symmetric(x.view()), x.dot(&x.t()), epsilon = 1e-12);
            let turned = x.t().to_owned();
            assert_relative_eq!(symmetric(turned.t()), x.dot(&x.t()), epsilon = 1e-12);
        }
    }

    #[test]
    fn both_routes_agree() -> Result<(), Box<dyn std::error::Error>> {
        for decades in [0.0, 6.0] {
            let fit = |rows, seed| graded(rows, decades, seed);
            let (Ok(a), Ok(b)) = (fit(900, 4), fit(700, 5)) else { panic!("no factors") };
            let (fast, exact) = (a.root_trace(&b, |_| true)?, a.root_trace(&b, |_| false)?);
            assert_eq!(fast.route, Route::Eigenvalues);
            assert_eq!((exact.route, exact.rank), (Route::SingularValues, 300));
            assert!((fast.value - exact.value).abs() <= fast.error + exact.error);
            assert!(fast.error < 1e-7 * fast.value && exact.error < 1e-9 * exact.value);
        }
        Ok(())
    }

    #[test]
    fn a_matrix_with_itself_has_its_trace() -> Result<(), Box<dyn std::error::Error>> {
        let Ok(factor) = graded(900, 8.0, 6) else { panic!("no factor") };
        let found = factor.root_trace(&factor, |_| false)?;
        assert_relative_eq!(found.value, factor.trace(), max_relative = 1e-12);
        Ok(())
    }

    /// The covariance of 300 features whose variances fall over so many decades.
    fn graded(rows: usize, decades: f64, seed: u64) -> Result<Factor, Indefinite> {
        let scale = |i: usize| 10f64.powf(-decades / 2.0 * i as f64 / 300.0);
        let scales = Array1::from_shape_fn(300, scale);
        Factor::of_covariance(covariance(&(noise(rows, 300, seed) * &scales)).view())
    }
}
