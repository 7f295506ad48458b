//! What a layer gives for one sample, and whether another layer's output can take its place.

use std::fmt;

use tch::{Device, Kind, Tensor};

use crate::error::Result;
use crate::torchscript::shape_text;
use crate::torchscript::tensors::{self, resized};

/// What a layer gives for one sample, by where its channels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// C channels at H×W positions: N×C×H×W.
    Maps {
        /// C.
        channels: i64,
        /// H and W.
        size: [i64; 2],
    },
    /// T rows of C features: N×T×C.
    Rows {
        /// T.
        rows: i64,
        /// C.
        channels: i64,
    },
    /// C features: N×C.
    Vector {
        /// C.
        channels: i64,
    },
}

impl Form {
    /// Of a layer whose output for one sample has this shape; `None` for other shapes.
    pub fn of(shape: &[i64]) -> Option<Self> {
        match *shape {
            [channels, h, w] => Some(Self::Maps { channels, size: [h, w] }),
            [rows, channels] => Some(Self::Rows { rows, channels }),
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

    /// Whether an affine map over channels, with maps resized, takes this to the other.
    pub fn reaches(self, other: Self) -> bool {
        match (self, other) {
            (Self::Maps { .. }, Self::Maps { .. }) | (Self::Vector { .. }, Self::Vector { .. }) => {
                true
            }
            (Self::Rows { rows: a, .. }, Self::Rows { rows: b, .. }) => a == b,
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
            Self::Rows { rows, channels } => f.write_str(&shape_text(&[rows, channels])),
            Self::Vector { channels } => f.write_str(&shape_text(&[channels])),
        }
    }
}

/// A layer's output in float64 with its channels last: N×H×W×C, by [`Form::places`].
pub(super) fn laid(output: &Tensor) -> Result<Tensor> {
    let shape = output.size();
    let moved = match shape.as_slice() {
        [_, _, _, _] => output.f_permute([0, 2, 3, 1]),
        [n, rows, channels] => output.f_reshape([*n, *rows, 1, *channels]),
        _ => output.f_reshape([shape[0], 1, 1, -1]),
    };
    let moved = moved.map_err(|e| tensors::torch_error("lay out feature maps", &e))?;
    Ok(moved.to_kind(Kind::Double).contiguous())
}

/// A row a sample and position, a column a channel, of N×H×W×C.
pub(super) fn rows(laid: &Tensor) -> Result<Tensor> {
    let channels = laid.size().last().copied().unwrap_or(1);
    laid.f_reshape([-1, channels]).map_err(|e| tensors::torch_error("lay out feature maps", &e))
}

/// [`resized`] as two matrices, for maps that are laid out N×H×W×C in float64: it works on rows and
/// columns one after the other, R·x·Cᵀ.
pub(super) struct Resizing {
    /// R and C; `None` where there is nothing to do.
    along: [Option<Tensor>; 2],
}

impl Resizing {
    /// From the positions of one layer to those of another.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn between(from: Form, to: Form, device: Device) -> Result<Self> {
        let (from, to) = (from.places(), to.places());
        let one = |axis: usize| -> Result<Option<Tensor>> {
            let (from, to) = (from[axis], to[axis]);
            if from == to {
                return Ok(None);
            }
            let unit = Tensor::eye(from, (Kind::Double, device)).reshape([from, 1, from, 1]);
            Ok(Some(resized(&unit, [to, 1])?.reshape([from, to]).tr().contiguous()))
        };
        Ok(Self { along: [one(0)?, one(1)?] })
    }

    /// The maps at their new size.
    pub fn there(&self, maps: &Tensor) -> Tensor {
        self.by(maps, Tensor::shallow_clone)
    }

    /// The adjoint: ⟨there(x), y⟩ = ⟨x, back(y)⟩.
    pub fn back(&self, maps: &Tensor) -> Tensor {
        self.by(maps, Tensor::tr)
    }

    /// `back(there(x))`, without the maps between.
    pub fn there_and_back(&self, maps: &Tensor) -> Tensor {
        self.by(maps, |matrix| matrix.tr().matmul(matrix))
    }

    /// `back(1)`, H·W: how much each position counts in a sum over the maps at their new size.
    pub fn weights(&self, [h, w]: [i64; 2]) -> Tensor {
        let sums = |matrix: &Option<Tensor>, side: i64| match matrix {
            Some(matrix) => {
                let sums = matrix.sum_dim_intlist([0i64].as_slice(), false, Kind::Double);
                sums.to_device(Device::Cpu)
            }
            None => Tensor::ones([side], (Kind::Double, Device::Cpu)),
        };
        let [rows, columns] = [sums(&self.along[0], h), sums(&self.along[1], w)];
        rows.unsqueeze(1).matmul(&columns.unsqueeze(0)).reshape([-1])
    }

    fn by(&self, maps: &Tensor, matrix: impl Fn(&Tensor) -> Tensor) -> Tensor {
        let [rows, columns] = self.along.each_ref().map(|along| along.as_ref().map(&matrix));
        let wide = columns.map_or_else(|| maps.shallow_clone(), |columns| columns.matmul(maps));
        let Some(rows) = rows else { return wide };
        let shape = wide.size();
        let tall = rows.matmul(&wide.reshape([shape[0], shape[1], -1]));
        tall.reshape([shape[0], -1, shape[2], shape[3]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_told_apart() {
        let maps = Form::of(&[8, 4, 4]);
        assert_eq!(maps, Some(Form::Maps { channels: 8, size: [4, 4] }));
        assert_eq!(Form::of(&[5, 8]), Some(Form::Rows { rows: 5, channels: 8 }));
        assert_eq!(Form::of(&[8]), Some(Form::Vector { channels: 8 }));
        assert_eq!((Form::of(&[2, 8, 4, 4]), Form::of(&[0]), Form::of(&[])), (None, None, None));
        let (vector, rows) = (Form::Vector { channels: 8 }, Form::Rows { rows: 5, channels: 8 });
        let other = Form::Rows { rows: 6, channels: 8 };
        assert!(maps.is_some_and(|maps| maps.reaches(maps) && !maps.reaches(vector)));
        assert!(rows.reaches(Form::Rows { rows: 5, channels: 3 }) && !rows.reaches(other));
    }

    #[test]
    fn matrices_resize_as_torch_does() -> Result<()> {
        tch::manual_seed(1);
        let options = (Kind::Double, Device::Cpu);
        let form = |size: [i64; 2]| Form::Maps { channels: 3, size };
        let near = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]) < 1e-12;
        let inner = |a: &Tensor, b: &Tensor| (a * b).sum(Kind::Double);
        let x = Tensor::randn([2, 3, 4, 4], options);
        for size in [[7, 5], [2, 2], [3, 6], [4, 8], [4, 4]] {
            let resizing = Resizing::between(form([4, 4]), form(size), Device::Cpu)?;
            let there = resizing.there(&laid(&x)?);
            assert!(near(&there, &laid(&resized(&x, size)?)?), "{size:?}");
            let y = laid(&Tensor::randn([2, 3, size[0], size[1]], options))?;
            assert!(near(&inner(&there, &y), &inner(&laid(&x)?, &resizing.back(&y))), "{size:?}");
            assert!(near(&resizing.there_and_back(&laid(&x)?), &resizing.back(&there)));
            let ones = resizing.back(&Tensor::ones([1, size[0], size[1], 1], options));
            assert!(near(&resizing.weights([4, 4]), &ones.reshape([-1])), "{size:?}");
        }
        Ok(())
    }
}
