//! Whether the files that a run will write can be written.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::report::check_writable;

/// Refuses outputs that are an input or named twice, or that cannot be written.
///
/// # Errors
/// The first such output.
pub fn check_outputs<'a>(
    outputs: impl IntoIterator<Item = &'a Path>,
    inputs: impl IntoIterator<Item = &'a PathBuf>,
) -> Result<()> {
    let mut taken: Vec<PathBuf> =
        inputs.into_iter().filter_map(|p| p.canonicalize().ok()).filter(|p| p.is_file()).collect();
    for path in outputs {
        let whole = whole(path);
        // A device takes several outputs.
        let keeps = std::fs::metadata(path).map_or(true, |m| m.is_file());
        if taken.contains(&whole) && keeps {
            let problem = "it is an input, or named for another output too";
            return Err(Error::file("write", path, problem, "give it another name"));
        }
        check_writable(path)?;
        taken.push(whole);
    }
    Ok(())
}

/// A path without links; of a file that is not there yet, that of its folder.
fn whole(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    let there = folder.zip(path.file_name()).map(|(folder, name)| folder.join(name));
    path.canonicalize().ok().or(there).unwrap_or(path)
}

/// Refuses a folder that files cannot be written to; one that is not there yet is made later.
///
/// # Errors
/// It, or what it would be made in, is a file or cannot be written to.
pub fn check_folder(path: &Path) -> Result<()> {
    let there = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = there.ancestors().find(|p| p.exists()).unwrap_or(path);
    if !there.is_dir() {
        let problem = format!("{} is a file", there.display());
        return Err(Error::file("write to", path, problem, "give the path of a folder"));
    }
    check_writable(&there.join("file"))
}
