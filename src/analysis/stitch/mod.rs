//! Whether one network can use another's features.

mod against;
mod fit;
mod measure;
mod networks;
mod results;
mod split;
mod work;

use std::path::{Path, PathBuf};
use std::slice;
use std::time::Instant;

use self::networks::Networks;
use self::split::Split;
use self::work::{Samples, Work};
use super::session::beside;
use super::{Aiming, Data, Draw, Observer, Preprocessing, Running, Score, patterns_b, selections};
use crate::analysis::request::over_data;
use crate::capture::first_samples;
use crate::error::{Error, Result};
use crate::functional::stitching::Ridge;
use crate::report::Clock;
use crate::report::stitch::{StitchReport, StitchSettings};
use crate::torchscript::{Selection, device};

/// Layers of a model A stitched to those of a model B, beside A with random weights.
///
/// ```
/// use repsim::analysis::{Pairs, Silent, Stitch};
/// use repsim::data::{Channels, Preset};
///
/// # fn main() -> repsim::error::Result<()> {
/// let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
/// let a = format!("{folder}/models/fashion-seed0-scripted.pt");
/// let b = format!("{folder}/models/fashion-seed1-traced.pt");
/// let mut stitch = Stitch::new(a, Some(b)).data(format!("{folder}/images")).limit(60);
/// stitch.pairs = Pairs::One("layer3".into(), "layer3".into());
/// stitch.preprocessing.preset = Some(Preset::Raw);
/// stitch.preprocessing.channels = Some(Channels::Rgb);
/// let report = stitch.run(&Silent)?;
/// assert_eq!((report.results.n_fit, report.results.n), (48, 12));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Stitch {
    /// The model that runs up to a layer.
    pub a: PathBuf,
    /// The model that goes on behind one; A itself where there is none.
    pub b: Option<PathBuf>,
    /// Which layers are stitched to which.
    pub pairs: Pairs,
    /// How stitches are fitted.
    pub fit: Fit,
    /// Share of the samples to fit on; the others are measured on.
    pub fit_fraction: f64,
    /// Seed of the split, where it does not follow from that of the run.
    pub split_seed: Option<u64>,
    /// Seed of the weights of the random network that the stitches are held against, where it does not follow from
    /// that of the run.
    pub control_seed: Option<u64>,
    /// Whether CKA of the same pairs is taken beside, on the samples measured on.
    pub with_cka: bool,
    /// A file with the names of the classes, a line for each logit.
    pub labels: Option<PathBuf>,
    /// Which element of a tuple that the models return is their output.
    pub output_index: Option<usize>,
    /// The samples.
    pub data: Data,
    /// What is done to them.
    pub preprocessing: Preprocessing,
    /// What is done to them for B, where that is something else.
    pub preprocessing_b: Preprocessing,
    /// How the models are loaded and run.
    pub running: Running,
}

/// Which layers of A are stitched to which of B.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Pairs {
    /// Each layer of A to that of the same name in B.
    #[default]
    SameNames,
    /// One layer of A to one of B.
    One(String, String),
    /// All pairs of the layers that names or globs choose: those of A, and those of B, which are the same
    /// where there are none.
    All(Vec<String>, Vec<String>),
}

/// How stitches are fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fit {
    /// By least squares on activations.
    Direct(Ridge),
    /// From there on the task.
    Trained(Ridge, Training),
    /// Not at all, for layers of one shape.
    Identity,
}

/// How a stitch goes on from least squares, by Adam on the labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Training {
    /// Passes over the samples.
    pub epochs: usize,
    /// Learning rate.
    pub learning_rate: f64,
    /// Seed of the order of the samples, where it does not follow from that of the run.
    pub seed: Option<u64>,
}

impl Default for Training {
    /// Three passes at 0.001.
    fn default() -> Self {
        Self { epochs: 3, learning_rate: 1e-3, seed: None }
    }
}

impl Fit {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Direct(_) => "direct",
            Self::Trained(..) => "trained",
            Self::Identity => "identity",
        }
    }

    /// The ridge of the least squares, where they are what a stitch is or begins from.
    fn ridge(&self) -> Option<Ridge> {
        match self {
            Self::Direct(ridge) | Self::Trained(ridge, _) => Some(*ridge),
            Self::Identity => None,
        }
    }

    /// How stitches are trained, where they are.
    fn training(&self) -> Option<Training> {
        match self {
            Self::Trained(_, training) => Some(*training),
            Self::Direct(_) | Self::Identity => None,
        }
    }

    /// Whether nothing is fitted.
    fn is_identity(&self) -> bool {
        *self == Self::Identity
    }

    /// Whether the ridge is chosen on samples kept aside.
    fn chooses_ridge(&self) -> bool {
        self.ridge() == Some(Ridge::Chosen)
    }
}

impl Pairs {
    /// The layers of A and of B as they are asked for.
    fn patterns(&self) -> (&[String], &[String]) {
        match self {
            Self::SameNames => (&[], &[]),
            Self::One(a, b) => (slice::from_ref(a), slice::from_ref(b)),
            Self::All(a, b) => (a, patterns_b(a, b)),
        }
    }

    /// Which layers of A and of B are prepared.
    ///
    /// # Errors
    /// A pattern that is not a valid glob.
    fn selections(&self) -> Result<[Selection; 2]> {
        let (a, b) = self.patterns();
        selections(a, b)
    }
}

over_data!(Stitch, data);

impl Stitch {
    /// Layers of the same name, least squares with a ridge that is chosen, on four fifths of the samples.
    pub fn new(a: impl Into<PathBuf>, b: Option<impl Into<PathBuf>>) -> Self {
        Self {
            a: a.into(),
            b: b.map(Into::into),
            pairs: Pairs::SameNames,
            fit: Fit::Direct(Ridge::Chosen),
            fit_fraction: 0.8,
            split_seed: None,
            control_seed: None,
            with_cka: false,
            labels: None,
            output_index: None,
            data: Data::default(),
            preprocessing: Preprocessing::default(),
            preprocessing_b: Preprocessing::default(),
            running: Running::default(),
        }
    }

    /// Stitches layers of the one model to layers of the other.
    ///
    /// # Errors
    /// Files that cannot be read, a model that does not run on the data or gives no N×K logits, no such
    /// layer, no pair that can be stitched, too few samples to split, or training without labels.
    pub fn run(&self, observer: &dyn Observer) -> Result<StitchReport> {
        let clock = Clock::start();
        let mut report = self.stitch(observer)?;
        clock.stop(&mut report.timing);
        report.warnings.iter().for_each(|warning| observer.warning(warning));
        Ok(report)
    }

    fn stitch(&self, observer: &dyn Observer) -> Result<StitchReport> {
        let loading = Instant::now();
        let samples = self.samples()?;
        let first = first_samples(&samples.source(), 2)?;
        beside::tell(&self.preprocessing, &samples.preprocess, observer);
        let split = Split::of(self, samples.dataset.len())?;
        let mut networks = Networks::load(self, &first, &samples.dataset, &split)?;
        self.check_labels(&networks)?;
        let loading = loading.elapsed().as_secs_f64();
        let device = device::name(networks.execution.device);
        let threads = self.running.threads();
        observer.detail(&format!("ready after {loading:.2} s, on {device} with {threads} threads"));
        let mut work = Work::new(samples, split, (self.epochs(), self.with_cka));
        let mut progress = observer.passes();
        let stitches = fit::fit(self, &mut networks, &mut work, &mut *progress)?;
        let found = measure::measure(&mut networks, stitches, &mut work, &mut *progress)?;
        let cka = match self.with_cka {
            true => Some(against::structure(&mut networks, &mut work, &mut *progress)?),
            false => None,
        };
        results::report(self, networks, found, cka, work, (loading, device), observer)
    }

    /// Opens the samples, and finds what is done to them.
    fn samples(&self) -> Result<Samples> {
        let dataset = self.data.open_inputs(self.running.seed)?;
        let models = (self.a.as_path(), self.b.as_deref());
        let preprocess = self.preprocessing.for_two(&self.preprocessing_b, &dataset, models)?;
        let mut load = self.data.load.options(self.running.threads());
        load.fingerprint = false;
        Ok(Samples { dataset, preprocess, load })
    }

    /// Refuses to train where there is nothing to train on.
    fn check_labels(&self, networks: &Networks) -> Result<()> {
        let training = self.fit.training();
        let Some(reason) = networks.unlabelled.as_ref().filter(|_| training.is_some()) else {
            return Ok(());
        };
        Err(Error::usage(
            format!("--fit trained needs the class of each image: {reason}"),
            "give a folder with a sub-folder a class (--labels FILE orders them), or take --fit direct",
        ))
    }

    /// A, and B where there is one.
    fn models(&self) -> Vec<&Path> {
        [Some(&self.a), self.b.as_ref()].into_iter().flatten().map(PathBuf::as_path).collect()
    }

    /// Passes of Adam; none without training.
    fn epochs(&self) -> usize {
        self.fit.training().map_or(0, |training| training.epochs)
    }

    /// The seed of the split, of the control or of training.
    fn seed_of(&self, draw: Draw) -> u64 {
        let own = match draw {
            Draw::Split => self.split_seed,
            Draw::Control => self.control_seed,
            _ => self.fit.training().and_then(|training| training.seed),
        };
        self.running.seed_of(draw, own)
    }

    /// What the models' logits stand for.
    fn aiming(&self) -> Aiming {
        let (labels, output_index) = (self.labels.clone(), self.output_index);
        Aiming { score: Score::Predicted, labels, output_index }
    }

    fn recorded(&self, samples: &Samples, device: String) -> StitchSettings {
        let training = self.fit.training();
        let ridge = match self.fit.ridge() {
            Some(Ridge::Fixed(value)) => Some(value),
            _ => None,
        };
        let (layers, layers_b) = self.pairs.patterns();
        StitchSettings {
            fit: self.fit.name().to_owned(),
            fit_fraction: self.fit_fraction,
            split_seed: self.seed_of(Draw::Split),
            ridge,
            control_seed: self.seed_of(Draw::Control),
            epochs: training.map(|training| training.epochs),
            learning_rate: training.map(|training| training.learning_rate),
            train_seed: training.map(|_| self.seed_of(Draw::Training)),
            layers: layers.to_vec(),
            layers_b: layers_b.to_vec(),
            against: self.with_cka.then(|| "cka".to_owned()),
            output_index: self.output_index,
            preprocess: samples.preprocess.clone(),
            read: self.data.load.recorded(self.running.seed),
            optimize: self.running.optimize,
            precision: self.running.precision.recorded(),
            device,
        }
    }
}
