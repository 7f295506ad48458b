//! Image files to pixels.
//!
//! The pixels are Pillow's: those of its `convert("L")` for grey pictures and of `convert("RGB")`
//! for others. What is read in another way than Pillow's is refused.

mod ffi;
mod gif;
mod jpeg;
mod pnm;
mod tiff;

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::{ColorType, ImageDecoder, ImageError, ImageReader};

use crate::data::resize::Picture;

/// The most bytes a decoded picture may have.
const LARGEST: u64 = 1 << 30;

/// The most pixels of a picture: beyond them Pillow refuses it too, as a decompression bomb.
const MOST_PIXELS: usize = 178_956_970;

/// What is wrong with a file that ends too early.
const CUT_SHORT: &str = "the file is cut short";

/// Height and width, in pixels.
type Size = (usize, usize);

/// Decodes a PNG, JPEG, BMP, WebP, GIF (its first frame), TIFF or PNM file into `pixels`; the format is
/// recognised by the content.
///
/// Palettes are expanded, alpha is dropped, orientation tags are not applied (but TIFF's, as
/// Pillow does). Of 16 bits the upper eight are kept (Pillow does so for colour, but clips
/// 16-bit grey at 255, which turns it white).
///
/// # Errors
///
/// What is wrong with the file, in a few words.
pub(super) fn decode<'a>(bytes: &[u8], pixels: &'a mut Vec<u8>) -> Result<Picture<'a, u8>, String> {
    if bytes.is_empty() {
        return Err("the file is empty".to_owned());
    }
    let decoded = catch_unwind(AssertUnwindSafe(|| pixels_of(bytes, pixels)));
    let ((height, width), channels) =
        decoded.map_err(|_| "the decoder gave up on it".to_owned())??;
    Ok(Picture { data: pixels, height, width, channels })
}

/// The size and the channels, of which there are one or three.
fn pixels_of(bytes: &[u8], pixels: &mut Vec<u8>) -> Result<(Size, usize), String> {
    match bytes {
        _ if jpeg::is_jpeg(bytes) => jpeg::decode(bytes, pixels),
        _ if tiff::is_tiff(bytes) => tiff::decode(bytes, pixels),
        _ if gif::is_gif(bytes) => gif::decode(bytes, pixels),
        _ if pnm::is_pnm(bytes) => pnm::decode(bytes, pixels),
        _ => others(bytes, pixels),
    }
}

/// PNG, BMP and WebP.
fn others(bytes: &[u8], pixels: &mut Vec<u8>) -> Result<(Size, usize), String> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let reader = reader.map_err(|e| e.to_string())?;
    if !reader.format().is_some_and(|format| format.reading_enabled()) {
        return Err("it is not a PNG, JPEG, BMP, WebP, GIF, TIFF or PNM file".to_owned());
    }
    let decoder = reader.into_decoder().map_err(problem)?;
    let (size, color) = (decoder.dimensions(), decoder.color_type());
    let size = (size.1 as usize, size.0 as usize);
    room(size, usize::from(color.bytes_per_pixel()), pixels)?;
    decoder.read_image(pixels).map_err(problem)?;
    to_bytes(color, pixels);
    let channels = if color.has_color() { 3 } else { 1 };
    keep_first(channels, usize::from(color.channel_count()), pixels);
    Ok((size, channels))
}

/// Makes room for a picture of so many bytes a pixel, all zero.
fn room((height, width): Size, pixel: usize, pixels: &mut Vec<u8>) -> Result<(), String> {
    let count = height.checked_mul(width).filter(|&count| count <= MOST_PIXELS);
    match count.and_then(|count| count.checked_mul(pixel)) {
        Some(0) => Err("it has no pixels".to_owned()),
        Some(total) if total as u64 <= LARGEST => {
            pixels.clear();
            pixels
                .try_reserve(total)
                .map_err(|_| format!("its {width}x{height} pixels take too much memory"))?;
            pixels.resize(total, 0);
            Ok(())
        }
        _ => {
            Err(format!("its {width}x{height} pixels are more than can be decoded ({MOST_PIXELS})"))
        }
    }
}

/// The class of a decoder's error and what it said.
fn problem(error: ImageError) -> String {
    match error {
        ImageError::Decoding(e) => format!("the file is damaged ({e})"),
        ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            CUT_SHORT.to_owned()
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

/// Drops what lies behind the first `kept` of the `stored` bytes of a pixel, in place.
fn keep_first(kept: usize, stored: usize, pixels: &mut Vec<u8>) {
    if kept == stored {
        return;
    }
    let count = pixels.len() / stored;
    for i in 0..count {
        pixels.copy_within(i * stored..i * stored + kept, i * kept);
    }
    pixels.truncate(count * kept);
}

/// CMYK to RGB as Pillow's `convert("RGB")` does it, in place.
///
/// ```text
/// white = 255 − K,   R = white − C · white / 255 (rounded),   G and B likewise of M and Y
/// ```
fn cmyk_to_rgb(pixels: &mut Vec<u8>) {
    for pixel in pixels.as_chunks_mut::<4>().0 {
        let white = 255 - u32::from(pixel[3]);
        for ink in &mut pixel[..3] {
            let product = u32::from(*ink) * white + 128;
            *ink = white.saturating_sub((product + (product >> 8)) >> 8) as u8;
        }
    }
    keep_first(3, 4, pixels);
}
