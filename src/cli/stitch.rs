//! `repsim stitch`: whether one network can use another's features.

use std::path::PathBuf;
use std::str::FromStr;

use super::args::{DataArgs, ModelArgs, PreprocessArgs, PreprocessBArgs};
use super::command;
use super::gate::GateArgs;
use super::limits;
use super::output::{self, Messages};
use super::picture;
use super::results::ResultArgs;
use super::sides::check_b;
use super::status::Status;
use crate::analysis::{Fit, Pairs, Stitch, Training};
use crate::error::{Error, Result};
use crate::functional::stitching::Ridge;

/// Options of `repsim stitch`.
#[derive(clap::Args)]
pub struct Args {
    /// Models (.pt2 of torch.export, or TorchScript): A, which runs up to a layer, and B, which continues after
    /// one. A single model is stitched to itself
    #[arg(value_name = "MODEL", num_args = 1..=2, required = true)]
    models: Vec<PathBuf>,
    #[command(flatten)]
    results: ResultArgs,
    /// Draw the accuracy of all pairs (without labels, the agreement): FILE.png or FILE.svg
    #[arg(long, short, value_name = "FILE", alias = "heatmap")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    range: picture::RangeArgs,
    /// Draw stitching against CKA, one point per pair: FILE.png or FILE.svg
    #[arg(long, value_name = "FILE", requires = "against")]
    scatter: Option<PathBuf>,
    /// One layer of A
    #[arg(long, value_name = "NAME", requires = "layer_b", conflicts_with_all = ["layers", "layers_b"],
          help_heading = "Layers")]
    layer_a: Option<String>,
    /// One layer of B, whose output is replaced by that of A's layer
    #[arg(long, value_name = "NAME", requires = "layer_a", help_heading = "Layers")]
    layer_b: Option<String>,
    /// All pairs of these layers, by name or glob: 'layer?'; may be repeated [default: only each
    /// layer of A with that of the same name in B]
    #[arg(
        long,
        short,
        value_name = "PATTERN",
        allow_hyphen_values = true,
        help_heading = "Layers"
    )]
    layers: Vec<String>,
    /// Layers of B, where they differ from those of A
    #[arg(
        long,
        value_name = "PATTERN",
        allow_hyphen_values = true,
        requires = "layers",
        help_heading = "Layers"
    )]
    layers_b: Vec<String>,
    #[command(flatten)]
    fit: FitArgs,
    /// Names of the classes, one line per logit [default: the sub-folders of the data, if there are
    /// as many as logits]
    #[arg(long, value_name = "FILE", help_heading = "Models")]
    labels: Option<PathBuf>,
    /// Index, from 0, of the output in the tuple that the models return
    #[arg(long, value_name = "INDEX", value_parser = limits::INDEX, help_heading = "Models")]
    output_index: Option<usize>,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    preprocess: PreprocessArgs,
    #[command(flatten)]
    preprocess_b: PreprocessBArgs,
    #[command(flatten)]
    run: ModelArgs,
    #[command(flatten)]
    pub gate: GateArgs,
}

/// How stitches are fitted.
#[derive(clap::Args)]
struct FitArgs {
    /// direct: least squares on activations; trained: continues from there by Adam on the labels, which
    /// can rate distant layers too high, and whose last digits depend on --threads; identity: no map,
    /// for layers of the same shape
    #[arg(long, value_name = "HOW", default_value = "direct", help_heading = "Stitch")]
    fit: FitKind,
    /// Share of the samples to fit on; the rest are used to measure
    #[arg(long, value_name = "SHARE", default_value_t = 0.8, value_parser = limits::INNER_SHARE,
          help_heading = "Stitch")]
    fit_fraction: f64,
    /// Seed of the split into samples to fit on and samples to measure on [default: follows from --seed]
    #[arg(long, value_name = "SEED", value_parser = limits::SEED, help_heading = "Random numbers",
          hide_short_help = true)]
    split_seed: Option<u64>,
    /// Ridge of the least squares, relative to the mean variance of A's directions; auto takes the
    /// best one on a fifth of the samples to fit on [default: auto]
    #[arg(long, value_name = "RIDGE", allow_hyphen_values = true, value_parser = limits::ridge, help_heading = "Stitch")]
    ridge: Option<Ridge>,
    /// Passes of Adam over the samples, with --fit trained [default: 3]
    #[arg(long, value_name = "N", value_parser = limits::STEPS, help_heading = "Stitch")]
    epochs: Option<usize>,
    /// Learning rate of Adam, with --fit trained [default: 0.001]
    #[arg(long, value_name = "RATE", value_parser = limits::RATE, help_heading = "Stitch")]
    learning_rate: Option<f64>,
    /// Seed of the order of samples in training, with --fit trained [default: follows from --seed]
    #[arg(long, value_name = "SEED", value_parser = limits::SEED, help_heading = "Random numbers",
          hide_short_help = true)]
    train_seed: Option<u64>,
    /// Seed of the weights of the random network, which is the control [default: follows from --seed]
    #[arg(long, value_name = "SEED", value_parser = limits::SEED, help_heading = "Random numbers",
          hide_short_help = true)]
    control_seed: Option<u64>,
    /// Also measure how similar the same pairs are on the same samples: cka
    #[arg(long, value_name = "MEASURE", help_heading = "Stitch")]
    against: Option<Against>,
}

/// How stitches are fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FitKind {
    /// Least squares on activations.
    Direct,
    /// From there on the task.
    Trained,
    /// Nothing.
    Identity,
}

const KINDS: [(&str, FitKind); 3] =
    [("direct", FitKind::Direct), ("trained", FitKind::Trained), ("identity", FitKind::Identity)];

impl FromStr for FitKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = KINDS.iter().find(|(name, _)| *name == text);
        let found = found.map(|(_, kind)| *kind);
        found.ok_or_else(|| "expected direct, trained or identity".to_owned())
    }
}

/// What stitching is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Against {
    /// CKA.
    Cka,
}

impl FromStr for Against {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "cka" { Ok(Self::Cka) } else { Err("expected cka".to_owned()) }
    }
}

/// Stitches layers of one model to layers of another.
///
/// # Errors
/// Anything that keeps the report from being made; nothing is written then.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    let request = args.request()?;
    let gate = args.gate.prepare("stitch", args.results.place()?)?;
    let (mut report, place) =
        (request.run(messages).map(command::signed)?, args.results.output.as_deref());
    if let Some(path) = &args.plot {
        picture::plot_over(&report, path, &args.range)?;
        let shows = "Stitching of all pairs of layers";
        report.pictures.push(picture::written(shows, path, place)?);
    }
    if let Some(path) = &args.scatter {
        picture::draw(path, |format| report.scatter(format), "try .svg, or fewer layers")?;
        report.pictures.push(picture::written("Stitching against CKA", path, place)?);
    }
    output::show(&report, &args.results, messages)?;
    gate.finish(&report, Status::Done, messages)
}

impl FitArgs {
    /// How stitches are fitted.
    ///
    /// # Errors
    /// Options of another kind of fit.
    fn request(&self) -> Result<Fit> {
        self.check()?;
        let (ridge, usual) = (self.ridge.unwrap_or(Ridge::Chosen), Training::default());
        let training = Training {
            epochs: self.epochs.unwrap_or(usual.epochs),
            learning_rate: self.learning_rate.unwrap_or(usual.learning_rate),
            seed: self.train_seed,
        };
        Ok(match self.fit {
            FitKind::Direct => Fit::Direct(ridge),
            FitKind::Trained => Fit::Trained(ridge, training),
            FitKind::Identity => Fit::Identity,
        })
    }

    fn check(&self) -> Result<()> {
        let training = [
            ("--epochs", self.epochs.is_some()),
            ("--learning-rate", self.learning_rate.is_some()),
            ("--train-seed", self.train_seed.is_some()),
        ];
        let given = training.iter().find(|(_, given)| *given);
        if let Some((option, _)) = given.filter(|_| self.fit != FitKind::Trained) {
            let problem = format!("{option} needs --fit trained");
            return Err(Error::usage(problem, "add it, or leave the option out"));
        }
        if self.ridge.is_some() && self.fit == FitKind::Identity {
            let problem = "--ridge needs least squares, and --fit identity fits nothing";
            return Err(Error::usage(problem, "leave it out, or take --fit direct"));
        }
        Ok(())
    }
}

impl Args {
    /// What is stitched.
    ///
    /// # Errors
    /// A picture that cannot be written, or options that do not go together.
    fn request(&self) -> Result<Stitch> {
        for path in self.plot.iter().chain(&self.scatter) {
            picture::check(path)?;
        }
        let fit = self.fit.request()?;
        if self.plot.is_some() && self.layers.is_empty() {
            let problem = "--plot draws all pairs of layers, and only single pairs are stitched";
            return Err(Error::usage(problem, "choose layers with --layers 'layer?'"));
        }
        check_b(self.models.len(), self.preprocess_b.any() || !self.layers_b.is_empty())?;
        Ok(Stitch {
            pairs: self.pairs(),
            fit,
            fit_fraction: self.fit.fit_fraction,
            split_seed: self.fit.split_seed,
            control_seed: self.fit.control_seed,
            with_cka: self.fit.against == Some(Against::Cka),
            labels: self.labels.clone(),
            output_index: self.output_index,
            data: self.data.request(),
            preprocessing: self.preprocess.request(),
            preprocessing_b: self.preprocess_b.request(),
            running: self.run.request(self.models.len())?,
            ..Stitch::new(&self.models[0], self.models.get(1))
        })
    }

    fn pairs(&self) -> Pairs {
        match (&self.layer_a, &self.layer_b) {
            (Some(a), Some(b)) => Pairs::One(a.clone(), b.clone()),
            _ if self.layers.is_empty() => Pairs::SameNames,
            _ => Pairs::All(self.layers.clone(), self.layers_b.clone()),
        }
    }
}
