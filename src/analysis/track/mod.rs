//! How the layers of a network change over the checkpoints of its training.

mod kept;
mod memory;
mod results;
mod settling;
mod values;

use std::path::PathBuf;

use self::kept::{Samples, Seen, Stage, Told};
use self::values::Followed;
use crate::analysis::request::over_data;
use crate::analysis::session::kept_sides::refuse_running;
use crate::analysis::session::{beside, weights_of};
use crate::analysis::{Data, Observer, Preprocessing, Running};
use crate::capture::Reduce;
use crate::data::{Dataset, Preprocess};
use crate::error::{Error, Result};
use crate::report::Clock;
use crate::report::compare::MeasureOptions;
use crate::report::track::{TrackReport, TrackSettings};
use crate::similarity::{Measure, Options};
use crate::torchscript::{Execution, Selection, native};

/// The layers of a network over the checkpoints of its training: each with the last checkpoint, with the one
/// before, and with a reference.
///
/// ```
/// use repsim::analysis::{Silent, Track};
///
/// # fn main() -> repsim::error::Result<()> {
/// let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
/// let model = |name: &str| format!("{folder}/models/fashion-{name}-scripted.pt");
/// let mut track = Track::new(["untrained", "mixup", "seed0"].map(model));
/// track.layers = vec!["layer?".into()];
/// let report = track.data(format!("{folder}/images")).limit(40).run(&Silent)?;
/// let first = &report.results.layers[0];
/// assert!(first.with_last[0].get() < first.with_last[2].get());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Track {
    /// Two or more checkpoints, or folders of their features, the last of which the others are held against.
    pub checkpoints: Vec<PathBuf>,
    /// A model that all are held against besides.
    pub reference: Option<PathBuf>,
    /// Names or globs of the layers; empty for the default.
    pub layers: Vec<String>,
    /// The layer at which all checkpoints are compared with each other; the last one where none is named.
    pub at: Option<String>,
    /// How layers are compared.
    pub measure: Measure,
    /// Options of the measure; a measure that is not symmetric is taken in both directions.
    pub options: Options,
    /// From feature maps to rows; not [`Reduce::Spatial`].
    pub reduce: Reduce,
    /// How far from the value of the last checkpoint with itself a layer may lie and be settled.
    pub tolerance: f64,
    /// Bytes for features, Gram matrices and what the measure keeps of them.
    pub memory: u64,
    /// Which element of a tuple that a model returns are its logits, for the accuracy.
    pub output_index: Option<usize>,
    /// The samples.
    pub data: Data,
    /// What is done to them.
    pub preprocessing: Preprocessing,
    /// How the checkpoints are loaded and run; its weights are those of the checkpoints.
    pub running: Running,
}

over_data!(Track, data);

impl Track {
    /// Unbiased linear CKA of all layers down to depth two, settled within 0.05, in 4 GiB.
    pub fn new<P: Into<PathBuf>>(checkpoints: impl IntoIterator<Item = P>) -> Self {
        Self {
            checkpoints: checkpoints.into_iter().map(Into::into).collect(),
            reference: None,
            layers: vec![],
            at: None,
            measure: Measure::Cka,
            options: Options { both_ways: true, ..Options::default() },
            reduce: Reduce::Flatten,
            tolerance: 0.05,
            memory: 4 << 30,
            output_index: None,
            data: Data::default(),
            preprocessing: Preprocessing::default(),
            running: Running::default(),
        }
    }

    /// Runs the checkpoints one after the other, the last one first, and measures.
    ///
    /// # Errors
    /// Fewer than two checkpoints or one that is given twice, files that cannot be read, a checkpoint that does
    /// not run on the data, no layer that all have, more memory needed than allowed, or no value at all.
    pub fn run(&self, observer: &dyn Observer) -> Result<TrackReport> {
        let clock = Clock::start();
        self.check()?;
        let all: Vec<PathBuf> = self.checkpoints.iter().chain(&self.reference).cloned().collect();
        let running: Vec<PathBuf> = all.into_iter().filter(|path| !path.is_dir()).collect();
        let all = self.checkpoints.iter().chain(&self.reference);
        refuse_running(all, &self.running, self.output_index)?;
        let opened = self.open(&running)?;
        let data = opened.as_ref().map(|(dataset, preprocess, execution)| {
            beside::tell_preset(&self.preprocessing, &preprocess[0], observer);
            Samples { dataset, preprocess, execution }
        });
        let selections = [Selection::new(&self.layers)?];
        let mut stage = Stage { asked: self, data, selections, observer, told: Told::default() };
        let found = self.followed(&mut stage)?;
        let mut report = results::report(self, found, stage.told, observer)?;
        clock.stop(&mut report.timing);
        report.warnings.iter().for_each(|warning| observer.warning(warning));
        Ok(report)
    }

    /// The samples for the models that run, what is done to them, and where; none where all are folders of features.
    fn open(&self, running: &[PathBuf]) -> Result<Option<(Dataset, [Preprocess; 1], Execution)>> {
        if running.is_empty() {
            native::set_threads(self.running.threads());
            return match self.preprocessing.any() {
                false => Ok(None),
                true => Err(Error::usage(
                    "preprocessing was given, and no model runs beside the folders of features",
                    "give --preprocess and the like to repsim features",
                )),
            };
        }
        let dataset = self.data.open_inputs(self.running.seed)?;
        let execution = self.running.execution()?;
        let preprocess = [self.preprocessing.for_models(&dataset, running)?];
        Ok(Some((dataset, preprocess, execution)))
    }

    /// The last checkpoint and the reference are kept, and of the others the one before: no more than four
    /// networks' layers at a time, and of the one layer at which all are compared everything.
    fn followed(&self, stage: &mut Stage<'_>) -> Result<Followed> {
        let count = self.checkpoints.len();
        let last = stage.look(count - 1, None)?;
        let reference = self.reference.as_ref().map(|path| stage.look_at_reference(path, &last));
        let mut found = Followed::new(self, last, reference.transpose()?)?;
        let mut previous: Option<Seen> = None;
        for i in 0..count - 1 {
            let now = stage.look(i, Some(&found.last))?;
            found.add(&now, previous.as_ref(), stage);
            previous = Some(now);
        }
        found.finish(previous.as_ref(), stage);
        Ok(found)
    }

    fn check(&self) -> Result<()> {
        let count = self.checkpoints.len();
        if count < 2 {
            let problem = match self.checkpoints.first() {
                Some(one) => format!(
                    "{} is one checkpoint, and training is followed over several",
                    one.display()
                ),
                None => "no checkpoint was given".to_owned(),
            };
            return Err(Error::usage(problem, "give two or more, or a glob in quotation marks"));
        }
        if self.reduce == Reduce::Spatial {
            let problem = "--reduce spatial has no row a sample";
            return Err(Error::usage(problem, "use flatten or gap"));
        }
        if !(self.tolerance >= 0.0 && self.tolerance.is_finite()) {
            let problem = format!("a tolerance of {} is none", self.tolerance);
            return Err(Error::usage(problem, "give a number of 0 or more, such as 0.05"));
        }
        self.check_each_once()
    }

    /// Refuses a file that stands for two checkpoints.
    fn check_each_once(&self) -> Result<()> {
        let weights = weights_of(&self.running, self.checkpoints.len())?;
        let whole = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
        let mut known = vec![];
        for (path, weights) in self.checkpoints.iter().zip(&weights) {
            let own = weights.as_ref().map(|chosen| (whole(&chosen.path), chosen.key.clone()));
            let one = (whole(path), own);
            let told = weights.as_ref().map_or(path, |chosen| &chosen.path);
            if known.contains(&one) {
                let problem = format!("{} is given twice", told.display());
                return Err(Error::usage(
                    problem,
                    "give each checkpoint once, in the order of the training",
                ));
            }
            known.push(one);
        }
        Ok(())
    }

    fn recorded(&self, device: &str) -> TrackSettings {
        TrackSettings {
            measure: self.measure.to_string(),
            options: MeasureOptions::of(&self.options),
            reduce: self.reduce,
            tolerance: self.tolerance,
            at: self.at.clone(),
            layers: self.layers.clone(),
            output_index: self.output_index,
            read: self.data.load.recorded(self.running.seed),
            optimize: self.running.optimize,
            precision: self.running.precision.recorded(),
            device: device.to_owned(),
        }
    }
}
