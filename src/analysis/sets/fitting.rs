//! Mean and covariance of a set.

use std::path::Path;

use ndarray::{Array1, Array2};

use super::{Keep, Sets, of_file};
use crate::error::{Error, Result};
use crate::frechet::{Beside, FeatureSet, Gaussian, mean_of};
use crate::stats::Moments;

impl Sets<'_> {
    /// The Gaussian of a set of so many features: from its samples where those are no more than features, else from
    /// their covariance. Where nothing is kept the mean is zero, and nothing takes it.
    pub(super) fn fit(
        &mut self,
        (path, width): (&Path, usize),
        rows: Option<Array2<f64>>,
        moments: Option<&Moments>,
    ) -> Result<FeatureSet> {
        if self.keep == Keep::Nothing {
            let (mean, beside) = (Array1::zeros(width), Beside::default());
            return Ok(FeatureSet { mean, gaussian: None, rows: None, beside });
        }
        if self.keep == Keep::Rows
            && let Some(rows) = rows
        {
            let mean = mean_of(rows.view()).map_err(|e| of_values(path, e))?;
            let beside = Beside::default();
            return Ok(FeatureSet { mean, gaussian: None, rows: Some(rows), beside });
        }
        let gaussian = self.timed(|| match (&rows, moments) {
            (Some(rows), _) if rows.nrows() <= rows.ncols() => Gaussian::of_samples(rows.view()),
            (_, Some(moments)) => Gaussian::of_moments(moments),
            (Some(rows), None) => Gaussian::of_samples(rows.view()),
            (None, None) => Err(Error::usage("no samples", "give at least 2")),
        });
        let gaussian = gaussian.map_err(|e| of_file(path, e))?;
        let rows = rows.filter(|_| self.keep.keeps_rows());
        let mean = gaussian.mean().to_owned();
        Ok(FeatureSet { mean, gaussian: Some(gaussian), rows, beside: Beside::default() })
    }
}

/// Puts the file's name before what was wrong with the numbers of its features.
fn of_values(path: &Path, error: Error) -> Error {
    match error {
        Error::Usage { problem, remedy } => {
            Error::file("take features from", path, problem, remedy)
        }
        other => other,
    }
}
