//! The Fréchet distance between two Gaussians.

use ndarray::{Array1, ArrayView1, ArrayView2, Axis};

use crate::error::{Error, Result};
use crate::linalg::{Factor, RootTrace, Route};
use crate::stats::Moments;

/// Share of the distance that rounding may make up; where it could be more, the slower and more
/// exact way is taken.
const RESOLVED: f64 = 1e-6;

/// A Gaussian that was fitted to features: what the Fréchet distance needs of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Gaussian {
    mean: Array1<f64>,
    factor: Factor,
    trace: f64,
}

/// A Fréchet distance with its parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distance {
    /// The squared distance: mean term and trace term.
    pub value: f64,
    /// ‖μ₁−μ₂‖².
    pub mean_term: f64,
    /// tr Σ₁ + tr Σ₂ − 2·tr √(Σ₁Σ₂).
    pub trace_term: f64,
    /// Directions that both covariances fill.
    pub rank: usize,
    /// How the trace of the root was found.
    pub route: Route,
    /// Most that rounding can have moved tr √(Σ₁Σ₂), relative to it.
    pub relative_error: f64,
}

impl Gaussian {
    /// From samples: `rows` is n×D, n ≥ 2, the covariance over n − 1. Where n ≤ D the samples
    /// themselves are the factor, which is cheaper and more exact than their covariance.
    ///
    /// # Errors
    /// Fewer than two rows.
    pub fn of_samples(rows: ArrayView2<'_, f64>) -> Result<Self> {
        let (count, width) = rows.dim();
        if count < 2 {
            let problem = format!("{count} sample has no covariance");
            return Err(Error::usage(problem, "give at least 2 samples"));
        }
        if count > width {
            let mut moments = Moments::new(width);
            moments.push_rows(rows);
            return Self::of_moments(&moments);
        }
        let first = rows.row(0);
        let mean = &first + &((&rows - &first).sum_axis(Axis(0)) / count as f64);
        Ok(Self::new(mean, Factor::of_samples(rows)))
    }

    /// From the mean and the scatter of at least two rows.
    ///
    /// # Errors
    /// Fewer than two rows.
    pub fn of_moments(moments: &Moments) -> Result<Self> {
        let covariance = moments.covariance(1).ok_or_else(|| {
            let problem = format!("{} sample has no covariance", moments.count());
            Error::usage(problem, "give at least 2 samples")
        })?;
        Self::of_covariance(moments.mean().view(), covariance.view())
    }

    /// From a mean of D features and their covariance, D×D and symmetric.
    ///
    /// # Errors
    /// The shapes differ, or the covariance has an eigenvalue that is negative beyond rounding.
    pub fn of_covariance(
        mean: ArrayView1<'_, f64>,
        covariance: ArrayView2<'_, f64>,
    ) -> Result<Self> {
        if covariance.dim() != (mean.len(), mean.len()) {
            return Err(Error::shape(
                "take mean and covariance together",
                ("the mean", &[mean.len()]),
                ("the covariance", covariance.shape()),
                "give a D×D covariance with a mean of D",
            ));
        }
        if mean.iter().chain(covariance).any(|v| !v.is_finite()) {
            return Err(not_finite());
        }
        let factor = Factor::of_covariance(covariance).map_err(|found| {
            Error::usage(
                format!(
                    "the covariance is not positive semi-definite: its smallest eigenvalue is {:.3e}, \
                     its largest {:.3e}",
                    found.smallest, found.largest
                ),
                "compute it again from features in float64",
            )
        })?;
        Ok(Self::new(mean.to_owned(), factor))
    }

    fn new(mean: Array1<f64>, factor: Factor) -> Self {
        let trace = factor.trace();
        Self { mean, factor, trace }
    }

    /// D.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// The mean.
    pub fn mean(&self) -> ArrayView1<'_, f64> {
        self.mean.view()
    }

    /// The squared Fréchet distance to another Gaussian (Dowson & Landau 1982; with the features of
    /// an Inception network the FID of Heusel et al. 2017),
    ///
    /// ```text
    /// d² = ‖μ₁−μ₂‖² + tr Σ₁ + tr Σ₂ − 2·tr √(Σ₁Σ₂)
    /// ```
    ///
    /// symmetric, 0 for equal Gaussians. No root of a general matrix is taken and nothing is added
    /// to a diagonal: see [`Factor::root_trace`].
    ///
    /// # Errors
    /// Different D, or values so large that the distance is not finite.
    pub fn distance(&self, other: &Self) -> Result<Distance> {
        check_widths(self.width(), other.width())?;
        let mean_term = (&self.mean - &other.mean).mapv(|v| v * v).sum();
        let traces = self.trace + other.trace;
        let trace_term = |root: &RootTrace| (traces - 2.0 * root.value).max(0.0);
        let resolved =
            |root: &RootTrace| 2.0 * root.error <= RESOLVED * (mean_term + trace_term(root));
        let root = self.factor.root_trace(&other.factor, resolved).map_err(|_| not_finite())?;
        let trace_term = trace_term(&root);
        let value = mean_term + trace_term;
        if !value.is_finite() {
            return Err(not_finite());
        }
        let relative_error = if root.value > 0.0 { root.error / root.value } else { 0.0 };
        let (rank, route) = (root.rank, root.route);
        Ok(Distance { value, mean_term, trace_term, rank, route, relative_error })
    }
}

/// Refuses a candidate with other features than the reference.
///
/// # Errors
/// Different D.
pub fn check_widths(reference: usize, candidate: usize) -> Result<()> {
    match reference == candidate {
        true => Ok(()),
        false => Err(Error::shape(
            "take a distance",
            ("the reference", &[reference]),
            ("the candidate", &[candidate]),
            "use the same layer of the same model for both",
        )),
    }
}

/// The mean of n×D features whose squares a float64 holds, n ≥ 1.
///
/// # Errors
/// There are no rows, or their values are too large.
pub fn mean_of(rows: ArrayView2<'_, f64>) -> Result<Array1<f64>> {
    if rows.nrows() == 0 {
        return Err(Error::usage("there are no samples", "give some"));
    }
    if rows.iter().any(|v| !(v * v).is_finite()) {
        return Err(not_finite());
    }
    let first = rows.row(0);
    Ok(&first + &((&rows - &first).sum_axis(Axis(0)) / rows.nrows() as f64))
}

fn not_finite() -> Error {
    Error::usage("its values leave the range of float64 when squared", "scale the features down")
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use ndarray::{Array2, array};

    #[test]
    fn commuting_covariances_have_a_closed_form() -> Result<()> {
        let (a, b) = ([4.0, 9.0, 1.0], [1.0, 16.0, 0.0]);
        let diagonal = |v: [f64; 3]| Array2::from_diag(&Array1::from_vec(v.to_vec()));
        let turn = array![[0.6, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]];
        let covariance = |v| turn.dot(&diagonal(v)).dot(&turn.t());
        let p = Gaussian::of_covariance(array![1.0, 2.0, 3.0].view(), covariance(a).view())?;
        let q = Gaussian::of_covariance(array![1.0, 0.0, 2.0].view(), covariance(b).view())?;
        let found = p.distance(&q)?;
        let expected: f64 = a.iter().zip(b).map(|(x, y)| (x.sqrt() - y.sqrt()).powi(2)).sum();
        assert_relative_eq!(found.mean_term, 5.0, max_relative = 1e-14);
        assert_relative_eq!(found.trace_term, expected, max_relative = 1e-12);
        assert_relative_eq!(q.distance(&p)?.value, found.value, max_relative = 1e-12);
        assert_eq!(found.rank, 2);
        Ok(())
    }

    #[test]
    fn samples_and_their_covariance_are_the_same_gaussian() -> Result<()> {
        let rows = array![[1.0, 2.0, 0.5], [3.0, 1.0, -1.0], [0.0, 4.0, 2.0], [2.0, 2.0, 7.0]];
        let mut moments = crate::stats::Moments::new(3);
        moments.push_rows(rows.view());
        let covariance = moments.covariance(1).unwrap_or_default();
        let fitted = Gaussian::of_covariance(moments.mean().view(), covariance.view())?;
        let direct = Gaussian::of_samples(rows.view())?;
        let found = fitted.distance(&direct)?;
        assert!(found.value < 1e-12 * covariance.diag().sum(), "{found:?}");
        Ok(())
    }

    #[test]
    fn what_cannot_be_compared_is_an_error() {
        let point = |d: usize| Gaussian::of_samples(Array2::zeros((2, d)).view());
        let (Ok(a), Ok(b)) = (point(2), point(3)) else { panic!("no Gaussians") };
        assert!(a.distance(&b).is_err_and(|e| e.to_string().contains("[2]")));
        assert!(Gaussian::of_samples(Array2::zeros((1, 2)).view()).is_err());
        let wrong = Gaussian::of_covariance(array![0.0].view(), Array2::zeros((2, 2)).view());
        assert!(wrong.is_err());
    }

    #[test]
    fn points_have_only_a_mean_term() -> Result<()> {
        for count in [3, 10] {
            let at = |v: f64| Gaussian::of_samples(Array2::from_elem((count, 4), v).view());
            let found = at(1.0)?.distance(&at(3.0)?)?;
            assert_eq!((found.value, found.trace_term, found.rank), (16.0, 0.0, 0));
        }
        Ok(())
    }

    #[test]
    fn what_overflows_is_an_error() {
        for count in [3, 10] {
            let scale = |i: usize, j: usize| 1e200 * ((i * 7 + j * 3) % 5) as f64;
            let rows = Array2::from_shape_fn((count, 4), |(i, j)| scale(i, j));
            let found = Gaussian::of_samples(rows.view()).and_then(|g| {
                let other = Gaussian::of_samples((&rows * 0.5).view())?;
                g.distance(&other)
            });
            assert!(found.is_err_and(|e| e.to_string().contains("float64")), "{count}");
        }
    }
}
