//! Gradient SHAP: expected gradients between a baseline and noisy copies of the image.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tch::Tensor;

use super::focus::Network;
use super::target::Classes;
use crate::error::Result;
use crate::torchscript::tensors;

/// What is drawn for a batch, once a sample.
pub struct Draw {
    /// How far each image is along the way from the baseline, N numbers in 0…1.
    pub share: Tensor,
    /// What is added to the images, if anything.
    pub noise: Option<Tensor>,
}

/// The map of each image, N×H×W, summed over channels (Lundberg & Lee 2017; Erion et al. 2021), as captum's
/// `GradientShap` has it. With x₀ the baseline and, of each of the draws, noise ε and a share t of the way:
///
/// ```text
/// mean of (x + ε − x₀) · ∂S/∂x(x₀ + t·(x + ε − x₀))
/// ```
///
/// # Errors
/// The network does not run or cannot be differentiated, or what a draw says.
pub fn gradient_shap(
    model: &mut dyn Network,
    (images, start): (&Tensor, &Tensor),
    classes: &Classes,
    draws: impl ExactSizeIterator<Item = Result<Draw>>,
) -> Result<Tensor> {
    let mut total = images.zeros_like();
    let count = draws.len() as f64;
    for draw in draws {
        let Draw { share, noise } = draw?;
        let way = match noise {
            Some(noise) => images + noise - start,
            None => images - start,
        };
        let share = share.to_kind(images.kind()).to_device(images.device()).reshape([-1, 1, 1, 1]);
        total += model.gradient(&(start + &way * share), classes)? * way;
    }
    let kind = tensors::summing_kind(images);
    Ok((total / count).sum_dim_intlist([1i64].as_slice(), false, kind))
}

/// A number in 0…1 from a seed.
pub fn uniform(seed: u64) -> f64 {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}
