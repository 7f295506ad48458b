//! `repsim layers`: what a model is made of.

use std::path::PathBuf;

use super::args::{LayerArgs, ModelArgs};
use super::command;
use super::gate::GateArgs;
use super::limits;
use super::output::{self, Messages};
use super::results::ResultArgs;
use super::status::Status;
use crate::analysis::{Layers, Observer};
use crate::error::Result;
use crate::report::layers::LayersReport;
use crate::view::Form;
use crate::view::layers::remarks;

/// Options of `repsim layers`.
#[derive(clap::Args)]
pub struct Args {
    /// An archive of TorchScript or torch.export
    model: PathBuf,
    /// Shape of one sample of the first input: 3x224x224, or 16 for a vector [default: as stated in the
    /// archive, else 3x224x224]
    #[arg(long, value_name = "SHAPE", value_parser = shape)]
    input_size: Option<Shape>,
    /// Print the report as JSON instead of a table
    #[arg(long, hide = true, conflicts_with = "format")]
    json: bool,
    #[command(flatten)]
    results: ResultArgs,
    #[command(flatten)]
    layers: LayerArgs,
    #[command(flatten)]
    models: ModelArgs,
    #[command(flatten)]
    pub gate: GateArgs,
}

/// Sizes of one sample.
#[derive(Debug, Clone)]
struct Shape(Vec<i64>);

fn shape(text: &str) -> Result<Shape, String> {
    limits::shape(&text.replace(',', "x")).map(Shape)
}

/// Lists the layers of a model.
///
/// # Errors
/// The model cannot be loaded or does not run on an input of this shape.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    let gate = args.gate.prepare("layers", args.results.place()?)?;
    let request = Layers {
        model: args.model.clone(),
        input_size: args.input_size.as_ref().map(|shape| shape.0.clone()),
        layers: args.layers.layers.clone(),
        running: args.models.request(1)?,
    };
    let report = request.run().map(command::signed)?;
    show(args, &report, messages)?;
    gate.finish(&report, Status::Done, messages)
}

fn show(args: &Args, report: &LayersReport, messages: &Messages) -> Result<()> {
    let place = args.results.output.as_deref();
    let written = place.is_some_and(output::is_stdout);
    let listed = place.is_none() || (!written && !messages.is_quiet());
    let form = match args.results.form() {
        None if args.json => Some(Form::Json),
        None => listed.then_some(Form::Table),
        form => form,
    };
    output::write_forms(report, place, form.filter(|_| !written))?;
    if form == Some(Form::Json) && !written {
        return Ok(());
    }
    remarks(report).iter().for_each(|remark| messages.note(remark));
    report.warnings.iter().for_each(|warning| messages.warning(warning));
    Ok(())
}
