//! Which files a command line names: what is read, and what is written. The one place that decides it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use walkdir::WalkDir;

use crate::analysis::session::beside::path_beside;
use crate::data::is_picture;
use crate::error::{Error, Result};
use crate::files::is_too_wide;
use crate::report::{behind_links, check_writable, descriptor, is_replaceable, parent};
use crate::torchscript::native;

/// Options that name a file to write.
const OUTPUTS: [&str; 8] =
    ["output", "scatter", "plot", "per_sample", "maps", "update_baseline", "junit", "write_policy"];

/// Options that name a folder to write to. All other paths are read.
const FOLDERS: [&str; 2] = ["images", "folder"];

/// Options that name a folder to write to and to read from.
const CACHES: [&str; 1] = ["stats_cache"];

/// Endings of files in a folder that may be weights or samples, beside pictures.
const DATA: [&str; 5] = ["safetensors", "bin", "pt", "pth", "gz"];

/// The files of a command line.
#[derive(Debug, Default, Clone)]
pub struct Files {
    /// What is read, as given: files and folders.
    pub inputs: Vec<PathBuf>,
    /// Files that are written, as given; no standard output.
    pub outputs: Vec<PathBuf>,
    /// Folders that are written to, as given.
    pub folders: Vec<PathBuf>,
    /// Folders of files that are written and read again, as given.
    pub caches: Vec<PathBuf>,
}

impl Files {
    /// All files that the options of a command name.
    pub fn named_in(matches: &ArgMatches) -> Self {
        let mut files = Self::default();
        for id in matches.ids().map(clap::Id::as_str) {
            let Ok(Some(paths)) = matches.try_get_many::<PathBuf>(id) else { continue };
            let paths = paths.filter(|path| *path != Path::new("-")).cloned();
            match id {
                _ if OUTPUTS.contains(&id) => files.outputs.extend(paths),
                _ if FOLDERS.contains(&id) => files.folders.extend(paths),
                _ if CACHES.contains(&id) => files.caches.extend(paths),
                _ => files.inputs.extend(paths),
            }
        }
        files
    }
}

/// What a run reads, without links; nothing of it is written to.
#[derive(Debug, Default)]
pub struct Inputs {
    /// Files.
    pub files: Vec<PathBuf>,
    /// Folders.
    pub folders: Vec<PathBuf>,
    /// What links in the folders lead to, outside of them.
    pub linked: HashSet<PathBuf>,
}

impl Inputs {
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
        let place = whole(&place);
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
        match self.folder_around(&whole(path)) {
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

/// Refuses outputs that are an input, named twice or in a folder of inputs, or that cannot be written.
///
/// # Errors
/// The first such output.
pub fn check(files: &Files, inputs: &Inputs) -> Result<()> {
    let mut taken: Vec<PathBuf> = vec![];
    for path in &files.outputs {
        inputs.refuse(path)?;
        check_writable(path)?;
        let place = behind_links(path);
        if descriptor(&place) == Some(1) && native::stdout_was_closed() {
            return Err(Error::file("write", path, "it is closed", "give the path of a file"));
        }
        // A device takes several outputs.
        if !is_replaceable(&place) {
            continue;
        }
        let place = whole(&place);
        if taken.contains(&place) {
            let problem = "it is named for two outputs";
            return Err(Error::file("write", path, problem, "give each its own name"));
        }
        taken.push(place);
    }
    files.folders.iter().try_for_each(|folder| inputs.refuse_folder(folder))
}

/// A path without links; of a file that is not there yet, that of what is there of the way to it.
pub fn whole(path: &Path) -> PathBuf {
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

/// Whether a file in a folder may be read though it is no picture: weights, their index, MNIST's files.
fn is_data(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    ends(path, &DATA) || name.ends_with(".index.json") || name.ends_with("-ubyte")
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
        false => path.to_string_lossy().ends_with(if batch { ".meta.txt" } else { "-ubyte" }),
    };
    let found = entries.map(|entry| entry.path()).filter(belongs);
    found.filter_map(|path| path.canonicalize().ok()).collect()
}

fn ends(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    endings.contains(&ending.as_str())
}
