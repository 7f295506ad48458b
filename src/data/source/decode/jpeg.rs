//! JPEG, with the bytes that Pillow gives.

use super::ffi::{Jpeg, Refusal};
use super::{CUT_SHORT, Size, room};

/// How every JPEG file begins.
const MAGIC: [u8; 3] = [0xff, 0xd8, 0xff];

/// Whether the bytes are those of a JPEG file.
pub fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Decodes a JPEG file: grey pictures to one channel, others to RGB.
///
/// The decoder is libjpeg-turbo with its accurate integer DCT and smooth ("fancy") upsampling.
/// CMYK is taken as Adobe stores it, inverted, and becomes RGB as in Pillow's `convert("RGB")`.
pub fn decode(bytes: &[u8], pixels: &mut Vec<u8>) -> Result<(Size, usize), String> {
    let jpeg = Jpeg::open(bytes).map_err(problem)?;
    let (size, components) = ((jpeg.height, jpeg.width), jpeg.components);
    if jpeg.bits != 8 {
        return Err(format!("JPEG files of {} bits a channel cannot be read", jpeg.bits));
    }
    if !matches!(components, 1 | 3 | 4) {
        return Err(format!("JPEG files of {components} components cannot be read"));
    }
    room(size, components, pixels)?;
    jpeg.read(pixels).map_err(problem)?;
    if components < 4 {
        return Ok((size, components));
    }
    pixels.iter_mut().for_each(|ink| *ink = !*ink);
    super::cmyk_to_rgb(pixels);
    Ok((size, 3))
}

fn problem(refusal: Refusal) -> String {
    match refusal {
        Refusal::CutShort => CUT_SHORT.to_owned(),
        Refusal::Damaged(said) => format!("the file is damaged ({said})"),
    }
}
