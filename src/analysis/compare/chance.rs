//! How values are held against chance.

use crate::analysis::{Draw, Running};
use crate::error::{Error, Result};
use crate::report::ChanceSettings;
use crate::similarity::{Measure, Options, Plan};

/// The fewest halves of the samples that an interval is made from.
const FEWEST_HALVES: usize = 20;

/// Random orders and random halves of the samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chance {
    /// Random orders of the samples, for p-values and calibrated values; 0 for none.
    pub permutations: usize,
    /// Random halves of the samples, for intervals; 0 for none.
    pub halves: usize,
    /// Share of the halves within an interval.
    pub level: f64,
    /// Seed of both, where it does not follow from that of the run.
    pub seed: Option<u64>,
}

impl Default for Chance {
    /// Neither.
    fn default() -> Self {
        Self { permutations: 0, halves: 0, level: 0.95, seed: None }
    }
}

impl Chance {
    /// What is measured of each pair.
    ///
    /// # Errors
    /// Too few halves for an interval.
    pub(in crate::analysis) fn plan(
        &self,
        (measures, options): (&[Measure], Options),
        running: &Running,
    ) -> Result<Plan> {
        let Self { permutations, halves, level, .. } = *self;
        if (1..FEWEST_HALVES).contains(&halves) {
            let problem = format!("--subsamples {halves} is too few for an interval");
            let remedy = format!("give {FEWEST_HALVES} or more, such as 200");
            return Err(Error::usage(problem, remedy));
        }
        let measures = measures.to_vec();
        let (seed, threads) = (self.seed(running), running.threads());
        Ok(Plan { measures, options, permutations, halves, level, seed, threads })
    }

    fn seed(&self, running: &Running) -> u64 {
        running.seed_of(Draw::Resampling, self.seed)
    }

    /// The same for a report.
    pub(in crate::analysis) fn recorded(&self, running: &Running) -> ChanceSettings {
        ChanceSettings {
            permutations: self.permutations,
            bootstrap: self.halves,
            level: self.level,
            random_seed: self.seed(running),
        }
    }

    /// Halves of the samples that are measured at a time.
    pub(in crate::analysis) fn at_a_time(&self, threads: usize) -> usize {
        self.halves.min(threads)
    }
}

/// n samples have n − 1 principal components at most.
///
/// # Errors
/// More are asked for.
pub(in crate::analysis) fn check_components(asked: Option<usize>, samples: usize) -> Result<()> {
    match asked {
        Some(k) if k >= samples => Err(Error::usage(
            format!("--pca {k}, and {samples} samples have {} components", samples.max(1) - 1),
            "keep fewer components, or give more samples",
        )),
        _ => Ok(()),
    }
}
