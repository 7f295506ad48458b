//! How alike two networks are, layer by layer, by CKA; and every pair of several.

mod control;
mod pairs;

mod shards;

use std::path::PathBuf;

use crate::analysis::Observer;
use crate::analysis::request::over_data;
use crate::analysis::session::kept_sides::{refuse_running, refuse_running_beside_arrays};
use crate::analysis::session::notices::{Absent, of_absent_layers};
use crate::analysis::session::sides::{Measuring, Seen, Sides};
use crate::capture::cka::{self as engine, Estimator, Outcome, Settings};
use crate::capture::{Feed, Progress, Reduce};
use crate::error::{Error, Result};
use crate::report::cka::{CkaReport, CkaSettings, Side};
use crate::report::{Clock, ReadSettings, Warning};
use crate::similarity::{Bias, Kernel};
use crate::torchscript::libtorch_version;

/// CKA of all pairs of layers of two models, of one with itself, or of stored representations.
///
/// ```
/// use repsim::analysis::{Cka, Silent};
///
/// # fn main() -> repsim::error::Result<()> {
/// let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
/// let a = format!("{folder}/models/fashion-seed0-scripted.pt");
/// let b = format!("{folder}/models/fashion-seed1-traced.pt");
/// let report = Cka::new(a, b)
///     .data(format!("{folder}/images"))
///     .layers(["layer?"])
///     .limit(40)
///     .run(&Silent)?;
/// assert_eq!(report.results.layers_a, ["layer1", "layer2", "layer3", "layer4"]);
/// assert!(report.results.cka[0][0].get() > Some(0.5));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Cka {
    /// The models, their layers and the samples.
    pub sides: Sides,
    /// Over which samples HSIC is taken.
    pub estimator: Estimator,
    /// Which estimator of HSIC.
    pub bias: Bias,
    /// Between samples.
    pub kernel: Kernel,
    /// From feature maps to rows.
    pub reduce: Reduce,
    /// Bytes for Gram matrices and kept features of the full estimator.
    pub memory: u64,
    /// Models, or files of arrays where those are compared, that the layers of A are compared with besides: those
    /// that correspond. A runs again for each.
    pub controls: Vec<PathBuf>,
}

over_data!(Cka, sides.data);

impl Cka {
    /// All layers down to depth two, unbiased linear CKA, exact where that is cheap, within 4 GiB.
    pub fn new(a: impl Into<PathBuf>, b: impl Into<PathBuf>) -> Self {
        Self::of(Sides::two(a, b))
    }

    /// The same of sides that are filled in by hand.
    pub fn of(sides: Sides) -> Self {
        Self {
            sides,
            estimator: Estimator::Auto,
            bias: Bias::Unbiased,
            kernel: Kernel::Linear,
            reduce: Reduce::Flatten,
            memory: 4 << 30,
            controls: vec![],
        }
    }

    /// Names or globs of the layers.
    #[must_use]
    pub fn layers<S: Into<String>>(mut self, patterns: impl IntoIterator<Item = S>) -> Self {
        self.sides.layers = patterns.into_iter().map(Into::into).collect();
        self
    }

    /// Makes the comparison.
    ///
    /// # Errors
    /// Settings that do not go together, files that cannot be read, a model that does not run on the data, or
    /// no pair of layers with a value.
    pub fn run(&self, observer: &dyn Observer) -> Result<CkaReport> {
        let clock = Clock::start();
        let all = self.sides.models.iter().chain(&self.controls);
        refuse_running(all, &self.sides.running, self.sides.output_index)?;
        if !self.sides.features.is_empty() {
            refuse_running_beside_arrays(&self.sides.running, &self.sides.data, true)?;
        }
        if let Some(path) = self.controls.iter().find(|path| !path.exists()) {
            let remedy = "give --control the path of a model";
            return Err(Error::file("load", path, "there is no such file", remedy));
        }
        let report = self.of_pair(self.sides.clone()).compared(observer)?;
        self.finished(report, clock, observer)
    }

    /// The report of what was seen, with the controls.
    fn reported(
        &self,
        seen: Seen<Outcome>,
        clock: Clock,
        observer: &dyn Observer,
    ) -> Result<CkaReport> {
        self.finished(self.assembled(seen), clock, observer)
    }

    fn finished(
        &self,
        mut report: CkaReport,
        clock: Clock,
        observer: &dyn Observer,
    ) -> Result<CkaReport> {
        report.results.check_values()?;
        for control in &self.controls {
            report.results.controls.push(self.control(control, observer)?);
        }
        clock.stop(&mut report.timing);
        report.warnings.iter().for_each(|warning| observer.warning(warning));
        Ok(report)
    }

    fn compared(&self, observer: &dyn Observer) -> Result<CkaReport> {
        self.settings().check(self.sides.data.load.batch_size)?;
        Ok(self.assembled(self.sides.see(self, observer)?))
    }

    fn assembled(&self, seen: Seen<Outcome>) -> CkaReport {
        let mut warnings = seen.warnings;
        warnings.extend(null_layers(&seen.sides, &seen.found));
        let samples = seen.inputs.data.as_ref().map_or(0, |data| data.count + data.skipped.len());
        let (version, recorded) = (libtorch_version(), self.recorded(samples, &seen.device));
        let mut report =
            CkaReport::assemble(version, seen.inputs, recorded, &seen.sides, &seen.found, warnings);
        report.timing.load = seen.loading;
        report
    }

    fn settings(&self) -> Settings {
        Settings {
            estimator: self.estimator,
            bias: self.bias,
            kernel: self.kernel,
            reduce: self.reduce,
            memory: self.memory,
        }
    }

    /// How samples are read: the seed of the run is passed also where their order follows from it.
    fn read(&self, samples: usize) -> ReadSettings {
        let run = self.sides.running.seed;
        let read = self.sides.data.load.recorded(run);
        let ordered = self.mixes(samples);
        ReadSettings { seed: read.seed.or(run.filter(|_| ordered)), ..read }
    }

    fn recorded(&self, samples: usize, device: &str) -> CkaSettings {
        CkaSettings {
            estimator: self.estimator,
            estimator_reason: None,
            hsic_batch: None,
            bias: self.bias,
            kernel: self.kernel,
            reduce: self.reduce,
            read: self.read(samples),
            layers: self.sides.layers.clone(),
            layers_b: self.sides.patterns_b().to_vec(),
            output_index: self.sides.output_index,
            optimize: self.sides.running.optimize,
            precision: self.sides.recorded_precision(),
            device: device.to_owned(),
        }
    }
}

/// Layers that could not be measured at all.
fn null_layers(sides: &[Side], found: &Outcome) -> Vec<Warning> {
    let sides = sides.iter().zip(&found.absences).zip(["A", "B"]);
    of_absent_layers(sides.flat_map(|((side, absences), model)| {
        let layers = side.iter().zip(absences);
        layers.filter_map(move |(at, why)| {
            Some(Absent { model, layer: at.name(), why: why.as_ref()?.to_string() })
        })
    }))
}

impl Measuring for Cka {
    type Found = Outcome;

    fn reduce(&self) -> Reduce {
        self.reduce
    }

    fn stored_batch(&self, samples: usize, widths: &[Vec<usize>]) -> usize {
        engine::stored_batch(&self.settings(), samples, self.sides.data.load.batch_size, widths)
    }

    fn mixes(&self, samples: usize) -> bool {
        engine::wants_mixed(&self.settings(), samples)
    }

    fn in_order(&self) -> Option<usize> {
        let batch = self.sides.data.load.batch_size;
        (self.estimator == Estimator::Minibatch).then_some(batch)
    }

    fn measure(&self, feed: &mut dyn Feed, progress: &mut dyn Progress) -> Result<Outcome> {
        engine::compare(feed, &self.settings(), progress)
    }

    fn tell(&self, feed: &dyn Feed, observer: &dyn Observer) -> Result<()> {
        let passes = engine::passes_needed(feed, &self.settings())?;
        if passes > 1 {
            let run = match self.sides.models.iter().all(|path| path.is_dir()) {
                true => "the files are read",
                false => "the models run",
            };
            observer.note(&format!(
                "the features of {} samples do not fit into --memory at once: {run} in {passes} passes, fewer where many \
                 are zero (more --memory, --reduce gap or --estimator minibatch would save that)",
                feed.samples()
            ));
        }
        Ok(())
    }
}
