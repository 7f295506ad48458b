//! Resizing, byte for byte as Pillow does it, and once as PyTorch does it.
//!
//! Pillow's `Image.resize` is separable: each axis has its own weights, there is a pass for each
//! axis that changes, and what lies between the passes is rounded to the picture's own type. The
//! horizontal pass comes first, unless the picture loses more than twice as many rows as columns
//! (so since Pillow 13; before, it always came first, which for such pictures gives now and then
//! a byte one off). 8-bit pictures are summed in 22-bit fixed point, floats in float64. When an
//! axis shrinks, the filter widens with it, which is what others call antialiasing.
//!
//! [`interpolate`] is PyTorch's bilinear interpolation, which does not widen the filter; the first
//! FID tools resized with it.
//!
//! Source: Pillow 13, `src/libImaging/Resample.c` and (for nearest) `Geometry.c`.

mod bilinear;
mod bytes;
mod coefficients;
mod floats;
mod interpolation;
mod nearest;
mod passes;

pub use bilinear::interpolate;
pub use coefficients::{Axis, AxisCache};
pub use interpolation::Interpolation;
pub use passes::{Kernel, resize};

/// The part of an axis that is wanted: `start..end` of its pixels.
///
/// A resize that is followed by a crop need not compute what the crop removes.
pub type Window = std::ops::Range<usize>;

/// A picture of bytes or floats, or a part of one: rows of interleaved channels.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a, T> {
    /// `height · width · channels` values.
    pub data: &'a [T],
    /// Rows.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Values in a pixel: 1 to 4.
    pub channels: usize,
}

/// What a resize of one picture is to give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Height and width of the whole resized picture, in pixels.
    pub size: (usize, usize),
    /// The rows of it that are wanted.
    pub rows: Window,
    /// The columns of it that are wanted.
    pub columns: Window,
    /// How pixels are weighed.
    pub interpolation: Interpolation,
}

impl Target {
    /// The whole of a picture of `height` × `width`.
    pub fn whole(height: usize, width: usize, interpolation: Interpolation) -> Self {
        Self { size: (height, width), rows: 0..height, columns: 0..width, interpolation }
    }

    /// Whether the vertical pass over a picture of this size comes first.
    fn vertical_first(&self, height: usize, width: usize) -> bool {
        let lost = |before: usize, after: usize| before as i64 - after as i64;
        let (rows, columns) = (lost(height, self.size.0), lost(width, self.size.1));
        rows > 0 && rows > 2 * columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vertical_pass_comes_first_where_rows_go() {
        let first = |from: (usize, usize), to: (usize, usize)| {
            Target::whole(to.0, to.1, Interpolation::Box).vertical_first(from.0, from.1)
        };
        assert!(first((40, 9), (1, 33)) && first((1000, 400), (640, 256)));
        assert!(!first((375, 500), (256, 341)) && !first((40, 40), (20, 30)));
        assert!(first((40, 40), (20, 31)) && !first((40, 40), (41, 80)));
    }
}
