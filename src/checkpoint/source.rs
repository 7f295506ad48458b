//! Where the elements of tensors lie.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::zipped::Zipped;
use crate::files;

/// A file of a checkpoint.
pub(super) enum Source {
    /// Elements lie in it as they are.
    Plain(File),
    /// Elements are records of a zip archive.
    Zip(Box<Zipped>),
}

/// The beginning of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Which source.
    pub source: usize,
    /// Which record; 0 in a plain file.
    pub record: usize,
    /// The first byte in it.
    pub start: u64,
}

impl Source {
    /// Reads so many bytes from a place on; the place is known to hold them.
    pub fn read(&mut self, place: Place, length: usize) -> Result<Vec<u8>, String> {
        match self {
            Self::Zip(archive) => archive.read(place.record, place.start, length),
            Self::Plain(file) => {
                let mut bytes = files::room(length)?;
                file.read_exact_at(&mut bytes, place.start).map_err(|e| e.to_string())?;
                Ok(bytes)
            }
        }
    }
}

/// What is wrong with a file, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flaw {
    pub problem: String,
    pub remedy: String,
}

impl Flaw {
    pub fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into() }
    }
}

/// Most words about the inside of a file are of damage.
impl From<String> for Flaw {
    fn from(problem: String) -> Self {
        Self::new(problem, "copy or download it again, and compare its size with the original's")
    }
}
