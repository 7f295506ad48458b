//! Options of measures.

use serde::Serialize;

use super::hsic::Bias;
use crate::error::{Error, Result};

/// The options of a measure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Options {
    /// k of the neighbour measures.
    pub neighbours: usize,
    /// α of the shape metric: 1 rotates only, 0 allows any invertible linear map.
    pub alpha: f64,
    /// Share of the variance that SVCCA keeps.
    pub variance: f64,
    /// The estimator of HSIC, and of CKA by it.
    pub bias: Bias,
    /// Whether a measure that is not symmetric is the mean of both directions.
    pub both_ways: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { neighbours: 10, alpha: 0.5, variance: 0.99, bias: Bias::Unbiased, both_ways: false }
    }
}

impl Options {
    /// Checks that each is in its range.
    ///
    /// # Errors
    /// No neighbour, α outside 0…1, or a share of the variance outside 0…1 or of nothing.
    pub fn check(&self) -> Result<()> {
        if self.neighbours == 0 {
            return Err(Error::usage("no neighbour to compare", "ask for 1 or more"));
        }
        if !(0.0..=1.0).contains(&self.alpha) {
            let problem = format!("the shape metric has no α of {}", self.alpha);
            return Err(Error::usage(problem, "give one from 0 to 1"));
        }
        match self.variance > 0.0 && self.variance <= 1.0 {
            true => Ok(()),
            false => Err(Error::usage(
                format!("SVCCA cannot keep a share of {} of the variance", self.variance),
                "give one above 0 and up to 1",
            )),
        }
    }
}
