//! Small pictures of image files.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

/// The longest side of a small picture in pixels.
const SIDE: u32 = 64;
/// The longest side of a file that is read, and the memory its pixels may take.
const MOST: (u32, u64) = (20_000, 1 << 28);
/// Quality of a JPEG.
const QUALITY: u8 = 80;

/// The image of a file, 64 pixels wide or high at most, as a file of its own with its MIME type: a PNG of what is that
/// small already, else a JPEG. None where the file is not an image that can be read.
///
/// ```
/// # use repsim::render::{Image, encode_png, thumbnail};
/// let png = encode_png(&Image::from_fn(200, 100, |row, _| [row as u8; 3]))?;
/// assert_eq!(thumbnail(&png).map(|(mime, _)| mime), Some("image/jpeg"));
/// assert_eq!(thumbnail(b"no image"), None);
/// # Ok::<_, repsim::render::RenderError>(())
/// ```
pub fn thumbnail(file: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    let image = read(file)?;
    let mut bytes = Cursor::new(vec![]);
    if image.width().max(image.height()) <= SIDE {
        let plain = if image.color().has_color() {
            image.to_rgb8().into()
        } else {
            DynamicImage::from(image.to_luma8())
        };
        plain.write_to(&mut bytes, ImageFormat::Png).ok()?;
        return Some(("image/png", bytes.into_inner()));
    }
    let small = image.thumbnail(SIDE, SIDE).to_rgb8();
    small.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, QUALITY)).ok()?;
    Some(("image/jpeg", bytes.into_inner()))
}

/// The pixels of a file, turned as its camera says.
fn read(file: &[u8]) -> Option<DynamicImage> {
    let mut reader = ImageReader::new(Cursor::new(file)).with_guessed_format().ok()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST.0);
    limits.max_image_height = Some(MOST.0);
    limits.max_alloc = Some(MOST.1);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().ok()?;
    let turned = decoder.orientation().ok();
    let mut image = DynamicImage::from_decoder(decoder).ok()?;
    turned.into_iter().for_each(|how| image.apply_orientation(how));
    Some(image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{Image, encode_png};

    #[test]
    fn small_images_keep_their_pixels() {
        let image = Image::from_fn(28, 20, |row, column| [(9 * row) as u8, (9 * column) as u8, 7]);
        let file = encode_png(&image).expect("encoded");
        let (mime, bytes) = thumbnail(&file).expect("an image");
        let read = image::load_from_memory(&bytes).expect("decodes").to_rgb8();
        assert_eq!((mime, read.dimensions()), ("image/png", (28, 20)));
        assert!(read.pixels().zip(&image.pixels).all(|(found, pixel)| found.0 == *pixel));
    }

    #[test]
    fn large_images_get_small_and_keep_their_proportions() {
        let file = encode_png(&Image::from_fn(300, 150, |_, _| [200, 10, 10])).expect("encoded");
        let (_, bytes) = thumbnail(&file).expect("an image");
        let read = image::load_from_memory(&bytes).expect("decodes");
        assert_eq!((read.width(), read.height()), (64, 32));
        assert!(bytes.len() < 2000, "{} bytes", bytes.len());
    }
}
