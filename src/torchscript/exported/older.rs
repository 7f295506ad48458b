//! Archives of PyTorch before 2.8: the same program, with its weights in files of `torch.save` beside it.

use std::collections::HashMap;

use tch::Tensor;

use super::archive::Archive;
use crate::checkpoint::{Checkpoint, Stored};
use crate::error::Result;
use crate::torchscript::tensors;

/// Parameters and buffers, and beside them tensors that are neither.
const FILES: [&str; 2] = ["serialized_state_dict.pt", "serialized_constants.pt"];

/// A file, where in it the elements of a tensor begin, and the first of them.
type Extent = (usize, (usize, usize, u64), u64);

/// The weights of a program.
pub struct Saved {
    files: Vec<Checkpoint>,
    /// Of each name the file, and where in that its tensor is.
    places: HashMap<String, (usize, Stored)>,
    /// Tensors by their file and where their elements begin: one that has several names is in memory once.
    read: HashMap<Extent, Tensor>,
}

impl Saved {
    /// Finds where which weight lies.
    ///
    /// # Errors
    /// A file is damaged.
    pub fn open(archive: &mut Archive) -> Result<Self> {
        let (mut files, mut places) = (vec![], HashMap::new());
        for name in FILES {
            let Some(file) = archive.saved(name)? else { continue };
            let own = file.dicts().iter().find(|dict| dict.key.is_empty());
            for (name, stored) in own.into_iter().flat_map(|dict| &dict.tensors) {
                places.entry(name.clone()).or_insert((files.len(), stored.clone()));
            }
            files.push(file);
        }
        Ok(Self { files, places, read: HashMap::new() })
    }

    /// A weight; `None` where there is none of that name.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn tensor(&mut self, name: &str) -> Result<Option<Tensor>> {
        let Some((file, stored)) = self.places.get(name) else { return Ok(None) };
        let key = (*file, stored.begins(), stored.extent);
        if !self.read.contains_key(&key) {
            let bytes = self.files[*file].read(stored)?;
            self.read.insert(key, tensors::flat(&bytes, stored)?);
        }
        tensors::shaped(&self.read[&key], stored).map(Some)
    }
}
