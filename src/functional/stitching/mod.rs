//! Stitching: one network up to a layer, an affine map, and another network from a layer on (Lenc &
//! Vedaldi 2015; Bansal, Nakkiran & Barak 2021).

mod fit;
mod form;
mod joined;
mod resizing;
mod scores;
mod stitch;
mod sums;
mod train;

use tch::Tensor;

pub use fit::{Affine, Fitted, LeastSquares, RIDGES, Ridge};
pub use form::Form;
pub use scores::{Reference, Scores};
pub use stitch::{Stitch, constant};
pub use sums::{NormalEquations, PairSums};
pub use train::{Trained, Trainer};

use super::checked_logits;
use crate::error::Result;
use crate::torchscript::{Answer, Layer, Tail};

/// The logits that a tail gives for what takes the place of its layer's output, N×C×positions.
///
/// # Errors
/// It does not run on it, or gives no N×K logits.
pub fn logits_behind(tail: &mut Tail, output: &Tensor) -> Result<Tensor> {
    let images = output.size()[0] as usize;
    let output = in_place_of(tail.layer(), output);
    checked_logits(tail.run(&output, &mut |_, _| Ok(Answer::Keep))?, images)
}

/// What takes the place of a layer's output, N×C×positions, as the layer has it: its axes in their order,
/// its values of its type. Gradients pass.
fn in_place_of(layer: &Layer, output: &Tensor) -> Tensor {
    layer.axes.restore(output).to_kind(layer.dtype)
}
