//! The sizes of the cells and of the pictures in them, in pixels of the PNG.

use super::{Cell, Row, Sheet};
use crate::render::pixels::Image;
use crate::render::style::SCALE;

/// The least and the greatest side of a cell in units.
const SIDES: (f64, f64) = (16.0, 2000.0);
/// The least part of the asked side that a cell may be made smaller to for the sake of whole
/// factors.
const LEAST: f64 = 0.75;

/// The side of all cells: the greatest one within the asked one by which every picture can be
/// enlarged by a whole factor, unless it would be much smaller.
pub(super) fn side(sheet: &Sheet<'_>) -> usize {
    let asked = if sheet.cell.is_finite() { sheet.cell } else { super::CELL };
    let asked = (f64::from(SCALE) * asked.clamp(SIDES.0, SIDES.1)).round() as usize;
    // An even side is a whole number of units.
    let mut images = sheet.images().map(longest);
    let common = images.try_fold(2, |common, side| multiple(common, side).filter(|m| *m <= asked));
    match common.map(|common| asked / common * common) {
        Some(side) if side as f64 >= LEAST * asked as f64 => side,
        _ => asked,
    }
}

/// The size of a picture that fills a cell without losing its proportions.
pub(super) fn size(image: &Image, side: usize) -> (usize, usize) {
    let longest = longest(image);
    let scaled = |length: usize| ((length * side + longest / 2) / longest).max(1);
    (scaled(image.width), scaled(image.height))
}

/// The height of a row's pictures: that of the highest one.
pub(super) fn height(row: &Row<'_>, side: usize) -> usize {
    let heights = row.cells.iter().filter_map(Cell::image).map(|image| size(image, side).1);
    heights.max().unwrap_or(side)
}

/// A picture as it is to be embedded, if not as it is: larger ones are averaged, and so are those
/// whose pixels cannot be enlarged by a whole factor.
pub(super) fn fitted(image: &Image, (width, height): (usize, usize)) -> Option<Image> {
    let is_whole = width.is_multiple_of(image.width) && height.is_multiple_of(image.height);
    (!is_whole).then(|| image.resized(width, height))
}

fn longest(image: &Image) -> usize {
    image.width.max(image.height)
}

/// The least common multiple of two numbers above 0.
fn multiple(a: usize, b: usize) -> Option<usize> {
    (a / divisor(a, b)).checked_mul(b)
}

/// The greatest common divisor.
fn divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The side of the cells of a sheet with pictures of these sizes.
    fn side_of(sizes: &[(usize, usize)]) -> usize {
        let image = |&(width, height): &_| Image::from_fn(width, height, |_, _| [0; 3]);
        let cells: Vec<_> = sizes.iter().map(|size| Cell::new(image(size), "")).collect();
        let rows = [Row { heading: "", cells: &cells }];
        super::side(&Sheet { rows: &rows, ..super::super::tests::EMPTY })
    }

    #[test]
    fn cells_are_a_whole_number_of_pixels_where_that_is_possible() {
        assert_eq!(side_of(&[]), 192);
        assert_eq!(side_of(&[(32, 32), (8, 8), (4, 4)]), 192);
        assert_eq!(side_of(&[(28, 28), (14, 14), (7, 7)]), 168);
        assert_eq!(side_of(&[(112, 112), (7, 7)]), 192, "112 would be too small");
        assert_eq!(side_of(&[(640, 480)]), 192);
    }

    #[test]
    fn pictures_keep_their_proportions() {
        let size = |width, height| super::size(&Image::from_fn(width, height, |_, _| [0; 3]), 192);
        assert_eq!(size(640, 480), (192, 144));
        assert_eq!(size(3, 6), (96, 192));
        assert_eq!(size(5000, 1), (192, 1));
    }

    #[test]
    fn whole_factors_are_left_to_the_viewer() {
        let image = Image::from_fn(8, 4, |_, _| [9; 3]);
        assert_eq!(fitted(&image, (16, 8)), None);
        assert_eq!(fitted(&image, (12, 6)).map(|image| (image.width, image.height)), Some((12, 6)));
    }
}
