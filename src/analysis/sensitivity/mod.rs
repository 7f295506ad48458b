//! Which channels predictions rest on, and how they hold under perturbation.

mod collect;
mod results;

use std::path::PathBuf;
use std::slice;
use std::time::Instant;

use self::collect::Collected;
use super::session::models::Probed;
use super::session::target::Aim;
use super::session::{beside, load_all};
use super::{Aiming, Data, Draw, Observer, Preprocessing, Running};
use crate::analysis::request::over_data;
use crate::capture::{Judge, Source, first_samples};
use crate::classifier::OutputForm;
use crate::data::{Dataset, Preprocess};
use crate::error::{Error, Result};
use crate::functional::{Ablation, Perturbation, Pixels, Robustness};
use crate::report::sensitivity::{SensitivityReport, SensitivitySettings};
use crate::report::{Clock, ModelInput, Warning};
use crate::saliency::Target;
use crate::torchscript::device;

/// Importance and sensitivity of the channels of a classifier, and how its predictions hold when pixels
/// are perturbed.
///
/// ```
/// use repsim::analysis::{Sensitivity, Silent};
/// use repsim::data::{Channels, Preset};
///
/// # fn main() -> repsim::error::Result<()> {
/// let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
/// let model = format!("{folder}/models/fashion-seed0-scripted.pt");
/// let mut sensitivity = Sensitivity::new(model).data(format!("{folder}/images"));
/// sensitivity.layers = vec!["layer2".into()];
/// sensitivity.data.load.limit = Some(20);
/// sensitivity.preprocessing.preset = Some(Preset::Raw);
/// sensitivity.preprocessing.channels = Some(Channels::Rgb);
/// let report = sensitivity.run(&Silent)?;
/// let layer = &report.results.layers[0];
/// assert_eq!((layer.name.as_str(), layer.channels.len()), ("layer2", 32));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Sensitivity {
    /// A classifier.
    pub model: PathBuf,
    /// Layers whose channels are probed, by name or glob; empty for the last with a spatial map that the
    /// output depends on.
    pub layers: Vec<String>,
    /// What channels are replaced by, each once; importance is ranked by the first.
    pub ablations: Vec<Ablation>,
    /// How pixels are perturbed.
    pub perturbing: Perturbing,
    /// The score that is looked at.
    pub aiming: Aiming,
    /// The samples.
    pub data: Data,
    /// What is done to them.
    pub preprocessing: Preprocessing,
    /// How the model is loaded and run.
    pub running: Running,
}

/// How pixels are perturbed.
#[derive(Debug, Clone)]
pub struct Perturbing {
    /// The kinds, each once; all where nothing is said and the data have pixels of a known range.
    pub kinds: Option<Vec<Perturbation>>,
    /// Standard deviations of the noise, of pixels in 0…1.
    pub noise: Vec<f64>,
    /// The largest changes of a pixel by FGSM and PGD, of pixels in 0…1.
    pub epsilon: Vec<f64>,
    /// Steps of PGD.
    pub steps: usize,
    /// Seed of the noise and of the bootstrap, where it does not follow from that of the run.
    pub seed: Option<u64>,
}

impl Default for Perturbing {
    /// All kinds, in five strengths each.
    fn default() -> Self {
        Self {
            kinds: None,
            noise: [4.0, 8.0, 16.0, 32.0, 64.0].map(|levels| levels / 255.0).to_vec(),
            epsilon: [1.0, 2.0, 4.0, 8.0, 16.0].map(|levels| levels / 255.0).to_vec(),
            steps: 10,
            seed: None,
        }
    }
}

over_data!(Sensitivity, data);

impl Sensitivity {
    /// The predicted class, channels at 0 and at their mean, and all perturbations.
    pub fn new(model: impl Into<PathBuf>) -> Self {
        Self {
            model: model.into(),
            layers: vec![],
            ablations: vec![Ablation::Zero, Ablation::Mean],
            perturbing: Perturbing::default(),
            aiming: Aiming::default(),
            data: Data::default(),
            preprocessing: Preprocessing::default(),
            running: Running::default(),
        }
    }

    /// Names or globs of the layers.
    #[must_use]
    pub fn layers<S: Into<String>>(mut self, patterns: impl IntoIterator<Item = S>) -> Self {
        self.layers = patterns.into_iter().map(Into::into).collect();
        self
    }

    /// Probes the channels of the model and perturbs its images.
    ///
    /// # Errors
    /// Files that cannot be read, a model that does not run on the data, gives no N×K logits or cannot be
    /// differentiated, no such layer or class, or perturbations of data without pixels of a known range.
    pub fn run(&self, observer: &dyn Observer) -> Result<SensitivityReport> {
        let clock = Clock::start();
        let mut report = self.examine(observer)?;
        clock.stop(&mut report.timing);
        report.warnings.iter().for_each(|warning| observer.warning(warning));
        Ok(report)
    }

    fn examine(&self, observer: &dyn Observer) -> Result<SensitivityReport> {
        let loading = Instant::now();
        let dataset = self.data.open_inputs(self.running.seed)?;
        let execution = self.running.execution()?;
        let preprocess = self.preprocessing.for_model(&dataset, &self.model)?;
        let (mut plan, unperturbed) = self.robustness(&dataset, &preprocess)?;
        let load = self.data.load.options(self.running.threads());
        let source = Source { dataset: &dataset, preprocess: slice::from_ref(&preprocess), load };
        let samples = first_samples(&source, 2)?.swap_remove(0);
        let loaded = load_all(slice::from_ref(&self.model), &self.running)?;
        let loaded = loaded.into_iter().next();
        let mut loaded = loaded.ok_or_else(|| Error::usage("no model was given", "name one"))?;
        loaded.feed(&dataset)?;
        let wanted = (self.layers.as_slice(), self.aiming.output_index);
        let (mut subject, model, mut warnings) =
            loaded.into_probed(&samples, wanted, (&execution, observer))?;
        warnings.extend(unperturbed);
        beside::tell_preset(&self.preprocessing, &preprocess, observer);
        let aim = self.aiming.aim(&mut subject.model, &samples, &dataset)?;
        plan.form = aim.form;
        let judge = Judge::new(&aim.naming(), &subject.model);
        let Aim { names, target, labels, warning, .. } = aim;
        warnings.extend(warning);
        let record = Record {
            model,
            warnings,
            loading: loading.elapsed().as_secs_f64(),
            device: device::name(execution.device),
        };
        let ablations = self.ablations.clone();
        let mut run = Run { source, subject, target, names, labels, judge, ablations, plan };
        let collected = Collected::of(&mut run, &mut *observer.passes())?;
        tell_uncut(&run, &collected, observer);
        Ok(results::report(self, &run, collected, record, observer))
    }

    /// The perturbations of the pixels, and a warning where there are none because the data have no
    /// pixels of a known range.
    ///
    /// # Errors
    /// They were asked for of such data.
    fn robustness(
        &self,
        dataset: &Dataset,
        preprocess: &Preprocess,
    ) -> Result<(Robustness, Option<Warning>)> {
        let Perturbing { kinds: asked, noise, epsilon, steps, seed } = &self.perturbing;
        let all = [Perturbation::Noise, Perturbation::Fgsm, Perturbation::Pgd];
        let mut kinds = asked.clone().unwrap_or(all.to_vec());
        let mut warning = None;
        if let Some((problem, remedy)) = self.without_pixels(dataset).filter(|_| !kinds.is_empty())
        {
            if asked.is_some() {
                return Err(Error::file("perturb", dataset.path(), problem, remedy));
            }
            kinds.clear();
            let text = format!("nothing is perturbed: {problem}; {remedy}");
            warning = Some(Warning::new("not-perturbed", dataset.path().display(), text));
        }
        let plan = Robustness {
            kinds,
            noise: growing(noise),
            epsilon: growing(epsilon),
            steps: *steps,
            seed: self.running.seed_of(Draw::Resampling, *seed),
            pixels: Pixels::of(preprocess),
            form: OutputForm::default(),
        };
        Ok((plan, warning))
    }

    /// Why the data have no pixels between a known black and white, and what to do.
    fn without_pixels(&self, dataset: &Dataset) -> Option<(&'static str, &'static str)> {
        if !dataset.has_images() {
            return Some(("the data are rows of numbers and no images", "take --perturb none"));
        }
        let known = dataset.holds_bytes() || self.preprocessing.range.is_some();
        (!known).then_some((
            "the images are floats, and which of them are black and white is not known",
            "say it with --range (0..1, -1..1 or 0..255), or take --perturb none",
        ))
    }

    fn recorded(&self, run: &Run<'_>, device: String) -> SensitivitySettings {
        let of = if run.labels.is_ok() { "the label" } else { "the predicted class" };
        let attacks = run.plan.kinds.iter().any(|kind| *kind != Perturbation::Noise);
        SensitivitySettings {
            target: run.target.to_string(),
            layers: self.layers.clone(),
            ablations: run.ablations.clone(),
            perturbations: run.plan.kinds.clone(),
            epsilon: run.plan.epsilon.clone(),
            pgd_steps: run.plan.steps,
            pgd_step: run.plan.step(),
            noise: run.plan.noise.clone(),
            loss: attacks.then(|| format!("cross entropy of {of}")),
            random_seed: run.plan.seed,
            output_index: self.aiming.output_index,
            preprocess: run.source.preprocess[0].clone(),
            read: self.data.load.recorded(self.running.seed),
            optimize: self.running.optimize,
            precision: self.running.precision.recorded(),
            device,
        }
    }
}

/// Growing, each once.
fn growing(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

/// Says behind which layers the whole network runs for every channel.
fn tell_uncut(run: &Run<'_>, found: &Collected, observer: &dyn Observer) {
    for (layer, ablator) in run.subject.layers.iter().zip(&found.ablators) {
        if !ablator.is_cut() {
            let name = &layer.name;
            observer.detail(&format!("{name}: a run of the whole network for every channel"));
        }
    }
}

/// What is examined, and how.
struct Run<'a> {
    source: Source<'a>,
    subject: Probed,
    target: Target,
    /// Names of the classes; empty where they are not known.
    names: Vec<String>,
    /// The classes of the samples by the numbers of the logits, or why they are not known.
    labels: Result<Vec<usize>, String>,
    /// What the outputs say of all images.
    judge: Judge,
    ablations: Vec<Ablation>,
    plan: Robustness,
}

/// What a report says besides what was found.
struct Record {
    model: ModelInput,
    warnings: Vec<Warning>,
    loading: f64,
    device: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strengths_grow() {
        assert_eq!(growing(&[0.2, 0.1, 0.2]), [0.1, 0.2]);
    }
}
