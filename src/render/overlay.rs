//! Maps as pictures, alone or over the picture they belong to.

use ndarray::ArrayView2;

use super::colormap::{self, ColorMap, Rgb};
use super::pixels::{Image, upscale};

/// Lays the colours of a map over a picture.
///
/// The map is brought to the picture's size by [`upscale`]. With v its value at a pixel, c the
/// colour of (v − low) / (high − low) and o the opacity, each channel of the result is
///
/// > round((1 − o) · picture + o · c)
///
/// The opacity, 0 to 1, is the same everywhere: the colour of a value depends on nothing but the
/// value and the picture below. Values beyond the range take the end colours. Where the map is not
/// finite, the picture shows through as it is.
///
/// ```
/// # use repsim::render::{ColorMap, Image, overlay};
/// let image = Image::from_fn(2, 1, |_, _| [100; 3]);
/// let map = ndarray::array![[0.0, 1.0]];
/// let over = overlay(&image, map.view(), (0.0, 1.0), ColorMap::Grey, 0.5);
/// assert_eq!(over.pixels, [[50; 3], [178; 3]]);
/// ```
pub fn overlay(
    image: &Image,
    map: ArrayView2<'_, f32>,
    range: (f64, f64),
    colours: ColorMap,
    opacity: f64,
) -> Image {
    let map = upscale(map, image.height, image.width);
    let opacity = colormap::fraction(opacity, (0.0, 1.0));
    Image::from_fn(image.width, image.height, |row, column| {
        let (value, below) = (map[[row, column]], image.pixel(row, column));
        if value.is_finite() {
            let [red, green, blue] = below;
            let colour = colours.colour(colormap::fraction(f64::from(value), range));
            channels(Rgb { red, green, blue }.mixed(colour, opacity))
        } else {
            below
        }
    })
}

/// A map as a picture with one pixel a value. Values that are not finite take the lowest colour.
///
/// ```
/// # use repsim::render::{ColorMap, paint};
/// let image = paint(ndarray::array![[-1.0, 1.0]].view(), (-1.0, 1.0), ColorMap::Grey);
/// assert_eq!(image.pixels, [[0; 3], [255; 3]]);
/// ```
pub fn paint(map: ArrayView2<'_, f32>, range: (f64, f64), colours: ColorMap) -> Image {
    Image::from_fn(map.ncols(), map.nrows(), |row, column| {
        channels(colours.colour(colormap::fraction(f64::from(map[[row, column]]), range)))
    })
}

fn channels(colour: Rgb) -> [u8; 3] {
    [colour.red, colour.green, colour.blue]
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn pixels_follow_the_formula() {
        let image = Image::from_fn(4, 4, |row, column| [row as u8 * 60, column as u8 * 60, 7]);
        let map = array![[0.0, 2.0], [4.0, 8.0]];
        let over = overlay(&image, map.view(), (1.0, 5.0), ColorMap::Magma, 0.3);
        let wide = upscale(map.view(), 4, 4);
        for ((row, column), value) in wide.indexed_iter() {
            let colour = ColorMap::Magma.colour((f64::from(*value) - 1.0) / 4.0);
            let colour = [colour.red, colour.green, colour.blue];
            let below = image.pixel(row, column);
            let expected: [u8; 3] = std::array::from_fn(|channel| {
                (0.7 * f64::from(below[channel]) + 0.3 * f64::from(colour[channel])).round() as u8
            });
            assert_eq!(over.pixel(row, column), expected);
        }
    }

    #[test]
    fn the_ends_of_opacity_are_the_picture_and_the_colours() {
        let image = Image::from_fn(3, 2, |row, column| [10, row as u8, column as u8]);
        let map = array![[0.0, 0.5, 1.0], [1.0, 0.5, 0.0]];
        let over = |opacity| overlay(&image, map.view(), (0.0, 1.0), ColorMap::Jet, opacity);
        assert_eq!(over(0.0), image);
        assert_eq!(over(1.0), paint(map.view(), (0.0, 1.0), ColorMap::Jet));
        assert_eq!(over(f64::NAN), image);
        assert_eq!(over(7.0), over(1.0));
    }

    #[test]
    fn the_picture_shows_where_the_map_is_not_finite() {
        let image = Image::from_fn(2, 1, |_, _| [200; 3]);
        let map = array![[f32::NAN, 0.0]];
        let over = overlay(&image, map.view(), (0.0, 1.0), ColorMap::Grey, 0.5);
        assert_eq!(over.pixels, [[200; 3], [100; 3]]);
        let missing = paint(array![[f32::NAN]].view(), (0.0, 1.0), ColorMap::Grey);
        assert_eq!(missing.pixels, [[0; 3]]);
    }

    #[test]
    fn no_picture_and_no_map_do_no_harm() {
        let none = Image::from_fn(0, 0, |_, _| [0; 3]);
        let empty = ndarray::Array2::zeros((0, 0));
        assert_eq!(overlay(&none, empty.view(), (0.0, 1.0), ColorMap::Grey, 0.5), none);
        let image = Image::from_fn(1, 1, |_, _| [100; 3]);
        let over = overlay(&image, empty.view(), (0.0, 1.0), ColorMap::Grey, 0.5);
        assert_eq!(over.pixels, [[50; 3]]);
    }
}
