//! Files that are there whole or not at all.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Writes a file by way of a temporary one beside it, so that no half-written file is ever seen.
///
/// # Errors
/// The folder is not there or cannot be written to.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |e: std::io::Error| Error::io("write", path, e);
    if !replaceable(path) {
        return std::fs::write(path, bytes).map_err(failed);
    }
    fill_atomically(path, |file| file.write_all(bytes))
}

/// Writes a file bit by bit, by way of a temporary one that `fill` may seek in.
///
/// # Errors
/// The folder is not there or cannot be written to, or `fill` fails.
pub fn fill_atomically(
    path: &Path,
    fill: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> Result<()> {
    let failed = |e: std::io::Error| Error::io("write", path, e);
    if !replaceable(path) {
        return through(path, fill).map_err(failed);
    }
    let mut file = temporary(path).map_err(failed)?;
    fill(file.as_file_mut()).map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// Fills a nameless file and sends it to a device or a pipe.
fn through(
    path: &Path,
    fill: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut file = tempfile::tempfile()?;
    fill(&mut file)?;
    file.rewind()?;
    std::io::copy(&mut file, &mut File::options().write(true).open(path)?)?;
    Ok(())
}

/// Whether a file can be written there: asked before a long run, not after it.
///
/// # Errors
/// The folder is not there or cannot be written to, or the path names a folder.
pub fn check_writable(path: &Path) -> Result<()> {
    if path.is_dir() {
        let remedy = "give the path of a file in it";
        return Err(Error::file("write", path, "it is a folder", remedy));
    }
    if !replaceable(path) {
        return Ok(());
    }
    temporary(path).map(drop).map_err(|e| {
        let reason = match e.kind() {
            std::io::ErrorKind::NotFound => "its folder does not exist".to_owned(),
            _ => e.to_string(),
        };
        Error::file("write", path, reason, "give a path in a folder that you can write to")
    })
}

/// A file that is a device or a pipe (`/dev/null`) is written to, never replaced.
fn replaceable(path: &Path) -> bool {
    std::fs::metadata(path).map_or(true, |m| m.is_file())
}

fn temporary(path: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let folder: PathBuf = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".repsim-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("report.json");
        write_atomically(&path, b"first and long")?;
        write_atomically(&path, b"second")?;
        assert_eq!(std::fs::read(&path)?, b"second");
        assert_eq!(std::fs::read_dir(folder.path())?.count(), 1);
        Ok(())
    }

    #[test]
    fn a_file_that_cannot_be_filled_is_not_there() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("maps.npz");
        let failed = fill_atomically(&path, |file| {
            file.write_all(b"half")?;
            Err(std::io::Error::other("no more"))
        });
        assert!(failed.is_err_and(|e| e.to_string().contains("maps.npz")));
        assert_eq!(std::fs::read_dir(folder.path())?.count(), 0);
        fill_atomically(&path, |file| file.write_all(b"whole"))?;
        assert_eq!(std::fs::read(&path)?, b"whole");
        Ok(())
    }

    #[test]
    fn a_missing_folder_is_told_beforehand() {
        let error = check_writable(Path::new("/no/such/folder/x.json")).map_err(|e| e.to_string());
        assert!(error.is_err_and(|e| e.contains("its folder does not exist")));
    }
}
