//! Score-CAM: channels weighted by the score of the input that they mask.

use tch::{Kind, Tensor};

use super::focus::Network;
use super::target::Classes;
use crate::error::Result;
use crate::torchscript::tensors;

/// Keeps a channel of one value from 0/0, as pytorch-grad-cam has it.
const EPSILON: f64 = 1e-8;

/// The map of each image, N×h×w, at the resolution of the layer, cut at 0 (Wang et al. 2020). With Aₖ the K channels of
/// the layer, seen as maps N×K×h×w, and S the score:
///
/// ```text
/// Mₖ   Aₖ enlarged to the input (bilinear, corners on corners) and brought to 0…1
/// w    softmax over k of S(x · Mₖ)
/// map  ReLU(Σₖ wₖAₖ)
/// ```
///
/// as pytorch-grad-cam computes it; the paper takes S(x · Mₖ) − S(0), of which the softmax is the same. The network
/// runs K times for each image, up to `batch` copies together.
///
/// # Errors
/// The network does not run on the masked images.
pub fn score_cam(
    model: &mut dyn Network,
    images: &Tensor,
    maps: &Tensor,
    classes: &Classes,
    batch: usize,
) -> Result<Tensor> {
    let maps = maps.detach();
    let (count, channels, kind) = (images.size()[0], maps.size()[1], maps.kind());
    let together = (batch as i64 / count.max(1)).max(1);
    let mut scores = vec![];
    for first in (0..channels).step_by(together as usize) {
        let group = together.min(channels - first);
        let masks = masks(&maps.narrow(1, first, group), images);
        let masked: Vec<Tensor> = (0..group).map(|k| images * masks.narrow(1, k, 1)).collect();
        let logits = model.logits(&Tensor::cat(&masked, 0))?;
        let found = classes.times(group as usize).scores(&logits)?;
        scores.push(found.to_kind(Kind::Double).reshape([group, count]));
    }
    let weights = Tensor::cat(&scores, 0).softmax(0, Kind::Double).transpose(0, 1);
    let weights = weights.to_kind(kind).to_device(maps.device()).reshape([count, channels, 1, 1]);
    let weighted = maps * weights;
    let kind = tensors::summing_kind(&weighted);
    Ok(weighted.sum_dim_intlist([1i64].as_slice(), false, kind).relu())
}

/// Channels as masks of the images, in 0…1.
fn masks(maps: &Tensor, images: &Tensor) -> Tensor {
    let size = images.size();
    let large = maps.upsample_bilinear2d([size[2], size[3]].as_slice(), true, None, None);
    let axes = [2i64, 3];
    let (most, least) = (large.amax(axes.as_slice(), true), large.amin(axes.as_slice(), true));
    (large - &least) / (most - &least + EPSILON)
}
