//! Mahalanobis distances from class means, with a shrunk covariance.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use ndarray_linalg::{Cholesky, Diag, SolveTriangularInto, UPLO};

use crate::error::{Error, Result};
use crate::linalg::distances::{row_blocks, squared_distance, squared_distances};
use crate::linalg::serial;

/// A covariance drawn towards a multiple of the identity.
#[derive(Debug, Clone, PartialEq)]
pub struct Shrunk {
    /// (1−ρ)S + ρμI.
    pub covariance: Array2<f64>,
    /// ρ, from 0 (S as it was) to 1 (nothing of it but its trace).
    pub shrinkage: f64,
}

/// Oracle approximating shrinkage (Chen, Wiesel, Eldar & Hero 2010) of a D×D covariance S with
/// divisor n, where n is the number of samples it is from. As scikit-learn's `OAS`, which leaves
/// the term 2/D of the paper's equation 23 out:
///
/// ```text
/// μ = tr S / D      α = Σᵢⱼ Sᵢⱼ² / D²
/// ρ = min(1, (α + μ²) / ((n+1)(α − μ²/D)))      0 if D = 1, 1 if the divisor is 0
/// ```
///
/// # Panics
/// If S is not square.
pub fn oracle_approximating(covariance: ArrayView2<'_, f64>, samples: usize) -> Shrunk {
    let width = covariance.nrows() as f64;
    let mean = covariance.diag().sum() / width;
    let shrinkage = match covariance.nrows() {
        0 | 1 => 0.0,
        _ => intensity(covariance.fold(0.0, |sum, v| sum + v * v), mean, width, samples),
    };
    let mut shrunk = covariance.mapv(|v| (1.0 - shrinkage) * v);
    shrunk.diag_mut().mapv_inplace(|v| v + shrinkage * mean);
    Shrunk { covariance: shrunk, shrinkage }
}

/// ρ from the sum of squares of S and its mean variance.
fn intensity(squares: f64, mean: f64, width: f64, samples: usize) -> f64 {
    let alpha = squares / (width * width);
    let below = (samples as f64 + 1.0) * (alpha - mean * mean / width);
    match below > 0.0 {
        true => ((alpha + mean * mean) / below).min(1.0),
        false => 1.0,
    }
}

/// The class whose mean lies nearest to a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nearest {
    /// Its row in the means; the first of several at the same distance.
    pub class: usize,
    /// Mahalanobis distance from its mean.
    pub distance: f64,
}

/// Mahalanobis distances from class-wise means with one covariance for all classes (Lee et al.
/// 2018), shrunk by [`oracle_approximating`]. Without labels, one class holds all samples.
///
/// ```text
/// d(x) = min_c √((x − μ_c)ᵀ Σ⁻¹ (x − μ_c)) = min_c ‖L⁻¹(x − μ_c)‖      Σ = LLᵀ
/// ```
///
/// Lee's score is −d². A feature that is constant in the reference has the variance that shrinking
/// gives it.
#[derive(Debug, Clone)]
pub struct Mahalanobis {
    centre: Array1<f64>,
    /// L⁻ᵀ, which rows are multiplied with.
    whitening: Array2<f64>,
    /// Class means after centring and whitening.
    means: Array2<f64>,
    shrinkage: f64,
}

impl Mahalanobis {
    /// From K×D means, a row a class, and the D×D covariance pooled within classes, with divisor n,
    /// of n samples.
    ///
    /// # Errors
    /// No class or no sample; shapes that do not fit; a covariance that is not finite, is zero, or
    /// is not a covariance.
    pub fn fit(
        means: Array2<f64>,
        covariance: ArrayView2<'_, f64>,
        samples: usize,
    ) -> Result<Self> {
        check(&means, covariance, samples)?;
        let Shrunk { covariance, shrinkage } = oracle_approximating(covariance, samples);
        let whitening = whitening(&covariance)?;
        let centre = means.sum_axis(Axis(0)) / means.nrows() as f64;
        let means = (means - &centre).dot(&whitening);
        Ok(Self { centre, whitening, means, shrinkage })
    }

    /// How far the covariance was drawn towards a multiple of the identity, 0 to 1.
    pub fn shrinkage(&self) -> f64 {
        self.shrinkage
    }

    /// The nearest class of each of n×D rows.
    ///
    /// # Panics
    /// If the rows have another width than the means.
    pub fn nearest(&self, rows: ArrayView2<'_, f64>) -> Vec<Nearest> {
        let mut found = Vec::with_capacity(rows.nrows());
        for block in row_blocks(rows.nrows(), rows.ncols().max(self.means.nrows())) {
            let whitened = (&rows.slice(s![block, ..]) - &self.centre).dot(&self.whitening);
            let distances = squared_distances(whitened.view(), self.means.view());
            let pairs = whitened.rows().into_iter().zip(distances.rows());
            found.extend(pairs.map(|(row, distances)| self.nearest_of(row, distances)));
        }
        found
    }

    /// The nearest class by `distances`, and its distance from the whitened row itself.
    fn nearest_of(&self, row: ArrayView1<'_, f64>, distances: ArrayView1<'_, f64>) -> Nearest {
        let best = distances.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
        let class = best.map_or(0, |(class, _)| class);
        Nearest { class, distance: squared_distance(row, self.means.row(class)).sqrt() }
    }
}

fn check(means: &Array2<f64>, covariance: ArrayView2<'_, f64>, samples: usize) -> Result<()> {
    if means.is_empty() || samples == 0 {
        let problem = format!("means of shape {:?} from {samples} samples", means.shape());
        return Err(Error::usage(problem, "give reference samples with features"));
    }
    if covariance.dim() != (means.ncols(), means.ncols()) {
        return Err(Error::shape(
            "fit Mahalanobis distances",
            ("the means", means.shape()),
            ("the covariance", covariance.shape()),
            "take both from the same layer",
        ));
    }
    let finite = means.iter().chain(covariance).all(|v| v.is_finite());
    match covariance.diag().sum() > 0.0 {
        _ if !finite => Err(Error::usage(
            "the reference features are not all finite",
            "check them for NaN and infinity",
        )),
        false => Err(Error::usage(
            "the reference features do not vary within classes",
            "give different samples, or take another layer",
        )),
        true => Ok(()),
    }
}

/// L⁻ᵀ of the covariance LLᵀ.
fn whitening(covariance: &Array2<f64>) -> Result<Array2<f64>> {
    let factor = serial(|| covariance.cholesky(UPLO::Lower));
    let identity = Array2::eye(covariance.nrows());
    let inverse =
        factor.and_then(|l| l.solve_triangular_into(UPLO::Lower, Diag::NonUnit, identity));
    let inverse = inverse.map_err(|_| {
        Error::usage(
            "the covariance of the reference features is not positive definite",
            "give more samples, or take another layer",
        )
    })?;
    Ok(inverse.reversed_axes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::{assert_abs_diff_eq, assert_relative_eq};
    use ndarray::array;
    use ndarray_linalg::Inverse;

    fn example(n: usize, width: usize) -> Array2<f64> {
        Array2::from_shape_fn((n, width), |(i, j)| {
            ((i * i * 31 + j * 17) as f64 * 0.7).sin() * (j + 1) as f64
        })
    }

    fn moments(rows: &Array2<f64>) -> (Array2<f64>, Array2<f64>) {
        let mean = rows.sum_axis(Axis(0)) / rows.nrows() as f64;
        let centred = rows - &mean;
        (mean.insert_axis(Axis(0)), centred.t().dot(&centred) / rows.nrows() as f64)
    }

    #[test]
    fn shrinks_as_scikit_learn() {
        // OAS(assume_centered=True).fit(diag(√(3·[1, 2, 3]))), whose covariance is diag(1, 2, 3)
        let shrunk = oracle_approximating(Array2::from_diag(&array![1.0, 2.0, 3.0]).view(), 3);
        assert_eq!(shrunk.shrinkage, 1.0);
        assert_abs_diff_eq!(shrunk.covariance, Array2::eye(3) * 2.0, epsilon = 1e-15);
        // n = 99: (14/9 + 4) / (100 (14/9 − 4/3)) = 1/4
        let shrunk = oracle_approximating(Array2::from_diag(&array![1.0, 2.0, 3.0]).view(), 99);
        assert_relative_eq!(shrunk.shrinkage, 0.25, max_relative = 1e-12);
        assert_relative_eq!(shrunk.covariance[(0, 0)], 1.25, max_relative = 1e-12);
    }

    #[test]
    fn one_feature_is_not_shrunk() {
        let shrunk = oracle_approximating(array![[4.0]].view(), 5);
        assert_eq!(shrunk, Shrunk { covariance: array![[4.0]], shrinkage: 0.0 });
    }

    #[test]
    fn distances_are_those_of_the_quadratic_form() -> Result<()> {
        let (means, covariance) = moments(&example(30, 4));
        let means = ndarray::concatenate![Axis(0), means, &means + 2.0, &means - 1.0];
        let fitted = Mahalanobis::fit(means.clone(), covariance.view(), 30)?;
        let inverse = oracle_approximating(covariance.view(), 30).covariance.inv();
        let inverse = inverse.map_err(|e| Error::usage(e, ""))?;
        for (row, found) in
            example(9, 4).rows().into_iter().zip(fitted.nearest(example(9, 4).view()))
        {
            let forms = means.rows().into_iter().map(|mean| {
                let d = &row - &mean;
                d.dot(&inverse.dot(&d)).sqrt()
            });
            let forms: Vec<_> = forms.collect();
            assert_relative_eq!(found.distance, forms[found.class], max_relative = 1e-10);
            assert!(forms.iter().all(|f| found.distance <= f + 1e-12));
        }
        Ok(())
    }

    #[test]
    fn rotation_and_scale_change_nothing() -> Result<()> {
        let rows = example(30, 2);
        let turned = rows.dot(&array![[0.6, -0.8], [0.8, 0.6]]) * 7.0 + 100.0;
        let distances = |rows: &Array2<f64>| -> Result<Array1<f64>> {
            let (means, covariance) = moments(rows);
            let fitted = Mahalanobis::fit(means, covariance.view(), 30)?;
            Ok(fitted.nearest(rows.view()).iter().map(|n| n.distance).collect())
        };
        assert_relative_eq!(distances(&rows)?, distances(&turned)?, max_relative = 1e-10);
        Ok(())
    }

    #[test]
    fn a_constant_feature_is_fine_beside_others_but_not_alone() -> Result<()> {
        let mut rows = example(20, 3);
        rows.column_mut(1).fill(5.0);
        let (means, covariance) = moments(&rows);
        let fitted = Mahalanobis::fit(means.clone(), covariance.view(), 20)?;
        assert!(fitted.shrinkage() > 0.0);
        assert_eq!(fitted.nearest(means.view()), [Nearest { class: 0, distance: 0.0 }]);
        let constant = Mahalanobis::fit(means.clone(), Array2::zeros((3, 3)).view(), 20);
        assert!(constant.is_err_and(|e| e.to_string().contains("do not vary")));
        let invalid = Mahalanobis::fit(means * f64::NAN, covariance.view(), 20);
        assert!(invalid.is_err_and(|e| e.to_string().contains("not all finite")));
        Ok(())
    }
}
