//! `repsim maps`: the feature maps of layers, to look at.

mod args;
mod results;
mod sheet;
mod show;

use std::time::Instant;

use ndarray::{Array4, Axis};

use self::results::Run;
use super::Status;
use super::output::Messages;
use super::spatial::views as views_of;
use super::{accuracy, duplicates, inputs, notices, outputs, own_steps, picture};
use crate::capture::maps::{Outcome, Wanted, collect};
use crate::capture::{ModelFeed, Source, Subject, first_samples};
use crate::data::{Dataset, LoadOptions, Preprocess, npz_of_floats};
use crate::error::{Error, Result};
use crate::render::Image;
use crate::report::maps::MapsReport;
use crate::report::{DataInput, Inputs};
use crate::torchscript::{Folding, device};

pub use self::args::Args;

/// Shows the feature maps of layers, beside those of another model where one is given.
///
/// # Errors
/// Anything that keeps the maps from being made, or a file from being written; nothing is written then.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    let started = Instant::now();
    args.check()?;
    let gate = args.gate.prepare("maps", args.output.as_deref())?;
    let mut found = look(args, messages)?;
    found.report.timing.total = started.elapsed().as_secs_f64();
    for warning in &found.report.warnings {
        messages.warning(warning);
    }
    found.write(args)?;
    if let Some(sheet) = &args.files.sheet {
        let shows = "Feature maps of the images";
        let written = picture::written(shows, sheet, args.output.as_deref())?;
        found.report.pictures = vec![written];
    }
    show::show(args, &found.report, messages)?;
    gate.finish(&found.report, Status::Done, messages)
}

/// A report, and what stands in files of their own.
pub struct Found {
    /// The report.
    pub report: MapsReport,
    /// The images shown.
    images: Vec<Image>,
    /// The maps shown, one array a layer of each model, in the order of the report.
    columns: Vec<sheet::Columns>,
}

/// Runs the models over the data and makes the report.
///
/// # Errors
/// The models do not run on the data, or have no such layers or channels.
pub fn look(args: &Args, messages: &Messages) -> Result<Found> {
    let loading = Instant::now();
    let dataset = open(args)?;
    let execution = args.run.execution()?;
    let preprocess = steps(args, &dataset)?;
    let load = args.data.load.options(args.run.threads());
    let source = Source { dataset: &dataset, preprocess: &preprocess, load: load.clone() };
    let samples = first_samples(&source, 2)?;
    let paths: Vec<_> =
        std::iter::once(&args.model).chain(&args.partner.model_b).cloned().collect();
    let (mut subjects, mut orders) = (Vec::<Subject>::new(), vec![]);
    let (mut records, mut warnings, mut views) = (vec![], vec![], vec![]);
    for (i, mut model) in inputs::load_all(&paths, &args.run)?.into_iter().enumerate() {
        let input = i.min(preprocess.len() - 1);
        let names = if i == 0 { &args.layer } else { args.layers_b() };
        let (wanted, how) = ((names, args.grid), (&execution, messages));
        model.choose_output(&args.outputs);
        let (mut subject, order, record, said) =
            model.into_maps(&samples[input], wanted, how, input)?;
        inputs::check_output(&mut subject.model, &samples[input])?;
        let folding = Folding::of(&samples[input], args.grid);
        views.push(views_of(&subject.model, &subject.layers, &folding)?);
        subjects.push(subject);
        orders.push(order);
        records.push(record);
        warnings.extend(said);
    }
    own_steps::tell(&args.preprocess, &preprocess, messages);
    let pairs = pairs(&subjects, &orders)?;
    let wanted = Wanted { samples: dataset.spread(args.files.rows), pairs, views };
    sheet::check(args, (&dataset, &wanted), (&subjects, &orders), &samples[0])?;
    let loading = loading.elapsed().as_secs_f64();
    let mut feed = ModelFeed::new(&mut subjects, source);
    let outcome = collect(&mut feed, &wanted, &mut messages.bar())?;
    let (read, judged) = (feed.summary.take(), feed.judged());
    let images = pictures(&dataset.only(&outcome.samples), &preprocess[0], &load)?;
    let copies = read.as_ref().and_then(|read| read.copies.as_deref());
    warnings.extend(duplicates::of_images(copies, &dataset.path().display().to_string()));
    let data = DataInput::new(&dataset, read, &preprocess);
    warnings.extend(notices::of_data(&data));
    warnings.extend(accuracy::judge(&mut records, &data.path, &judged, messages));
    let inputs = Inputs { models: records, data: Some(data), ..Inputs::default() };
    let run = Run { args, dataset: &dataset, subjects: &subjects, order: &orders[0] };
    let device = device::name(execution.device);
    let (report, columns) = run.report(&wanted, &outcome, (inputs, warnings, device, loading))?;
    Ok(Found { report, images, columns })
}

/// The data: without another model no more than the images shown.
fn open(args: &Args) -> Result<Dataset> {
    let dataset = args.data.open()?;
    if !dataset.has_images() {
        let problem = "feature maps are of images, and the data are rows of numbers";
        return Err(Error::usage(problem, "give images with --data"));
    }
    match args.partner.model_b {
        Some(_) => Ok(dataset),
        None => Ok(dataset.only(&dataset.spread(args.files.rows))),
    }
}

fn steps(args: &Args, dataset: &Dataset) -> Result<Vec<Preprocess>> {
    let a = args.preprocess.for_model(dataset, &args.model)?;
    let model_b = args.partner.model_b.as_deref();
    let b = args.preprocess_b.for_model((&args.preprocess, &a), dataset, model_b)?;
    Ok(if a.same_steps(&b) { vec![a] } else { vec![a, b] })
}

/// Layers that are held against each other, in the order in which they were named.
fn pairs(subjects: &[Subject], orders: &[Vec<usize>]) -> Result<Vec<(usize, usize)>> {
    let [a, b] = orders else { return Ok(vec![]) };
    if a.len() != b.len() {
        let problem = format!(
            "{} layers of {} are to be matched with {} of {}",
            a.len(),
            subjects[0].model.path().display(),
            b.len(),
            subjects[1].model.path().display()
        );
        return Err(Error::usage(problem, "name one --layer-b for each --layer"));
    }
    Ok(a.iter().copied().zip(b.iter().copied()).collect())
}

/// Images as the network sees them, to look at.
fn pictures(dataset: &Dataset, steps: &Preprocess, load: &LoadOptions) -> Result<Vec<Image>> {
    let load = LoadOptions { batch_size: dataset.len(), fingerprint: false, ..load.clone() };
    let mut batches = dataset.batches(&[picture::shown(steps)], &load)?;
    match batches.next() {
        Some(batch) => Ok(picture::images(&batch?.inputs[0])),
        None => Ok(vec![]),
    }
}

impl Found {
    /// Writes the picture and the maps that were asked for.
    fn write(&self, args: &Args) -> Result<()> {
        if let Some(path) = &args.files.maps {
            let arrays: Vec<_> = self.columns.iter().map(sheet::Columns::stored).collect();
            let arrays: Vec<_> = arrays
                .iter()
                .map(|(name, maps)| (name.as_str(), maps.shape(), maps.iter().copied().collect()))
                .collect();
            outputs::write(path, &npz_of_floats(&arrays)?)?;
        }
        match &args.files.sheet {
            Some(path) => sheet::draw(self, args, path),
            None => Ok(()),
        }
    }
}

/// Some channels of N×K×H×W maps.
fn select(outcome: &Outcome, (model, layer): (usize, usize), channels: &[usize]) -> Array4<f32> {
    outcome.layers[model][layer].maps.select(Axis(1), channels)
}
