//! Turning a picture as its orientation tag says.

use crate::data::source::decode::Size;

/// Turns and mirrors a picture in place as the tag's values 2 to 8 say; others leave it as it is.
/// Returns its size afterwards.
pub fn apply(orientation: usize, size: Size, channels: usize, pixels: &mut Vec<u8>) -> Size {
    let (height, width) = size;
    let (bottom, right) = (height.wrapping_sub(1), width.wrapping_sub(1));
    let turned = if matches!(orientation, 5..=8) { (width, height) } else { size };
    let source = |y: usize, x: usize| match orientation {
        2 => (y, right - x),
        3 => (bottom - y, right - x),
        4 => (bottom - y, x),
        5 => (x, y),
        6 => (bottom - x, y),
        7 => (bottom - x, right - y),
        _ => (x, right - y),
    };
    if !matches!(orientation, 2..=8) {
        return size;
    }
    let mut out = Vec::with_capacity(pixels.len());
    for y in 0..turned.0 {
        for x in 0..turned.1 {
            let (row, column) = source(y, x);
            let at = (row * width + column) * channels;
            out.extend_from_slice(&pixels[at..at + channels]);
        }
    }
    *pixels = out;
    turned
}
