//! Files of a long run that appear in their folder all together at its end.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::{Error, Result};

/// Files written one by one to a hidden folder, on the disk they will be on; dropped, it goes with all of
/// them.
pub struct HeldFiles {
    folder: PathBuf,
    hidden: TempDir,
    /// Paths below the folder; in the hidden one a file is called by its number.
    names: Vec<PathBuf>,
}

impl HeldFiles {
    /// None yet of a folder, which need not be there.
    ///
    /// # Errors
    /// Nothing can be written to it, or to what it would be made in.
    pub fn of(folder: &Path) -> Result<Self> {
        let failed = |e| Error::io("write to", folder, e);
        let whole = std::path::absolute(folder).map_err(failed)?;
        let there = whole.ancestors().find(|path| path.is_dir()).unwrap_or(&whole);
        let mut builder = tempfile::Builder::new();
        let hidden = builder.prefix(".repsim-").suffix(".part").tempdir_in(there);
        Ok(Self { folder: folder.to_owned(), hidden: hidden.map_err(failed)?, names: vec![] })
    }

    /// Writes a file that will have this path below the folder.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn add(&mut self, name: PathBuf, bytes: &[u8]) -> Result<()> {
        let path = self.folder.join(&name);
        std::fs::write(self.held(self.names.len()), bytes)
            .map_err(|e| Error::io("write", path, e))?;
        self.names.push(name);
        Ok(())
    }

    /// Moves all files to their places.
    ///
    /// # Errors
    /// A folder cannot be made, or a file's place is that of a folder: none is moved then. A file cannot
    /// be moved.
    pub fn release(self) -> Result<()> {
        for name in &self.names {
            self.make_room(&self.folder.join(name))?;
        }
        for (number, name) in self.names.iter().enumerate() {
            let path = self.folder.join(name);
            std::fs::rename(self.held(number), &path).map_err(|e| Error::io("write", path, e))?;
        }
        Ok(())
    }

    fn make_room(&self, path: &Path) -> Result<()> {
        if path.is_dir() {
            let remedy = "move it away, or give another folder";
            return Err(Error::file("write", path, "it is a folder", remedy));
        }
        let parent = path.parent().unwrap_or(&self.folder);
        std::fs::create_dir_all(parent).map_err(|e| Error::io("create", parent, e))
    }

    fn held(&self, number: usize) -> PathBuf {
        self.hidden.path().join(number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

    fn count(folder: &Path) -> Result<usize> {
        Ok(std::fs::read_dir(folder)?.count())
    }

    #[test]
    fn files_appear_together() -> Result<()> {
        let root = tempfile::tempdir()?;
        let folder = root.path().join("new/images");
        let mut files = HeldFiles::of(&folder)?;
        files.add("a/one.png".into(), b"one")?;
        files.add("two.png".into(), b"two")?;
        assert!(!root.path().join("new").exists());
        files.release()?;
        assert_eq!(std::fs::read(folder.join("a/one.png"))?, b"one");
        assert_eq!(std::fs::read(folder.join("two.png"))?, b"two");
        assert_eq!((count(root.path())?, count(&folder)?), (1, 2));
        Ok(())
    }

    #[test]
    fn files_that_cannot_all_be_placed_leave_nothing() -> Result<()> {
        let root = tempfile::tempdir()?;
        let folder = root.path().join("images");
        std::fs::create_dir_all(folder.join("two.png"))?;
        let mut files = HeldFiles::of(&folder)?;
        files.add("one.png".into(), b"one")?;
        files.add("two.png".into(), b"two")?;
        assert_eq!(count(&folder)?, 2, "hidden files stand on the disk of the folder");
        let error = files.release().map_err(|e| e.to_string());
        assert!(error.is_err_and(|e| e.contains("two.png") && e.contains("it is a folder")));
        assert_eq!(count(&folder)?, 1);
        drop(HeldFiles::of(&folder)?);
        assert_eq!(count(&folder)?, 1);
        Ok(())
    }
}
