//! What predictions look at, and whether models look at the same.

mod comparison;
mod request;
mod results;
mod tokens;
mod trust;
mod warned;

use std::time::Instant;

use ndarray::Array3;
use tch::Tensor;

pub use self::request::{Baseline, Saliency};
use self::results::Collected;
use super::Observer;
use crate::analysis::session::{beside, load_all, shown, spatial};
use crate::capture::{Judge, Source, first_samples, to_tensor};
use crate::classifier::OutputForm;
use crate::data::{Batch, Dataset, Preprocess, Summary};
use crate::error::{Error, Result};
use crate::report::saliency::SaliencyReport;
use crate::report::{Clock, ModelInput, Warning};
use crate::saliency::{Explainer, Images, Target, cam};
use crate::torchscript::{Execution, Folding, MapView, device, draws, tensors};
use crate::view::saliency::pictures::{Mapped, Planned};

/// Takes the maps of a run as they are made.
pub trait SaliencySink {
    /// Whether [`SaliencySink::image`] is to be called: images are then prepared to be looked at too.
    fn wants_images(&self) -> bool {
        false
    }

    /// What there will be, before anything is computed.
    ///
    /// # Errors
    /// It cannot be taken; nothing is computed then.
    fn begin(&mut self, _planned: &Planned<'_>) -> Result<()> {
        Ok(())
    }

    /// The maps of one column for the next images.
    ///
    /// # Errors
    /// They cannot be taken; the run ends then.
    fn maps(&mut self, _column: usize, _maps: &ColumnMaps<'_>) -> Result<()> {
        Ok(())
    }

    /// An image with all its maps, where images are wanted.
    ///
    /// # Errors
    /// It cannot be taken; the run ends then.
    fn image(&mut self, _mapped: &Mapped<'_>) -> Result<()> {
        Ok(())
    }
}

/// The report alone.
impl SaliencySink for () {}

/// The maps of one column for the images of a batch.
pub struct ColumnMaps<'a> {
    /// At the size of the images, N×H×W.
    pub whole: &'a Array3<f32>,
    raw: &'a Tensor,
}

impl ColumnMaps<'_> {
    /// As they were made, N×h×w: of a class activation map at the size of the layer.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn unscaled(&self) -> Result<Array3<f32>> {
        to_array(self.raw)
    }
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

impl Saliency {
    /// Explains every image by every model and method, and compares the maps. They go to `sink`; `()` takes
    /// none.
    ///
    /// # Errors
    /// Settings contradict each other, the models do not run on the data or cannot be differentiated, or what
    /// the sink says.
    pub fn run(
        &self,
        observer: &dyn Observer,
        sink: &mut dyn SaliencySink,
    ) -> Result<SaliencyReport> {
        let clock = Clock::start();
        self.check()?;
        let mut report = self.explain(observer, sink)?;
        clock.stop(&mut report.timing);
        report.warnings.iter().for_each(|warning| observer.warning(warning));
        Ok(report)
    }

    fn explain(
        &self,
        observer: &dyn Observer,
        sink: &mut dyn SaliencySink,
    ) -> Result<SaliencyReport> {
        let loading = Instant::now();
        let dataset = self.data.open_inputs(self.running.seed)?;
        let execution = self.running.execution()?;
        let preprocess = self.steps(&dataset, sink.wants_images())?;
        let load = self.data.load.options(self.running.threads());
        let source = Source { dataset: &dataset, preprocess: &preprocess, load };
        let samples = first_samples(&source, 2)?;
        let mut warnings = vec![];
        let (how, steps) = ((&execution, observer), &preprocess[0]);
        let mut subjects = self.subjects((&dataset, &samples[0]), how, steps, &mut warnings)?;
        self.check_tokens(&subjects, sink.wants_images())?;
        beside::tell_preset(&self.preprocessing, steps, observer);
        let loading = loading.elapsed().as_secs_f64();
        let target = self.aim(&mut subjects, &samples[0], &dataset, &mut warnings)?;
        let of_data = (&dataset, target);
        let mut collected = Collected::new((self, sink), &subjects, of_data, &samples[0])?;
        let summary = over_data(&mut subjects, &source, &mut collected, observer)?;
        let device = device::name(execution.device);
        collected.test((steps, &execution), observer)?;
        let of_run = (loading, device);
        Ok(collected.finish(steps, summary, of_run, subjects, (warnings, observer)))
    }

    /// What is done to the samples for the networks, and to look at them where they are images and shown.
    fn steps(&self, dataset: &Dataset, shown: bool) -> Result<Vec<Preprocess>> {
        let steps = self.preprocessing.for_models(dataset, &self.models)?;
        let to_look_at = (shown && dataset.has_images()).then(|| shown::steps(&steps));
        Ok(std::iter::once(steps).chain(to_look_at).collect())
    }

    /// Refuses what token ids do not have.
    fn check_tokens(&self, subjects: &[Subject], shown: bool) -> Result<()> {
        let focus = subjects.first().and_then(|s| s.explainer.options.focus.as_ref());
        let Some(focus) = focus.filter(|focus| focus.is_tokens) else { return Ok(()) };
        let wanted = [
            ("--faithfulness", self.faithfulness),
            ("--method finite-difference", self.differences.is_some()),
            ("a picture (--plot, --images)", shown),
        ];
        match wanted.iter().find(|(_, wanted)| *wanted) {
            None => Ok(()),
            Some((what, _)) => Err(Error::usage(
                format!(
                    "{what} is for images and other floats, and {} holds token ids",
                    focus.name
                ),
                "leave it out; --maps FILE.npz holds the values of the tokens",
            )),
        }
    }

    fn subjects(
        &self,
        (dataset, sample): (&Dataset, &Tensor),
        how: (&Execution, &dyn Observer),
        preprocess: &Preprocess,
        warnings: &mut Vec<Warning>,
    ) -> Result<Vec<Subject>> {
        let loaded = load_all(&self.models, &self.running)?;
        let mut subjects = vec![];
        for model in loaded {
            if self.sanity && model.model.stages()?.is_empty() {
                return Err(trust::frozen(model.model.path()));
            }
            let wanted = self.wanted(dataset, preprocess);
            let (explainer, record, said) = model.into_explainer(sample, &wanted, how)?;
            warnings.extend(said);
            let folding = Folding::of(&explainer.images(sample), self.grid);
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

    /// What is explained, which has to be the same of all models.
    fn aim(
        &self,
        subjects: &mut [Subject],
        sample: &Tensor,
        dataset: &Dataset,
        warnings: &mut Vec<Warning>,
    ) -> Result<Target> {
        let mut target = None;
        for subject in subjects {
            let aim = self.target.aim(&mut subject.explainer.model, sample, dataset)?;
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
}

/// Goes over the data once.
fn over_data(
    subjects: &mut [Subject],
    source: &Source<'_>,
    collected: &mut Collected<'_>,
    observer: &dyn Observer,
) -> Result<Summary> {
    let mut batches = source.dataset.batches(source.preprocess, &source.load)?;
    let mut bar = observer.passes();
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

/// Runs all models over a batch and takes in what they give.
fn of_batch(subjects: &mut [Subject], batch: &Batch, collected: &mut Collected<'_>) -> Result<()> {
    collected.begin(batch);
    for (i, subject) in subjects.iter_mut().enumerate() {
        let input = to_tensor(&batch.inputs[subject.input])?;
        let labels = subject.labels.as_ref();
        let labels: Option<Vec<usize>> =
            labels.map(|all| batch.indices.iter().map(|&i| all[i]).collect());
        let images = Images { input: &input, indices: &batch.indices, labels: labels.as_deref() };
        if i == 0 {
            collected.see(subject, &input)?;
        }
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

/// Maps at the size of the images.
fn enlarged(maps: &Tensor, input: &Tensor) -> Tensor {
    let shape = input.size();
    let (height, width) = (shape[2], shape[3]);
    match maps.size()[1..] == [height, width] {
        true => maps.shallow_clone(),
        false => cam::resized(maps, height, width),
    }
}
