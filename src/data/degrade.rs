//! Copies of images with noise, blur and JPEG artefacts.

use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::{GrayImage, ImageFormat};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use walkdir::WalkDir;

use super::npy_of_bytes;
use crate::error::{Error, Result};

/// Strengths of each degradation.
pub const STRENGTHS: usize = 3;

/// Standard deviation of the noise, in grey levels.
const NOISE: [f32; STRENGTHS] = [8.0, 24.0, 64.0];
/// Standard deviation of the blur, in pixels.
const BLUR: [f32; STRENGTHS] = [0.5, 1.0, 2.0];
/// Quality of the JPEG.
const JPEG: [u8; STRENGTHS] = [60, 20, 5];

/// All images with one degradation, as a `.npy` file of bytes N×H×W.
pub struct Copy {
    /// Which degradation.
    pub kind: &'static str,
    /// How strong, from 1.
    pub strength: usize,
    /// The file's bytes.
    pub array: Vec<u8>,
}

/// Copies of the grey images of a folder, those of a kind together and in the order of strength.
///
/// # Errors
/// An image cannot be read, or has another size than the first.
pub fn copies(folder: &Path) -> Result<Vec<Copy>> {
    let images = read(folder)?;
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut made = Vec::new();
    for (i, deviation) in NOISE.into_iter().enumerate() {
        let mut change = |image: &GrayImage| Ok(noise(image, deviation, &mut random));
        made.push(copy("noise", i, &images, &mut change)?);
    }
    for (i, deviation) in BLUR.into_iter().enumerate() {
        let mut change = |image: &GrayImage| Ok(image::imageops::blur(image, deviation));
        made.push(copy("blur", i, &images, &mut change)?);
    }
    for (i, quality) in JPEG.into_iter().enumerate() {
        made.push(copy("jpeg", i, &images, &mut |image| jpeg(image, quality, folder))?);
    }
    Ok(made)
}

fn read(folder: &Path) -> Result<Vec<GrayImage>> {
    let files = WalkDir::new(folder).sort_by_file_name().into_iter().filter_map(|e| e.ok());
    let files = files.map(|e| e.into_path()).filter(|p| p.extension().is_some_and(|e| e == "png"));
    let open = |path: PathBuf| match image::open(&path) {
        Ok(image) => Ok(image.into_luma8()),
        Err(e) => Err(Error::file("decode", path, e, "remove the folder and run the demo again")),
    };
    files.map(open).collect()
}

fn copy(
    kind: &'static str,
    index: usize,
    images: &[GrayImage],
    change: &mut dyn FnMut(&GrayImage) -> Result<GrayImage>,
) -> Result<Copy> {
    let mut bytes = Vec::new();
    for image in images {
        bytes.extend_from_slice(change(image)?.as_raw());
    }
    let (width, height) = images.first().map_or((0, 0), GrayImage::dimensions);
    let shape = [images.len(), height as usize, width as usize];
    Ok(Copy { kind, strength: index + 1, array: npy_of_bytes(&shape, &bytes) })
}

/// Adds Gaussian noise (Box & Muller 1958), rounded and cut off at black and white.
fn noise(image: &GrayImage, deviation: f32, random: &mut ChaCha8Rng) -> GrayImage {
    let mut noisy = image.clone();
    let mut uniform = || (random.next_u32() as f32 + 0.5) / 4_294_967_296.0;
    for pixel in noisy.pixels_mut() {
        let radius = (-2.0 * uniform().ln()).sqrt();
        let normal = radius * (std::f32::consts::TAU * uniform()).cos();
        pixel.0[0] = (f32::from(pixel.0[0]) + deviation * normal).round().clamp(0.0, 255.0) as u8;
    }
    noisy
}

/// Writes an image as JPEG and reads it again.
fn jpeg(image: &GrayImage, quality: u8, folder: &Path) -> Result<GrayImage> {
    let failed = |e| Error::file("compress images of", folder, e, "please report this");
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(image).map_err(failed)?;
    let read = image::load_from_memory_with_format(&bytes, ImageFormat::Jpeg).map_err(failed)?;
    Ok(read.into_luma8())
}
