//! The two passes over the data: derivatives and perturbations, then ablations.

use tch::{Kind, Tensor};

use super::Run;
use crate::analysis::session::models::Probed;
use crate::capture::{Progress, Source, Timing, each_batch, token_mask};
use crate::data::{Batch, Summary};
use crate::error::{Error, Result};
use crate::functional::{Ablation, Ablator, Change, Flat, Importance, Sensitivity, predicted};
use crate::saliency::{Classes, Images};
use crate::torchscript::{TailGradients, tensors};

/// What both passes found.
pub struct Collected {
    /// One an image, in the order of the data.
    pub images: Vec<Seen>,
    /// The other class of a contrast.
    pub against: Option<i64>,
    /// One a layer.
    pub sensitivities: Vec<Sensitivity>,
    /// One an ablation, a list a layer.
    pub importances: Vec<Vec<Importance>>,
    /// One a layer.
    pub ablators: Vec<Ablator>,
    /// Where the time went.
    pub timing: Timing,
    /// What was read.
    pub read: Summary,
    /// Passes over the data.
    pub passes: usize,
}

/// What the first pass found of one image.
pub struct Seen {
    /// Its position in the data set.
    pub index: usize,
    /// The class whose logit is looked at.
    pub class: i64,
    /// Its score.
    pub score: f64,
    /// The class with the highest logit; `None` where a logit is not finite.
    pub predicted: Option<usize>,
    /// The highest logit less the second highest.
    pub margin: f64,
    /// Under each perturbation, a list of strengths a kind.
    pub perturbed: Vec<Vec<Under>>,
    /// Why the attacks have no direction, where they have none.
    pub flat: Option<Flat>,
}

/// What becomes of an image under a perturbation.
#[derive(Clone, Copy)]
pub struct Under {
    /// The class with the highest logit; `None` where a logit is not finite.
    pub predicted: Option<usize>,
    /// By how much the score changes.
    pub change: f64,
}

impl Collected {
    /// Goes over the data.
    ///
    /// # Errors
    /// The data cannot be read, or the model does not run on it or cannot be differentiated.
    pub fn of(run: &mut Run<'_>, bar: &mut dyn Progress) -> Result<Self> {
        let channels = |i: usize| {
            let layer = &run.subject.layers[i];
            layer.canonical_shape()[1] as usize
        };
        let layers = run.subject.layers.len();
        let mut timing = Timing::default();
        let mut sensitivities: Vec<_> =
            (0..layers).map(|i| Sensitivity::new(channels(i))).collect();
        let (mut images, mut against) = (vec![], None);
        let passes = 1 + usize::from(!run.ablations.is_empty());
        let samples = run.source.dataset.len();
        bar.begin(1, passes, samples * (1 + run.plan.runs()));
        let source = source(run);
        let read = each_batch(&source, &mut timing, |batch, inputs| {
            let input = &inputs[0];
            let (classes, seen) =
                first(run, batch, input, &mut sensitivities, &mut |n| bar.advance(n))?;
            against = classes.against;
            images.extend(seen);
            Ok(())
        })?;
        let mut found = Self {
            images,
            against,
            sensitivities,
            importances: vec![],
            ablators: vec![],
            timing,
            read,
            passes,
        };
        if passes > 1 {
            found.ablate(run, bar)?;
        }
        bar.end();
        Ok(found)
    }

    /// The second pass.
    fn ablate(&mut self, run: &mut Run<'_>, bar: &mut dyn Progress) -> Result<()> {
        let changes: Vec<Vec<Vec<Change>>> = self
            .sensitivities
            .iter()
            .map(|layer| run.ablations.iter().map(|&how| changes(how, layer)).collect())
            .collect();
        let of = |layer: &Sensitivity| {
            vec![Importance::new(layer.moments().channels()); run.ablations.len()]
        };
        self.importances = self.sensitivities.iter().map(of).collect();
        let source = source(run);
        let size = source.load.batch_size;
        let Probed { model, room, .. } = &run.subject;
        let ablator = |(i, room): (usize, &usize)| Ablator::new(model, i, size * room);
        self.ablators = room.iter().enumerate().map(ablator).collect();
        let runs: usize = changes.iter().flatten().map(Vec::len).sum();
        bar.begin(2, 2, self.images.len() * runs);
        let mut timing = self.timing;
        let mut done = 0;
        each_batch(&source, &mut timing, |batch, inputs| {
            let input = &inputs[0];
            let rows = done..done + batch.len();
            done = rows.end;
            let own = self.images.get(rows.clone()).filter(|own| {
                own.iter().map(|image| image.index).eq(batch.indices.iter().copied())
            });
            own.ok_or_else(changed)?;
            self.second(run, (batch, input), rows, &changes, bar)
        })?;
        self.timing = timing;
        match done == self.images.len() {
            true => Ok(()),
            false => Err(changed()),
        }
    }

    fn second(
        &mut self,
        run: &mut Run<'_>,
        (batch, input): (&Batch, &Tensor),
        rows: std::ops::Range<usize>,
        changes: &[Vec<Vec<Change>>],
        bar: &mut dyn Progress,
    ) -> Result<()> {
        let images = &self.images[rows];
        let classes = Classes {
            classes: images.iter().map(|image| image.class).collect(),
            against: self.against,
        };
        let scores: Vec<f64> = images.iter().map(|image| image.score).collect();
        let labels = labels_of(run, batch);
        for (layer, changes) in changes.iter().enumerate() {
            let ablator = &mut self.ablators[layer];
            for (changes, importance) in changes.iter().zip(&mut self.importances[layer]) {
                let model = &mut run.subject.model;
                let told = &mut |images| bar.advance(images);
                let logits = ablator.logits(model, input, changes, told)?;
                importance.add(&logits, (&classes, &scores), labels.as_deref())?;
            }
        }
        Ok(())
    }
}

/// Derivatives and perturbations of a batch.
fn first(
    run: &mut Run<'_>,
    batch: &Batch,
    input: &Tensor,
    sensitivities: &mut [Sensitivity],
    told: &mut dyn FnMut(usize),
) -> Result<(Classes, Vec<Seen>)> {
    let labels = labels_of(run, batch);
    let images = Images { input, indices: &batch.indices, labels: labels.as_deref() };
    let mut classes = None;
    let TailGradients { output, layers } = run.subject.model.tail_gradients(input, |logits| {
        let found = run.target.resolve(logits, images.labels)?;
        let total = found.total(logits);
        classes = Some(found);
        total
    })?;
    let classes = classes.ok_or_else(|| Error::usage("no target", "please report this"))?;
    run.judge.take(run.source.dataset, &batch.indices, Some(&output))?;
    let mask = token_mask(run.source.dataset, input);
    for (sensitivity, layer) in sensitivities.iter_mut().zip(&layers) {
        sensitivity.add(layer, mask.as_ref())?;
    }
    told(batch.len());
    if output.size()[1] < 2 && !run.plan.kinds.is_empty() {
        let problem =
            "the model gives one logit: no prediction can flip, and no attack raises its loss";
        return Err(Error::usage(
            problem,
            "give --perturb none, or a model with two logits or more",
        ));
    }
    let mut seen = seen(&classes, &output, &batch.indices)?;
    perturb(run, &images, &classes, &mut seen, told)?;
    Ok((classes, seen))
}

/// What the intact run says of a batch.
fn seen(classes: &Classes, output: &Tensor, indices: &[usize]) -> Result<Vec<Seen>> {
    let scores = scores(classes, output)?;
    let predicted = predicted(output)?;
    let logits = tensors::to_matrix(output)?;
    let of = |(row, &index): (usize, &usize)| {
        let logits = logits.row(row);
        let margin = predicted[row].map_or(f64::NAN, |best| {
            let others = logits.iter().enumerate().filter(|(class, _)| *class != best);
            logits[best] - others.map(|(_, logit)| *logit).fold(f64::NEG_INFINITY, f64::max)
        });
        Seen {
            index,
            class: classes.classes[row],
            score: scores[row],
            predicted: predicted[row],
            margin,
            perturbed: vec![],
            flat: None,
        }
    };
    Ok(indices.iter().enumerate().map(of).collect())
}

fn perturb(
    run: &mut Run<'_>,
    images: &Images<'_>,
    classes: &Classes,
    seen: &mut [Seen],
    told: &mut dyn FnMut(usize),
) -> Result<()> {
    if run.plan.kinds.is_empty() {
        return Ok(());
    }
    let attacked: Vec<i64> = match images.labels {
        Some(labels) => labels.iter().map(|&label| label as i64).collect(),
        None => seen.iter().map(|image| image.predicted.unwrap_or(0) as i64).collect(),
    };
    let found = run.plan.perturb(&mut run.subject.model, images, &attacked, told)?;
    for (image, flat) in seen.iter_mut().zip(&found.flat) {
        image.flat = *flat;
    }
    for strengths in &found.logits {
        seen.iter_mut().for_each(|image| image.perturbed.push(vec![]));
        for logits in strengths {
            let classes = (scores(classes, logits)?, predicted(logits)?);
            for ((image, score), predicted) in seen.iter_mut().zip(classes.0).zip(classes.1) {
                let change = score - image.score;
                image.perturbed.last_mut().into_iter().for_each(|kind| {
                    kind.push(Under { predicted, change });
                });
            }
        }
    }
    Ok(())
}

fn scores(classes: &Classes, logits: &Tensor) -> Result<Vec<f64>> {
    Ok(tensors::to_vector(&classes.scores(logits)?.to_kind(Kind::Double))?.to_vec())
}

/// Every channel of a layer replaced.
fn changes(how: Ablation, layer: &Sensitivity) -> Vec<Change> {
    let value = |mean: f64| if how == Ablation::Mean { mean } else { 0.0 };
    let means = layer.moments().mean().iter().enumerate();
    means.map(|(channel, &mean)| Change { channel, value: value(mean) }).collect()
}

fn labels_of(run: &Run<'_>, batch: &Batch) -> Option<Vec<usize>> {
    let labels = run.labels.as_ref().ok()?;
    Some(batch.indices.iter().map(|&index| labels[index]).collect())
}

fn source<'a>(run: &Run<'a>) -> Source<'a> {
    let Source { dataset, preprocess, load } = &run.source;
    Source { dataset, preprocess, load: load.clone() }
}

fn changed() -> Error {
    Error::usage("the data changed while they were read", "run again")
}
