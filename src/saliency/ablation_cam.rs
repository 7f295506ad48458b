//! Ablation-CAM: channels weighted by what the score loses without them.

use tch::{Kind, Tensor};

use super::explain::forward;
use super::target::Classes;
use crate::error::Result;
use crate::torchscript::{Answer, Axes, Model, no_tensor, tensors};

/// The map of each image, N×h×w, at the resolution of the layer, cut at 0 (Desai & Ramaswamy 2020). With S the score
/// and Sₖ the score where channel k of the layer is 0:
///
/// ```text
/// ReLU(Σₖ wₖAₖ)      wₖ = (S − Sₖ)/S
/// ```
///
/// `maps` are the channels A of `layer`, N×K×h×w. The network runs once a channel. (pytorch-grad-cam, which fills
/// channels with −10⁷ where a layer has negative values, agrees at layers behind a ReLU.)
///
/// # Errors
/// The network does not run.
pub fn ablation_cam(
    model: &mut Model,
    rows: &Tensor,
    (layer, axes): (usize, Axes),
    maps: &Tensor,
    classes: &Classes,
) -> Result<Tensor> {
    let maps = maps.detach();
    let (count, channels) = (maps.size()[0], maps.size()[1]);
    let whole = classes.scores(&forward(model, rows)?)?.to_kind(Kind::Double);
    let mut weights = vec![];
    for channel in 0..channels {
        let logits = model.run(rows, &mut |place, output| {
            Ok(match place == layer {
                true => Answer::Replace(without(output, axes, channel)),
                false => Answer::Keep,
            })
        })?;
        let logits = logits.ok_or_else(|| no_tensor(model, "read the output of", rows))?;
        let left = classes.scores(&logits)?.to_kind(Kind::Double);
        weights.push((&whole - left) / &whole);
    }
    let weights = Tensor::stack(&weights, 1).to_kind(maps.kind()).to_device(maps.device());
    let weighted = maps * weights.reshape([count, channels, 1, 1]);
    let kind = tensors::summing_kind(&weighted);
    Ok(weighted.sum_dim_intlist([1i64].as_slice(), false, kind).relu())
}

/// A layer's output with one channel 0.
fn without(output: &Tensor, axes: Axes, channel: i64) -> Tensor {
    let changed = output.detach().copy();
    let _ = axes.canonical(&changed).select(1, channel).zero_();
    changed
}
