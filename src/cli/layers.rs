//! `repsim layers`: what a model is made of.

use std::path::PathBuf;
use std::time::Instant;

use super::Status;
use super::args::{LayerArgs, ModelArgs};
use super::dependence;
use super::gate::GateArgs;
use super::inputs::{self, LoadedModel};
use super::limits;
use super::output::{self, Messages};
use super::told;
use super::trial::{Trial, Tried};
use crate::error::{Error, Result, visible};
use crate::report::layers::{
    Fused, LayersReport, LayersResults, LayersSettings, NoTensor, WantedInput,
};
use crate::report::{Inputs, LayerInfo, Report, SchemaId, Timing, Tool, Warning};
use crate::torchscript::packing::Argument;
use crate::torchscript::{Model, Selection, libtorch_version, native, shape_text};
use crate::view::layers::fast_path;
use crate::view::names::counted;

/// How many modules one remark names.
const NAMED: usize = 3;

/// Options of `repsim layers`.
#[derive(clap::Args)]
pub struct Args {
    /// An archive of TorchScript or torch.export
    model: PathBuf,
    /// Shape of one sample of the first input: 3x224x224, or 16 for a vector [default: what the archive
    /// says, else 3x224x224]
    #[arg(long, value_name = "SHAPE", value_parser = shape)]
    input_size: Option<Shape>,
    /// Print the report as JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Write the report as JSON to a file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
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
    let started = Instant::now();
    let gate = args.gate.prepare("layers", args.output.as_deref())?;
    native::set_threads(args.models.threads());
    let patterns = match args.layers.layers.as_slice() {
        [] => vec!["**".to_owned()],
        patterns => patterns.to_vec(),
    };
    let selection = Selection::new(&patterns)?;
    let mut loaded = inputs::load_all(std::slice::from_ref(&args.model), &args.models)?;
    let mut loaded = loaded.pop().ok_or_else(|| Error::usage("no model was given", "name one"))?;
    let load = started.elapsed().as_secs_f64();
    let noticed = loaded.take_noticed();
    let given = args.models.input.as_slice();
    let trial = Trial { size: args.input_size.as_ref().map(|shape| shape.0.as_slice()), given };
    let tried = trial.run(&mut loaded)?;
    let mut report = report(args, &loaded, tried, &selection)?;
    report.warnings.splice(0..0, noticed);
    report.timing.load = load;
    report.timing.total = started.elapsed().as_secs_f64();
    report.timing.forward = report.timing.total - load;
    show(args, &report, messages)?;
    gate.finish(&report, Status::Done, messages)
}

/// What the listing says of a model that cannot be run yet.
fn not_yet(model: &Model, why: &str) -> Warning {
    let path = model.path().display().to_string();
    let text = format!("the shapes of {path} are not known: {why}");
    Warning::new("not-run", path, text)
}

fn wanted(argument: Argument) -> WantedInput {
    WantedInput {
        name: argument.name,
        type_name: argument.type_name,
        optional: argument.has_default,
        dtype: argument.dtype.map(str::to_owned),
        shape: argument.shape,
    }
}

fn report(
    args: &Args,
    loaded: &LoadedModel,
    tried: Tried,
    selection: &Selection,
) -> Result<LayersReport> {
    let model = &loaded.model;
    let (all, input_size, why) = match tried {
        Tried::Ran(layers, size) => (layers, size, None),
        Tried::NotYet(why) => (model.modules(), vec![], Some(why)),
    };
    let layers = match why {
        None => inputs::choose(model, &all, selection)?,
        Some(_) => selection.choose(&all, model.path())?,
    };
    let record = loaded.record(&layers);
    let not_run = if why.is_none() { model.not_run(&all) } else { vec![] };
    let mut warnings = dependence::warnings(model, &layers);
    warnings.extend(told::unordered(model, &layers));
    warnings.extend(told::merged(model));
    warnings.extend(why.as_ref().map(|why| not_yet(model, why)));
    let fused = |(operator, modules)| Fused { operator, modules };
    let no_tensor = |(name, returns): &(&str, &str)| NoTensor {
        name: (*name).to_owned(),
        returns: (*returns).to_owned(),
    };
    Ok(Report {
        schema: SchemaId::current("layers"),
        tool: Tool::current(libtorch_version()),
        settings: LayersSettings {
            input_size,
            inputs: args.models.input.iter().map(|input| input.text.clone()).collect(),
            layers: args.layers.layers.clone(),
        },
        results: LayersResults {
            ran: why.is_none(),
            inputs: model.arguments()?.into_iter().map(wanted).collect(),
            layers: record.layers.clone(),
            without_tensor: model.without_tensor().iter().map(no_tensor).collect(),
            not_run: not_run.iter().map(|name| (*name).to_owned()).collect(),
            fused: dependence::fused(model, &not_run).into_iter().map(fused).collect(),
        },
        inputs: Inputs { models: vec![record], ..Inputs::default() },
        warnings,
        timing: Timing { passes: 1, ..Timing::default() },
        pictures: vec![],
    })
}

fn show(args: &Args, report: &LayersReport, messages: &Messages) -> Result<()> {
    if let Some(path) = &args.output {
        output::write_report(report, path)?;
    }
    let written = args.output.as_deref().is_some_and(output::is_stdout);
    if args.json && !written {
        return output::write_report(report, "-".as_ref());
    }
    let wanted = args.output.is_none() || (!written && !messages.is_quiet());
    if wanted {
        output::print(&format!("{}\n", table(&report.results.layers)))?;
        if let Some(takes) = takes(&report.results.inputs) {
            output::print(&format!("forward takes {takes}\n"))?;
        }
    }
    remarks(report, messages);
    Ok(())
}

/// The inputs a model wants, where they are more than a tensor of any shape.
fn takes(inputs: &[WantedInput]) -> Option<String> {
    let plain =
        matches!(inputs, [WantedInput { dtype: None, type_name, .. }] if type_name == "Tensor");
    let one = |input: &WantedInput| {
        let optional = if input.optional { ", optional" } else { "" };
        format!("{} ({}{optional})", visible(&input.name), input.type_text())
    };
    (!plain && !inputs.is_empty()).then(|| inputs.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn table(layers: &[LayerInfo]) -> String {
    let depends = layers.iter().any(|layer| !layer.depends_on.is_empty());
    let mut columns = vec!["layer", "type", "kind", "output", "channel axis", "parameters", "runs"];
    columns.extend(depends.then_some("depends on"));
    let mut table = output::table(&columns);
    for layer in layers {
        let complex = if layer.complex { " (complex)" } else { "" };
        let mut row = vec![
            layer.name.clone(),
            layer.type_name.clone(),
            layer.kind.clone(),
            format!("{}{complex}", shape_text(&layer.shape)),
            if layer.calls > 0 { channels(layer) } else { String::new() },
            output::thousands(layer.parameters),
            if layer.calls > 0 { layer.calls.to_string() } else { String::new() },
        ];
        row.extend(depends.then(|| layer.depends_on.join(", ")));
        table.add_row(row);
    }
    output::align_right(&mut table, &[4, 5, 6]);
    table.to_string()
}

/// The axis that holds the channels, with a question mark where it was guessed.
fn channels(layer: &LayerInfo) -> String {
    let guessed = layer.channel_axis_by.as_deref() == Some("guessed");
    let axis = layer.channel_axis.map_or("-".to_owned(), |axis| axis.to_string());
    if guessed { format!("{axis}?") } else { axis }
}

fn remarks(report: &LayersReport, messages: &Messages) {
    let results = &report.results;
    if report.inputs.models.iter().any(|m| m.frozen) {
        messages.note(
            "No modules are left in this archive (it was frozen, or never had any): its layers are \
             its operators, named by kind and order.",
        );
    }
    for remark in not_listed(&results.without_tensor) {
        messages.note(&remark);
    }
    if !results.fused.is_empty() {
        let modules = results.fused.iter().map(|fused| fused.modules.len()).sum();
        let operators: Vec<&str> = results.fused.iter().map(|f| f.operator.as_str()).collect();
        let why = fast_path(&operators);
        messages.note(&format!("{} {why}", counted(modules, "module")));
    }
    let unexplained = |name: &&String| !results.fused.iter().any(|f| f.modules.contains(name));
    let idle: Vec<&str> = results.not_run.iter().filter(unexplained).map(String::as_str).collect();
    if !idle.is_empty() {
        messages.note(&format!("did not run for this input: {}", idle.join(", ")));
    }
    for warning in &report.warnings {
        messages.warning(warning);
    }
}

/// Which modules give no tensor: one line for all that give the same.
fn not_listed(modules: &[NoTensor]) -> Vec<String> {
    let mut kinds: Vec<(&str, Vec<&str>)> = vec![];
    for NoTensor { name, returns } in modules {
        match kinds.iter_mut().find(|(other, _)| other == returns) {
            Some((_, names)) => names.push(name),
            None => kinds.push((returns, vec![name])),
        }
    }
    let line = |(returns, names): &(&str, Vec<&str>)| match names.as_slice() {
        [name] => format!("{name} gives {returns}: not listed"),
        names if names.len() <= NAMED => format!("{} give {returns}: not listed", names.join(", ")),
        names => format!(
            "{} modules give {returns}: not listed ({}, …; --json lists them all)",
            names.len(),
            names[..NAMED].join(", ")
        ),
    };
    kinds.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_without_a_tensor_share_a_line() {
        let module =
            |name: &str, returns: &str| NoTensor { name: name.into(), returns: returns.into() };
        let modules = ["a", "b", "c", "d"].map(|name| module(name, "NoneType"));
        let one = &modules[..1];
        assert_eq!(not_listed(one), ["a gives NoneType: not listed"]);
        assert_eq!(not_listed(&modules[..2]), ["a, b give NoneType: not listed"]);
        let mut all = modules.to_vec();
        all.insert(2, module("x", "Dict"));
        let said = not_listed(&all);
        assert!(said[0].starts_with("4 modules give NoneType: not listed (a, b, c, …"), "{said:?}");
        assert_eq!(said[1], "x gives Dict: not listed");
    }
}
