//! `repsim saliency`: what predictions look at, and whether models look at the same.

mod args;
mod comparison;
mod pictures;
mod results;
mod scale;
mod show;
mod tables;
mod trust;

use std::time::Instant;

use ndarray::Array3;
use tch::Tensor;

use self::pictures::Pictures;
use self::results::Collected;
use super::Status;
use super::output::Messages;
use super::{inputs, picture, settings, spatial};
use crate::capture::{Judge, Progress, Source, first_samples, to_tensor};
use crate::classifier::OutputForm;
use crate::data::{Batch, Dataset, Preprocess, Spool, Summary};
use crate::error::{Error, Result};
use crate::report::saliency::SaliencyReport;
use crate::report::{ModelInput, Warning};
use crate::saliency::{Explainer, Images, Target, cam};
use crate::torchscript::{Execution, Folding, MapView, device, draws, tensors};

pub use self::args::Args;
pub use self::show::comparison;

/// Explains every image by every model and method.
///
/// # Errors
/// Anything that keeps the maps from being made, or a file from being written; nothing is written then.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    let gate = args.gate.prepare("saliency", args.output.as_deref())?;
    let mut found = explain(args, messages)?;
    for warning in &found.report.warnings {
        messages.warning(warning);
    }
    found.write(args)?;
    show::show(args, &found.report, messages)?;
    gate.finish(&found.report, Status::Done, messages)
}

/// A report, and what stands in files of their own.
pub struct Found {
    /// The report.
    pub report: SaliencyReport,
    pictures: Pictures,
    maps: Option<Spool>,
}

/// One model of a run.
struct Subject {
    explainer: Explainer,
    /// How its layers are seen as maps.
    views: Vec<MapView>,
    record: ModelInput,
    /// Index of its preprocessing among those of a batch.
    input: usize,
    /// Names of its classes; empty where they are not known.
    names: Vec<String>,
    /// The class of each image by the number of its logit, where that is explained.
    labels: Option<Vec<usize>>,
    /// What its outputs are, by those of the first images.
    form: OutputForm,
    /// What its outputs say of all images.
    judge: Judge,
}

/// Makes the maps and compares them.
///
/// # Errors
/// Options contradict each other, or the models do not run on the data or cannot be differentiated.
pub fn explain(args: &Args, messages: &Messages) -> Result<Found> {
    let started = Instant::now();
    args.check()?;
    let loading = Instant::now();
    let dataset = open(args)?;
    let execution = args.run.execution()?;
    let preprocess = steps(args, &dataset)?;
    let load = args.data.load.options(args.run.threads());
    let source = Source { dataset: &dataset, preprocess: &preprocess, load };
    let samples = first_samples(&source, 2)?;
    let mut warnings = vec![];
    let how = (&execution, messages);
    let mut subjects = subjects(args, &samples[0], how, &preprocess[0], &mut warnings)?;
    settings::tell_preset(&args.preprocess, &preprocess[0], messages);
    let loading = loading.elapsed().as_secs_f64();
    let target = aim(args, &mut subjects, &samples[0], &dataset, &mut warnings)?;
    let mut collected = Collected::new(args, &subjects, (&dataset, target))?;
    collected.check_sheet(&samples[0])?;
    let summary = over_data(&mut subjects, &source, &mut collected, messages)?;
    let device = device::name(execution.device);
    collected.test(args, (&preprocess[0], &execution), messages)?;
    let of_run = (loading, device);
    let mut found =
        collected.finish(&preprocess[0], summary, of_run, subjects, (warnings, messages));
    found.report.timing.total = started.elapsed().as_secs_f64();
    Ok(found)
}

/// The images, which are what can be explained.
fn open(args: &Args) -> Result<Dataset> {
    let dataset = args.data.open()?;
    match dataset.has_images() {
        true => Ok(dataset),
        false => {
            let ids = dataset.arrays().iter().any(|array| !array.is_float);
            let data = if ids { "whole numbers, such as token ids" } else { "rows of numbers" };
            Err(Error::usage(
                format!("saliency maps are of images, and the data are {data}"),
                "give images with --data; `repsim sensitivity`, `repsim cka` and others take tokens and several inputs",
            ))
        }
    }
}

/// What is explained, which has to be the same of all models.
fn aim(
    args: &Args,
    subjects: &mut [Subject],
    sample: &Tensor,
    dataset: &Dataset,
    warnings: &mut Vec<Warning>,
) -> Result<Target> {
    let mut target = None;
    for subject in subjects {
        let aim = args.target.aim(&mut subject.explainer.model, sample, dataset)?;
        let shared = *target.get_or_insert(aim.target);
        if shared != aim.target {
            let problem =
                format!("the models differ in what is explained: {shared}, {}", aim.target);
            return Err(Error::usage(problem, "name the class by its number"));
        }
        subject.judge = Judge::new(&aim.naming(), &subject.explainer.model);
        subject.form = aim.form;
        subject.names = aim.names;
        subject.labels = aim.labels.ok().filter(|_| shared == Target::Label);
        warnings.extend(aim.warning);
    }
    Ok(target.unwrap_or(Target::Predicted))
}

/// Goes over the data once.
fn over_data(
    subjects: &mut [Subject],
    source: &Source<'_>,
    collected: &mut Collected<'_>,
    messages: &Messages,
) -> Result<Summary> {
    let mut batches = source.dataset.batches(source.preprocess, &source.load)?;
    let mut bar = messages.bar();
    bar.begin(1, 1, source.dataset.len());
    let mut place = 0;
    loop {
        let waiting = Instant::now();
        let Some(batch) = batches.next() else { break };
        let batch = batch?;
        collected.timing.wait += waiting.elapsed().as_secs_f64();
        draws::begin_batch(place);
        place += 1;
        of_batch(subjects, &batch, collected)?;
        bar.advance(batch.len());
    }
    bar.end();
    Ok(batches.summary())
}

/// What is done to the images for the networks, and to look at them.
fn steps(args: &Args, dataset: &Dataset) -> Result<Vec<Preprocess>> {
    let steps = args.preprocess.for_models(dataset, &args.models)?;
    let shown = picture::shown(&steps);
    Ok(vec![steps, shown])
}

fn subjects(
    args: &Args,
    sample: &Tensor,
    how: (&Execution, &Messages),
    preprocess: &Preprocess,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Subject>> {
    let loaded = inputs::load_all(&args.models, &args.run)?;
    let mut subjects = vec![];
    for model in loaded {
        if args.sanity && model.model.stages()?.is_empty() {
            return Err(trust::frozen(model.model.path()));
        }
        let (explainer, record, said) =
            model.into_explainer(sample, &args.wanted(preprocess), how)?;
        warnings.extend(said);
        let folding = Folding::of(sample, args.grid);
        let views = spatial::views(&explainer.model, &explainer.layers, &folding)?;
        subjects.push(Subject {
            explainer,
            views,
            record,
            input: 0,
            names: vec![],
            labels: None,
            form: OutputForm::default(),
            judge: Judge::default(),
        });
    }
    Ok(subjects)
}

/// Runs all models over a batch and takes in what they give.
fn of_batch(subjects: &mut [Subject], batch: &Batch, collected: &mut Collected<'_>) -> Result<()> {
    collected.begin(batch);
    for (i, subject) in subjects.iter_mut().enumerate() {
        let input = to_tensor(&batch.inputs[subject.input])?;
        let labels = subject.labels.as_ref();
        let labels: Option<Vec<usize>> =
            labels.map(|all| batch.indices.iter().map(|&i| all[i]).collect());
        let images = Images { input: &input, indices: &batch.indices, labels: labels.as_deref() };
        let running = Instant::now();
        let explained = subject.explainer.explain(&images, collected.target)?;
        collected.keep(subject, &images, &explained);
        collected.trust(i, subject, &images, &explained)?;
        collected.differentiate(i, subject, &images, &explained.classes)?;
        collected.timing.forward += running.elapsed().as_secs_f64();
        let measuring = Instant::now();
        collected.take(subject, &explained, &images)?;
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

/// Maps at the size of the input.
fn enlarged(maps: &Tensor, input: &Tensor) -> Tensor {
    let shape = input.size();
    let (height, width) = (shape[2], shape[3]);
    match maps.size()[1..] == [height, width] {
        true => maps.shallow_clone(),
        false => cam::resized(maps, height, width),
    }
}
