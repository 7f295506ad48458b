//! Images as a network sees them, to look at.

use crate::data::{Channels, InputBatch, Preprocess, Range};
use crate::render::Image;

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
