//! Which passes a resize takes, and in which order.

use super::{Axis, AxisCache, Picture, Target, Window, nearest};

/// A type of sample that a resize gives: the two passes that make it from samples of type `I`.
pub trait Kernel<I>: Copy + From<I> {
    /// Appends the wanted rows, with the wanted columns made along the row by `axis`.
    fn horizontal(part: &Part<'_, I>, axis: &Axis, wanted: (&Window, &Window), out: &mut Vec<Self>);

    /// Appends the wanted rows made down the columns by `axis`, with the wanted columns.
    fn vertical(part: &Part<'_, I>, axis: &Axis, wanted: (&Window, &Window), out: &mut Vec<Self>);
}

/// A picture of which only a part is there; rows and columns keep their numbers.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a, T> {
    data: &'a [T],
    /// Values from one row to the next.
    stride: usize,
    /// Values in a pixel.
    pub(super) channels: usize,
    /// Number of the first row that is there.
    top: usize,
    /// Number of the first column that is there.
    left: usize,
}

impl<'a, T> Part<'a, T> {
    /// The values of some columns of row `y`.
    pub(super) fn row(&self, y: usize, columns: &Window) -> &'a [T] {
        let start = (y - self.top) * self.stride;
        let (first, last) = (columns.start - self.left, columns.end - self.left);
        &self.data[start + first * self.channels..start + last * self.channels]
    }
}

/// Resizes a picture, writing the wanted rows and columns of the result to `out`.
///
/// `out` is cleared first; `between` holds the result of the first pass and is only there to be
/// used again. The type of `out` decides the arithmetic: bytes to bytes are Pillow's `Image.resize`
/// of mode `L` or `RGB`; bytes or floats to floats are that of mode `F`, each channel by itself.
pub fn resize<I: Copy, O: Kernel<I> + Kernel<O>>(
    picture: Picture<'_, I>,
    target: &Target,
    cache: &mut AxisCache,
    between: &mut Vec<O>,
    out: &mut Vec<O>,
) {
    let Picture { data, height, width, channels } = picture;
    let whole = Part { data, stride: width * channels, channels, top: 0, left: 0 };
    out.clear();
    if let Some((rows, columns)) = nearest::positions((height, width), target) {
        return nearest::pick(&whole, &rows, &columns, out);
    }
    let wanted = (&target.rows, &target.columns);
    let down = cache.get(height, target.size.0, target.interpolation);
    let along = cache.get(width, target.size.1, target.interpolation);
    match (height == target.size.0, width == target.size.1) {
        (true, true) => copy(&whole, wanted, out),
        (true, false) => O::horizontal(&whole, &along, wanted, out),
        (false, true) => O::vertical(&whole, &down, wanted, out),
        (false, false) if target.vertical_first(height, width) => {
            let needed = along.needed(wanted.1);
            between.clear();
            O::vertical(&whole, &down, (wanted.0, &needed), between);
            O::horizontal(&part(between, wanted.0, &needed, channels), &along, wanted, out);
        }
        (false, false) => {
            let needed = down.needed(wanted.0);
            between.clear();
            O::horizontal(&whole, &along, (&needed, wanted.1), between);
            O::vertical(&part(between, &needed, wanted.1, channels), &down, wanted, out);
        }
    }
}

/// Appends the wanted rows and columns as they are.
fn copy<I: Copy, O: From<I>>(
    whole: &Part<'_, I>,
    (rows, columns): (&Window, &Window),
    out: &mut Vec<O>,
) {
    for y in rows.clone() {
        out.extend(whole.row(y, columns).iter().map(|&value| O::from(value)));
    }
}

/// What the first pass gave, as a part of the picture it belongs to.
fn part<'a, T>(data: &'a [T], rows: &Window, columns: &Window, channels: usize) -> Part<'a, T> {
    let stride = columns.len() * channels;
    Part { data, stride, channels, top: rows.start, left: columns.start }
}
