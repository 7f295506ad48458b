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

/// One array of a file, whose rows are read when they are asked for.
#[derive(Debug, Clone)]
pub struct StoredFeature {
    stored: Stored,
    shape: Vec<usize>,
}

impl StoredFeature {
    /// Name of the array in its file; a `.npy` gives its file name without the ending.
    pub fn name(&self) -> String {
        name(&self.stored)
    }

    /// Its shape, `N×D…`.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// N.
    pub fn count(&self) -> usize {
        self.shape[0]
    }

    /// The rows `first..first + count`, `count×D…`, in float64.
    ///
    /// # Errors
    /// The file cannot be read.
    ///
    /// # Panics
    /// Where there are no such rows.
    pub fn rows(&self, first: usize, count: usize) -> Result<ArrayD<f64>> {
        assert!(first + count <= self.count(), "rows beyond the array");
        let mut values = vec![];
        self.stored.dtype.widen(&self.stored.read_rows(first, count)?, &mut values);
        let shape = [&[count], &self.shape[1..]].concat();
        let values = ArrayD::from_shape_vec(IxDyn(&shape), values);
        values.map_err(|e| Error::file("load", &self.stored.path, e, "write it again"))
    }
}

/// Opens all arrays of a `.npz`, `.npy` or `.safetensors` file.
///
/// Arrays come in the order of the file (`.safetensors`: of the elements). Floats of 16, 32 and 64
/// bits, integers and booleans become float64. An array of one axis is `N×1`.
///
/// # Errors
///
/// A file that is damaged or of another kind; an array that is empty, a single number, in Fortran
/// or big-endian order, or of a type that is no number.
pub fn open_features(path: &Path) -> Result<Vec<StoredFeature>> {
    let mut file = arrays(path)?;
    let names = file.names().to_vec();
    names.into_iter().map(|name| feature(file.array(&name)?)).collect()
}

/// Reads all arrays of a file whole, as [`open_features`] opens them.
///
/// # Errors
///
/// As [`open_features`].
pub fn load_features(path: &Path) -> Result<Vec<Feature>> {
    let whole = |f: StoredFeature| Ok(Feature { name: f.name(), values: f.rows(0, f.count())? });
    open_features(path)?.into_iter().map(whole).collect()
}

fn feature(stored: Stored) -> Result<StoredFeature> {
    let shape = match stored.shape.as_slice() {
        [] => return Err(stored.problem("is a single number", "save a row a sample")),
        &[rows] => vec![rows, 1],
        shape => shape.to_vec(),
    };
    Ok(StoredFeature { stored, shape })
}

fn name(stored: &Stored) -> String {
    match stored.path.file_stem() {
        Some(stem) if stored.name.is_empty() => stem.to_string_lossy().into_owned(),
        _ => stored.name.clone(),
    }
}
