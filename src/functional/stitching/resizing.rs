//! Resizing of feature maps by small matrices.

use tch::{Device, Kind, Tensor};

use super::form::Form;
use crate::error::Result;
use crate::torchscript::tensors::{self, resized};

/// [`resized`] as two matrices, for maps that are laid out N×H×W×C in float64: one along the rows and
/// one along the columns, or `None` where there is nothing to do.
pub(super) struct Resizing {
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

    /// The adjoint Rᵀ: ⟨Rx, y⟩ = ⟨x, Rᵀy⟩.
    pub fn adjoint(&self) -> Self {
        self.by(|matrix| matrix.tr().contiguous())
    }

    /// RᵀR: maps at another size and back, without the maps between.
    pub fn there_and_back(&self) -> Self {
        self.by(|matrix| matrix.tr().matmul(matrix))
    }

    /// Rᵀ1, H·W: how much each position counts in a sum over the maps at their new size.
    pub fn weights(&self, [h, w]: [i64; 2]) -> Tensor {
        let sums = |matrix: &Option<Tensor>, side: i64| match matrix {
            Some(matrix) => matrix.sum_dim_intlist([0i64].as_slice(), false, Kind::Double),
            None => Tensor::ones([side], (Kind::Double, self.device())),
        };
        let [rows, columns] = [sums(&self.along[0], h), sums(&self.along[1], w)];
        rows.unsqueeze(1).matmul(&columns.unsqueeze(0)).reshape([-1])
    }

    /// Maps N×H×W×C resized in several ways; the maps themselves are gone through once.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn each(maps: &Tensor, ways: &[&Self]) -> Result<Vec<Tensor>> {
        let columns: Vec<&Tensor> = ways.iter().filter_map(|way| way.along[1].as_ref()).collect();
        let wide = match columns.is_empty() {
            true => None,
            false => Some(along_columns(&Tensor::cat(&columns, 0), maps).map_err(failed)?),
        };
        let mut first = 0;
        let mut found = vec![];
        for way in ways {
            let mut next = maps.shallow_clone();
            if let (Some(matrix), Some(wide)) = (&way.along[1], &wide) {
                let width = matrix.size()[0];
                next = wide.narrow(2, first, width);
                first += width;
            }
            if let Some(matrix) = &way.along[0] {
                next = along_rows(matrix, &next).map_err(failed)?;
            }
            found.push(next);
        }
        Ok(found)
    }

    fn by(&self, change: impl Fn(&Tensor) -> Tensor) -> Self {
        Self { along: self.along.each_ref().map(|along| along.as_ref().map(&change)) }
    }

    fn device(&self) -> Device {
        self.along.iter().flatten().next().map_or(Device::Cpu, Tensor::device)
    }
}

/// A product for each row of maps, which is faster than what libtorch makes of a broadcast.
fn along_columns(matrix: &Tensor, maps: &Tensor) -> Result<Tensor, tch::TchError> {
    let shape = maps.size();
    let [n, h, w, c] = shape[..] else { return Ok(maps.shallow_clone()) };
    let (rows, columns) = (n * h, matrix.size()[0]);
    let matrices = matrix.f_expand([rows, columns, w], true)?;
    matrices.f_bmm(&maps.f_reshape([rows, w, c])?)?.f_reshape([n, h, columns, c])
}

fn along_rows(matrix: &Tensor, maps: &Tensor) -> Result<Tensor, tch::TchError> {
    let shape = maps.size();
    let [n, h, w, c] = shape[..] else { return Ok(maps.shallow_clone()) };
    matrix.f_matmul(&maps.f_reshape([n, h, w * c])?)?.f_reshape([n, -1, w, c])
}

fn failed(error: tch::TchError) -> crate::error::Error {
    tensors::torch_error("resize feature maps", &error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_resize_as_torch_does() -> Result<()> {
        tch::manual_seed(1);
        let options = (Kind::Double, Device::Cpu);
        let form = |size: [i64; 2]| Form::Maps { channels: 3, size };
        let laid = |maps: &Tensor| maps.permute([0, 2, 3, 1]).contiguous();
        let near = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]) < 1e-12;
        let inner = |a: &Tensor, b: &Tensor| (a * b).sum(Kind::Double);
        let x = Tensor::randn([2, 3, 4, 4], options);
        let sizes = [[7, 5], [2, 2], [3, 6], [4, 8], [4, 4], [1, 1]];
        let made = sizes.map(|size| Resizing::between(form([4, 4]), form(size), Device::Cpu));
        let made = made.into_iter().collect::<Result<Vec<_>>>()?;
        let there = Resizing::each(&laid(&x), &made.iter().collect::<Vec<_>>())?;
        for ((size, resizing), there) in sizes.iter().zip(&made).zip(&there) {
            assert!(near(there, &laid(&resized(&x, *size)?)), "{size:?}");
            let y = laid(&Tensor::randn([2, 3, size[0], size[1]], options));
            let adjoint = resizing.adjoint();
            let back = Resizing::each(&y, &[&adjoint])?;
            assert!(near(&inner(there, &y), &inner(&laid(&x), &back[0])), "{size:?}");
            let round = Resizing::each(&laid(&x), &[&resizing.there_and_back()])?;
            assert!(near(&round[0], &Resizing::each(there, &[&adjoint])?[0]), "{size:?}");
            let ones = Tensor::ones([1, size[0], size[1], 1], options);
            let ones = Resizing::each(&ones, &[&adjoint])?[0].reshape([-1]);
            assert!(near(&resizing.weights([4, 4]), &ones), "{size:?}");
        }
        Ok(())
    }
}
