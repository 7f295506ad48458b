//! Hugging Face's `.safetensors`: a header of JSON, then the elements.

use std::fs::File;
use std::io::Read;

use safetensors::tensor::{Dtype as Code, Metadata, TensorInfo};

use super::dtype::Dtype;
use super::pickle::extent;
use super::source::{Flaw, Place};
use super::{StateDict, Stored};

/// The most bytes a header may have; the format's own limit.
const LONGEST: u64 = 100_000_000;

/// Whether a file begins as one: the length of the header, then JSON.
pub(super) fn is_one(first: &[u8]) -> bool {
    let length = first.get(..8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    length.is_some_and(|n| n <= LONGEST) && first.get(8) == Some(&b'{')
}

/// Reads the header.
///
/// # Errors
/// It is damaged, or announces more than the file holds.
pub(super) fn read(mut file: &File, source: usize) -> Result<StateDict, Flaw> {
    let end = file.metadata().map_err(|e| e.to_string())?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|e| e.to_string())?;
    let length = u64::from_le_bytes(length).min(LONGEST);
    let mut header = vec![];
    file.take(length).read_to_end(&mut header).map_err(|e| e.to_string())?;
    let metadata: Metadata =
        serde_json::from_slice(&header).map_err(|e| format!("its header is damaged: {e}"))?;
    if 8 + length + metadata.data_len() as u64 > end {
        return Err(Flaw::from("it is cut short".to_owned()));
    }
    let mut dict = StateDict::default();
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else { continue };
        match dtype(info.dtype) {
            Some(dtype) => dict.tensors.push((name, stored(dtype, info, 8 + length, source)?)),
            None => dict.others.push((name, format!("a tensor of {:?}", info.dtype))),
        }
    }
    Ok(dict)
}

fn stored(dtype: Dtype, info: &TensorInfo, start: u64, source: usize) -> Result<Stored, Flaw> {
    let unusual = || Flaw::from("it is damaged: a shape is too large".to_owned());
    let shape: Option<Vec<i64>> = info.shape.iter().map(|n| i64::try_from(*n).ok()).collect();
    let shape = shape.ok_or_else(unusual)?;
    let mut strides = vec![1_i64; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].checked_mul(shape[axis].max(1)).ok_or_else(unusual)?;
    }
    let extent = extent(&shape, &strides).ok_or_else(unusual)?;
    let start = start + info.data_offsets.0 as u64;
    Ok(Stored { dtype, shape, strides, extent, place: Place { source, record: 0, start } })
}

fn dtype(code: Code) -> Option<Dtype> {
    Some(match code {
        Code::BOOL => Dtype::Bool,
        Code::U8 => Dtype::U8,
        Code::I8 => Dtype::I8,
        Code::I16 => Dtype::I16,
        Code::I32 => Dtype::I32,
        Code::I64 => Dtype::I64,
        Code::F16 => Dtype::F16,
        Code::BF16 => Dtype::Bf16,
        Code::F32 => Dtype::F32,
        Code::F64 => Dtype::F64,
        Code::C64 => Dtype::C64,
        Code::F8_E4M3 => Dtype::F8E4M3,
        Code::F8_E5M2 => Dtype::F8E5M2,
        _ => return None,
    })
}
