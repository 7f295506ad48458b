//! Stored representations: one array a layer, made by any tool.

use std::path::Path;

use ndarray::{ArrayD, IxDyn};

use super::source::{Stored, arrays};
use crate::error::{Error, Result};

/// One layer's representation: a row a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// Name of the array in its file; a `.npy` gives its file name without the ending.
    pub name: String,
    /// The values, `N×D…`.
    pub values: ArrayD<f64>,
}

/// Reads all arrays of a `.npz`, `.npy` or `.safetensors` file.
///
/// Arrays come in the order of the file (`.safetensors`: of the elements). Floats of 16, 32 and 64
/// bits, integers and booleans become float64. An array of one axis is `N×1`.
///
/// # Errors
///
/// A file that is damaged or of another kind; an array that is empty, a single number, in Fortran
/// or big-endian order, or of a type that is no number.
pub fn load_features(path: &Path) -> Result<Vec<Feature>> {
    let mut file = arrays(path)?;
    let names = file.names().to_vec();
    names.into_iter().map(|name| feature(&file.array(&name)?)).collect()
}

fn feature(stored: &Stored) -> Result<Feature> {
    let shape = match stored.shape.as_slice() {
        [] => return Err(stored.problem("is a single number", "save a row a sample")),
        &[rows] => vec![rows, 1],
        shape => shape.to_vec(),
    };
    let mut values = vec![];
    stored.dtype.widen(&stored.read_all()?, &mut values);
    let values = ArrayD::from_shape_vec(IxDyn(&shape), values);
    let values = values.map_err(|e| Error::file("load", &stored.path, e, "write it again"))?;
    Ok(Feature { name: name(stored), values })
}

fn name(stored: &Stored) -> String {
    match stored.path.file_stem() {
        Some(stem) if stored.name.is_empty() => stem.to_string_lossy().into_owned(),
        _ => stored.name.clone(),
    }
}
