//! What is lost when a channel is replaced.

use std::fmt;
use std::str::FromStr;

use ndarray::Array1;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{by_name, predicted};
use crate::error::{Error, Result};
use crate::saliency::{Classes, forward};
use crate::torchscript::{Answer, Model, shape_text, tensors};

/// How near logits of stacked copies have to be to those of single runs, as a share of the largest.
const NEAR: f64 = 1e-4;

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
/// Copies of the batch, each with another channel replaced, go as one batch through what lies behind
/// the layer; what lies before it runs once for all of them. Where that part also takes something
/// from before the layer (a residual connection around it) such a batch does not fit, and every
/// change has a run of the whole network; which it is, is found out on the first batch.
#[derive(Debug, Clone)]
pub struct Ablator {
    layer: usize,
    most: usize,
    stacks: Option<bool>,
}

impl Ablator {
    /// For a layer among those the model is prepared for, with at most so many images behind it at a
    /// time.
    pub fn new(layer: usize, most: usize) -> Self {
        Self { layer, most, stacks: None }
    }

    /// Whether several changes go through the network at a time; `None` before the first batch.
    pub fn stacks(&self) -> Option<bool> {
        self.stacks
    }

    /// The logits, N×K, under each of the changes. `told` hears of every N images that are done.
    ///
    /// # Errors
    /// The model does not run on the input.
    pub fn logits(
        &mut self,
        model: &mut Model,
        input: &Tensor,
        changes: &[Change],
        told: &mut dyn FnMut(usize),
    ) -> Result<Vec<Tensor>> {
        let images = input.size()[0] as usize;
        let stacks = match self.stacks {
            Some(known) => known,
            None => self.try_stack(model, input, changes)?,
        };
        self.stacks = Some(stacks);
        let group = if stacks { (self.most / images.max(1)).max(1) } else { 1 };
        let mut logits = vec![];
        for part in changes.chunks(group) {
            logits.extend(self.stacked(model, input, part)?);
            told(images * part.len());
        }
        Ok(logits)
    }

    /// Whether two changes at once give what each gives by itself.
    fn try_stack(&self, model: &mut Model, input: &Tensor, changes: &[Change]) -> Result<bool> {
        let [first, .., last] = changes else { return Ok(false) };
        let mut alone = self.stacked(model, input, &[*first])?;
        alone.extend(self.stacked(model, input, &[*last])?);
        // That copies do not fit is no mistake: it is what is asked here.
        let Ok(together) = self.stacked(model, input, &[*first, *last]) else { return Ok(false) };
        Ok(alone.iter().zip(&together).all(|(a, b)| are_near(a, b)))
    }

    fn stacked(
        &self,
        model: &mut Model,
        input: &Tensor,
        changes: &[Change],
    ) -> Result<Vec<Tensor>> {
        let output = model.run(input, &mut |layer, output| {
            Ok(match layer == self.layer {
                true => Answer::Replace(changed(output, changes)),
                false => Answer::Keep,
            })
        })?;
        let output = match output {
            Some(output) => output,
            None => forward(model, input)?,
        };
        let rows = input.size()[0] * changes.len() as i64;
        match output.size().as_slice() {
            [found, _] if *found == rows => Ok(output.chunk(changes.len() as i64, 0)),
            shape => Err(Error::usage(
                format!("the model's output has shape {}: no N×K logits", shape_text(shape)),
                "give a classifier, or choose one of several outputs with --output-index",
            )),
        }
    }
}

/// A copy of N×C×… a change, one below the other.
fn changed(output: &Tensor, changes: &[Change]) -> Tensor {
    let images = output.size()[0];
    let all = Tensor::cat(&vec![output; changes.len()], 0);
    for (i, change) in changes.iter().enumerate() {
        let copy = all.narrow(0, i as i64 * images, images);
        let _ = copy.select(1, change.channel as i64).fill_(change.value);
    }
    all
}

fn are_near(a: &Tensor, b: &Tensor) -> bool {
    let largest = a.abs().max().double_value(&[]);
    a.size() == b.size() && a.allclose(b, 0.0, NEAR * largest, true)
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
    /// The logits are no matrix.
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
                let hits = predicted(logits)?.iter().zip(labels).filter(|(a, b)| a == b).count();
                self.right[channel] += hits as f64;
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
        let found = Vec::<f32>::try_from(changed(&output, &changes).reshape([-1]));
        let expected =
            [-1.0, -1.0, 2.0, 3.0, -1.0, -1.0, 6.0, 7.0, 0.0, 1.0, 0.5, 0.5, 4.0, 5.0, 0.5, 0.5];
        assert_eq!(found.unwrap_or_default(), expected);
        assert_eq!(output.double_value(&[0, 1, 0, 1]), 3.0);
    }
}
