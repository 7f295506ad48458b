//! Telling what a path holds.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::cifar::Cifar;
use super::folder::Folder;
use super::kinds::{Looks, READ_NAMED, looks};
use super::{Opening, Source, SourceKind, arrays, idx, several};
use crate::error::{Error, Result};

/// What may be given as data, for messages.
const ACCEPTED: &str = "give a folder of images, a .npy, .npz or .safetensors array, CIFAR-10 .bin \
                        files or MNIST idx files";

/// How files of models end.
const MODELS: [&str; 6] = ["pt", "pt2", "pth", "ckpt", "onnx", "ts"];

/// Opens a path as the source it holds.
pub(in crate::data) fn open(path: &Path, how: Opening) -> Result<Arc<dyn Source>> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => open_folder(path),
        Ok(_) => open_file(path, how),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::file("open", path, "there is no such file or folder", ACCEPTED))
        }
        Err(e) => Err(Error::io("open", path, e)),
    }
}

fn open_file(path: &Path, how: Opening) -> Result<Arc<dyn Source>> {
    let name = file_name(path);
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("npy") => several::open(SourceKind::Npy, path, how),
        Some("npz") => several::open(SourceKind::Npz, path, how),
        Some("safetensors") => several::open(SourceKind::Safetensors, path, how),
        Some("bin") => Ok(Arc::new(Cifar::open(vec![path.to_owned()])?)),
        _ if idx::is_idx(&name) => idx::open(path),
        _ if looks(&name) == Looks::Picture => {
            let remedy = "give the folder that holds it";
            Err(Error::file("open", path, "it is a single image", remedy))
        }
        Some(other) if MODELS.contains(&other) => {
            let remedy = "give models first, and the data with --data; weights go with --weights";
            Err(Error::file("open", path, "it is a model or its weights, and no data", remedy))
        }
        Some(other) => {
            Err(Error::file("open", path, format!("unknown kind of file .{other}"), ACCEPTED))
        }
        None => {
            crate::files::check(path).map_err(|e| Error::io("open", path, e))?;
            Err(Error::file("open", path, "unknown kind of file", ACCEPTED))
        }
    }
}

/// Chooses by the names directly in the folder: idx files, CIFAR-10 batches, else images.
fn open_folder(path: &Path) -> Result<Arc<dyn Source>> {
    let mut names = vec![];
    for entry in fs::read_dir(path).map_err(|e| Error::io("read", path, e))? {
        let entry = entry.map_err(|e| Error::io("read", path, e))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    if names.iter().any(|name| idx::is_idx(name)) {
        return idx::open_folder(path, &names);
    }
    if names.iter().any(|name| Cifar::is_batch(name)) {
        return Ok(Arc::new(Cifar::open_folder(path, &names)?));
    }
    let folder = Folder::open(path)?;
    match folder.len() {
        0 => Err(empty(path, &names, folder.unread())),
        _ => Ok(Arc::new(folder)),
    }
}

/// A folder without images: says what was looked for, and points at an array that lies there, or
/// at pictures of other kinds.
fn empty(path: &Path, names: &[String], unread: &[String]) -> Error {
    let problem = format!("it holds no images ({READ_NAMED}, also in sub-folders)");
    if let Some(first) = unread.first() {
        let problem = format!("{problem}, but {} of other kinds ({first})", unread.len());
        return Error::file("open", path, problem, "save them as PNG");
    }
    let array = names.iter().find(|name| arrays::is_array(name));
    match array {
        Some(name) => Error::file("open", path, problem, format!("to use {name}, give its path")),
        None => Error::file("open", path, problem, "give the folder that holds the images"),
    }
}

/// The last part of a path, as text.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
