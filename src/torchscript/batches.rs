//! Models that take batches of one size only: the data are given to them in such batches, the last one
//! filled up with its last sample, and what they give is cut to the samples there are.

use tch::Tensor;

use super::ffi::Answer;
use super::layers::Layer;
use super::model::Model;
use super::tensors::torch_error;
use crate::error::{Error, Result};

/// A part of a batch that a model takes at once.
pub(super) struct Part {
    /// As many samples as the model takes.
    pub input: Tensor,
    /// How many of them are samples of the batch.
    pub rows: i64,
    /// How many samples the model takes; `None` where the part is the whole batch, as it is.
    size: Option<i64>,
}

/// The parts of a batch with one entry per sample on an axis, for a model that takes so many samples
/// at once; all of it where it takes any number.
pub(super) fn parts_of(input: &Tensor, axis: usize, fixed: Option<i64>) -> Vec<Part> {
    let samples = input.size().get(axis).copied().unwrap_or(1);
    let Some(size) = fixed.filter(|&size| size > 0 && size != samples) else {
        return vec![Part { input: input.shallow_clone(), rows: samples, size: None }];
    };
    let part = |from: i64| {
        let rows = size.min(samples - from);
        let held = input.narrow(axis as i64, from, rows);
        Part { input: filled(&held, axis, size), rows, size: Some(size) }
    };
    (0..samples).step_by(size as usize).map(part).collect()
}

impl Part {
    /// Whether it is the whole batch, as it is.
    pub fn is_whole(&self) -> bool {
        self.size.is_none()
    }

    /// A tensor of the model cut to the samples there are, where it has a row a sample on an axis.
    pub fn cut(&self, tensor: &Tensor, axis: usize) -> Tensor {
        match tensor.size().get(axis) {
            Some(held) if Some(*held) == self.size => tensor.narrow(axis as i64, 0, self.rows),
            _ => tensor.shallow_clone(),
        }
    }
}

/// Tensors of the parts of a batch put together again.
pub(super) fn joined(parts: &[Tensor], axis: usize) -> Result<Tensor> {
    match parts {
        [whole] => Ok(whole.shallow_clone()),
        parts => Tensor::f_cat(parts, axis as i64).map_err(|e| torch_error("join batches", &e)),
    }
}

impl Model {
    /// The only number of samples that it takes at once; `None` where it takes any.
    pub fn fixed_batch(&self) -> Option<usize> {
        self.fixed.map(|size| size as usize)
    }

    /// The parts of a batch as the model takes them.
    pub(super) fn parts(&self, input: &Tensor) -> Vec<Part> {
        parts_of(input, 0, self.fixed)
    }

    /// Runs a batch part by part. The hook is called once a layer, with what all parts gave.
    pub(super) fn run_in_parts(
        &mut self,
        parts: &[Part],
        hook: &mut dyn FnMut(usize, &Tensor) -> Result<Answer>,
    ) -> Result<Option<Tensor>> {
        let axes: Vec<usize> = self.layers().iter().map(|layer| layer.axes.samples).collect();
        let mut heard: Vec<Vec<Tensor>> = axes.iter().map(|_| vec![]).collect();
        let mut order = vec![];
        let mut outputs = vec![];
        for part in parts {
            let output = self.run_placed(&part.input, false, &mut |layer, output| {
                if heard[layer].is_empty() {
                    order.push(layer);
                }
                heard[layer].push(part.cut(output, axes[layer]).copy());
                Ok(Answer::Keep)
            })?;
            outputs.extend(output.map(|output| part.cut(&output, 0)));
        }
        for layer in order {
            let whole = joined(&std::mem::take(&mut heard[layer]), axes[layer])?;
            match hook(layer, &whole)? {
                Answer::Keep => {}
                Answer::Stop => return Ok(None),
                Answer::Replace(_) => return Err(self.cannot_replace(parts)),
            }
        }
        if outputs.len() < parts.len() { Ok(None) } else { joined(&outputs, 0).map(Some) }
    }

    fn cannot_replace(&self, parts: &[Part]) -> Error {
        let size = parts.first().and_then(|part| part.size).unwrap_or(1);
        Error::file(
            "change activations of",
            self.path(),
            format!("it takes batches of {size} only"),
            format!("give --batch-size {size}, or export it for any number of samples"),
        )
    }

    /// A batch of the size that the model takes, of a few samples.
    pub(super) fn fitted(&self, samples: &Tensor) -> Tensor {
        match self.fixed {
            None => samples.shallow_clone(),
            Some(size) => {
                let held = samples.size().first().copied().unwrap_or(0).min(size);
                filled(&samples.narrow(0, 0, held), 0, size)
            }
        }
    }

    /// The layers as they are for so many samples.
    pub(super) fn for_samples(&self, layers: &mut [Layer], samples: i64) {
        let Some(size) = self.fixed else { return };
        for layer in layers {
            if let Some(rows) =
                layer.shape.get_mut(layer.axes.samples).filter(|rows| **rows == size)
            {
                *rows = samples;
            }
        }
    }
}

/// Samples with the last one repeated up to a number of them.
fn filled(samples: &Tensor, axis: usize, size: i64) -> Tensor {
    let mut shape = samples.size();
    let held = std::mem::replace(&mut shape[axis], size - samples.size()[axis]);
    if held == size {
        return samples.shallow_clone();
    }
    let last = samples.narrow(axis as i64, held - 1, 1).detach().expand(&shape, false);
    Tensor::cat(&[samples, &last], axis as i64)
}
