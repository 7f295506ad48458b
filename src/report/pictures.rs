//! Pictures that a run wrote beside its report.

use std::path::{Path, absolute};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sha256_of_file;
use crate::error::Result;

/// A picture that a run wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PictureFile {
    /// What it shows, in a few words.
    pub shows: String,
    /// Its path, relative to the folder of the report where it lies in it, else as given.
    pub path: String,
    /// SHA-256 of the file.
    pub sha256: String,
}

impl PictureFile {
    /// A picture whose bytes are at `held` until the run is over, for a report at `report`, if that is to be
    /// a file.
    ///
    /// # Errors
    /// The picture cannot be read.
    pub fn written(shows: &str, path: &Path, held: &Path, report: Option<&Path>) -> Result<Self> {
        let sha256 = sha256_of_file(held)?;
        let beside = report.and_then(|report| below(path, report)).unwrap_or(path.to_owned());
        Ok(Self { shows: shows.to_owned(), path: beside.display().to_string(), sha256 })
    }
}

/// The path from the folder of the report, where the picture lies in it.
fn below(path: &Path, report: &Path) -> Option<std::path::PathBuf> {
    let (path, report) = (absolute(path).ok()?, absolute(report).ok()?);
    Some(path.strip_prefix(report.parent()?).ok()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_report_where_that_is_near()
    -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let picture = folder.path().join("pictures/sheet.png");
        std::fs::create_dir(folder.path().join("pictures"))?;
        std::fs::write(&picture, b"pixels")?;
        let near = PictureFile::written(
            "maps",
            &picture,
            &picture,
            Some(&folder.path().join("report.json")),
        )?;
        assert_eq!(near.path, "pictures/sheet.png");
        let far = PictureFile::written(
            "maps",
            &picture,
            &picture,
            Some(Path::new("/elsewhere/report.json")),
        )?;
        assert_eq!(far.path, picture.display().to_string());
        assert_eq!(near.sha256, far.sha256);
        let none = folder.path().join("none.png");
        assert!(PictureFile::written("maps", &none, &none, None).is_err());
        Ok(())
    }
}
