//! One process a shard.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// A file beside a state that is locked for as long as a process works on it; where the file system has no locks
/// nothing is held.
pub(super) struct Lock {
    _file: File,
    path: PathBuf,
}

impl Lock {
    /// Locks the file of a state.
    ///
    /// # Errors
    /// Another process holds it, or it cannot be made.
    pub(super) fn take(state: &Path) -> Result<Option<Self>> {
        let mut path = state.to_owned().into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        loop {
            let opened = File::options().create(true).append(true).open(&path);
            let file = opened.map_err(|e| Error::io("write", &path, e))?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_at(&file, &path) => return Ok(Some(Self { _file: file, path })),
                // Who held it has removed it meanwhile.
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => {
                    let problem = "another process works on this shard";
                    return Err(Error::file("write", state, problem, "let it end, or end it"));
                }
                Err(_) => return Ok(None),
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // One that stays is in nobody's way.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether a file still has its name.
fn is_at(file: &File, path: &Path) -> bool {
    let number = |found: std::io::Result<std::fs::Metadata>| found.ok().map(|f| (f.dev(), f.ino()));
    let own = number(file.metadata());
    own.is_some() && own == number(std::fs::metadata(path))
}
