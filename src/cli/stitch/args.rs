//! Options of `repsim stitch`.

use std::path::PathBuf;
use std::str::FromStr;

use crate::cli::args::{DataArgs, ModelArgs, PreprocessArgs, PreprocessBArgs};
use crate::cli::gate::GateArgs;
use crate::cli::limits;
use crate::cli::picture;
use crate::cli::sides::{check_b, patterns_b, selections};
use crate::cli::target::TargetArgs;
use crate::error::{Error, Result};
use crate::functional::stitching::Ridge;
use crate::torchscript::Selection;

/// Options of `repsim stitch`.
#[derive(clap::Args)]
pub struct Args {
    /// Models (.pt2 of torch.export, or TorchScript): A, which runs up to a layer, and B, which goes on behind one. With one,
    /// it is stitched to itself
    #[arg(value_name = "MODEL", num_args = 1..=2, required = true)]
    pub models: Vec<PathBuf>,
    /// Write the report as JSON to a file, - for standard output [default: standard output, or a
    /// table on a terminal]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Draw accuracy (agreement without labels) of all pairs: FILE.png or FILE.svg
    #[arg(long, value_name = "FILE")]
    pub heatmap: Option<PathBuf>,
    /// Draw stitching against CKA, a point a pair: FILE.png or FILE.svg
    #[arg(long, value_name = "FILE", requires = "against")]
    pub scatter: Option<PathBuf>,
    /// One layer of A
    #[arg(long, value_name = "NAME", requires = "layer_b", conflicts_with_all = ["layers", "layers_b"],
          help_heading = "Layers")]
    pub layer_a: Option<String>,
    /// One layer of B, whose output that of A's takes the place of
    #[arg(long, value_name = "NAME", requires = "layer_a", help_heading = "Layers")]
    pub layer_b: Option<String>,
    /// All pairs of these layers, by name or glob: 'layer?'; may be repeated [default: no matrix, but
    /// each layer of A with that of the same name in B]
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true, help_heading = "Layers")]
    pub layers: Vec<String>,
    /// Layers of B, where they are others than those of A
    #[arg(
        long,
        value_name = "PATTERN",
        allow_hyphen_values = true,
        requires = "layers",
        help_heading = "Layers"
    )]
    pub layers_b: Vec<String>,
    #[command(flatten)]
    pub fit: FitArgs,
    /// Names of the classes, a line for each logit [default: the sub-folders of the data, where they
    /// are as many as the logits]
    #[arg(long, value_name = "FILE", help_heading = "Models")]
    pub labels: Option<PathBuf>,
    /// Which element of a tuple that the models return is their output, from 0
    #[arg(long, value_name = "INDEX", value_parser = limits::INDEX, help_heading = "Models")]
    pub output_index: Option<usize>,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub preprocess: PreprocessArgs,
    #[command(flatten)]
    pub preprocess_b: PreprocessBArgs,
    #[command(flatten)]
    pub run: ModelArgs,
    #[command(flatten)]
    pub gate: GateArgs,
}

/// How stitches are fitted.
#[derive(clap::Args)]
pub struct FitArgs {
    /// direct: least squares on activations; trained: from there by Adam on the labels, which can rate
    /// distant layers too high, and whose last digits depend on --threads; identity: nothing, for layers
    /// of one shape
    #[arg(long, value_name = "HOW", default_value = "direct", help_heading = "Stitch")]
    pub fit: Fit,
    /// Share of the samples to fit on; the others are measured on
    #[arg(long, value_name = "SHARE", default_value_t = 0.8, value_parser = limits::INNER_SHARE,
          help_heading = "Stitch")]
    pub fit_fraction: f64,
    /// Seed of the split
    #[arg(long, value_name = "SEED", default_value_t = 0, value_parser = limits::SEED, help_heading = "Stitch")]
    pub split_seed: u64,
    /// Ridge of the least squares, relative to the mean variance of A's directions; auto takes the one
    /// that does best on a fifth of the samples to fit on [default: auto]
    #[arg(long, value_name = "RIDGE", allow_hyphen_values = true, value_parser = limits::ridge, help_heading = "Stitch")]
    ridge: Option<Ridge>,
    /// Passes of Adam over the samples, with --fit trained [default: 3]
    #[arg(long, value_name = "N", value_parser = limits::STEPS, help_heading = "Stitch")]
    epochs: Option<usize>,
    /// Learning rate of Adam, with --fit trained [default: 0.001]
    #[arg(long, value_name = "RATE", value_parser = limits::RATE, help_heading = "Stitch")]
    learning_rate: Option<f64>,
    /// Seed of the order of samples in training, with --fit trained [default: 0]
    #[arg(long, value_name = "SEED", value_parser = limits::SEED, help_heading = "Stitch")]
    train_seed: Option<u64>,
    /// Seed of the weights of the random network that the stitches are held against
    #[arg(long, value_name = "SEED", default_value_t = 0, value_parser = limits::SEED, help_heading = "Stitch")]
    pub control_seed: u64,
    /// Measure the structure of the same pairs on the same samples beside: cka
    #[arg(long, value_name = "MEASURE", help_heading = "Stitch")]
    pub against: Option<Against>,
}

/// How stitches are fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// Least squares on activations.
    Direct,
    /// From there on the task.
    Trained,
    /// Nothing.
    Identity,
}

impl Fit {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Trained => "trained",
            Self::Identity => "identity",
        }
    }
}

impl FromStr for Fit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Direct, Self::Trained, Self::Identity];
        let found = all.into_iter().find(|fit| fit.name() == text);
        found.ok_or_else(|| "expected direct, trained or identity".to_owned())
    }
}

/// What stitching is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// CKA.
    Cka,
}

impl FromStr for Against {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "cka" { Ok(Self::Cka) } else { Err("expected cka".to_owned()) }
    }
}

impl FitArgs {
    /// How the ridge is chosen.
    pub fn ridge(&self) -> Ridge {
        self.ridge.unwrap_or(Ridge::Chosen)
    }

    /// Passes of Adam; none without training.
    pub fn epochs(&self) -> usize {
        if self.fit == Fit::Trained { self.epochs.unwrap_or(3) } else { 0 }
    }

    /// Learning rate of Adam.
    pub fn learning_rate(&self) -> f64 {
        self.learning_rate.unwrap_or(1e-3)
    }

    /// Seed of the order of samples in training.
    pub fn train_seed(&self) -> u64 {
        self.train_seed.unwrap_or(0)
    }

    /// Refuses options of another kind of fit.
    fn check(&self) -> Result<()> {
        let training = [
            ("--epochs", self.epochs.is_some()),
            ("--learning-rate", self.learning_rate.is_some()),
            ("--train-seed", self.train_seed.is_some()),
        ];
        let kind = self.fit.name();
        let given = |all: &[(&'static str, bool)]| all.iter().find(|o| o.1).map(|o| o.0);
        if let Some(option) = given(&training).filter(|_| self.fit != Fit::Trained) {
            let problem = format!("{option} is of training, and --fit {kind} trains nothing");
            return Err(Error::usage(problem, "leave it out, or take --fit trained"));
        }
        if self.ridge.is_some() && self.fit == Fit::Identity {
            let problem = "--ridge is of least squares, and --fit identity fits nothing";
            return Err(Error::usage(problem, "leave it out, or take --fit direct"));
        }
        Ok(())
    }
}

impl Args {
    /// Refuses outputs that cannot be written and options that mean nothing.
    pub fn check(&self) -> Result<()> {
        for path in self.heatmap.iter().chain(&self.scatter) {
            picture::check(path)?;
        }
        self.fit.check()?;
        if self.heatmap.is_some() && self.layers.is_empty() {
            let problem = "--heatmap draws all pairs of layers, and only single pairs are stitched";
            return Err(Error::usage(problem, "choose layers with --layers 'layer?'"));
        }
        check_b(self.models.len(), self.preprocess_b.any() || !self.layers_b.is_empty())
    }

    /// Which layers of A and of B are prepared.
    ///
    /// # Errors
    /// A pattern that is no valid glob.
    pub fn selections(&self) -> Result<[Selection; 2]> {
        let one = |layer: &Option<String>| layer.iter().cloned().collect::<Vec<_>>();
        match self.layer_a.is_some() {
            true => selections(&one(&self.layer_a), &one(&self.layer_b)),
            false => selections(&self.layers, &self.layers_b),
        }
    }

    /// Patterns of the layers of B.
    pub fn patterns_b(&self) -> &[String] {
        patterns_b(&self.layers, &self.layers_b)
    }

    /// Whether only layers of the same name are stitched.
    pub fn same_names_only(&self) -> bool {
        self.layers.is_empty() && self.layer_a.is_none()
    }

    /// What the models' logits stand for.
    pub fn target(&self) -> TargetArgs {
        TargetArgs {
            class: None,
            true_class: false,
            contrast: None,
            labels: self.labels.clone(),
            output_index: self.output_index,
        }
    }
}
