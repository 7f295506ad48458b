//! What a layer gives for one sample, and whether another layer's output can take its place.

use std::fmt;

use crate::torchscript::shape_text;

/// What a layer gives for one sample, seen with its channels first
/// ([`Axes::canonical`](crate::torchscript::Axes::canonical)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// C channels at H×W positions: N×C×H×W.
    Maps {
        /// C.
        channels: i64,
        /// H and W.
        size: [i64; 2],
    },
    /// C channels at T positions in a row, or T tokens of C features: N×C×T.
    Rows {
        /// C.
        channels: i64,
        /// T.
        rows: i64,
    },
    /// C features: N×C.
    Vector {
        /// C.
        channels: i64,
    },
}

impl Form {
    /// Of a layer whose output for one sample has this shape, the channels first; `None` for other
    /// shapes.
    pub fn of(shape: &[i64]) -> Option<Self> {
        match *shape {
            [channels, h, w] => Some(Self::Maps { channels, size: [h, w] }),
            [channels, rows] => Some(Self::Rows { channels, rows }),
            [channels] => Some(Self::Vector { channels }),
            _ => None,
        }
        .filter(|_| shape.iter().all(|side| *side > 0))
    }

    /// C.
    pub fn channels(self) -> usize {
        let (Self::Maps { channels, .. } | Self::Rows { channels, .. } | Self::Vector { channels }) =
            self;
        channels as usize
    }

    /// Rows of channels that a sample gives.
    pub fn positions(self) -> usize {
        match self {
            Self::Maps { size: [h, w], .. } => (h * w) as usize,
            Self::Rows { rows, .. } => rows as usize,
            Self::Vector { .. } => 1,
        }
    }

    /// Rows and columns of positions: those of maps, or a column of rows.
    pub(super) fn places(self) -> [i64; 2] {
        match self {
            Self::Maps { size, .. } => size,
            Self::Rows { rows, .. } => [rows, 1],
            Self::Vector { .. } => [1, 1],
        }
    }

    /// Whether an affine map over channels, with maps resized, takes this to the other. Maps of one
    /// position are vectors.
    pub fn reaches(self, other: Self) -> bool {
        match (self, other) {
            (Self::Rows { rows: a, .. }, Self::Rows { rows: b, .. }) => a == b,
            (Self::Maps { .. }, Self::Maps { .. }) | (Self::Vector { .. }, Self::Vector { .. }) => {
                true
            }
            (Self::Maps { size, .. }, Self::Vector { .. })
            | (Self::Vector { .. }, Self::Maps { size, .. }) => size == [1, 1],
            _ => false,
        }
    }

    /// The size of the maps.
    pub fn size(self) -> Option<[i64; 2]> {
        match self {
            Self::Maps { size, .. } => Some(size),
            _ => None,
        }
    }

    /// Where both are maps and the other has as many rows and columns or more, but not the same: maps
    /// then become larger.
    pub(super) fn grows_to(self, other: Self) -> bool {
        match (self.size(), other.size()) {
            (Some([h, w]), Some([to_h, to_w])) => h <= to_h && w <= to_w && [h, w] != [to_h, to_w],
            _ => false,
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Maps { channels, size: [h, w] } => f.write_str(&shape_text(&[channels, h, w])),
            Self::Rows { channels, rows } => write!(f, "{channels} channels at {rows} positions"),
            Self::Vector { channels } => f.write_str(&shape_text(&[channels])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_told_apart() {
        let maps = Form::of(&[8, 4, 4]);
        assert_eq!(maps, Some(Form::Maps { channels: 8, size: [4, 4] }));
        assert_eq!(Form::of(&[8, 5]), Some(Form::Rows { rows: 5, channels: 8 }));
        assert_eq!(Form::of(&[8]), Some(Form::Vector { channels: 8 }));
        assert_eq!((Form::of(&[2, 8, 4, 4]), Form::of(&[0]), Form::of(&[])), (None, None, None));
        let (vector, rows) = (Form::Vector { channels: 8 }, Form::Rows { rows: 5, channels: 8 });
        let other = Form::Rows { rows: 6, channels: 8 };
        assert!(maps.is_some_and(|maps| maps.reaches(maps) && !maps.reaches(vector)));
        let one = Form::Maps { channels: 3, size: [1, 1] };
        assert!(one.reaches(vector) && vector.reaches(one) && !rows.reaches(one));
        assert!(rows.reaches(Form::Rows { rows: 5, channels: 3 }) && !rows.reaches(other));
    }
}
