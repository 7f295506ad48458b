//! What `torch.save` wrote before PyTorch 1.6: pickles one behind the other, then the storages.
//!
//! ```text
//! magic number, protocol, {little_endian, …}, object, [keys]      five pickles
//! count (8 bytes), elements                                       for each key
//! ```

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek};

use super::pickle::{self, Arena, Id, Value, View};
use super::source::{Flaw, Place};

/// What the first pickle is.
const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;

/// The version of the format.
const PROTOCOL: i128 = 1001;

/// Where each storage lies in the file: its first byte, and its bytes.
pub(super) struct Storages(HashMap<String, (u64, u64)>);

/// Reads the pickles, and where the storages lie.
///
/// # Errors
/// It is another pickle, damaged or cut short, or its numbers are big-endian.
pub(super) fn read(file: &File, arena: &mut Arena) -> Result<(Id, Storages), Flaw> {
    let length = file.metadata().map_err(|e| e.to_string())?.len();
    let mut reader = BufReader::new(file);
    let mut head = Arena::default();
    match pickle::read(&mut reader, &mut head).map(|id| head.int(id) == Some(MAGIC)) {
        Ok(true) => {}
        Ok(false) => {
            return Err(Flaw::new("it is a pickle that torch.save did not write", super::WANTED));
        }
        Err(_) => return Err(Flaw::new("it is not a checkpoint", super::WANTED)),
    }
    let protocol = pickle::read(&mut reader, &mut head)?;
    if head.int(protocol) != Some(PROTOCOL) {
        return Err(Flaw::from("it is damaged: its version is not known".to_owned()));
    }
    let system = pickle::read(&mut reader, &mut head)?;
    if !is_little_endian(&head, system) {
        return Err(super::big_endian());
    }
    let root = pickle::read(&mut reader, arena)?;
    let keys = pickle::read(&mut reader, &mut head)?;
    let keys =
        head.elements(keys).ok_or_else(|| "it is damaged: no list of storages".to_owned())?;
    let sizes = element_sizes(arena);
    let mut storages = HashMap::new();
    for &key in keys {
        let key = head.text(key).unwrap_or_default();
        let place = storage(&mut reader, sizes.get(key).copied(), length)
            .map_err(|what| format!("it is cut short or damaged: storage '{key}' {what}"))?;
        if storages.insert(key.to_owned(), place).is_some() {
            return Err(Flaw::from(format!("it is damaged: storage '{key}' stands in it twice")));
        }
    }
    Ok((root, Storages(storages)))
}

/// Where the next storage lies; the reader is left behind it.
fn storage(
    reader: &mut BufReader<&File>,
    size: Option<u64>,
    length: u64,
) -> Result<(u64, u64), String> {
    let size = size.ok_or("is of a type that is not known")?;
    let mut count = [0; 8];
    reader.read_exact(&mut count).map_err(|_| "is not there")?;
    let start = reader.stream_position().map_err(|e| e.to_string())?;
    let bytes = u64::from_le_bytes(count).checked_mul(size);
    let bytes = bytes.filter(|n| start.checked_add(*n).is_some_and(|end| end <= length));
    let bytes = bytes.ok_or("does not end within the file")?;
    reader.seek_relative(bytes as i64).map_err(|e| e.to_string())?;
    Ok((start, bytes))
}

/// Bytes of an element of each storage that the object names.
fn element_sizes(arena: &Arena) -> HashMap<&str, u64> {
    let storages = arena.values().filter_map(|value| match value {
        Value::Storage(storage) => Some((&*storage.key, storage.dtype.size())),
        _ => None,
    });
    storages.collect()
}

fn is_little_endian(arena: &Arena, system: Id) -> bool {
    let Value::Dict(pairs) = arena.get(system) else { return true };
    let big = |(key, value): &(Id, Id)| {
        arena.text(*key) == Some("little_endian") && *arena.get(*value) == Value::Bool(false)
    };
    !pairs.iter().any(big)
}

impl Storages {
    /// Where a tensor begins.
    ///
    /// # Errors
    /// Its storage is not there or too short.
    pub fn place(&self, source: usize, view: &View) -> Result<Place, String> {
        let key = &view.storage.key;
        let found = self.0.get(&**key);
        let (first, length) = found.ok_or_else(|| format!("its storage '{key}' is missing"))?;
        let (start, end) = view.bytes().ok_or_else(|| format!("storage '{key}' is too large"))?;
        match end <= *length {
            true => Ok(Place { source, record: 0, start: first + start }),
            false => Err(format!("its storage '{key}' is cut short")),
        }
    }
}
