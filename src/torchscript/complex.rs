//! Complex outputs as real ones: the real and the imaginary part of a channel are two channels.

use tch::{TchError, Tensor};

use super::axes::Axes;
use super::layers::Layer;

impl Layer {
    /// Counts the real and the imaginary part of a channel as two in the shape of a complex layer, as
    /// [`real_parts`] lays them out.
    pub fn count_parts(&mut self) {
        match self.axes.channels.filter(|&axis| axis < self.shape.len()) {
            _ if !self.complex => {}
            Some(axis) => self.shape[axis] *= 2,
            None => {
                self.axes.channels = Some(self.shape.len());
                self.shape.push(2);
            }
        }
    }
}

/// An output as real numbers. A complex one, N×C×H×W, becomes N×2C×H×W with the real part of each
/// channel and then its imaginary part; a real one stays what it is.
///
/// # Errors
/// What libtorch said.
pub fn real_parts(output: &Tensor, axes: &Axes) -> Result<Tensor, TchError> {
    if !output.is_complex() {
        return Ok(output.shallow_clone());
    }
    let parts = output.f_resolve_conj()?.f_view_as_real()?;
    match axes.channels.filter(|&axis| axis < output.dim()) {
        None => Ok(parts),
        Some(axis) => {
            let axis = axis as i64;
            parts.f_movedim_int(-1, axis + 1)?.f_flatten(axis, axis + 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn parts_stand_side_by_side() -> Result<(), TchError> {
        let shapes: [&[i64]; 5] = [&[3], &[2, 3], &[2, 4, 3], &[2, 3, 4, 5], &[2, 3, 2, 2, 2]];
        for shape in shapes {
            let axes = Axes::guessed(shape.len());
            let real = Tensor::randn(shape, (Kind::Double, Device::Cpu));
            let found = real_parts(&Tensor::f_complex(&real, &(&real * 2.0))?, &axes)?;
            let axis = axes.channels.unwrap_or(1);
            let mut wanted = shape.to_vec();
            if axis == shape.len() {
                wanted.push(2)
            } else {
                wanted[axis] *= 2
            }
            assert_eq!(found.size(), wanted);
            let part = |start| found.slice(axis as i64, start, None, 2).reshape(shape);
            assert!(part(0).equal(&real) && part(1).equal(&(&real * 2.0)), "{shape:?}");
        }
        let real = Tensor::ones([2, 3], (Kind::Float, Device::Cpu));
        assert!(real_parts(&real, &Axes::guessed(2))?.equal(&real));
        Ok(())
    }
}
