//! Statistics kept from one run to the next, found by what they were made from.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::data::statistics::{Origin, Statistics};
use crate::error::{Error, Result};
use crate::report::{check_writable, write_atomically};

/// What there is of an origin.
pub enum Kept {
    /// Its statistics.
    Found(Box<Statistics>),
    /// A file that cannot be used, and why.
    Damaged(PathBuf, String),
    /// Nothing.
    Absent,
}

/// A folder of statistics files, each named by the hash of its origin: the content of the samples,
/// the model, the layer and all that was done to the samples.
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Makes the folder if it is not there.
    ///
    /// # Errors
    /// It cannot be made or written to.
    pub fn open(folder: &Path) -> Result<Self> {
        if folder.is_file() {
            let problem = "it is a file";
            return Err(Error::file("keep statistics in", folder, problem, "name a folder"));
        }
        std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
        check_writable(&folder.join("statistics.npz"))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// The statistics of an origin, if they are there.
    ///
    /// # Errors
    /// The origin cannot be hashed, or what has the name of its file is none.
    pub fn find(&self, origin: &Origin) -> Result<Kept> {
        let path = self.path(origin)?;
        if !path.exists() {
            return Ok(Kept::Absent);
        }
        if !path.is_file() {
            let remedy = "remove it, or give another folder to --stats-cache";
            return Err(Error::file("keep statistics in", path, "it is not a file", remedy));
        }
        Ok(match Statistics::load(&path) {
            Ok(found) if found.origin.as_ref() == Some(origin) => Kept::Found(Box::new(found)),
            Ok(_) => Kept::Damaged(path, "it is of other samples or another model".to_owned()),
            Err(Error::File { problem, .. }) => Kept::Damaged(path, problem),
            Err(error) => Kept::Damaged(path, error.to_string()),
        })
    }

    /// Keeps statistics that know their origin.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn store(&self, statistics: &Statistics) -> Result<()> {
        match &statistics.origin {
            Some(origin) => write_atomically(&self.path(origin)?, &statistics.to_npz()?),
            None => Ok(()),
        }
    }

    fn path(&self, origin: &Origin) -> Result<PathBuf> {
        let text = serde_json::to_string(origin).map_err(|e| {
            Error::usage(format!("failed to write JSON: {e}"), "please report this")
        })?;
        let hash = Sha256::digest(text.as_bytes());
        let name: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Ok(self.folder.join(format!("{name}.npz")))
    }
}
