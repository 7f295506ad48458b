//! Pictures made of pixels: their sizes, and PNG.

use image::ExtendedColorType::Rgb8;
use image::ImageEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use ndarray::{Array2, ArrayView2};

use super::png::RenderError;

/// A picture of three channels, red, green and blue, of eight bits each.
///
/// ```
/// # use repsim::render::Image;
/// let ramp = Image::from_fn(4, 1, |_, column| [60 * column as u8; 3]);
/// assert_eq!(ramp.pixels, [[0; 3], [60; 3], [120; 3], [180; 3]]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// The pixels row by row, the uppermost row first; those that are missing count as black.
    pub pixels: Vec<[u8; 3]>,
}

impl Image {
    /// The picture whose pixel at (row, column) is what `pixel` says.
    pub fn from_fn(
        width: usize,
        height: usize,
        mut pixel: impl FnMut(usize, usize) -> [u8; 3],
    ) -> Self {
        let places = (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
        let pixels = places.map(|(row, column)| pixel(row, column)).collect();
        Self { width, height, pixels }
    }

    /// The pixel at a row and a column, black where there is none.
    pub fn pixel(&self, row: usize, column: usize) -> [u8; 3] {
        let place = (column < self.width).then_some(row * self.width + column);
        place.and_then(|place| self.pixels.get(place)).copied().unwrap_or_default()
    }

    /// Whether it has no pixels.
    pub fn is_empty(&self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// Enlarges it by a whole factor: each pixel becomes a square of factor × factor.
    ///
    /// ```
    /// # use repsim::render::Image;
    /// let image = Image { width: 2, height: 1, pixels: vec![[0; 3], [9; 3]] };
    /// assert_eq!(image.enlarged(2).pixels[..4], [[0; 3], [0; 3], [9; 3], [9; 3]]);
    /// ```
    pub fn enlarged(&self, factor: usize) -> Self {
        Self::from_fn(self.width * factor, self.height * factor, |row, column| {
            self.pixel(row / factor, column / factor)
        })
    }

    /// Brings it to another size: each new pixel is the mean of the area it covers.
    ///
    /// A smaller picture is averaged without aliasing. In a larger one the pixels stay sharp
    /// squares; where the factor is not whole, a line of mixed pixels may lie between two of them.
    ///
    /// ```
    /// # use repsim::render::Image;
    /// let image = Image { width: 2, height: 2, pixels: vec![[0; 3], [2; 3], [4; 3], [6; 3]] };
    /// assert_eq!(image.resized(1, 1).pixels, [[3; 3]]);
    /// assert_eq!(image.resized(4, 4), image.enlarged(2));
    /// ```
    pub fn resized(&self, width: usize, height: usize) -> Self {
        let (columns, rows) = (shares(self.width, width), shares(self.height, height));
        // First across, then down: each pixel is read a few times instead of area by area.
        let across: Vec<Vec<[f64; 3]>> = (0..self.height)
            .map(|row| columns.iter().map(|parts| mean(parts, |i| self.wide(row, i))).collect())
            .collect();
        Self::from_fn(width, height, |row, column| {
            mean(&rows[row], |index| across[index][column]).map(|channel| channel.round() as u8)
        })
    }

    /// A pixel as numbers.
    fn wide(&self, row: usize, column: usize) -> [f64; 3] {
        self.pixel(row, column).map(f64::from)
    }
}

/// For each of `new` equal parts of a length, the `old` equal parts it covers with their shares of
/// it, which add up to 1.
fn shares(old: usize, new: usize) -> Vec<Vec<(usize, f64)>> {
    // Lengths in units of 1 / (old · new) are whole: no rounding.
    (0..new)
        .map(|index| {
            let (from, to) = (index * old, (index + 1) * old);
            let covered = |part: usize| to.min((part + 1) * new) - from.max(part * new);
            let parts = from / new..to.div_ceil(new);
            parts.map(|part| (part, covered(part) as f64 / old as f64)).collect()
        })
        .collect()
}

/// The mean of pixels by their shares.
fn mean(parts: &[(usize, f64)], pixel: impl Fn(usize) -> [f64; 3]) -> [f64; 3] {
    parts.iter().fold([0.0; 3], |sum, &(index, share)| {
        let pixel = pixel(index);
        std::array::from_fn(|channel| sum[channel] + share * pixel[channel])
    })
}

/// Brings a map to `height` × `width` by bilinear interpolation with half-pixel centres, as torch's
/// `interpolate(mode="bilinear", align_corners=False)`.
///
/// Row i of the result lies at (i + ½) · rows / height − ½ of the map, no less than 0, and is
/// mixed from the two rows around it; columns likewise. The sum is taken in double precision. An
/// empty map gives zeros.
///
/// ```
/// # use repsim::render::upscale;
/// let wide = upscale(ndarray::array![[0.0, 1.0]].view(), 1, 4);
/// assert_eq!(wide, ndarray::array![[0.0, 0.25, 0.75, 1.0]]);
/// ```
pub fn upscale(map: ArrayView2<'_, f32>, height: usize, width: usize) -> Array2<f32> {
    if map.is_empty() {
        return Array2::zeros((height, width));
    }
    let (rows, columns) = (neighbours(map.nrows(), height), neighbours(map.ncols(), width));
    Array2::from_shape_fn((height, width), |(row, column)| {
        let ((top, bottom, down), (left, right, across)) = (rows[row], columns[column]);
        let line =
            |row: usize| blend(f64::from(map[[row, left]]), f64::from(map[[row, right]]), across);
        blend(line(top), line(bottom), down) as f32
    })
}

/// For each of `new` places the two of `old` around it, and how far it is on the way to the second.
fn neighbours(old: usize, new: usize) -> Vec<(usize, usize, f64)> {
    let scale = old as f64 / new as f64;
    (0..new)
        .map(|index| {
            let place = ((index as f64 + 0.5) * scale - 0.5).max(0.0);
            let near = (place as usize).min(old - 1);
            (near, (near + 1).min(old - 1), place - near as f64)
        })
        .collect()
}

/// A value on the way from one to another. What has no share does not count, not even if it is
/// not finite.
fn blend(from: f64, to: f64, share: f64) -> f64 {
    if share == 0.0 { from } else { (1.0 - share) * from + share * to }
}

/// Encodes a picture as PNG of three channels. Equal pictures give equal bytes.
///
/// The encoder is that of the crate `image`, which reads pictures here as well: tiny-skia's writes
/// four channels, one of them without use.
///
/// ```
/// # use repsim::render::{Image, encode_png};
/// let png = encode_png(&Image::from_fn(2, 2, |_, _| [9; 3]))?;
/// assert!(png.starts_with(b"\x89PNG"));
/// # Ok::<_, repsim::render::RenderError>(())
/// ```
///
/// # Errors
///
/// [`RenderError::Encode`] when the picture has no pixels, or not width × height of them.
pub fn encode_png(image: &Image) -> Result<Vec<u8>, RenderError> {
    let Image { width, height, ref pixels } = *image;
    if image.is_empty() || pixels.len() != width * height {
        let count = pixels.len();
        return Err(RenderError::Encode(format!("{count} pixels for {width} x {height}")));
    }
    let side = |side: usize| u32::try_from(side).map_err(failed);
    let mut png = Vec::new();
    PngEncoder::new_with_quality(&mut png, CompressionType::Default, FilterType::Adaptive)
        .write_image(pixels.as_flattened(), side(width)?, side(height)?, Rgb8)
        .map_err(failed)?;
    Ok(png)
}

/// Says why a picture could not be encoded.
fn failed(error: impl ToString) -> RenderError {
    RenderError::Encode(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use resvg::tiny_skia::Pixmap;

    fn noise(width: usize, height: usize) -> Image {
        Image::from_fn(width, height, |row, column| [row as u8, column as u8, (row * column) as u8])
    }

    #[test]
    fn a_png_holds_the_pixels() {
        let image = noise(5, 3);
        let pixmap = Pixmap::decode_png(&encode_png(&image).expect("encoded")).expect("decodes");
        assert_eq!((pixmap.width(), pixmap.height()), (5, 3));
        let pixels: Vec<_> = pixmap
            .pixels()
            .iter()
            .map(|pixel| [pixel.red(), pixel.green(), pixel.blue()])
            .collect();
        assert_eq!(pixels, image.pixels);
    }

    #[test]
    fn what_is_no_picture_is_not_encoded() {
        assert!(encode_png(&noise(0, 3)).is_err());
        let image = Image { width: 2, height: 2, pixels: vec![[0; 3]] };
        let error = encode_png(&image).expect_err("too few pixels");
        assert!(error.to_string().contains("1 pixels for 2 x 2"), "{error}");
        assert_eq!((image.pixel(1, 1), image.pixel(0, 7)), ([0; 3], [0; 3]));
    }

    #[test]
    fn a_resized_picture_keeps_its_mean() {
        let image = Image::from_fn(6, 6, |row, column| [(40 * ((row + column) % 2)) as u8; 3]);
        assert!(image.resized(3, 3).pixels.iter().all(|pixel| *pixel == [20; 3]));
        assert_eq!(image.resized(6, 6), image);
        assert_eq!(image.resized(18, 18), image.enlarged(3));
        let wide = Image { width: 2, height: 1, pixels: vec![[0; 3], [30; 3]] };
        assert_eq!(wide.resized(3, 1).pixels, [[0; 3], [15; 3], [30; 3]]);
    }

    #[test]
    fn maps_are_interpolated_as_torch_does() {
        // torch.nn.functional.interpolate(x, size, mode="bilinear", align_corners=False)
        let map = array![[0.0, 1.0], [2.0, 5.0]];
        let wide = array![[0.0, 0.5, 1.0], [1.0, 2.0, 3.0], [2.0, 3.5, 5.0]];
        assert_eq!(upscale(map.view(), 3, 3), wide);
        assert_eq!(upscale(map.view(), 2, 2), map);
        assert_eq!(upscale(map.view(), 1, 1), array![[2.0]]);
        assert_eq!(upscale(array![[7.0]].view(), 2, 3), array![[7.0; 3], [7.0; 3]]);
        assert_eq!(upscale(Array2::zeros((0, 4)).view(), 2, 2), Array2::<f32>::zeros((2, 2)));
    }
}
