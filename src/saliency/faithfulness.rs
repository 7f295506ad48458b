//! Whether a map names the pixels that the prediction rests on: deletion and insertion.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::auc::trapezoid;
use super::focus::Network;
use super::output::probabilities;
use crate::classifier::OutputForm;
use crate::error::{Error, Result};
use crate::torchscript::tensors;

/// Parts in which the pixels are taken away or put in.
pub const STEPS: usize = 16;

/// Side and standard deviation of the blur, in pixels.
const BLUR: (i64, f64) = (11, 5.0);

/// What pixels are replaced by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fill {
    /// The mean of each channel of the image.
    Mean,
    /// The image under a Gaussian blur of 11 pixels, σ = 5.
    Blur,
}

/// Areas under the curves of the class's probability over the share of pixels, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curves {
    /// Pixels are taken away, the highest of the map first: a good map has a small area.
    pub deletion: f64,
    /// Pixels are put into the filled image, the highest first: a good map has a large area.
    pub insertion: f64,
}

/// Deletion and insertion of one image (Petsiuk, Das & Saenko 2018): the probability of the class after each of
/// [`STEPS`] equal parts of the pixels, in the order given, and the area by the trapezoidal rule. The steps go through
/// the network `batch` at a time.
///
/// `form` says what the network's outputs are, `input` is 1×C×H×W and `order` all H·W pixels by row.
///
/// # Errors
/// The model does not run, the image is too small to be blurred, or the order is another one.
pub fn curves(
    model: &mut dyn Network,
    input: &Tensor,
    class: i64,
    (order, fill): (&[usize], Fill),
    (batch, form): (usize, OutputForm),
) -> Result<Curves> {
    let (_, _, height, width) =
        input.size4().map_err(|e| tensors::torch_error("read images", &e))?;
    if order.len() as i64 != height * width {
        let problem = format!("an order of {} pixels for {height}×{width}", order.len());
        return Err(Error::usage(problem, "please report this"));
    }
    let filled = filled(input, fill)?;
    let steps = masks(order, (height, width), input.device());
    let mut area = |from: &Tensor, to: &Tensor| -> Result<f64> {
        let mut part = |masks: &Tensor| model.logits(&(from + (to - from) * masks));
        let parts = steps.split(batch.max(1) as i64, 0);
        let outputs = parts.iter().map(&mut part).collect::<Result<Vec<_>>>()?;
        let said = probabilities(&Tensor::cat(&outputs, 0), form, Kind::Double).select(1, class);
        let said = tensors::to_vector(&said)?.to_vec();
        trapezoid(&said).ok_or_else(|| Error::usage("no curve", "please report this"))
    };
    Ok(Curves { deletion: area(input, &filled)?, insertion: area(&filled, input)? })
}

/// A random order of so many pixels: the baseline.
pub fn random_order(pixels: usize, seed: u64) -> Vec<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut keyed: Vec<(u64, usize)> = (0..pixels).map(|i| (random.next_u64(), i)).collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, i)| i).collect()
}

/// For each step, 1 at the pixels that are replaced by then: (STEPS+1)×1×H×W.
fn masks(order: &[usize], (height, width): (i64, i64), device: tch::Device) -> Tensor {
    let mut step_of = vec![0i64; order.len()];
    for (rank, &pixel) in order.iter().enumerate() {
        step_of[pixel] = step_after(rank, order.len()) as i64;
    }
    let steps = Tensor::arange(STEPS as i64 + 1, (Kind::Int64, tch::Device::Cpu));
    let pixels = Tensor::from_slice(&step_of).reshape([1, height * width]);
    let masks = pixels.le_tensor(&steps.unsqueeze(1)).to_kind(Kind::Float);
    masks.reshape([STEPS as i64 + 1, 1, height, width]).to_device(device)
}

/// The first step by which the pixel of this rank is replaced: step k has the first k·n/STEPS.
fn step_after(rank: usize, count: usize) -> usize {
    (1..=STEPS).find(|step| step * count / STEPS > rank).unwrap_or(STEPS)
}

fn filled(input: &Tensor, fill: Fill) -> Result<Tensor> {
    match fill {
        Fill::Mean => {
            let kind = tensors::summing_kind(input);
            Ok(input.mean_dim([2i64, 3].as_slice(), true, kind).expand_as(input))
        }
        Fill::Blur => blurred(input),
    }
}

fn blurred(input: &Tensor) -> Result<Tensor> {
    let (side, deviation) = BLUR;
    let half = side / 2;
    let shape = input.size();
    if shape[2] <= half || shape[3] <= half {
        let problem = format!("an image of {}×{} is too small to be blurred", shape[2], shape[3]);
        return Err(Error::usage(problem, "leave --faithfulness out, or give larger images"));
    }
    let at = Tensor::arange_start(-half, half + 1, (Kind::Double, input.device()));
    let weights = (at.square() / (-2.0 * deviation * deviation)).exp();
    let weights = (&weights / weights.sum(Kind::Double)).to_kind(tensors::summing_kind(input));
    let channels = shape[1];
    let pad = [half, half, half, half];
    let across = weights.reshape([1, 1, 1, side]).repeat([channels, 1, 1, 1]);
    let down = weights.reshape([1, 1, side, 1]).repeat([channels, 1, 1, 1]);
    let none: Option<Tensor> = None;
    let conv = |x: &Tensor, weight: &Tensor| {
        x.conv2d(weight, none.as_ref(), [1i64, 1], [0i64, 0], [1i64, 1], channels)
    };
    Ok(conv(&conv(&input.reflection_pad2d(pad), &across), &down))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_take_equal_parts() {
        let counts: Vec<usize> = (0..=STEPS)
            .map(|s| (0..100).filter(|&rank| step_after(rank, 100) <= s).count())
            .collect();
        assert_eq!((counts[0], counts[1], counts[8], counts[16]), (0, 6, 50, 100));
    }

    #[test]
    fn a_random_order_holds_every_pixel() {
        let mut order = random_order(50, 1);
        assert_ne!(order, random_order(50, 2));
        order.sort_unstable();
        assert!(order.into_iter().eq(0..50));
    }

    #[test]
    fn a_blur_keeps_the_mean_colour() -> Result<()> {
        let flat = Tensor::ones([1, 3, 16, 16], tch::kind::FLOAT_CPU) * 0.25;
        let off = (blurred(&flat)? - &flat).abs().max().double_value(&[]);
        assert!(off < 1e-6, "{off}");
        assert!(blurred(&Tensor::ones([1, 3, 5, 5], tch::kind::FLOAT_CPU)).is_err());
        Ok(())
    }
}
