//! The golden checkpoints, and their tensors as plain bytes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use repsim::checkpoint::{Checkpoint, Stored};
use repsim::error::Result;

/// A golden file.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/weights").join(name)
}

/// The elements of a tensor, the last axis fastest.
pub fn elements(checkpoint: &mut Checkpoint, tensor: &Stored) -> Result<Vec<u8>> {
    let bytes = checkpoint.read(tensor)?;
    let size = tensor.dtype.size() as usize;
    let mut found = vec![];
    let mut index = vec![0; tensor.shape.len()];
    let count: i64 = tensor.shape.iter().product();
    for _ in 0..count {
        let place: i64 = index.iter().zip(&tensor.strides).map(|(i, step)| i * step).sum();
        found.extend(&bytes[place as usize * size..][..size]);
        for axis in (0..index.len()).rev() {
            index[axis] += 1;
            if index[axis] < tensor.shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    Ok(found)
}

/// Type, shape and elements of each tensor of a state dict, by name.
pub type Tensors = BTreeMap<String, (String, Vec<i64>, Vec<u8>)>;

/// All tensors of the state dict with a key.
pub fn tensors(checkpoint: &mut Checkpoint, key: &str) -> Tensors {
    let dict = checkpoint.dicts().iter().find(|dict| dict.shown_key() == key);
    let dict = dict.unwrap_or_else(|| panic!("no state dict at {key}")).clone();
    let read = |(name, tensor): (String, Stored)| {
        let bytes = elements(checkpoint, &tensor).unwrap();
        (name, (tensor.dtype.name().to_owned(), tensor.shape, bytes))
    };
    dict.tensors.into_iter().map(read).collect()
}

/// The error of a file that is not a checkpoint.
#[track_caller]
pub fn refused(path: &Path) -> String {
    let error = match Checkpoint::open(path) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error.to_string(),
    };
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}
