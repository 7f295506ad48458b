//! `repsim saliency`: what predictions look at, and whether models look at the same.

mod args;
mod pictures;
mod results;
mod scale;
mod show;
mod trust;

use std::time::Instant;

use ndarray::Array3;
use tch::Tensor;

use self::pictures::Pictures;
use self::results::Collected;
use super::Status;
use super::output::Messages;
use super::target::own_classes;
use super::{inputs, picture, settings};
use crate::capture::{Progress, Source, first_samples, to_tensor};
use crate::data::{Batch, Dataset, Preprocess, npz_of_floats};
use crate::error::{Error, Result};
use crate::report::saliency::SaliencyReport;
use crate::report::{ModelInput, PictureFile, Warning};
use crate::saliency::{Explainer, Images, Target, cam};
use crate::torchscript::{Execution, device, tensors};

pub use self::args::Args;
pub use self::results::matrix;
pub use self::show::comparison;

/// Explains every image by every model and method.
///
/// # Errors
/// Anything that keeps the maps from being made; nothing is written then.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    let gate = args.gate.prepare("saliency", args.output.as_deref())?;
    let mut found = explain(args, messages)?;
    for warning in &found.report.warnings {
        messages.warning(warning);
    }
    found.write(args)?;
    if let Some(sheet) = &args.files.sheet {
        let shows = "Saliency maps over the images";
        found.report.pictures = vec![PictureFile::written(shows, sheet, args.output.as_deref())?];
    }
    show::show(args, &found.report, messages)?;
    gate.finish(&found.report, Status::Done, messages)
}

/// A report, and what stands in files of their own.
pub struct Found {
    /// The report.
    pub report: SaliencyReport,
    pictures: Pictures,
    maps: Vec<(String, Array3<f32>)>,
}

/// One model of a run.
struct Subject {
    explainer: Explainer,
    record: ModelInput,
    /// Index of its preprocessing among those of a batch.
    input: usize,
    /// The class of each image by the number of its logit, where that is explained.
    labels: Option<Vec<usize>>,
}

/// Makes the maps and compares them.
///
/// # Errors
/// Options contradict each other, or the models do not run on the data or cannot be differentiated.
pub fn explain(args: &Args, messages: &Messages) -> Result<Found> {
    let started = Instant::now();
    args.check()?;
    let loading = Instant::now();
    let dataset = args.data.open()?;
    if !dataset.has_images() {
        let problem = "saliency maps are of images, and the data are rows of numbers";
        return Err(Error::usage(problem, "give images with --data"));
    }
    let execution = args.run.execution()?;
    let preprocess = steps(args, &dataset)?;
    let load = args.data.load.options(args.run.threads());
    let source = Source { dataset: &dataset, preprocess: &preprocess, load };
    let samples = first_samples(&source, 2)?;
    let mut warnings = vec![];
    let mut subjects = subjects(args, &samples[0], &execution, &preprocess[0], &mut warnings)?;
    settings::tell_preset(&args.preprocess, &preprocess[0], messages);
    let loading = loading.elapsed().as_secs_f64();
    let target = args.target.target(&dataset)?;
    if target == Target::Label {
        let names = args.target.class_names(&dataset)?;
        for subject in &mut subjects {
            let model = &mut subject.explainer.model;
            subject.labels = own_classes(model, &samples[0], &dataset, (&names, target))?.ok();
        }
    }
    let mut collected = Collected::new(args, &subjects, &dataset, target);
    let mut batches = dataset.batches(&preprocess, &source.load)?;
    let mut bar = messages.bar();
    bar.begin(1, 1, dataset.len());
    loop {
        let waiting = Instant::now();
        let Some(batch) = batches.next() else { break };
        let batch = batch?;
        collected.timing.wait += waiting.elapsed().as_secs_f64();
        of_batch(&mut subjects, &batch, target, &mut collected)?;
        bar.advance(batch.len());
    }
    bar.end();
    let summary = batches.summary();
    let device = device::name(execution.device);
    collected.test(args, (&preprocess[0], &execution))?;
    let mut found =
        collected.finish(args, &dataset, summary, (loading, device), subjects, warnings)?;
    found.report.timing.total = started.elapsed().as_secs_f64();
    Ok(found)
}

/// What is done to the images for the networks, and to look at them.
fn steps(args: &Args, dataset: &Dataset) -> Result<Vec<Preprocess>> {
    let steps = args.preprocess.steps(dataset)?;
    let shown = picture::shown(&steps);
    Ok(vec![steps, shown])
}

fn subjects(
    args: &Args,
    sample: &Tensor,
    execution: &Execution,
    preprocess: &Preprocess,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Subject>> {
    let loaded = inputs::load_all(&args.models, &args.run)?;
    let mut subjects = vec![];
    for model in loaded {
        let (explainer, record, said) =
            model.into_explainer(sample, &args.wanted(preprocess), execution)?;
        warnings.extend(said);
        subjects.push(Subject { explainer, record, input: 0, labels: None });
    }
    Ok(subjects)
}

/// Runs all models over a batch and takes in what they give.
fn of_batch(
    subjects: &mut [Subject],
    batch: &Batch,
    target: Target,
    collected: &mut Collected<'_>,
) -> Result<()> {
    collected.begin(batch);
    for (i, subject) in subjects.iter_mut().enumerate() {
        let input = to_tensor(&batch.inputs[subject.input])?;
        let labels = subject.labels.as_ref();
        let labels: Option<Vec<usize>> =
            labels.map(|all| batch.indices.iter().map(|&i| all[i]).collect());
        let images = Images { input: &input, indices: &batch.indices, labels: labels.as_deref() };
        let running = Instant::now();
        let explained = subject.explainer.explain(&images, target)?;
        collected.keep(subject, &images, &explained);
        collected.trust(i, subject, &images, &explained)?;
        collected.differentiate(i, subject, &images, &explained.classes)?;
        collected.timing.forward += running.elapsed().as_secs_f64();
        let measuring = Instant::now();
        collected.take(&explained, &input)?;
        collected.timing.measure += measuring.elapsed().as_secs_f64();
    }
    let measuring = Instant::now();
    collected.end()?;
    collected.timing.measure += measuring.elapsed().as_secs_f64();
    Ok(())
}

/// The maps of a column as numbers, N×h×w.
fn to_array(maps: &Tensor) -> Result<Array3<f32>> {
    let (count, height, width) = maps.size3().map_err(|e| tensors::torch_error("read maps", &e))?;
    let flat = tensors::to_floats(&maps.reshape([count, -1]))?;
    let shape = (count as usize, height as usize, width as usize);
    flat.into_shape_with_order(shape)
        .map_err(|e| Error::usage(format!("failed to read maps: {e}"), "please report this"))
}

/// An archive with an array N×h×w a column.
fn npz(maps: &[(String, Array3<f32>)]) -> Result<Vec<u8>> {
    let arrays: Vec<(&str, &[usize], Vec<f32>)> = maps
        .iter()
        .map(|(name, array)| (name.as_str(), array.shape(), array.iter().copied().collect()))
        .collect();
    npz_of_floats(&arrays)
}

/// Maps at the size of the input.
fn enlarged(maps: &Tensor, input: &Tensor) -> Tensor {
    let shape = input.size();
    let (height, width) = (shape[2], shape[3]);
    match maps.size()[1..] == [height, width] {
        true => maps.shallow_clone(),
        false => cam::resized(maps, height, width),
    }
}
