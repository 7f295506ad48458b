//! The report made of what both passes found.

use super::collect::{Collected, Seen, Under};
use super::{Record, Run, Sensitivity};
use crate::analysis::Observer;
use crate::analysis::session::target::name_of;
use crate::analysis::session::{accuracy, duplicates, notices};
use crate::functional::ranking::{correlation, falling_ranks, only_in_first};
use crate::functional::{self, Ablation, Flat, Perturbation, wilson};
use crate::report::distance::NullValue;
use crate::report::sensitivity::{
    ChannelResult, CorrelationResult, ImageResult, LayerResult, PerturbedResult, RobustnessResult,
    SensitivityReport, SensitivityResults,
};
use crate::report::{DataInput, Inputs, Number, Report, SchemaId, Timing, Tool, Warning};
use crate::saliency::Target;
use crate::saliency::bootstrap::{interval, mean};
use crate::torchscript::libtorch_version;

/// Resamples of the bootstrap.
const RESAMPLES: usize = 1000;

/// Falls of the score below this share of it are rounding in float32.
const ROUNDING: f64 = 8.0 * f32::EPSILON as f64;

/// Fewer images than these say little.
const FEW: usize = 20;

/// The report.
pub fn report(
    asked: &Sensitivity,
    run: &Run<'_>,
    found: Collected,
    record: Record,
    observer: &dyn Observer,
) -> SensitivityReport {
    let results = results(run, &found);
    let mut warnings = record.warnings;
    warnings.extend(of_results(run, &found, &results));
    let timing = Timing {
        load: record.loading,
        decode: found.timing.decode,
        wait: found.timing.wait,
        forward: found.timing.forward,
        passes: found.passes,
        ..Timing::default()
    };
    let path = run.source.dataset.path().display().to_string();
    warnings.extend(duplicates::of_images(found.read.copies.as_deref(), &path));
    let data = DataInput::new(run.source.dataset, Some(found.read), run.source.preprocess);
    warnings.extend(notices::of_data(&data));
    let mut models = vec![record.model];
    warnings.extend(accuracy::judge(&mut models, &data.path, &[run.judge.judged()], observer));
    warnings.extend(models.iter().filter_map(accuracy::of_probabilities));
    Report {
        pictures: vec![],
        command: None,
        schema: SchemaId::current("sensitivity"),
        tool: Tool::current(libtorch_version()),
        inputs: Inputs { models, data: Some(data), ..asked.running.inputs() },
        settings: asked.recorded(run, record.device),
        results,
        warnings,
        timing,
    }
}

fn results(run: &Run<'_>, found: &Collected) -> SensitivityResults {
    let layers: Vec<LayerResult> =
        (0..run.subject.layers.len()).map(|i| layer(run, found, i)).collect();
    let right = right(run, &found.images, |image| image.predicted);
    let scores = found.images.iter().map(|image| Some(image.score));
    SensitivityResults {
        n: found.images.len(),
        accuracy: right.into(),
        score_form: run.plan.form,
        mean_logit: mean(scores).map(|mean| mean.value).into(),
        nulls: nulls(run, found, &layers),
        layers,
        robustness: robustness(run, &found.images),
        images: found.images.iter().map(|seen| image(run, found.against, seen)).collect(),
    }
}

/// The share of the images that are predicted rightly, where labels are known.
fn right(run: &Run<'_>, images: &[Seen], said: impl Fn(&Seen) -> Option<usize>) -> Option<f64> {
    let labels = run.labels.as_ref().ok()?;
    let hit = |image| Some(usize::from(said(image)? == labels[image.index]));
    let count = images.iter().map(hit).sum::<Option<usize>>()?;
    Some(count as f64 / images.len() as f64)
}

/// The fall of the score and the accuracy with each channel of a layer replaced.
struct Falls {
    how: Ablation,
    drops: Vec<f64>,
    /// Whether all falls are 0 up to rounding: their order then means nothing. So it is where a linear
    /// head follows, and a channel at its mean leaves the mean score of a class as it is.
    level: bool,
    accuracies: Option<Vec<f64>>,
}

fn falls(run: &Run<'_>, found: &Collected, layer: usize) -> Vec<Falls> {
    let largest = found.images.iter().map(|image| image.score.abs()).fold(0.0, f64::max);
    let of = |(place, how): (usize, &Ablation)| {
        let importance = &found.importances[layer][place];
        let accuracies = run.labels.is_ok().then(|| importance.accuracies().to_vec());
        let drops = importance.drops().to_vec();
        let level = drops.iter().all(|drop| drop.abs() <= ROUNDING * largest);
        Falls { how: *how, drops, level, accuracies }
    };
    run.ablations.iter().enumerate().map(of).collect()
}

fn layer(run: &Run<'_>, found: &Collected, i: usize) -> LayerResult {
    let sensitivity = &found.sensitivities[i];
    let moments = sensitivity.moments();
    let values = sensitivity.values().to_vec();
    let falls = falls(run, found, i);
    let compared = |falls: &Falls| {
        let found = correlation(&values, &falls.drops, run.plan.seed);
        let found = Some(found).filter(|_| !falls.level);
        CorrelationResult {
            ablation: falls.how,
            spearman: found.and_then(|found| found.spearman).into(),
            interval: found.and_then(|found| found.interval),
        }
    };
    let first = falls.first().filter(|falls| !falls.level).map(|falls| falls.drops.as_slice());
    let all = 0..values.len();
    LayerResult {
        name: run.subject.layers[i].name.clone(),
        shape: run.subject.layers[i].sample_shape(),
        channels: channels(sensitivity, &falls),
        correlations: falls.iter().map(compared).collect(),
        important_not_sensitive: first.map(|l| only_in_first(l, &values)).unwrap_or_default(),
        sensitive_not_important: first.map(|l| only_in_first(&values, l)).unwrap_or_default(),
        constant: all.clone().filter(|&c| moments.is_constant(c)).count(),
        dead: all.filter(|&c| moments.is_dead(c)).count(),
    }
}

fn channels(sensitivity: &functional::Sensitivity, falls: &[Falls]) -> Vec<ChannelResult> {
    let (gradient, values) = (sensitivity.gradient(), sensitivity.values().to_vec());
    let (means, std) = (sensitivity.moments().mean(), sensitivity.moments().std());
    let rank_sensitivity = falling_ranks(&values);
    let first = falls.first().filter(|falls| !falls.level);
    let rank_importance = first.map(|falls| falling_ranks(&falls.drops));
    let of = |how: Ablation| falls.iter().find(|falls| falls.how == how);
    let drop = |how, c: usize| of(how).map(|falls| falls.drops[c]).into();
    let accuracy =
        |how, c: usize| of(how).and_then(|falls| Some(falls.accuracies.as_ref()?[c])).into();
    let channel = |c: usize| ChannelResult {
        channel: c,
        gradient: gradient[c].into(),
        mean: means[c].into(),
        std: std[c].into(),
        sensitivity: values[c].into(),
        drop_zero: drop(Ablation::Zero, c),
        drop_mean: drop(Ablation::Mean, c),
        accuracy_zero: accuracy(Ablation::Zero, c),
        accuracy_mean: accuracy(Ablation::Mean, c),
        rank_sensitivity: rank_sensitivity[c].into(),
        rank_importance: rank_importance.as_ref().map(|ranks| ranks[c]).into(),
    };
    (0..values.len()).map(channel).collect()
}

fn robustness(run: &Run<'_>, images: &[Seen]) -> Vec<RobustnessResult> {
    let mut rows = vec![];
    for (k, &kind) in run.plan.kinds.iter().enumerate() {
        for (s, &strength) in run.plan.strengths(kind).iter().enumerate() {
            let under = |image: &Seen| image.perturbed[k][s];
            let flip = |i| Some(usize::from(under(i).predicted? != i.predicted?));
            let flips: Option<usize> = images.iter().map(flip).sum();
            let changes: Vec<f64> = images.iter().map(|image| under(image).change).collect();
            let average = mean(changes.iter().map(|change| Some(*change)));
            rows.push(RobustnessResult {
                perturbation: kind,
                strength,
                flip_rate: flips.map(|flips| flips as f64 / images.len() as f64).into(),
                flip_interval: flips.and_then(|flips| wilson(flips, images.len())),
                logit_change: average.map(|mean| mean.value).into(),
                logit_interval: interval(&changes, run.plan.seed, RESAMPLES, 0.95),
                accuracy: right(run, images, |image| under(image).predicted).into(),
            });
        }
    }
    rows
}

fn image(run: &Run<'_>, against: Option<i64>, seen: &Seen) -> ImageResult {
    let names = run.names.as_slice();
    let dataset = run.source.dataset;
    let label = dataset.labels().map(|labels| name_of(dataset.classes(), labels[seen.index]));
    let perturbed = run.plan.kinds.iter().zip(&seen.perturbed);
    let known_target = seen.predicted.is_some() || run.target != Target::Predicted;
    ImageResult {
        sample: dataset.name(seen.index),
        label,
        prediction: seen.predicted.map(|class| name_of(names, class)),
        target: known_target.then(|| name_of(names, seen.class as usize)),
        against: against.map(|class| name_of(names, class as usize)),
        logit: seen.score.into(),
        margin: seen.margin.into(),
        perturbed: perturbed.map(|(kind, under)| of_kind(run, *kind, seen, under)).collect(),
    }
}

fn of_kind(run: &Run<'_>, kind: Perturbation, seen: &Seen, under: &[Under]) -> PerturbedResult {
    let known = seen.predicted.is_some() && under.iter().all(|under| under.predicted.is_some());
    let first = under.iter().position(|under| known && under.predicted != seen.predicted);
    PerturbedResult {
        perturbation: kind,
        flips_at: first.map(|place| run.plan.strengths(kind)[place]),
        logit_changes: under.iter().map(|under| Number::from(under.change)).collect(),
    }
}

fn nulls(run: &Run<'_>, found: &Collected, layers: &[LayerResult]) -> Vec<NullValue> {
    let null = |field: String, reason: &str| NullValue { field, reason: reason.to_owned() };
    let mut nulls = vec![];
    if let Err(reason) = &run.labels {
        nulls.push(null("accuracy, of all kinds".to_owned(), reason));
    }
    for how in [Ablation::Zero, Ablation::Mean] {
        if !run.ablations.contains(&how) {
            let field = format!("layers[].channels[].drop_{how}, accuracy_{how}");
            nulls.push(null(field, "--ablate leaves it out"));
        }
    }
    if let Some(broken) = not_finite(run, &found.images, |image| image.predicted.is_none()) {
        let field = "images[].prediction, logit, margin; mean_logit, accuracy, falls, flips";
        nulls.push(null(field.to_owned(), &format!("logits that are not finite: {broken}")));
    } else if let Some(broken) = not_finite(run, &found.images, breaks) {
        let field = "robustness[].flip_rate, accuracy, logit_change; images[].perturbed[].flips_at";
        let reason = format!("logits that are not finite under perturbation: {broken}");
        nulls.push(null(field.to_owned(), &reason));
    }
    if found.images.iter().any(|image| image.margin == f64::INFINITY) {
        nulls.push(null("images[].margin".to_owned(), "the model gives one logit"));
    }
    for layer in layers {
        let finite = layer.channels.iter().all(|c| c.sensitivity.get().is_some());
        if !finite {
            let field = format!("{}: channels[].sensitivity", layer.name);
            nulls.push(null(field, "NaN or infinite in the layer or its gradient"));
        }
        for found in layer.correlations.iter().filter(|c| c.spearman.get().is_none()) {
            let field = format!("{}: correlation with drop_{}", layer.name, found.ablation);
            let reason = match finite {
                true => {
                    "sensitivity, or the fall of the score up to rounding, is the same for all channels"
                }
                false => "NaN or infinite in the layer, its gradient or the logits",
            };
            nulls.push(null(field, reason));
        }
    }
    nulls
}

/// What a reader has to know of the results.
fn of_results(run: &Run<'_>, found: &Collected, results: &SensitivityResults) -> Vec<Warning> {
    let place = run.source.dataset.path().display();
    let mut warnings = vec![];
    if let Err(reason) = &run.labels {
        let text = format!("there is no accuracy: {reason}");
        warnings.push(Warning::new("no-labels", &place, text));
    }
    if results.n < FEW {
        let text = format!(
            "{} images are few: deviations, falls and shares over them are rough",
            results.n
        );
        warnings.push(Warning::new("few-images", &place, text));
    }
    if let Some(broken) = not_finite(run, &found.images, |image| image.predicted.is_none()) {
        let text = format!(
            "logits are not finite (NaN or infinite) in {broken}: they have no prediction, and what is \
             a mean or a share over the images is null"
        );
        warnings.push(Warning::new("logits-not-finite", &place, text));
    }
    let flats = [Flat::NotFinite, Flat::Saturated, Flat::Zero];
    warnings.extend(flats.into_iter().filter_map(|why| no_gradient(run, &found.images, why)));
    warnings.extend(results.layers.iter().filter(|l| l.constant > 0).map(constant));
    warnings
}

/// Whether a logit is not finite under a perturbation.
fn breaks(image: &Seen) -> bool {
    image.perturbed.iter().flatten().any(|under| under.predicted.is_none())
}

/// How many images are broken, and which is the first; `None` where none is.
fn not_finite(run: &Run<'_>, images: &[Seen], broken: impl Fn(&Seen) -> bool) -> Option<String> {
    let all: Vec<&Seen> = images.iter().filter(|image| broken(image)).collect();
    let first = run.source.dataset.name(all.first()?.index);
    Some(format!("{} of {} images, the first {first}", all.len(), images.len()))
}

/// Warns of images at which the attacks have no direction.
fn no_gradient(run: &Run<'_>, images: &[Seen], why: Flat) -> Option<Warning> {
    let flat = |image: &Seen| image.flat == Some(why) && image.predicted.is_some();
    let which = not_finite(run, images, flat)?;
    let (state, what) = match why {
        Flat::NotFinite => ("is not finite", "FGSM and PGD have no direction there"),
        Flat::Saturated => (
            "is 0, for the predictions are certain in float32",
            "FGSM and PGD leave them as they are, which does not show that they are robust",
        ),
        Flat::Zero => (
            "is 0, for the network passes none on to the pixels (as where it rounds)",
            "FGSM and PGD leave them as they are, which does not show that they are robust",
        ),
    };
    let text = format!("the gradient of the loss {state} in {which}: {what}");
    Some(Warning::new("no-gradient", run.source.dataset.path().display(), text))
}

fn constant(layer: &LayerResult) -> Warning {
    let text = format!(
        "{} of {} channels of {} are constant over these images, {} of them 0: their sensitivity \
         is 0",
        layer.constant,
        layer.channels.len(),
        layer.name,
        layer.dead
    );
    Warning::new("constant-channels", &layer.name, text)
}
