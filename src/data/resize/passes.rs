//! Which passes a resize takes, and in which order.

use super::{Axis, AxisCache, Picture, Target, Window, nearest};

/// A type of sample that can be resized: the two passes over it.
pub trait Kernel: Copy + Sized {
    /// Appends the wanted rows, with the wanted columns made along the row by `axis`.
    fn horizontal(
        part: &Part<'_, Self>,
        axis: &Axis,
        wanted: (&Window, &Window),
        out: &mut Vec<Self>,
    );

    /// Appends the wanted rows made down the columns by `axis`, with the wanted columns.
    fn vertical(
        part: &Part<'_, Self>,
        axis: &Axis,
        wanted: (&Window, &Window),
        out: &mut Vec<Self>,
    );
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
/// used again. The values are those of Pillow's `Image.resize` of mode `L`, `RGB` or `F`.
pub fn resize<T: Kernel>(
    picture: Picture<'_, T>,
    target: &Target,
    cache: &mut AxisCache,
    between: &mut Vec<T>,
    out: &mut Vec<T>,
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
        (true, true) => target.rows.clone().for_each(|y| out.extend(whole.row(y, wanted.1))),
        (true, false) => T::horizontal(&whole, &along, wanted, out),
        (false, true) => T::vertical(&whole, &down, wanted, out),
        (false, false) if target.vertical_first(height, width) => {
            let needed = along.needed(wanted.1);
            between.clear();
            T::vertical(&whole, &down, (wanted.0, &needed), between);
            T::horizontal(&part(between, wanted.0, &needed, channels), &along, wanted, out);
        }
        (false, false) => {
            let needed = down.needed(wanted.0);
            between.clear();
            T::horizontal(&whole, &along, (&needed, wanted.1), between);
            T::vertical(&part(between, &needed, wanted.1, channels), &down, wanted, out);
        }
    }
}

/// What the first pass gave, as a part of the picture it belongs to.
fn part<'a, T>(data: &'a [T], rows: &Window, columns: &Window, channels: usize) -> Part<'a, T> {
    let stride = columns.len() * channels;
    Part { data, stride, channels, top: rows.start, left: columns.start }
}
