//! What a network's predictions rest on: importance held against sensitivity, and how predictions
//! hold under perturbation.
//!
//! * [`Sensitivity`]: how the score changes with each channel of a layer, to first order.
//! * [`Ablation`], [`Ablator`], [`Importance`]: what is lost when a channel is replaced.
//! * [`ranking`]: how the two order the channels.
//! * [`stitching`]: one network up to a layer, and another behind it.
//! * [`Perturbation`], [`Robustness`]: Gaussian noise, FGSM and PGD on pixels.

mod ablation;
pub mod ranking;
mod robustness;
mod sensitivity;
pub mod stitching;

pub use ablation::{Ablation, Ablator, Change, Importance};
pub use robustness::{Flat, Perturbation, Perturbed, Pixels, Robustness, wilson};
pub use sensitivity::Sensitivity;

use tch::Tensor;

use crate::error::{Error, Result, did_you_mean};
use crate::torchscript::{shape_text, tensors};

/// The value of a name, or the nearest name.
fn by_name<T: Copy>(text: &str, names: &[(&str, T)]) -> Result<T, String> {
    let found = names.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let all: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        did_you_mean(text, &all)
    })
}

/// The class with the highest logit of each image, of N×K logits; `None` where one of its logits is not
/// finite.
///
/// # Errors
/// The logits cannot be read.
pub fn predicted(logits: &Tensor) -> Result<Vec<Option<usize>>> {
    let classes = tensors::to_vector(&logits.argmax(-1, false))?;
    let finite = crate::saliency::finite_rows(logits)?;
    Ok(classes
        .iter()
        .zip(finite)
        .map(|(&class, finite)| finite.then_some(class as usize))
        .collect())
}

/// N×K logits for so many images.
///
/// # Errors
/// The output is something else, or no tensor.
pub fn checked_logits(output: Option<Tensor>, images: usize) -> Result<Tensor> {
    let shape = output.as_ref().map_or(vec![], Tensor::size);
    match output {
        Some(logits) if shape.len() == 2 && shape[0] == images as i64 => Ok(logits),
        _ => Err(Error::usage(
            format!("the model's output has shape {}: no N×K logits", shape_text(&shape)),
            "give a classifier; of several outputs, --output-key (or --output-index) chooses the logits",
        )),
    }
}
