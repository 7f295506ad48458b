//! What kind of archive a model path names, told before anything of it runs.

use std::io::Read;
use std::path::Path;

use super::ffi;
use super::foreign::{self, Foreign};
use crate::error::{Error, Result};
use crate::files;

/// Bytes that tell what a file is.
const FIRST: u64 = 64;

/// The archives that hold models which can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archive {
    /// Of TorchScript: `torch.jit.save`.
    TorchScript,
    /// Of `torch.export`: `torch.export.save`.
    Exported,
}

/// Says what kind of archive a file is.
///
/// # Errors
/// The path is not there or not a file; the file is of another format (which, and what to do), a zip
/// archive cut short, or something else.
pub fn kind(path: &Path) -> Result<Archive> {
    let first = first_bytes(path)?;
    if !first.starts_with(b"PK") {
        return Err(error(path, foreign::of_bytes(path, &first)));
    }
    let found = match ffi::kind_of_archive(&path.to_string_lossy()).0 {
        "torchscript" => return Ok(Archive::TorchScript),
        "export" => return Ok(Archive::Exported),
        "pickle" => Some(foreign::of_pickled_archive(path)),
        _ => foreign::of_zip(path),
    };
    let damaged = Foreign {
        problem: "the archive is damaged or cut short".to_owned(),
        remedy: "copy or download it again, and compare its size with the original's",
    };
    Err(error(path, found.unwrap_or(damaged)))
}

fn error(path: &Path, found: Foreign) -> Error {
    Error::file("load", path, found.problem, found.remedy)
}

fn first_bytes(path: &Path) -> Result<Vec<u8>> {
    let meta = std::fs::metadata(path).map_err(|e| {
        Error::file("load", path, reason(&e), "give the path of a model (.pt2 or .pt)")
    })?;
    if meta.is_dir() {
        return Err(error(path, foreign::of_folder(path)));
    }
    let mut first = Vec::new();
    files::open(path)
        .and_then(|f| f.take(FIRST).read_to_end(&mut first))
        .map_err(|e| Error::io("read", path, e))?;
    Ok(first)
}

fn reason(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file",
        std::io::ErrorKind::PermissionDenied => "permission denied",
        _ => "it cannot be read",
    }
}
