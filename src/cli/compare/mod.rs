//! `repsim compare`: how alike layers are by several measures, and what each layer is like alone.

mod args;
mod measuring;
mod nulls;
mod results;
mod show;

use std::time::Instant;

use super::Status;
use super::axes::{self, ChannelAxes};
use super::output::Messages;
use super::{accuracy, duplicates, features, inputs, notices, own_steps, picture};
use crate::capture::represent::{Outcome, Wanted, represent};
use crate::capture::stored::StoredFeed;
use crate::capture::{ModelFeed, Source};
use crate::error::Result;
use crate::report::compare::CompareReport;
use crate::report::{DataInput, Inputs, Report, SchemaId, Timing, Tool, Warning};
use crate::similarity::{Plan, Representation, Table, table};
use crate::torchscript::{device, libtorch_version, native};

pub use self::args::Args;
pub use self::measuring::{ChanceArgs, OptionArgs, check_components};
pub use self::results::{Compared, Layers};

/// Compares the layers of two models, of one with itself, or of stored representations.
///
/// # Errors
/// Anything that keeps the comparison from being made; nothing is written then.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    let started = Instant::now();
    let gate = args.gate.prepare("compare", args.output.as_deref())?;
    args.check()?;
    let wanted = args.wanted()?;
    let plan = args.chance.plan(&wanted, args.run.threads())?;
    let found = match args.features.is_empty() {
        true => models(args, &wanted, messages)?,
        false => stored(args, &wanted, messages)?,
    };
    let mut report = found.compared(args, &wanted, &plan, messages)?;
    report.timing.total = started.elapsed().as_secs_f64();
    for warning in &report.warnings {
        messages.warning(warning);
    }
    for (measure, path) in args.pictures() {
        show::heatmap(&report, measure, &path)?;
        let shows = format!("{} of all pairs of layers", report.results.measures[measure].name);
        let picture = picture::written(&shows, &path, args.output.as_deref())?;
        report.pictures.push(picture);
    }
    show::show(args, &report, messages)?;
    gate.finish(&report, Status::Done, messages)
}

/// What was captured, and where from.
struct Found {
    inputs: Inputs,
    /// Names of the layers, a list a side.
    names: Vec<Vec<String>>,
    outcome: Outcome,
    /// The classes of the samples, where they are known.
    labels: Option<Vec<usize>>,
    warnings: Vec<Warning>,
    loading: f64,
    device: String,
}

fn models(args: &Args, wanted: &Wanted, messages: &Messages) -> Result<Found> {
    let loading = Instant::now();
    let selections = args.selections()?;
    let dataset = args.data.open_inputs()?;
    check_components(args.pca, dataset.len())?;
    let execution = args.run.execution()?;
    let a = args.preprocess.for_model(&dataset, &args.models[0])?;
    let model_b = args.models.get(1).map(|model| model.as_path());
    let b = args.preprocess_b.for_model((&args.preprocess, &a), &dataset, model_b)?;
    let one = args.models.len() == 1 || a.same_steps(&b);
    let preprocess = if one { vec![a] } else { vec![a, b] };
    let load = args.data.load.options(args.run.threads());
    let source = Source { dataset: &dataset, preprocess: &preprocess, load };
    let (mut subjects, mut records, mut warnings) = inputs::listen(
        &args.models,
        (&args.run, &args.outputs),
        &source,
        (&selections, wanted.reduce),
        &execution,
    )?;
    warnings.extend(axes::check(&subjects, wanted.reduce)?);
    own_steps::tell(&args.preprocess, &preprocess, messages);
    inputs::tell_default(&records, &selections, messages);
    let loading = loading.elapsed().as_secs_f64();
    let mut feed = ModelFeed::new(&mut subjects, source);
    let outcome = represent(&mut feed, wanted, &mut messages.bar())?;
    warnings.extend(duplicates::of_data(feed.summary.as_ref(), dataset.path()));
    let data = DataInput::new(&dataset, feed.summary.take(), &preprocess);
    warnings.extend(notices::of_data(&data));
    warnings.extend(notices::of_padding(&data, wanted.reduce));
    warnings.extend(accuracy::judge(&mut records, &data.path, &feed.judged(), messages));
    let of = |labels: &[usize]| outcome.indices.iter().map(|&i| labels[i]).collect();
    let labels = dataset.labels().map(of);
    let layers = |m: &crate::report::ModelInput| m.layers.iter().map(|l| l.name.clone()).collect();
    let names = records.iter().map(layers).collect();
    let inputs = Inputs { models: records, data: Some(data), ..Inputs::default() };
    let device = device::name(execution.device);
    Ok(Found { inputs, names, outcome, labels, warnings, loading, device })
}

fn stored(args: &Args, wanted: &Wanted, messages: &Messages) -> Result<Found> {
    native::set_threads(args.run.threads());
    let channel_axes = ChannelAxes::new(&args.run.channel_axis, args.features.len());
    let files = features::load(&args.features, &args.selections()?)?;
    let files = features::with_axes(files, &channel_axes, wanted.reduce)?;
    let records = files.iter().map(features::record).collect::<Result<_>>()?;
    let (names, named) = (files.iter().map(features::names).collect(), features::named(&files));
    let arrays = files.into_iter().map(features::layers).collect::<Vec<_>>();
    let rows = arrays.iter().flatten().next().map_or(0, |layer| layer.values.shape()[0]);
    check_components(args.pca, rows)?;
    let mut feed = StoredFeed::with_axes(&arrays, usize::MAX)?;
    let warnings = duplicates::of_features(&named, &feed);
    drop(arrays);
    let outcome = represent(&mut feed, wanted, &mut messages.bar())?;
    let inputs = Inputs { features: records, ..Inputs::default() };
    let (labels, device) = (None, "cpu".to_owned());
    Ok(Found { inputs, names, outcome, labels, warnings, loading: 0.0, device })
}

/// [`table`], with a progress bar.
pub fn measured(
    a: &[Option<&Representation>],
    b: Option<&[Option<&Representation>]>,
    plan: &Plan,
    messages: &Messages,
) -> Table {
    let what = if plan.halves > 0 { "pairs and halves of the samples" } else { "pairs" };
    let bar = messages.steps(what, plan.steps(a.len(), b.map(<[_]>::len)));
    table(a, b, plan, &mut || bar.advance())
}

impl Found {
    fn compared(
        mut self,
        args: &Args,
        wanted: &Wanted,
        plan: &Plan,
        messages: &Messages,
    ) -> Result<CompareReport> {
        let measuring = Instant::now();
        let captured = std::mem::take(&mut self.outcome.layers);
        let sides: Vec<Layers> = captured
            .into_iter()
            .map(|layers| Layers::of(layers, self.labels.as_deref(), wanted, plan.threads))
            .collect();
        let of: Vec<Vec<Option<&Representation>>> =
            sides.iter().map(|s| s.made.iter().map(|m| m.as_ref().ok()).collect()).collect();
        let cells = measured(&of[0], of.get(1).map(Vec::as_slice), plan, messages);
        let compared = Compared {
            sides: &sides,
            names: &self.names,
            samples: &self.outcome.names,
            models: ["A", "B"],
            cells: &cells,
            plan,
        };
        let (results, warnings) = compared.results()?;
        self.warnings.extend(warnings);
        let found = self.outcome.timing;
        let timing = Timing {
            load: self.loading,
            decode: found.decode,
            wait: found.wait,
            forward: found.forward,
            measure: found.measure + measuring.elapsed().as_secs_f64(),
            passes: self.outcome.passes,
            ..Timing::default()
        };
        Ok(Report {
            schema: SchemaId::current("compare"),
            tool: Tool::current(libtorch_version()),
            settings: args.recorded(&wanted.options, &self.device),
            inputs: self.inputs,
            results,
            warnings: self.warnings,
            timing,
            pictures: vec![],
        })
    }
}
