//! Files that are there whole or not at all.

use std::path::Path;

use super::places::{behind_links, descriptor, inherited, is_replaceable, parent};
use super::staging::Staging;
use crate::error::{Error, Result};

/// Writes a file by way of a hidden one beside it, so that no half-written file is ever seen.
///
/// # Errors
/// The folder is not there or cannot be written to.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut staging = Staging::new();
    staging.file(path, |file| file.write_all(bytes))?;
    staging.commit()
}

/// Whether a file can be written there: asked before a long run, not after it.
///
/// # Errors
/// The folder is not there or cannot be written to, or the path names a folder or a descriptor that is not open.
pub fn check_writable(path: &Path) -> Result<()> {
    if path.is_dir() {
        let remedy = "give the path of a file in it";
        return Err(Error::file("write", path, "it is a folder", remedy));
    }
    let place = behind_links(path);
    if let Some(number) = descriptor(&place) {
        let remedy = "give -, or one that is open for writing";
        return inherited(number).map(|_| ()).map_err(|e| Error::file("write", path, e, remedy));
    }
    if !is_replaceable(&place) {
        return Ok(());
    }
    writable(parent(&place)).map_err(|e| {
        let reason = match e.kind() {
            std::io::ErrorKind::NotFound => "its folder does not exist".to_owned(),
            _ => e.to_string(),
        };
        Error::file("write", path, reason, "give a path in a folder that you can write to")
    })
}

/// Asks whether files can be made in a folder, without making one.
fn writable(folder: &Path) -> std::io::Result<()> {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    Ok(accessat(CWD, folder, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?)
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
    fn a_missing_folder_is_told_beforehand() {
        let error = check_writable(Path::new("/no/such/folder/x.json")).map_err(|e| e.to_string());
        assert!(error.is_err_and(|e| e.contains("its folder does not exist")));
    }
}
