//! Mean and covariance of features, to be used again.

use std::path::PathBuf;

use super::fid::naming;
use super::sets::{Keep, Sets, statistics_of};
use super::shards::{Asked, Job, State, merged_sets, over_sets};
use crate::analysis::session::extraction::Extraction;
use crate::analysis::{Observer, Running, Silent};
use crate::data::statistics::Statistics;
use crate::error::{Error, Result};
use crate::report::fid::few_samples;
use crate::torchscript::native;

/// Mean and covariance of the features of a set.
///
/// ```
/// use repsim::analysis::{Silent, Stats};
///
/// # fn main() -> repsim::error::Result<()> {
/// let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
/// let mut stats = Stats::new(format!("{folder}/images"));
/// stats.extraction.model = Some(format!("{folder}/models/fashion-seed0-scripted.pt").into());
/// stats.extraction.load.limit = Some(40);
/// let statistics = stats.run(&Silent)?;
/// assert_eq!(statistics.samples, Some(40));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Stats {
    /// Images or features.
    pub data: PathBuf,
    /// Where features come from.
    pub extraction: Extraction,
}

impl Stats {
    /// Of all samples.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self { data: data.into(), extraction: Extraction::default() }
    }

    /// Measures the set.
    ///
    /// # Errors
    /// The data cannot be read, hold statistics already or fewer than two samples, or the model does not run
    /// on them.
    pub fn run(&self, observer: &dyn Observer) -> Result<Statistics> {
        self.measured(Sets::new(&self.extraction, observer, Keep::Moments), observer)
    }

    /// Gathers what a shard has of the images.
    ///
    /// # Errors
    /// The run cannot be divided, or as [`Stats::run`].
    pub fn shard(&self, job: Job<'_>, observer: &dyn Observer) -> Result<State> {
        native::set_threads(self.extraction.running.threads());
        let mut sets = Sets::new(&self.extraction, observer, Keep::Moments);
        over_sets(self.named(), &mut sets, &self.asked(), &|_| self.recorded(), job)
    }

    /// The run whose shards these states are of.
    ///
    /// # Errors
    /// As [`Stats::run`]; or the states are not those of all shards of this run.
    pub fn merged(&self, states: Vec<State>, observer: &dyn Observer) -> Result<Statistics> {
        let mut sets = Sets::new(&self.extraction, &Silent, Keep::Moments);
        let settings = |_: &Sets<'_>| self.recorded();
        let (pieces, _) = merged_sets(self.named(), &mut sets, &self.asked(), &settings, states)?;
        let sets = Sets::new(&self.extraction, observer, Keep::Moments).given(pieces);
        self.measured(sets, observer)
    }

    fn named(&self) -> (&'static str, &Running) {
        ("stats", &self.extraction.running)
    }

    fn asked(&self) -> [Asked<'_>; 1] {
        [Asked { path: &self.data, layout: None, logits: false }]
    }

    fn recorded(&self) -> serde_json::Value {
        let Extraction { layer, reduce, load, output_index, running, .. } = &self.extraction;
        serde_json::json!({
            "layer": layer,
            "reduce": reduce,
            "batch_size": load.batch_size,
            "limit": load.limit,
            "layout": load.layout,
            "seed": load.subset_seed(running.seed),
            "output_index": output_index,
            "optimize": running.optimize,
        })
    }

    fn measured(&self, mut sets: Sets<'_>, observer: &dyn Observer) -> Result<Statistics> {
        native::set_threads(self.extraction.running.threads());
        sets.check_axes(&[&self.data])?;
        let measured = sets.measure(&self.data).map_err(|e| naming(&self.data, e))?;
        let moments = measured.moments.as_ref().ok_or_else(|| {
            let problem = "it holds statistics already";
            Error::file("read", &self.data, problem, "give images or features")
        })?;
        let statistics = statistics_of(&self.data, moments, measured.origin)?;
        let set = (self.data.display().to_string(), Some(moments.count()));
        let warnings = sets.noticed().into_iter().chain(sets.unused_model()).collect::<Vec<_>>();
        for warning in warnings.iter().chain(&few_samples(&[set], moments.width())) {
            observer.warning(warning);
        }
        Ok(statistics)
    }
}
