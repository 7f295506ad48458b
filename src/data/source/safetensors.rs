//! Hugging Face's `.safetensors`: a header of JSON, then the elements.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::tensor::{Dtype as Code, Metadata, TensorInfo};

use super::arrays::{Arrays, Head};
use super::stored::{Place, Stored, unknown_type};
use crate::data::dtype::Dtype;
use crate::error::{Error, Result};
use crate::files;

/// The most bytes a header may have; the format's own limit.
const LONGEST: u64 = 100_000_000;

/// An open file; the names are in the order of the elements.
pub(super) struct Tensors {
    path: PathBuf,
    file: Arc<File>,
    metadata: Metadata,
    start: u64,
    names: Vec<String>,
}

impl Tensors {
    pub fn open(path: &Path) -> Result<Self> {
        let file = files::open(path).map_err(|e| Error::io("open", path, e))?;
        let head = head(&file).map_err(|e| Error::io("read", path, e))?;
        let header = head.get(8..).unwrap_or_default();
        let metadata: Metadata =
            serde_json::from_slice(header).map_err(|e| damaged(path, &e.to_string()))?;
        let names = metadata.offset_keys();
        if names.is_empty() {
            return Err(damaged(path, "it holds no tensors"));
        }
        let start = head.len() as u64;
        Ok(Self { path: path.to_owned(), file: Arc::new(file), metadata, start, names })
    }
}

impl Tensors {
    fn info(&self, name: &str) -> Result<&TensorInfo> {
        self.metadata.info(name).ok_or_else(|| damaged(&self.path, "a name is missing"))
    }
}

/// The first eight bytes and the header whose length they give, as far as they are there.
fn head(file: &File) -> std::io::Result<Vec<u8>> {
    let mut head = vec![];
    file.take(8).read_to_end(&mut head)?;
    let length = head.as_slice().try_into().map(u64::from_le_bytes).unwrap_or(0);
    file.take(length.min(LONGEST)).read_to_end(&mut head)?;
    Ok(head)
}

impl Arrays for Tensors {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn head(&mut self, name: &str) -> Result<Head> {
        let info = self.info(name)?;
        Ok(Head { shape: info.shape.clone(), dtype: dtype(info.dtype), text: false })
    }

    fn array(&mut self, name: &str) -> Result<Stored> {
        let info = self.info(name)?;
        let found = format!("elements of type {:?}", info.dtype);
        let dtype = dtype(info.dtype).ok_or_else(|| unknown_type(&self.path, name, &found))?;
        let offset = self.start + info.data_offsets.0 as u64;
        let size = (info.data_offsets.1 - info.data_offsets.0) as u64;
        let place = Place::File(Arc::clone(&self.file), offset, size);
        let (path, shape) = (self.path.clone(), info.shape.clone());
        Stored { path, name: name.to_owned(), dtype, shape, place }.check()
    }
}

fn dtype(stored: Code) -> Option<Dtype> {
    Some(match stored {
        Code::BOOL => Dtype::Bool,
        Code::U8 => Dtype::U8,
        Code::I8 => Dtype::I8,
        Code::U16 => Dtype::U16,
        Code::I16 => Dtype::I16,
        Code::U32 => Dtype::U32,
        Code::I32 => Dtype::I32,
        Code::U64 => Dtype::U64,
        Code::I64 => Dtype::I64,
        Code::F16 => Dtype::F16,
        Code::BF16 => Dtype::Bf16,
        Code::F32 => Dtype::F32,
        Code::F64 => Dtype::F64,
        _ => return None,
    })
}

fn damaged(path: &Path, problem: &str) -> Error {
    let problem = format!("it is not a .safetensors file, or damaged ({problem})");
    Error::file("load", path, problem, "write it again with safetensors' save_file")
}
