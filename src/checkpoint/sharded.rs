//! Checkpoints in several files, with an index that says which tensor lies in which.

use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path, PathBuf};

use fs_err as fs;

use super::source::Flaw;
use super::{Checkpoint, Format, StateDict, open_file};
use crate::error::Result;

/// Names that an index or the one file of a checkpoint has in a folder, the first that is there.
const NAMES: [&str; 6] = [
    "model.safetensors.index.json",
    "model.safetensors",
    "diffusion_pytorch_model.safetensors.index.json",
    "diffusion_pytorch_model.safetensors",
    "pytorch_model.bin.index.json",
    "pytorch_model.bin",
];

/// The most bytes of an index.
const LONGEST: u64 = 100_000_000;

/// The most files of a checkpoint.
const MOST_FILES: usize = 4096;

#[derive(serde::Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The checkpoint that a folder holds.
///
/// # Errors
/// It holds none.
pub(super) fn in_folder(folder: &Path) -> Result<PathBuf, Flaw> {
    let found = NAMES.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        let problem = format!("it is a folder without {} or {}", NAMES[0], NAMES[1]);
        Flaw::new(problem, "name the file")
    })
}

/// Whether a file is an index, by its name and first byte.
pub(super) fn is_index(path: &Path, first: &[u8]) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".json") && first.trim_ascii_start().starts_with(b"{")
}

/// Opens all files of an index.
///
/// # Errors
/// It is not an index, names a file beyond its folder, a file cannot be read, or a tensor is not in the file
/// that the index says.
pub(super) fn open(path: &Path) -> Result<Checkpoint> {
    let index = index(path).map_err(|flaw| super::error(path, flaw))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut whole = Checkpoint::new(path, Format::Sharded);
    let mut dict = StateDict::default();
    for (file, names) in by_file(&index) {
        let shard = folder.join(file);
        let mut part = Checkpoint::new(&shard, Format::Safetensors);
        part.sources = std::mem::take(&mut whole.sources);
        open_file(&shard, &mut part)?;
        whole.sources = std::mem::take(&mut part.sources);
        whole.files.push(shard.clone());
        let held = part.dicts.into_iter().next().unwrap_or_default();
        take(&mut dict, held, &names).map_err(|flaw| super::error(&shard, flaw))?;
    }
    whole.dicts = vec![dict];
    Ok(whole)
}

fn index(path: &Path) -> Result<Index, Flaw> {
    let length = fs::metadata(path).map_err(|e| e.to_string())?.len();
    if length > LONGEST {
        return Err(Flaw::new("it is too large for an index", super::WANTED));
    }
    let text = fs::read(path).map_err(|e| e.to_string())?;
    let index: Index = serde_json::from_slice(&text)
        .map_err(|e| Flaw::new(format!("it is not an index of weights: {e}"), super::WANTED))?;
    let files = by_file(&index);
    if files.len() > MOST_FILES {
        return Err(Flaw::from(format!("it names {} files", files.len())));
    }
    let plain = |file: &str| {
        let mut parts = Path::new(file).components();
        matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
    };
    match files.keys().find(|file| !plain(file)) {
        Some(file) => Err(Flaw::new(
            format!("it names '{file}', which is not a file beside it"),
            "put all files into the folder of the index, and give names without folders there",
        )),
        None => Ok(index),
    }
}

fn by_file(index: &Index) -> BTreeMap<&str, Vec<&str>> {
    let mut files = BTreeMap::<&str, Vec<&str>>::new();
    for (name, file) in &index.weight_map {
        files.entry(file).or_default().push(name);
    }
    files
}

/// Takes the tensors that the index says a file holds.
fn take(dict: &mut StateDict, held: StateDict, names: &[&str]) -> Result<(), Flaw> {
    let mut tensors: HashMap<String, _> = held.tensors.into_iter().collect();
    let mut others: HashMap<String, _> = held.others.into_iter().collect();
    for &name in names {
        match (tensors.remove(name), others.remove(name)) {
            (Some(tensor), _) => dict.tensors.push((name.to_owned(), tensor)),
            (None, Some(other)) => dict.others.push((name.to_owned(), other)),
            (None, None) => {
                let problem = format!("it does not hold '{name}', which the index says it does");
                return Err(Flaw::new(problem, "download the files of one version of the model"));
            }
        }
    }
    Ok(())
}
