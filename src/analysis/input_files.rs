//! What a run reads, with all that belongs to it, and which files must not be written because of it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::session::beside::path_beside;
use crate::data::is_picture;
use crate::error::{Error, Result};
use crate::files::is_too_wide;
use crate::report::{behind_links, is_replaceable, parent};

/// Endings of files in a folder that may be weights or samples, beside pictures.
const DATA: [&str; 5] = ["safetensors", "bin", "pt", "pth", "gz"];

/// What a run reads, without links; none of it is written to.
#[derive(Debug, Default)]
pub struct InputFiles {
    /// Files.
    pub files: Vec<PathBuf>,
    /// Folders.
    pub folders: Vec<PathBuf>,
    /// What links in the folders lead to, outside of them.
    pub linked: HashSet<PathBuf>,
}

impl InputFiles {
    /// What the paths hold, with what belongs to them: preprocessing beside models, and the files of an
    /// index of weights. Paths that lead nowhere are passed over: whoever reads them says so.
    pub fn of(paths: &[PathBuf]) -> Self {
        let mut inputs = Self::default();
        for path in paths {
            let Ok(whole) = path.canonicalize() else { continue };
            if whole.is_dir() {
                inputs.take_links(&whole);
                inputs.folders.push(whole);
                continue;
            }
            inputs.files.extend(path_beside(path).canonicalize());
            inputs.files.extend(companions(path));
            inputs.files.push(whole);
        }
        inputs
    }

    fn take_links(&mut self, folder: &Path) {
        for entry in WalkDir::new(folder).into_iter().flatten().filter(|e| e.path_is_symlink()) {
            let Ok(target) = entry.path().canonicalize() else { continue };
            // Whoever reads the data says so.
            if is_too_wide(folder, &target) {
                continue;
            }
            if !target.starts_with(folder) && self.linked.insert(target.clone()) && target.is_dir()
            {
                self.take_links(&target);
            }
        }
    }

    /// Refuses a file that is an input, by whatever path, or that would be one of the next run.
    ///
    /// # Errors
    /// It is.
    pub fn refuse(&self, path: &Path) -> Result<()> {
        let wrong =
            |problem: String| Err(Error::file("write", path, problem, "give it another name"));
        let place = behind_links(path);
        if !is_replaceable(&place) {
            return Ok(());
        }
        let place = whole_path(&place);
        if self.files.contains(&place) || self.linked.contains(&place) || self.shares(&place) {
            return wrong("it is an input too".to_owned());
        }
        match self.folder_around(&place) {
            Some(folder) if is_picture(&place) || (place.exists() && is_data(&place)) => {
                let folder = folder.display();
                wrong(format!("it lies in {folder}, which is an input, and would be one itself"))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a folder of pictures in a folder that is read.
    ///
    /// # Errors
    /// It lies there.
    pub fn refuse_folder(&self, path: &Path) -> Result<()> {
        match self.folder_around(&whole_path(path)) {
            Some(folder) => {
                let folder = folder.display();
                let problem = format!("it lies in {folder}, whose images are read");
                Err(Error::file("write to", path, problem, "give another folder"))
            }
            None => Ok(()),
        }
    }

    fn folder_around(&self, place: &Path) -> Option<&Path> {
        let folders = self.folders.iter().chain(&self.linked);
        folders.map(PathBuf::as_path).find(|folder| place.starts_with(folder))
    }

    /// Whether a file has another name that is an input.
    #[cfg(unix)]
    fn shares(&self, place: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        let same =
            |a: &std::fs::Metadata, b: &std::fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        let Ok(file) = std::fs::metadata(place) else { return false };
        if file.nlink() < 2 {
            return false;
        }
        let below = self.folders.iter().chain(&self.linked);
        let below = below.flat_map(|folder| WalkDir::new(folder).into_iter().flatten());
        let mut all = self.files.iter().cloned().chain(below.map(walkdir::DirEntry::into_path));
        all.any(|other| std::fs::metadata(other).is_ok_and(|other| same(&file, &other)))
    }

    #[cfg(not(unix))]
    fn shares(&self, _: &Path) -> bool {
        false
    }
}

/// A path without links; of a file that is not there yet, that of what is there of the way to it.
pub fn whole_path(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    match there {
        Some((above, whole)) => match path.strip_prefix(above) {
            Ok(rest) if !rest.as_os_str().is_empty() => whole.join(rest),
            _ => whole,
        },
        None => path,
    }
}

/// Whether a file in a folder may be read though it is not a picture: weights, their index, MNIST's files.
fn is_data(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    ends(path, &DATA) || name.ends_with(".index.json") || is_idx(path)
}

/// Whether a file is named as one of MNIST's, packed or not.
fn is_idx(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with("-ubyte") || name.ends_with("-ubyte.gz")
}

/// What is read beside a file: the files of an index of weights, the names of CIFAR-10's classes, the labels
/// of MNIST's images.
fn companions(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (index, batch) = (name.ends_with(".json"), name.ends_with(".bin"));
    if !index && !batch && !name.contains("-ubyte") {
        return vec![];
    }
    let entries = std::fs::read_dir(parent(path)).into_iter().flatten().flatten();
    let belongs = |path: &PathBuf| match index {
        true => ends(path, &["safetensors", "bin"]),
        false if batch => path.to_string_lossy().ends_with(".meta.txt"),
        false => is_idx(path),
    };
    let found = entries.map(|entry| entry.path()).filter(belongs);
    found.filter_map(|path| path.canonicalize().ok()).collect()
}

fn ends(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    endings.contains(&ending.as_str())
}
