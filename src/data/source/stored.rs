//! An array on disk, read a row at a time.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{ArrayViewD, IxDyn, ShapeBuilder, ShapeError};

use crate::data::dtype::Dtype;
use crate::error::{Error, Result};
use crate::files;

/// An array whose type and shape are known and whose elements are still where they were stored:
/// little-endian, the last axis fastest.
#[derive(Debug, Clone)]
pub(in crate::data) struct Stored {
    /// The file it lies in.
    pub path: PathBuf,
    /// Its name in that file; empty in a `.npy`.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Where the elements are.
    pub place: Place,
}

/// Where elements are.
#[derive(Debug, Clone)]
pub(in crate::data) enum Place {
    /// In a file: from this byte on, so many bytes at most.
    File(Arc<File>, u64, u64),
    /// In memory from this byte on (they were compressed).
    Memory(Arc<Vec<u8>>, usize),
}

impl Stored {
    /// Number of rows: the length of the first axis, 1 for a scalar.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Shape of a row.
    pub fn row_shape(&self) -> &[usize] {
        self.shape.get(1..).unwrap_or(&[])
    }

    /// Bytes of a row.
    pub fn row_bytes(&self) -> usize {
        self.row_shape().iter().product::<usize>() * self.dtype.size()
    }

    /// Reads row `index`; `bytes` is overwritten.
    pub fn read_row(&self, index: usize, bytes: &mut Vec<u8>) -> Result<()> {
        if bytes.len() != self.row_bytes() {
            *bytes = self.room(self.row_bytes())?;
        }
        self.read(index * self.row_bytes(), bytes)
    }

    /// Reads rows `first..first + count`.
    pub fn read_rows(&self, first: usize, count: usize) -> Result<Vec<u8>> {
        let mut bytes = self.room(count.saturating_mul(self.row_bytes()))?;
        self.read(first * self.row_bytes(), &mut bytes)?;
        Ok(bytes)
    }

    /// Reads all elements.
    pub fn read_all(&self) -> Result<Vec<u8>> {
        let mut bytes = self.room(self.rows().saturating_mul(self.row_bytes()))?;
        self.read(0, &mut bytes)?;
        Ok(bytes)
    }

    fn room(&self, bytes: usize) -> Result<Vec<u8>> {
        files::room(bytes).map_err(|said| self.problem(&said, "give a smaller array"))
    }

    fn read(&self, start: usize, bytes: &mut [u8]) -> Result<()> {
        match &self.place {
            Place::File(file, offset, _) => file
                .read_exact_at(bytes, offset + start as u64)
                .map_err(|e| Error::io("read", &self.path, e)),
            Place::Memory(all, offset) => {
                bytes.copy_from_slice(&all[offset + start..][..bytes.len()]);
                Ok(())
            }
        }
    }

    /// Refuses an array without elements, or one that is longer than what is stored.
    pub fn check(self) -> Result<Self> {
        let count = self.shape.iter().try_fold(self.dtype.size(), |n, &d| n.checked_mul(d));
        let stored = match &self.place {
            Place::File(file, offset, most) => {
                let length = file.metadata().map_err(|e| Error::io("read", &self.path, e))?.len();
                length.saturating_sub(*offset).min(*most)
            }
            Place::Memory(all, offset) => (all.len() - offset) as u64,
        };
        match count {
            Some(0) => Err(self.problem("is empty", "give an array with at least one row")),
            Some(bytes) if bytes as u64 <= stored => Ok(self),
            _ => Err(self.problem("is cut short", "write or copy the file again")),
        }
    }

    /// The same array for elements of which the first axis is the fastest (Fortran order): read, and
    /// kept with the last axis fastest.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn with_last_axis_fastest(self) -> Result<Self> {
        let elements = self.read_all()?;
        let turned = match self.dtype.size() {
            1 => last_axis_fastest::<1>(&elements, &self.shape),
            2 => last_axis_fastest::<2>(&elements, &self.shape),
            4 => last_axis_fastest::<4>(&elements, &self.shape),
            _ => last_axis_fastest::<8>(&elements, &self.shape),
        };
        let turned = turned.map_err(|e| {
            self.problem(&format!("cannot be read ({e})"), "save numpy.ascontiguousarray of it")
        })?;
        Ok(Self { place: Place::Memory(Arc::new(turned), 0), ..self })
    }

    /// An error about this array: `problem` continues "array NAME of shape […]".
    pub fn problem(&self, problem: &str, remedy: impl ToString) -> Error {
        let called = called(&self.name);
        let text = format!("{called} of shape {:?} {problem}", self.shape);
        Error::file("load", &self.path, text, remedy)
    }
}

/// Elements of `SIZE` bytes in the other order of the axes.
fn last_axis_fastest<const SIZE: usize>(
    elements: &[u8],
    shape: &[usize],
) -> Result<Vec<u8>, ShapeError> {
    let (elements, _) = elements.as_chunks::<SIZE>();
    let view = ArrayViewD::from_shape(IxDyn(shape).f(), elements)?;
    Ok(view.iter().flatten().copied().collect())
}

/// `array `x`` or `the array` where it has no name.
pub(super) fn called(name: &str) -> String {
    if name.is_empty() { "the array".to_owned() } else { format!("array {name:?}") }
}

/// The error for an element type that cannot be read.
pub(super) fn unknown_type(path: &Path, name: &str, found: &str) -> Error {
    let problem = format!("{} has {found}", called(name));
    Error::file("load", path, problem, format!("convert it to one of {}", Dtype::KNOWN))
}
