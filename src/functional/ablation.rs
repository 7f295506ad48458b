//! What is lost when a channel is replaced.

use std::fmt;
use std::str::FromStr;

use ndarray::Array1;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{by_name, checked_logits, predicted};
use crate::error::{Error, Result};
use crate::saliency::Classes;
use crate::torchscript::{Answer, Axes, Model, Tail, tensors};

/// What takes the place of a channel, at every position and in every image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ablation {
    /// 0.
    Zero,
    /// The mean of the channel over images and positions.
    Mean,
}

/// All ablations, with their names.
const NAMES: [(&str, Ablation); 2] = [("zero", Ablation::Zero), ("mean", Ablation::Mean)];

impl FromStr for Ablation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        by_name(text, &NAMES)
    }
}

impl fmt::Display for Ablation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = NAMES.iter().find(|(_, ablation)| ablation == self);
        f.write_str(found.map_or("", |(name, _)| name))
    }
}

/// One channel and what it becomes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The channel, from 0.
    pub channel: usize,
    /// Its value at every position.
    pub value: f64,
}

/// Runs batches with single channels of a layer replaced.
///
/// Up to the layer the network runs once a batch; copies of the layer's output, each with another
/// channel replaced, go together through the part behind it ([`Model::cut`]). Where that part cannot
/// be had, because it also takes something from before the layer (a residual connection around it),
/// every change has a run of the whole network.
pub struct Ablator {
    layer: usize,
    axes: Axes,
    most: usize,
    tail: Option<Tail>,
}

impl Ablator {
    /// For a layer among those the model is prepared for, with at most so many images behind it at a
    /// time.
    pub fn new(model: &Model, layer: usize, most: usize) -> Self {
        let axes = model.layers()[layer].axes;
        Self { layer, axes, most, tail: model.cut(layer).ok() }
    }

    /// Whether the part behind the layer runs by itself.
    pub fn is_cut(&self) -> bool {
        self.tail.is_some()
    }

    /// The logits, N×K, under each of the changes. `told` is called after every N images.
    ///
    /// # Errors
    /// The model does not run on the input, or gives no N×K logits.
    pub fn logits(
        &mut self,
        model: &mut Model,
        input: &Tensor,
        changes: &[Change],
        told: &mut dyn FnMut(usize),
    ) -> Result<Vec<Tensor>> {
        let images = input.size()[0] as usize;
        let Some(tail) = &mut self.tail else {
            let alone = |change: &Change| {
                let logits = replaced(model, (self.layer, &self.axes), input, change);
                told(images);
                logits
            };
            return changes.iter().map(alone).collect();
        };
        let output = output_of(model, self.layer, input)?;
        let mut logits = vec![];
        for part in changes.chunks((self.most / images.max(1)).max(1)) {
            let found =
                tail.run(&changed(&output, &self.axes, part), &mut |_, _| Ok(Answer::Keep))?;
            let found = checked_logits(found, images * part.len())?;
            logits.extend(found.chunk(part.len() as i64, 0));
            told(images * part.len());
        }
        Ok(logits)
    }
}

/// The output of a layer, behind which nothing runs.
fn output_of(model: &mut Model, layer: usize, input: &Tensor) -> Result<Tensor> {
    let mut kept = None;
    model.run(input, &mut |place, output| {
        if place != layer {
            return Ok(Answer::Keep);
        }
        kept = Some(output.copy());
        Ok(Answer::Stop)
    })?;
    kept.ok_or_else(|| Error::usage("the layer did not run", "choose another with --layers"))
}

/// The logits of the whole network with one channel replaced.
fn replaced(
    model: &mut Model,
    (layer, axes): (usize, &Axes),
    input: &Tensor,
    change: &Change,
) -> Result<Tensor> {
    let output = model.run(input, &mut |place, output| {
        Ok(match place == layer {
            true => Answer::Replace(changed(output, axes, std::slice::from_ref(change))),
            false => Answer::Keep,
        })
    })?;
    checked_logits(output, input.size()[0] as usize)
}

/// A copy of a layer's output a change, one below the other along its axis of samples.
fn changed(output: &Tensor, axes: &Axes, changes: &[Change]) -> Tensor {
    let all = Tensor::cat(&vec![output; changes.len()], axes.samples as i64);
    let images = output.size()[axes.samples];
    let canonical = axes.canonical(&all);
    for (i, change) in changes.iter().enumerate() {
        let copy = canonical.narrow(0, i as i64 * images, images);
        let _ = copy.select(1, change.channel as i64).fill_(change.value);
    }
    all
}

/// What is lost when each of C channels is replaced, summed over images: by how much the score falls,
/// and how many images are still predicted rightly.
#[derive(Debug, Clone)]
pub struct Importance {
    images: usize,
    falls: Array1<f64>,
    right: Array1<f64>,
}

impl Importance {
    /// Nothing yet, of so many channels.
    pub fn new(channels: usize) -> Self {
        Self { images: 0, falls: Array1::zeros(channels), right: Array1::zeros(channels) }
    }

    /// Adds a batch: the logits with each of the channels replaced, in their order, and the intact
    /// scores of its images.
    ///
    /// # Errors
    /// The logits are not matrix.
    pub fn add(
        &mut self,
        logits: &[Tensor],
        (classes, intact): (&Classes, &[f64]),
        labels: Option<&[usize]>,
    ) -> Result<()> {
        for (channel, logits) in logits.iter().enumerate() {
            let scores = tensors::to_vector(&classes.scores(logits)?.to_kind(Kind::Double))?;
            let fall: f64 = intact.iter().zip(&scores).map(|(a, b)| a - b).sum();
            self.falls[channel] += fall;
            if let Some(labels) = labels {
                let known: Option<Vec<usize>> = predicted(logits)?.into_iter().collect();
                let hits =
                    |known: Vec<usize>| known.iter().zip(labels).filter(|(a, b)| a == b).count();
                self.right[channel] += known.map_or(f64::NAN, |known| hits(known) as f64);
            }
        }
        self.images += intact.len();
        Ok(())
    }

    /// The mean fall of the score with each channel replaced; negative where it rises.
    pub fn drops(&self) -> Array1<f64> {
        &self.falls / self.images as f64
    }

    /// The share of images predicted rightly with each channel replaced.
    pub fn accuracies(&self) -> Array1<f64> {
        &self.right / self.images as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_reports() -> Result<(), serde_json::Error> {
        for (name, ablation) in NAMES {
            let read: Ablation = serde_json::from_value(name.into())?;
            assert_eq!((read, read.to_string().as_str(), name.parse()), (ablation, name, Ok(read)));
        }
        assert!("zeros".parse::<Ablation>().is_err_and(|e| e.starts_with("did you mean zero?")));
        Ok(())
    }

    #[test]
    fn each_copy_has_its_own_change() {
        let output = Tensor::arange(8, tch::kind::FLOAT_CPU).reshape([2, 2, 1, 2]);
        let changes = [Change { channel: 0, value: -1.0 }, Change { channel: 1, value: 0.5 }];
        let expected =
            [-1.0, -1.0, 2.0, 3.0, -1.0, -1.0, 6.0, 7.0, 0.0, 1.0, 0.5, 0.5, 4.0, 5.0, 0.5, 0.5];
        // N×C×H×W, N×H×W×C and, of samples second, T×N×C.
        let first = Axes::guessed(4);
        let last = first.with_channels(3);
        let second = Axes { samples: 1, ..Axes::guessed(3) };
        for axes in [first, last, second] {
            let maps = if axes == second { output.flatten(2, 3) } else { output.shallow_clone() };
            let own = axes.restore(&maps).contiguous();
            let all = changed(&own, &axes, &changes);
            assert!(all.is_contiguous());
            let found = Vec::<f32>::try_from(axes.canonical(&all).reshape([-1]));
            assert_eq!(found.unwrap_or_default(), expected);
            assert_eq!(own, axes.restore(&maps));
        }
    }
}
