//! Image files to pixels.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::{ColorType, ImageDecoder, ImageError, ImageReader};

use crate::data::resize::Picture;

/// The most bytes a decoded picture may have.
const LARGEST: u64 = 1 << 30;

/// Decodes a PNG, JPEG, BMP or WebP file into `pixels`; the format is told by the content.
///
/// The pixels are those of Pillow's `convert("L")` for grey pictures and `convert("RGB")` for
/// others: palettes are expanded, alpha is dropped, orientation tags are not applied. Of 16 bits
/// the upper eight are kept (Pillow does so for colour, but clips 16-bit grey at 255, which
/// turns it white).
///
/// # Errors
///
/// What is wrong with the file, in a few words.
pub(super) fn decode<'a>(bytes: &[u8], pixels: &'a mut Vec<u8>) -> Result<Picture<'a, u8>, String> {
    if bytes.is_empty() {
        return Err("the file is empty".to_owned());
    }
    let decoded = catch_unwind(AssertUnwindSafe(|| raw(bytes, pixels)));
    let (size, color) = decoded.map_err(|_| "the decoder gave up on it".to_owned())??;
    to_bytes(color, pixels);
    keep_colours(color, pixels);
    let channels = if color.has_color() { 3 } else { 1 };
    Ok(Picture { data: pixels, height: size.1 as usize, width: size.0 as usize, channels })
}

fn raw(bytes: &[u8], pixels: &mut Vec<u8>) -> Result<((u32, u32), ColorType), String> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let reader = reader.map_err(|e| e.to_string())?;
    if !reader.format().is_some_and(|format| format.reading_enabled()) {
        return Err("it is no PNG, JPEG, BMP or WebP file".to_owned());
    }
    let decoder = reader.into_decoder().map_err(problem)?;
    let (size, color, total) = (decoder.dimensions(), decoder.color_type(), decoder.total_bytes());
    if total > LARGEST {
        return Err(format!("its {}x{} pixels are more than can be decoded", size.0, size.1));
    }
    if total == 0 {
        return Err("it has no pixels".to_owned());
    }
    pixels.resize(total as usize, 0);
    decoder.read_image(pixels).map_err(problem)?;
    Ok((size, color))
}

/// The class of a decoder's error and what it said.
fn problem(error: ImageError) -> String {
    match error {
        ImageError::Decoding(e) => format!("the file is damaged ({e})"),
        ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the file is cut short".to_owned()
        }
        ImageError::IoError(e) => format!("the file is damaged ({e})"),
        ImageError::Unsupported(e) => format!("this kind of image cannot be read ({e})"),
        ImageError::Limits(e) => format!("the image is too large ({e})"),
        other => other.to_string(),
    }
}

/// Sixteen bits (in the machine's byte order) to the upper eight, in place.
fn to_bytes(color: ColorType, pixels: &mut Vec<u8>) {
    if color.bytes_per_pixel() / color.channel_count() != 2 {
        return;
    }
    for i in 0..pixels.len() / 2 {
        let value = u16::from_ne_bytes([pixels[2 * i], pixels[2 * i + 1]]);
        pixels[i] = (value >> 8) as u8;
    }
    pixels.truncate(pixels.len() / 2);
}

/// Drops alpha, in place.
fn keep_colours(color: ColorType, pixels: &mut Vec<u8>) {
    if !color.has_alpha() {
        return;
    }
    let stored = usize::from(color.channel_count());
    let kept = stored - 1;
    let count = pixels.len() / stored;
    for i in 0..count {
        pixels.copy_within(i * stored..i * stored + kept, i * kept);
    }
    pixels.truncate(count * kept);
}
