//! The files of a run, which appear all together or not at all.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{File, Metadata};
use std::io::{BufWriter, Cursor, Seek, Write};
use std::path::{Path, PathBuf};

use super::hidden::{Hidden, hold};
use super::places::{behind_links, is_replaceable, open_special, parent};
use crate::error::{Error, Result};

/// What a file is written to.
pub trait Sink: Write + Seek {}

impl<T: Write + Seek> Sink for T {}

/// Files that were written, but are not in their places yet; dropped, they are gone.
#[derive(Debug, Default)]
pub struct Staging {
    hidden: BTreeMap<PathBuf, Hidden>,
    files: Vec<Staged>,
}

#[derive(Debug)]
struct Staged {
    /// As it was named.
    path: PathBuf,
    /// Where it will be: behind the links that lead there.
    place: PathBuf,
    /// Where it is.
    held: Held,
}

#[derive(Debug)]
enum Held {
    /// The file of a number in the hidden folder of a folder, on the disk where it will be.
    Hidden(PathBuf, usize),
    /// Bytes to be sent to a device, a pipe or an open descriptor.
    Bytes(Vec<u8>),
}

/// A file that was moved to its place.
struct Moved<'a> {
    place: &'a Path,
    before: Before,
}

/// What was at a place before.
enum Before {
    Nothing,
    /// A file that has this name now.
    Kept(PathBuf),
    /// A file on a disk that gives none a second name.
    Lost,
}

impl Staging {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { hidden: BTreeMap::new(), files: vec![] }
    }

    /// Writes a file of its own name. Where that is a link the file it leads to is replaced.
    ///
    /// # Errors
    /// Its folder is not there or cannot be written to, or `fill` fails.
    pub fn file(
        &mut self,
        path: &Path,
        fill: impl FnOnce(&mut dyn Sink) -> std::io::Result<()>,
    ) -> Result<()> {
        let place = behind_links(path);
        let folder = parent(&place).to_owned();
        self.stage(path, place, &folder, fill).map_err(|e| Error::io("write", path, e))
    }

    /// Writes a file that is one of many below a folder, which need not be there: it is made with the
    /// folders between. A link that has its name is replaced.
    ///
    /// # Errors
    /// The folder, or what it would be made in, cannot be written to.
    pub fn file_below(&mut self, folder: &Path, name: &Path, bytes: &[u8]) -> Result<()> {
        let path = folder.join(name);
        let there = anchor(folder).map_err(|e| Error::io("write to", folder, e))?;
        self.stage(&path, path.clone(), &there, |file| file.write_all(bytes))
            .map_err(|e| Error::io("write", path, e))
    }

    /// Makes ready to write to a folder that is there; gives the folder in it where the files wait.
    ///
    /// # Errors
    /// It cannot be written to.
    pub fn prepare(&mut self, folder: &Path) -> Result<PathBuf> {
        let hidden = self.hidden_in(folder).map_err(|e| Error::io("write to", folder, e))?;
        Ok(hidden.readable())
    }

    /// Where the bytes of a file are now: in its place where it is not one of these.
    pub fn held(&self, path: &Path) -> PathBuf {
        let found = self.files.iter().rev().find(|file| file.path == path);
        match found.map(|file| &file.held) {
            Some(Held::Hidden(folder, number)) => self.hidden[folder].new_file(*number),
            _ => path.to_owned(),
        }
    }

    fn stage(
        &mut self,
        path: &Path,
        place: PathBuf,
        folder: &Path,
        fill: impl FnOnce(&mut dyn Sink) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let held = match is_replaceable(&place) {
            true => {
                let (number, file) = self.hidden_in(folder)?.create()?;
                let mut file = BufWriter::new(file);
                fill(&mut file)?;
                file.flush()?;
                Held::Hidden(folder.to_owned(), number)
            }
            false => {
                let mut bytes = Cursor::new(vec![]);
                fill(&mut bytes)?;
                Held::Bytes(bytes.into_inner())
            }
        };
        self.files.retain(|file| file.place != place || matches!(file.held, Held::Bytes(_)));
        self.files.push(Staged { path: path.to_owned(), place, held });
        Ok(())
    }

    fn hidden_in(&mut self, folder: &Path) -> std::io::Result<&mut Hidden> {
        match self.hidden.entry(folder.to_owned()) {
            Entry::Occupied(hidden) => Ok(hidden.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(Hidden::within(folder)?)),
        }
    }

    /// Moves all files to their places.
    ///
    /// # Errors
    /// A folder cannot be made, a file's place is that of a folder, or a file cannot be moved: all is as it
    /// was before then; what devices and pipes were sent stays sent.
    pub fn commit(self) -> Result<()> {
        for Staged { path, place, held } in &self.files {
            if let Held::Bytes(bytes) = held {
                let sent = open_special(place).and_then(|mut file| file.write_all(bytes));
                sent.map_err(|e| Error::io("write", path, e))?;
            }
        }
        let _held = hold();
        let (mut made, mut moved) = (vec![], vec![]);
        for Staged { path, place, held } in &self.files {
            let Held::Hidden(folder, number) = held else { continue };
            let hidden = &self.hidden[folder];
            let (new, old) = (hidden.new_file(*number), hidden.old_file(*number));
            let done = make_room(place, &mut made).and_then(|()| move_to(&new, place, old));
            match done {
                Ok(before) => moved.push(Moved { place, before }),
                Err(error) => {
                    undo(moved, made);
                    return Err(Error::io("write", path, error));
                }
            }
        }
        Ok(())
    }
}

/// The folder, or what is there of the path to it.
///
/// # Errors
/// The working folder is gone.
pub fn anchor(folder: &Path) -> std::io::Result<PathBuf> {
    let whole = std::path::absolute(folder)?;
    Ok(whole.ancestors().find(|path| path.is_dir()).unwrap_or(&whole).to_owned())
}

/// Moves a file to its place with the permissions of the one there, which gets the name `old`.
fn move_to(new: &Path, place: &Path, old: PathBuf) -> std::io::Result<Before> {
    let mut before = Before::Nothing;
    if let Ok(found) = std::fs::symlink_metadata(place) {
        if found.is_file() {
            // Through an open file: a confined process may not change those of a name.
            File::options().write(true).open(new)?.set_permissions(permissions(&found))?;
        }
        before = std::fs::hard_link(place, &old).map_or(Before::Lost, |()| Before::Kept(old));
    }
    std::fs::rename(new, place).map(|()| before)
}

/// Those of a file that is there, without what makes a program run as somebody else.
fn permissions(found: &Metadata) -> std::fs::Permissions {
    let mut permissions = found.permissions();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        permissions.set_mode(permissions.mode() & 0o777);
    }
    permissions
}

/// Makes the folders above a file; those made are added to `made`, the uppermost first.
fn make_room(place: &Path, made: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if place.is_dir() && !place.is_symlink() {
        return Err(std::io::Error::other("it is a folder"));
    }
    let missing: Vec<&Path> = parent(place).ancestors().take_while(|p| !p.is_dir()).collect();
    for folder in missing.into_iter().rev().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::create_dir(folder)?;
        made.push(folder.to_owned());
    }
    Ok(())
}

/// Puts back what was there.
fn undo(moved: Vec<Moved<'_>>, made: Vec<PathBuf>) {
    for Moved { place, before } in moved.into_iter().rev() {
        // What cannot be put back stays new: nothing better is left to do.
        let _ = match before {
            Before::Kept(before) => std::fs::rename(before, place),
            Before::Nothing => std::fs::remove_file(place),
            Before::Lost => Ok(()),
        };
    }
    for folder in made.into_iter().rev() {
        let _ = std::fs::remove_dir(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

    fn count(folder: &Path) -> Result<usize> {
        Ok(std::fs::read_dir(folder)?.count())
    }

    fn file(staging: &mut Staging, path: &Path, bytes: &[u8]) -> crate::error::Result<()> {
        staging.file(path, |file| file.write_all(bytes))
    }

    #[test]
    fn files_appear_together() -> Result<()> {
        let root = tempfile::tempdir()?;
        let (folder, report) = (root.path().join("new/images"), root.path().join("r.json"));
        let mut staging = Staging::new();
        staging.file_below(&folder, Path::new("a/one.png"), b"one")?;
        staging.file_below(&folder, Path::new("two.png"), b"two")?;
        file(&mut staging, &report, b"{}")?;
        assert!(!root.path().join("new").exists() && !report.exists());
        assert_eq!(std::fs::read(staging.held(&report))?, b"{}");
        staging.commit()?;
        assert_eq!(std::fs::read(folder.join("a/one.png"))?, b"one");
        assert_eq!((count(root.path())?, count(&folder)?), (2, 2));
        Ok(())
    }

    #[test]
    fn files_that_cannot_all_be_placed_leave_what_was_there() -> Result<()> {
        let root = tempfile::tempdir()?;
        let (folder, report) = (root.path().join("images"), root.path().join("r.json"));
        std::fs::create_dir_all(folder.join("two.png"))?;
        std::fs::write(&report, "old")?;
        let mut staging = Staging::new();
        file(&mut staging, &report, b"new")?;
        staging.file_below(&folder, Path::new("more/one.png"), b"one")?;
        staging.file_below(&folder, Path::new("two.png"), b"two")?;
        let error = staging.commit().map_err(|e| e.to_string());
        assert!(error.is_err_and(|e| e.contains("two.png") && e.contains("it is a folder")));
        assert_eq!(std::fs::read(&report)?, b"old");
        assert_eq!((count(root.path())?, count(&folder)?), (2, 1));
        Ok(())
    }

    #[test]
    fn a_file_that_cannot_be_filled_is_not_there() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let mut staging = Staging::new();
        let failed = staging.file(&folder.path().join("maps.npz"), |file| {
            file.write_all(b"half")?;
            Err(std::io::Error::other("no more"))
        });
        assert!(failed.is_err_and(|e| e.to_string().contains("maps.npz")));
        drop(staging);
        assert_eq!(count(folder.path())?, 0);
        Ok(())
    }

    #[cfg(unix)]
    #[test]
    fn links_and_permissions_stay() -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir()?;
        let [there, link, dangling] = ["there", "link", "dangling"].map(|n| folder.path().join(n));
        std::fs::write(&there, "old")?;
        std::fs::set_permissions(&there, std::fs::Permissions::from_mode(0o600))?;
        std::os::unix::fs::symlink("there", &link)?;
        std::os::unix::fs::symlink("later", &dangling)?;
        let mut staging = Staging::new();
        file(&mut staging, &link, b"new")?;
        file(&mut staging, &dangling, b"made")?;
        staging.commit()?;
        assert!(link.is_symlink() && dangling.is_symlink());
        assert_eq!(std::fs::read(&there)?, b"new");
        assert_eq!(std::fs::metadata(&there)?.permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read(folder.path().join("later"))?, b"made");
        Ok(())
    }
}
