//! Files that hold arrays by name.

use std::path::Path;

use super::npy::Npy;
use super::npz::Npz;
use super::safetensors::Tensors;
use super::stored::Stored;
use crate::error::{Error, Result};

/// A file of named arrays.
pub(in crate::data) trait Arrays {
    /// The names, in the order of the file.
    fn names(&self) -> &[String];

    /// Finds one of them; its elements may be read later.
    fn array(&mut self, name: &str) -> Result<Stored>;
}

/// Opens a `.npy`, `.npz` or `.safetensors` file.
pub(in crate::data) fn arrays(path: &Path) -> Result<Box<dyn Arrays>> {
    match extension(&path.to_string_lossy()) {
        "npy" => Ok(Box::new(Npy::open(path)?)),
        "npz" => Ok(Box::new(Npz::open(path)?)),
        "safetensors" => Ok(Box::new(Tensors::open(path)?)),
        _ => {
            let remedy = "give a .npy, .npz or .safetensors file";
            Err(Error::file("open", path, "it is no file of arrays", remedy))
        }
    }
}

/// Whether a file's name ends as one of arrays.
pub(super) fn is_array(name: &str) -> bool {
    !extension(name).is_empty()
}

fn extension(name: &str) -> &'static str {
    let known = ["npy", "npz", "safetensors"];
    let found = Path::new(name).extension().map(|e| e.to_string_lossy().to_lowercase());
    known.into_iter().find(|one| found.as_deref() == Some(one)).unwrap_or_default()
}
