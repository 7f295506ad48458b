//! How well classes, or numbers, can be read out of each layer by simple models, against controls.

mod against;
mod ends;
mod results;
mod seen;
mod tasks;

use std::path::PathBuf;
use std::time::Instant;

use self::seen::Seen;
use self::tasks::Truth;
use crate::analysis::request::over_data;
use crate::analysis::session::kept_sides::{refuse_running, refuse_running_beside_arrays};
use crate::analysis::{Data, Draw, Observer, Preprocessing, Running};
use crate::capture::Reduce;
use crate::error::{Error, Result};
use crate::probe::{Grids, Kind};
use crate::report::Clock;
use crate::report::probe::{ProbeReport, ProbeSettings};

/// How often labels are shuffled.
pub const SHUFFLES: usize = 5;

/// How samples are divided into those that probes are fitted on and those that they are measured on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Share {
    /// So many folds, each of which is held out once.
    Folds(usize),
    /// This share of each class is fitted on.
    Fraction(f64),
}

/// What the same probes are held against besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeControl {
    /// Each model with re-initialised weights.
    Redrawn,
    /// A model, such as one that was not trained, or a folder of its features.
    Model(PathBuf),
    /// Nothing.
    None,
}

/// Probes on the layers of models, all fed by one pass over the data.
///
/// ```
/// use repsim::analysis::{Probe, Silent};
///
/// # fn main() -> repsim::error::Result<()> {
/// let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
/// let mut probe = Probe::new([format!("{folder}/models/fashion-seed0-scripted.pt")]);
/// probe.layers = vec!["layer1".into(), "layer4".into()];
/// let report = probe.data(format!("{folder}/images")).limit(100).run(&Silent)?;
/// let layers = &report.results.models[0].layers;
/// assert!(layers[1].probes[0].score.get() > layers[0].probes[0].score.get());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Probe {
    /// The models, or folders of their features.
    pub models: Vec<PathBuf>,
    /// Files of arrays instead, rows matched by index.
    pub features: Vec<PathBuf>,
    /// The class of each row of these, a line each.
    pub classes: Option<PathBuf>,
    /// A table with a row a sample, its name first: the numbers to read out in place of classes.
    pub targets: Option<PathBuf>,
    /// The probes, each once.
    pub kinds: Vec<Kind>,
    /// Which samples are fitted on.
    pub share: Share,
    /// Strengths of regularisation, each ascending.
    pub grids: Grids,
    /// Folds of the samples to fit on by which logistic regression chooses its strength.
    pub inner_folds: usize,
    /// k of the nearest neighbours.
    pub neighbours: usize,
    /// Whether features are brought to mean 0 and variance 1.
    pub standardize: bool,
    /// How often labels are shuffled, and probes fitted to them; [`SHUFFLES`] times where nothing is said, and once
    /// with logistic regression, whose fits take long.
    pub shuffles: Option<usize>,
    /// What the probes are held against besides.
    pub control: ProbeControl,
    /// Names or globs of the layers; empty for the default.
    pub layers: Vec<String>,
    /// From feature maps to rows; not [`Reduce::Spatial`].
    pub reduce: Reduce,
    /// Bytes for the rows of all layers.
    pub memory: u64,
    /// Seed of the folds or the split, where it does not follow from that of the run.
    pub split_seed: Option<u64>,
    /// Seed of the re-initialised weights, likewise.
    pub control_seed: Option<u64>,
    /// Which element of a tuple that a model returns are its logits, for its own accuracy.
    pub output_index: Option<usize>,
    /// The samples.
    pub data: Data,
    /// What is done to them.
    pub preprocessing: Preprocessing,
    /// How the models are loaded and run.
    pub running: Running,
}

over_data!(Probe, data);

impl Probe {
    /// Ridge, nearest neighbours and nearest means on channel means of all layers down to depth two, in five folds.
    pub fn new<P: Into<PathBuf>>(models: impl IntoIterator<Item = P>) -> Self {
        let powers = |from: i32, to: i32| (from..=to).map(|power| 10f64.powi(power)).collect();
        Self {
            models: models.into_iter().map(Into::into).collect(),
            features: vec![],
            classes: None,
            targets: None,
            kinds: vec![Kind::Ridge, Kind::Neighbours, Kind::NearestMean],
            share: Share::Folds(5),
            grids: Grids { alphas: powers(-2, 5), costs: powers(-4, 1) },
            inner_folds: 3,
            neighbours: 5,
            standardize: true,
            shuffles: None,
            control: ProbeControl::Redrawn,
            layers: vec![],
            reduce: Reduce::Gap,
            memory: 4 << 30,
            split_seed: None,
            control_seed: None,
            output_index: None,
            data: Data::default(),
            preprocessing: Preprocessing::default(),
            running: Running::default(),
        }
    }

    /// Runs the models once over the data, and probes what their layers gave.
    ///
    /// # Errors
    /// Settings that do not go together, files that cannot be read, a model that does not run on the data, data
    /// without classes, with one class or with classes of fewer samples than folds, or no layer with a value.
    pub fn run(&self, observer: &dyn Observer) -> Result<ProbeReport> {
        let clock = Clock::start();
        self.check()?;
        let mut seen = Seen::of(self, observer)?;
        let measuring = Instant::now();
        let truth = Truth::of(self, &seen)?;
        let mut report = results::report(self, &mut seen, &truth, observer)?;
        report.timing.distance = Some(measuring.elapsed().as_secs_f64());
        clock.stop(&mut report.timing);
        report.warnings.iter().for_each(|warning| observer.warning(warning));
        Ok(report)
    }

    fn check(&self) -> Result<()> {
        if self.reduce == Reduce::Spatial {
            return Err(Error::usage("--reduce spatial has no row a sample", "use gap or flatten"));
        }
        if self.kinds.is_empty() {
            return Err(Error::usage("no probe was named", "name one with --probe"));
        }
        if let Some(other) =
            self.kinds.iter().find(|kind| self.targets.is_some() && **kind != Kind::Ridge)
        {
            let problem = format!("--probe {other} reads out classes, and --targets holds numbers");
            return Err(Error::usage(problem, "give --probe ridge, or leave --probe out"));
        }
        let control = match &self.control {
            ProbeControl::Model(path) => Some(path),
            _ => None,
        };
        if let Some(path) = control.filter(|path| !path.exists()) {
            let remedy = "give --control the path of a model, or of a folder of features";
            return Err(Error::file("load", path, "there is no such file", remedy));
        }
        if !self.features.is_empty() {
            refuse_running_beside_arrays(&self.running, &self.data, false)?;
        }
        refuse_running(self.models.iter().chain(control), &self.running, self.output_index)
    }

    /// How often labels are shuffled.
    fn shuffles(&self) -> usize {
        let slow = self.targets.is_none() && self.kinds.contains(&Kind::Logistic);
        self.shuffles.unwrap_or(if slow { 1 } else { SHUFFLES })
    }

    fn seed(&self, draw: Draw) -> u64 {
        let own = match draw {
            Draw::Split => self.split_seed,
            Draw::Control => self.control_seed,
            _ => None,
        };
        self.running.seed_of(draw, own)
    }

    fn recorded(&self, seen: &Seen) -> ProbeSettings {
        let (folds, fit_fraction) = match self.share {
            Share::Folds(count) => (Some(count), None),
            Share::Fraction(share) => (None, Some(share)),
        };
        ProbeSettings {
            probes: self.kinds.iter().map(Kind::to_string).collect(),
            reduce: self.reduce,
            standardize: self.standardize,
            folds,
            fit_fraction,
            alphas: self.grids.alphas.clone(),
            costs: self.grids.costs.clone(),
            inner_folds: self.inner_folds,
            neighbours: self.neighbours,
            split_seed: self.seed(Draw::Split),
            shuffles: self.shuffles(),
            shuffle_seed: self.seed(Draw::Resampling),
            control_seed: seen.redrawn().then(|| self.seed(Draw::Control)),
            layers: self.layers.clone(),
            output_index: self.output_index,
            read: self.data.load.recorded(self.running.seed),
            optimize: self.running.optimize,
            precision: self.models.first().and_then(|_| self.running.precision.recorded()),
            device: seen.device.clone(),
        }
    }
}
