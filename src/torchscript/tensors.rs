//! Where tensors become arrays and arrays become tensors.

use ndarray::{Array1, Array2, ArrayD};
use tch::{Kind, Tensor};

use crate::checkpoint::{Dtype, Stored};
use crate::error::{Error, Result};

/// A tensor over `data` of images laid out N×H×W×C, seen as N×C×H×W: channels-last in memory.
///
/// # Errors
/// The shape does not have four sizes or does not fit the data.
pub fn from_nhwc(data: &[f32], shape: &[usize]) -> Result<Tensor> {
    let tensor = from_rows(data, shape)?;
    tensor.f_permute([0, 3, 1, 2]).map_err(|e| torch_error("permute", &e))
}

/// A tensor laid out in the order of its axes. Where it has one channel its memory is in that order either
/// way, and convolutions go by its strides: these become the plain ones, too.
pub(super) fn in_plain_layout(tensor: &Tensor) -> Tensor {
    tensor.contiguous().reshape([-1]).reshape(tensor.size())
}

/// A tensor of the given shape over `data`, which is copied.
///
/// # Errors
/// The shape does not fit the data.
pub fn from_rows(data: &[f32], shape: &[usize]) -> Result<Tensor> {
    let shape: Vec<i64> = shape.iter().map(|&s| s as i64).collect();
    Tensor::f_from_slice(data)
        .and_then(|t| t.f_reshape(&shape))
        .map_err(|e| torch_error("make a tensor", &e))
}

/// A float32 tensor on a CUDA device over `data`, which is copied there by the current stream.
///
/// # Errors
/// The shape does not fit the data, or it is not a CUDA device.
pub fn on_device(data: &[f32], shape: &[usize], device: tch::Device) -> Result<Tensor> {
    let shape: Vec<i64> = shape.iter().map(|&s| s as i64).collect();
    let found = match device {
        tch::Device::Cuda(i) => super::ffi::device::upload(data, &shape, i),
        _ => Err("it is no CUDA device".to_owned()),
    };
    found.map_err(|said| torch_words("copy a batch", &said))
}

/// A tensor over the elements of a stored one, which are copied.
///
/// # Errors
/// libtorch cannot hold it.
pub fn of_elements(bytes: &[u8], stored: &Stored) -> Result<Tensor> {
    shaped(&flat(bytes, stored)?, stored)
}

/// The elements that a stored tensor spans, in a row.
///
/// # Errors
/// libtorch cannot hold them.
pub(super) fn flat(bytes: &[u8], stored: &Stored) -> Result<Tensor> {
    Tensor::f_from_data_size(bytes, &[stored.extent as i64], kind(stored.dtype))
        .map_err(|e| torch_error("take weights", &e))
}

/// A stored tensor over the elements that it spans.
///
/// # Errors
/// Its shape does not fit them.
pub(super) fn shaped(flat: &Tensor, stored: &Stored) -> Result<Tensor> {
    let whole = match stored.extent {
        0 => flat.f_reshape(&stored.shape),
        _ => flat.f_as_strided(&stored.shape, &stored.strides, 0),
    };
    whole.map_err(|e| torch_error("take weights", &e))
}

fn kind(dtype: Dtype) -> Kind {
    match dtype {
        Dtype::Bool => Kind::Bool,
        Dtype::U8 => Kind::Uint8,
        Dtype::I8 => Kind::Int8,
        Dtype::I16 => Kind::Int16,
        Dtype::I32 => Kind::Int,
        Dtype::I64 => Kind::Int64,
        Dtype::F16 => Kind::Half,
        Dtype::Bf16 => Kind::BFloat16,
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        Dtype::C64 => Kind::ComplexFloat,
        Dtype::C128 => Kind::ComplexDouble,
        Dtype::F8E4M3 => Kind::Float8e4m3fn,
        Dtype::F8E5M2 => Kind::Float8e5m2,
    }
}

/// What sums over a tensor are kept in: float64 where it is float64, and float32 otherwise.
pub fn summing_kind(tensor: &Tensor) -> Kind {
    match tensor.kind() {
        Kind::Double => Kind::Double,
        _ => Kind::Float,
    }
}

/// A float64 tensor with the shape and values of an array.
///
/// # Errors
/// libtorch cannot hold it.
pub fn from_array(array: &ArrayD<f64>) -> Result<Tensor> {
    let shape: Vec<i64> = array.shape().iter().map(|&s| s as i64).collect();
    let values = array.as_standard_layout();
    Tensor::f_from_slice(values.as_slice().unwrap_or(&[]))
        .and_then(|t| t.f_reshape(&shape))
        .map_err(|e| torch_error("make a tensor", &e))
}

/// A matrix on the CPU in float64.
///
/// # Errors
/// The tensor is not a matrix.
pub fn to_matrix(tensor: &Tensor) -> Result<Array2<f64>> {
    let (rows, columns) = tensor.size2().map_err(|e| torch_error("read a matrix", &e))?;
    Array2::from_shape_vec((rows as usize, columns as usize), values(tensor)?)
        .map_err(|e| Error::usage(format!("failed to read a matrix: {e}"), REPORT))
}

/// A matrix on the CPU in float32.
///
/// # Errors
/// The tensor is not a matrix.
pub fn to_floats(tensor: &Tensor) -> Result<Array2<f32>> {
    let (rows, columns) = tensor.size2().map_err(|e| torch_error("read a matrix", &e))?;
    let flat = tensor.to_device(tch::Device::Cpu).to_kind(Kind::Float).contiguous().view(-1);
    let mut values = vec![0.0; flat.numel()];
    flat.f_copy_data(&mut values, flat.numel()).map_err(|e| torch_error("copy a tensor", &e))?;
    Array2::from_shape_vec((rows as usize, columns as usize), values)
        .map_err(|e| Error::usage(format!("failed to read a matrix: {e}"), REPORT))
}

/// A vector on the CPU in float64.
///
/// # Errors
/// The tensor cannot be converted.
pub fn to_vector(tensor: &Tensor) -> Result<Array1<f64>> {
    Ok(Array1::from_vec(values(tensor)?))
}

fn values(tensor: &Tensor) -> Result<Vec<f64>> {
    let flat = tensor.to_device(tch::Device::Cpu).to_kind(Kind::Double).contiguous().view(-1);
    let mut out = vec![0.0; flat.numel()];
    flat.f_copy_data(&mut out, flat.numel()).map_err(|e| torch_error("copy a tensor", &e))?;
    Ok(out)
}

/// Maps at another size, by bilinear interpolation (pixel centres at half-integers), with
/// antialiasing where they become smaller. Gradients pass.
///
/// # Errors
/// They have no four axes.
pub fn resized(maps: &Tensor, size: [i64; 2]) -> Result<Tensor> {
    if maps.size()[2..] == size {
        return Ok(maps.shallow_clone());
    }
    // libtorch 2.13 resizes maps that are and stay one column wide wrongly; lying they come out right.
    let lies = maps.size()[3] == 1 && size[1] == 1;
    let (maps, size) = match lies {
        true => (maps.transpose(2, 3), [size[1], size[0]]),
        false => (maps.shallow_clone(), size),
    };
    let found = maps.f_internal_upsample_bilinear2d_aa(size, false, None, None);
    let found = found.map_err(|e| torch_error("resize feature maps", &e))?;
    Ok(if lies { found.transpose(2, 3) } else { found })
}

const REPORT: &str = "this should not happen; please report it with the command you ran";

/// What libtorch said of an operation of ours, on one line.
pub fn torch_error(action: &str, error: &tch::TchError) -> Error {
    torch_words(action, &error.to_string())
}

/// The same of words that came by another way.
pub(super) fn torch_words(action: &str, said: &str) -> Error {
    let first = said.lines().next().unwrap_or("no reason given").to_owned();
    let remedy = match first.contains("alloc") || first.contains("memory") {
        true => "use a smaller --batch-size or --memory",
        false => REPORT,
    };
    Error::usage(format!("failed to {action}: {first}"), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn maps_one_column_wide_are_resized_as_wider_ones() -> Result<()> {
        let one = Tensor::arange(8, (Kind::Double, Device::Cpu)).reshape([1, 2, 4, 1]);
        for height in [2, 7] {
            let wide = resized(&one.repeat([1, 1, 1, 3]), [height, 3])?.narrow(3, 0, 1);
            let apart = (resized(&one, [height, 1])? - wide).abs().max().double_value(&[]);
            assert!(apart < 1e-12, "{height}: {apart}");
        }
        Ok(())
    }
}
