//! `repsim platonic`: how alike many models are, one layer each, and whether the better ones agree.

mod args;
mod results;
mod show;

use std::path::Path;
use std::time::Instant;

pub use self::args::Args;
use super::Status;
use super::axes::{self, ChannelAxes};
use super::output::Messages;
use super::target::names_in_order;
use super::{accuracy, duplicates, features, inputs, notices, picture, settings};
use crate::capture::represent::{Outcome, Wanted, represent};
use crate::capture::stored::StoredFeed;
use crate::capture::{Feed, Judged, ModelFeed, Naming, Source, Subject, first_samples};
use crate::error::{Error, Result};
use crate::functional::checked_logits;
use crate::report::{DataInput, Inputs, ModelInput, Warning};
use crate::saliency::forward;
use crate::torchscript::{Execution, Selection, device, native};

/// Aligns the models with each other.
///
/// # Errors
/// Anything that keeps the report from being made; nothing is written then.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    let started = Instant::now();
    let gate = args.gate.prepare("platonic", args.output.as_deref())?;
    args.check()?;
    let wanted = args.wanted()?;
    let plan = args.chance.plan(&wanted, args.run.threads())?;
    let found = match args.features.is_empty() {
        true => models(args, &wanted, messages)?,
        false => stored(args, &wanted, messages)?,
    };
    let mut report = results::report(found, args, &wanted, &plan, messages)?;
    report.timing.total = started.elapsed().as_secs_f64();
    for warning in &report.warnings {
        messages.warning(warning);
    }
    if let Some(path) = &args.heatmap {
        show::heatmap(&report, path)?;
        let shows = "How alike the models are";
        report.pictures = vec![picture::written(shows, path, args.output.as_deref())?];
    }
    show::show(args, &report, messages)?;
    gate.finish(&report, Status::Done, messages)
}

/// What was captured, and where from.
struct Found {
    inputs: Inputs,
    /// Names of the models, each once.
    names: Vec<String>,
    /// The layer of each.
    layers: Vec<String>,
    outcome: Outcome,
    /// The accuracy of each, or why it is not known.
    accuracy: Vec<Result<f64, String>>,
    labels: Option<Vec<usize>>,
    warnings: Vec<Warning>,
    loading: f64,
    device: String,
}

fn models(args: &Args, wanted: &Wanted, messages: &Messages) -> Result<Found> {
    let loading = Instant::now();
    let dataset = args.data.open_inputs()?;
    args.check_components(dataset.len())?;
    let named = args.labels.as_deref().map(names_in_order).transpose()?;
    let execution = args.run.execution()?;
    let preprocess = [args.preprocess.for_models(&dataset, &args.models)?];
    let load = args.data.load.options(args.run.threads());
    let source = Source { dataset: &dataset, preprocess: &preprocess, load };
    let (mut subjects, mut records, mut warnings) = listen(args, &source, &execution)?;
    warnings.extend(axes::check(&subjects, wanted.reduce)?);
    settings::tell_preset(&args.preprocess, &preprocess[0], messages);
    let loading = loading.elapsed().as_secs_f64();
    let mut feed = ModelFeed::new(&mut subjects, source);
    if let Some(names) = &named {
        feed = feed.naming(&Naming::Every(names.clone()));
    }
    let outcome = represent(&mut feed, wanted, &mut messages.bar())?;
    warnings.extend(duplicates::of_data(feed.summary.as_ref(), dataset.path()));
    let data = DataInput::new(&dataset, feed.summary.take(), &preprocess);
    warnings.extend(notices::of_data(&data));
    warnings.extend(notices::of_padding(&data, wanted.reduce));
    let of = |labels: &[usize]| outcome.indices.iter().map(|&i| labels[i]).collect();
    let labels = dataset.labels().map(of);
    let judged = feed.judged();
    warnings.extend(accuracy::judge(&mut records, &data.path, &judged, messages));
    let accuracy = judged.iter().map(share).collect();
    let layer = |m: &ModelInput| m.layers.first().map_or(String::new(), |l| l.name.clone());
    let layers = records.iter().map(layer).collect();
    let names = unique(records.iter().map(|record| record.telling_path().to_owned()).collect());
    let inputs = Inputs { models: records, data: Some(data), ..Inputs::default() };
    let device = device::name(execution.device);
    Ok(Found { inputs, names, layers, outcome, accuracy, labels, warnings, loading, device })
}

/// The share of samples that a model is right on, or why that is not known.
fn share(judged: &Judged) -> Result<f64, String> {
    judged.form.ok_or("the model gives no matrix of logits")?;
    let found = judged.accuracy.clone().ok_or("the data have no labels")?;
    Ok(found?.0.share())
}

/// One layer of each model: the one named, else the input of its last linear layer.
fn listen(args: &Args, source: &Source<'_>, execution: &Execution) -> Result<inputs::Listening> {
    let loaded = inputs::load_all(&args.models, &args.run)?;
    let samples = first_samples(source, 2)?.swap_remove(0);
    let (mut subjects, mut records, mut warnings) = (vec![], vec![], vec![]);
    for (i, mut model) in loaded.into_iter().enumerate() {
        model.feed(source.dataset)?;
        let layer = args.layer.get(i).or(args.layer.first()).map(String::as_str);
        if let Some(index) = args.output_index {
            model.model.choose_output(index);
        }
        let (mut subject, record, said) = model.into_extractor(&samples, layer, execution)?;
        check_layer(&subject)?;
        if args.output_index.is_some() {
            let logits = forward(&mut subject.model, &samples)?;
            drop(checked_logits(Some(logits), samples.size()[0] as usize)?);
        }
        subjects.push(subject);
        records.push(record);
        warnings.extend(said);
    }
    Ok((subjects, records, warnings))
}

fn check_layer(subject: &Subject) -> Result<()> {
    match subject.layers.is_empty() {
        false => Ok(()),
        true => Err(Error::file(
            "listen to",
            subject.model.path(),
            "it returns features and has no layer that is their input",
            "name a layer with --layer; `repsim layers` lists them",
        )),
    }
}

fn stored(args: &Args, wanted: &Wanted, messages: &Messages) -> Result<Found> {
    native::set_threads(args.run.threads());
    let selections: Vec<Selection> = (0..args.features.len())
        .map(|i| {
            let layer = args.layer.get(i).or(args.layer.first());
            Selection::new(layer.map_or(&[], std::slice::from_ref))
        })
        .collect::<Result<_>>()?;
    let channel_axes = ChannelAxes::new(&args.run.channel_axis, args.features.len());
    let files = features::load(&args.features, &selections)?;
    let files = features::with_axes(files, &channel_axes, wanted.reduce)?;
    let records = files.iter().map(features::record).collect::<Result<_>>()?;
    let (mut names, mut layers, mut arrays) = (vec![], vec![], vec![]);
    for file in files {
        let several = file.arrays.len() > 1;
        let path = file.path.display().to_string();
        for (name, layer) in file.arrays {
            names.push(if several { format!("{path}:{name}") } else { path.clone() });
            layers.push(name);
            arrays.push(vec![layer]);
        }
    }
    args::check_count(names.len())?;
    args.check_components(arrays[0][0].values.shape()[0])?;
    let mut feed = StoredFeed::with_axes(&arrays, usize::MAX)?;
    let warnings = duplicates::of_layers(&names, &|i| feed.copies(i, 0));
    drop(arrays);
    let outcome = represent(&mut feed, wanted, &mut messages.bar())?;
    let inputs = Inputs { features: records, ..Inputs::default() };
    let accuracy = names.iter().map(|_| Err("stored features have no logits".to_owned())).collect();
    Ok(Found {
        inputs,
        names: unique(names),
        layers,
        outcome,
        accuracy,
        labels: None,
        warnings: warnings.into_iter().collect(),
        loading: 0.0,
        device: "cpu".to_owned(),
    })
}

/// The last parts of paths where they differ, else the paths, numbered where one recurs.
fn unique(paths: Vec<String>) -> Vec<String> {
    let last = |path: &String| {
        let name = Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned());
        name.unwrap_or_else(|| path.clone())
    };
    let short: Vec<String> = paths.iter().map(last).collect();
    let recurs = |names: &[String], i: usize| names.iter().filter(|n| **n == names[i]).count() > 1;
    let choose = |i: usize| match (recurs(&short, i), recurs(&paths, i)) {
        (false, _) => short[i].clone(),
        (true, false) => paths[i].clone(),
        (true, true) => {
            format!("{} ({})", paths[i], 1 + paths[..i].iter().filter(|p| **p == paths[i]).count())
        }
    };
    (0..paths.len()).map(choose).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_each_is_there_once() {
        let paths = ["a/x.pt", "b/x.pt", "b/y.pt", "z.pt", "z.pt"].map(str::to_owned).to_vec();
        assert_eq!(unique(paths), ["a/x.pt", "b/x.pt", "y.pt", "z.pt (1)", "z.pt (2)"]);
    }
}
