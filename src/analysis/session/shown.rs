//! Images as a network sees them, to look at.

use ndarray::Axis;
use tch::Tensor;

use crate::data::{Channels, InputBatch, Preprocess, Range};
use crate::error::Result;
use crate::render::Image;
use crate::torchscript::tensors;

/// What is done to images to look at them: the steps for a network, but bytes in three channels.
pub fn steps(of: &Preprocess) -> Preprocess {
    let (channels, range) = (Channels::Rgb, Range::Bytes);
    Preprocess { channels, range, mean: vec![], std: vec![], ..of.clone() }
}

/// The pictures of a batch that was made to be looked at.
pub fn images(input: &InputBatch) -> Vec<Image> {
    let &[_, height, width, channels] = input.shape.as_slice() else { return vec![] };
    let byte = |v: f32| v.round().clamp(0.0, 255.0) as u8;
    let image = |pixels: &[f32]| {
        Image::from_fn(width, height, |row, column| {
            let first = (row * width + column) * channels;
            [0, 1, 2].map(|c| byte(pixels[first + c.min(channels - 1)]))
        })
    };
    input.data.chunks_exact(height * width * channels).map(image).collect()
}

/// Pictures of what a network takes, N×C×H×W, each from its least value to its largest: in colours where it
/// has three channels, else by their mean.
///
/// # Errors
/// What libtorch said.
pub fn of_values(inputs: &Tensor) -> Result<Vec<Image>> {
    let shape = inputs.size();
    let (height, width) = (shape[2] as usize, shape[3] as usize);
    let inputs = match shape[1] {
        3 => inputs.shallow_clone(),
        _ => inputs.mean_dim([1i64].as_slice(), true, tensors::summing_kind(inputs)),
    };
    let channels = inputs.size()[1] as usize;
    let rows = tensors::to_floats(&inputs.reshape([shape[0], -1]))?;
    let image = |row: ndarray::ArrayView1<'_, f32>| {
        let low = row.iter().copied().fold(f32::INFINITY, f32::min);
        let range = row.iter().copied().fold(f32::NEG_INFINITY, f32::max) - low;
        let byte = |v: f32| if range > 0.0 { ((v - low) / range * 255.0).round() as u8 } else { 0 };
        Image::from_fn(width, height, |i, j| {
            [0, 1, 2].map(|c| byte(row[(c.min(channels - 1) * height + i) * width + j]))
        })
    };
    Ok(rows.axis_iter(Axis(0)).map(image).collect())
}
