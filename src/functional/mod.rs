//! What a network's predictions rest on: importance held against sensitivity, and how predictions
//! hold under perturbation.
//!
//! * [`Sensitivity`]: how the score changes with each channel of a layer, to first order.
//! * [`Ablation`], [`Ablator`], [`Importance`]: what is lost when a channel is replaced.
//! * [`ranking`]: how the two order the channels.
//! * [`Perturbation`], [`Robustness`]: Gaussian noise, FGSM and PGD on pixels.

mod ablation;
pub mod ranking;
mod robustness;
mod sensitivity;

pub use ablation::{Ablation, Ablator, Change, Importance};
pub use robustness::{Flat, Perturbation, Perturbed, Pixels, Robustness, wilson};
pub use sensitivity::Sensitivity;

use crate::error::Result;
use crate::torchscript::tensors;

/// The value of a name, or the nearest name.
fn by_name<T: Copy>(text: &str, names: &[(&str, T)]) -> Result<T, String> {
    let found = names.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let all: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        let nearest = all
            .iter()
            .max_by(|a, b| strsim::jaro_winkler(text, a).total_cmp(&strsim::jaro_winkler(text, b)));
        let nearest = nearest.copied().unwrap_or_default();
        format!("did you mean {nearest}? there are {}", all.join(", "))
    })
}

/// The class with the highest logit of each image, of N×K logits; `None` where one of its logits is not
/// finite.
///
/// # Errors
/// The logits cannot be read.
pub fn predicted(logits: &tch::Tensor) -> Result<Vec<Option<usize>>> {
    let classes = tensors::to_vector(&logits.argmax(-1, false))?;
    let finite = crate::saliency::finite_rows(logits)?;
    Ok(classes
        .iter()
        .zip(finite)
        .map(|(&class, finite)| finite.then_some(class as usize))
        .collect())
}
