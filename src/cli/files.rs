//! Which files a command line names: what is read, and what is written. The one place that decides it.

use std::path::{Path, PathBuf};

use clap::ArgMatches;

use super::globs::Expanded;
use crate::analysis::{InputFiles, whole_path};
use crate::error::{Error, Result};
use crate::report::{behind_links, check_writable, descriptor, is_replaceable, parent};
use crate::torchscript::native;

/// Options that name a file to write.
const OUTPUTS: [&str; 8] =
    ["output", "scatter", "plot", "per_sample", "maps", "update_baseline", "junit", "write_policy"];

/// Options that name a folder to write to. All other paths are read.
const FOLDERS: [&str; 2] = ["images", "folder"];

/// Options that name a folder to write to and to read from.
const CACHES: [&str; 2] = ["stats_cache", "features_folder"];

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
            if let Ok(Some(globs)) = matches.try_get_many::<Expanded>(id) {
                files.inputs.extend(Expanded::all(globs));
            }
            let Ok(Some(paths)) = matches.try_get_many::<PathBuf>(id) else { continue };
            let paths = paths.filter(|path| *path != Path::new("-")).cloned();
            match id {
                _ if OUTPUTS.contains(&id) => files.outputs.extend(paths),
                _ if FOLDERS.contains(&id) => files.folders.extend(paths),
                _ if CACHES.contains(&id) => files.caches.extend(paths),
                _ => files.inputs.extend(paths),
            }
        }
        // What is kept of a shard lies beside its state.
        if matches.try_contains_id("shard").unwrap_or(false) {
            let folders = files.outputs.iter().map(|path| parent(&behind_links(path)).to_owned());
            files.caches.extend(folders.collect::<Vec<_>>());
        }
        files
    }
}

/// Refuses outputs that are an input, named twice or in a folder of inputs, or that cannot be written.
///
/// # Errors
/// The first such output.
pub fn check(files: &Files, inputs: &InputFiles) -> Result<()> {
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
        let place = whole_path(&place);
        if taken.contains(&place) {
            let problem = "it is named for two outputs";
            return Err(Error::file("write", path, problem, "give each its own name"));
        }
        taken.push(place);
    }
    files.folders.iter().try_for_each(|folder| inputs.refuse_folder(folder))
}
