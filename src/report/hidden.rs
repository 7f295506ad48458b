//! Hidden folders in which the files of a run wait until all of them are there.
//!
//! A hidden folder is locked while its run lives, so that what a killed run left is distinguished from what another run
//! is writing. All of a process are listed, so that a thread that ends the process can remove them. New files lie
//! in a folder of their own below, which a confined process may read; what they replace lies beside that.

use std::fs::{File, TryLockError};
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the names of hidden folders begin and end with.
const NAME: [&str; 2] = [".repsim-", ".part"];

/// The folder of new files.
const NEW: &str = "new";

/// How often a name is tried: another run may take a folder for abandoned before it is locked.
const TRIES: usize = 16;

/// The hidden folders of this process.
static LIVE: Mutex<Vec<PathBuf>> = Mutex::new(vec![]);

/// Keeps [`end`] waiting, or waits for the end of the process.
pub(super) fn hold() -> MutexGuard<'static, Vec<PathBuf>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes all hidden folders of this process. No file is made in one or moved out of one from then on:
/// whoever tries waits, so the process has to be ended.
pub fn end() {
    let live = hold();
    live.iter().for_each(|folder| remove(folder));
    std::mem::forget(live);
}

/// Removes a folder that another thread may still be writing into: again, until it stays away.
fn remove(folder: &Path) {
    for _ in 0..50 {
        let _ = std::fs::remove_dir_all(folder);
        std::thread::sleep(std::time::Duration::from_millis(5));
        if !folder.exists() {
            return;
        }
    }
}

/// A hidden folder, gone with all that is in it when it is dropped.
#[derive(Debug)]
pub(super) struct Hidden {
    path: PathBuf,
    /// Held open for its lock.
    _lock: File,
    /// Files made in it so far.
    count: usize,
}

impl Hidden {
    /// A new one in a folder, from which those are removed that killed runs left there.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn within(folder: &Path) -> Result<Self> {
        remove_abandoned(folder);
        let mut live = hold();
        for _ in 0..TRIES {
            let mut builder = tempfile::Builder::new();
            let made = builder.prefix(NAME[0]).suffix(NAME[1]).tempdir_in(folder)?;
            if let Some(lock) = locked(made.path())? {
                live.push(made.keep());
                let path = live.last().cloned().unwrap_or_default();
                std::fs::create_dir(path.join(NEW))?;
                return Ok(Self { path, _lock: lock, count: 0 });
            }
        }
        Err(Error::new(ErrorKind::WouldBlock, "other runs remove what is written there"))
    }

    /// Makes an empty file in it, and gives its number.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(&mut self) -> Result<(usize, File)> {
        let number = self.count;
        self.count += 1;
        let _held = hold();
        let file = File::options().write(true).create_new(true).open(self.new_file(number))?;
        Ok((number, file))
    }

    /// The folder of new files.
    pub fn readable(&self) -> PathBuf {
        self.path.join(NEW)
    }

    /// The new file of a number.
    pub fn new_file(&self, number: usize) -> PathBuf {
        self.readable().join(number.to_string())
    }

    /// Where that goes which a new file replaces.
    pub fn old_file(&self, number: usize) -> PathBuf {
        self.path.join(number.to_string())
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let mut live = hold();
        let _ = std::fs::remove_dir_all(&self.path);
        live.retain(|path| *path != self.path);
    }
}

/// A folder that is made for a run, gone with all that is in it where the run does not come to its end.
#[derive(Debug)]
pub struct Provisional(Option<PathBuf>);

impl Provisional {
    /// Makes a folder; one that is there already stays as it is in any case.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make(folder: &Path) -> Result<Self> {
        if folder.is_dir() {
            return Ok(Self(None));
        }
        let mut live = hold();
        std::fs::create_dir_all(folder)?;
        let whole = folder.canonicalize()?;
        live.push(whole.clone());
        Ok(Self(Some(whole)))
    }

    /// Says that the run came to its end.
    pub fn keep(mut self) {
        if let Some(folder) = self.0.take() {
            hold().retain(|path| *path != folder);
        }
    }
}

impl Drop for Provisional {
    fn drop(&mut self) {
        if let Some(folder) = self.0.take() {
            let mut live = hold();
            let _ = std::fs::remove_dir_all(&folder);
            live.retain(|path| *path != folder);
        }
    }
}

/// Locks a folder; `None` where somebody else has it, or it is no longer there. Where folders cannot be
/// locked it stays unlocked, and nobody else takes it for abandoned either.
fn locked(path: &Path) -> Result<Option<File>> {
    let Ok(folder) = File::open(path) else { return Ok(None) };
    match folder.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(None),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(path.is_dir().then_some(folder)),
    }
}

/// Removes what runs left in a folder that were killed: nobody has it locked.
fn remove_abandoned(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_ours = name.starts_with(NAME[0]) && name.ends_with(NAME[1]);
        if is_ours && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let lock = File::open(entry.path());
            if lock.as_ref().is_ok_and(|folder| folder.try_lock().is_ok()) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_a_run_that_failed_is_gone() -> Result<()> {
        let root = tempfile::tempdir()?;
        let folder = root.path().join("demo");
        let made = Provisional::make(&folder)?;
        std::fs::write(folder.join("one"), b"half")?;
        drop(made);
        assert!(!folder.exists());
        Provisional::make(&folder)?.keep();
        drop(Provisional::make(&folder)?);
        assert!(folder.is_dir());
        Ok(())
    }

    #[test]
    fn what_a_killed_run_left_is_removed_and_what_lives_is_not() -> Result<()> {
        let root = tempfile::tempdir()?;
        let left = root.path().join(".repsim-abc.part");
        std::fs::create_dir(&left)?;
        std::fs::write(left.join("1"), b"half")?;
        std::fs::write(root.path().join(".repsim-notes"), b"a user's")?;
        let mut first = Hidden::within(root.path())?;
        let (number, _) = first.create()?;
        let second = Hidden::within(root.path())?;
        assert!(!left.exists() && first.new_file(number).is_file());
        drop((first, second));
        assert_eq!(std::fs::read_dir(root.path())?.count(), 1);
        Ok(())
    }
}
