//! Which samples stitches are fitted on, and which are measured on.

use super::Stitch;
use crate::analysis::Draw;
use crate::error::{Error, Result};
use crate::stats::Draws;

/// One sample in so many of those to fit on is kept aside for the choice of the ridge.
const ASIDE: usize = 5;

/// Positions of samples, each list ascending.
pub struct Split {
    /// To fit on.
    pub main: Vec<usize>,
    /// To choose the ridge on, and to fit on afterwards.
    pub aside: Vec<usize>,
    /// To measure on.
    pub held_out: Vec<usize>,
}

impl Split {
    /// A random split of so many samples.
    ///
    /// # Errors
    /// One part would be empty.
    pub fn of(asked: &Stitch, samples: usize) -> Result<Self> {
        let fit = (asked.fit_fraction * samples as f64).round() as usize;
        if fit == 0 || fit >= samples {
            let problem = format!(
                "{samples} samples cannot be split: {fit} to fit on and {} to measure on",
                samples - fit.min(samples)
            );
            return Err(Error::usage(problem, "give more samples, or another --fit-fraction"));
        }
        let order = Draws::new(asked.seed_of(Draw::Split)).order(samples);
        let aside = if asked.fit.chooses_ridge() { fit / ASIDE } else { 0 };
        let sorted = |part: &[usize]| {
            let mut part = part.to_vec();
            part.sort_unstable();
            part
        };
        Ok(Self {
            aside: sorted(&order[..aside]),
            main: sorted(&order[aside..fit]),
            held_out: sorted(&order[fit..]),
        })
    }
}
