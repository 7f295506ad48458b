//! `repsim track`: the layers of a network over the checkpoints of its training.

use std::path::{Path, PathBuf};

use super::args::{self, DataArgs, LayerArgs, ModelArgs, OutputArgs, PreprocessArgs};
use super::command;
use super::compare::OptionArgs;
use super::gate::GateArgs;
use super::globs::Expanded;
use super::limits;
use super::output::{self, Messages};
use super::results::ResultArgs;
use super::status::Status;
use super::{outputs, picture};
use crate::analysis::Track;
use crate::capture::Reduce;
use crate::error::Result;
use crate::similarity::{Measure, Options};
use crate::view::track::Picture;

/// Options of `repsim track`.
#[derive(clap::Args)]
pub struct Args {
    /// Two or more checkpoints in the order of the training: models (.pt2 of torch.export, or TorchScript), folders of
    /// repsim features, or a quoted glob ('run/epoch*.pt': epoch2 before epoch10); or one model, with one --weights
    /// per checkpoint
    #[arg(value_name = "CHECKPOINT", required = true, value_parser = Expanded::parser())]
    checkpoints: Vec<Expanded>,
    #[command(flatten)]
    results: ResultArgs,
    /// Draw each layer as a line: FILE.png or FILE.svg; beside it a map of layers and checkpoints (FILE-map.png) and
    /// one of all checkpoints against each other at one layer (FILE-pairs.png)
    #[arg(long, short, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    range: picture::RangeArgs,
    /// Also compare all checkpoints with this model, at the layers of the same names
    #[arg(long, value_name = "MODEL")]
    reference: Option<PathBuf>,
    /// The layer at which all checkpoints are compared with each other [default: the last one]
    #[arg(long, value_name = "LAYER", help_heading = "Layers")]
    at: Option<String>,
    /// How layers are compared: any measure of `repsim compare`; where it is not symmetric, the mean of both
    /// directions
    #[arg(long, value_name = "MEASURE", default_value = "cka", help_heading = "Measure")]
    measure: Measure,
    /// A layer has settled once it stays within this of the value that the last checkpoint has with itself (1 for CKA)
    #[arg(long, value_name = "NUMBER", default_value_t = 0.05, value_parser = limits::RIDGE,
          help_heading = "Measure")]
    tolerance: f64,
    /// Rows of features: flatten (a sample's whole feature map), gap (its channel means); for tokens
    /// also tokens-mean (without class tokens), cls (the first), last
    #[arg(long, value_name = "HOW", default_value = "flatten", value_parser = args::one_row,
          help_heading = "Measure")]
    reduce: Reduce,
    #[command(flatten)]
    options: OptionArgs,
    #[command(flatten)]
    layers: LayerArgs,
    #[command(flatten)]
    outputs: OutputArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    preprocess: PreprocessArgs,
    #[command(flatten)]
    run: ModelArgs,
    #[command(flatten)]
    pub gate: GateArgs,
}

/// What to do where a picture is too large.
const SMALLER: &str = "try .svg, or fewer layers with --layers";

/// Follows the layers over the checkpoints.
///
/// # Errors
/// Anything that keeps the report from being made; nothing is written then.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    let gate = args.gate.prepare("track", args.results.place()?)?;
    let request = args.request()?;
    let pictures = args.pictures();
    for (_, path) in &pictures {
        picture::check(path)?;
        outputs::check(path)?;
    }
    let mut report = request.run(messages).map(command::signed)?;
    for (picture, path) in &pictures {
        picture::draw(path, |format| report.picture(*picture, args.range.over(format)), SMALLER)?;
        let written = picture::written(picture.shows(), path, args.results.output.as_deref())?;
        report.pictures.push(written);
    }
    output::show(&report, &args.results, messages)?;
    gate.finish(&report, Status::Done, messages)
}

impl Args {
    /// What is followed.
    ///
    /// # Errors
    /// Options that do not go together.
    fn request(&self) -> Result<Track> {
        let checkpoints = self.checkpoints();
        Ok(Track {
            running: self.run.request(checkpoints.len())?,
            checkpoints,
            reference: self.reference.clone(),
            layers: self.layers.layers.clone(),
            at: self.at.clone(),
            measure: self.measure,
            options: Options { both_ways: true, ..self.options.options(&[self.measure])? },
            reduce: self.reduce,
            tolerance: self.tolerance,
            memory: self.options.memory,
            output_index: self.outputs.output_index,
            data: self.data.request(),
            preprocessing: self.preprocess.request(),
        })
    }

    /// The files; one architecture counts once for each file of weights.
    fn checkpoints(&self) -> Vec<PathBuf> {
        let files = Expanded::all(&self.checkpoints);
        match (files.as_slice(), self.run.weights.each().len()) {
            ([one], weights) if weights > 1 => vec![one.clone(); weights],
            _ => files,
        }
    }

    fn pictures(&self) -> Vec<(Picture, PathBuf)> {
        let named = |path: &Path, picture: Picture| {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let ending = path.extension().unwrap_or_default().to_string_lossy();
            (picture, path.with_file_name(format!("{stem}{}.{ending}", picture.suffix())))
        };
        let all = |path: &PathBuf| Picture::ALL.map(|picture| named(path, picture));
        self.plot.iter().flat_map(all).collect()
    }
}
