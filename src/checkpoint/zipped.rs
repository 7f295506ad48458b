//! What `torch.save` writes since PyTorch 1.6: a zip archive of a pickle and a record for each storage.

use std::collections::{HashMap, HashSet};
use std::io::{BufReader, Read};

use zip::ZipArchive;

use super::pickle::{self, Arena, Id, View};
use super::source::{Flaw, Place};
use crate::files::{self, Section};

/// The most bytes of a pickle.
const LONGEST: u64 = 1 << 28;

/// An open archive.
pub(super) struct Zipped {
    archive: ZipArchive<BufReader<Section>>,
    file: Section,
    records: Vec<Record>,
    by_key: HashMap<String, usize>,
    pickle: usize,
    /// Records whose bytes were held against their checksum.
    checked: HashSet<usize>,
}

struct Record {
    index: usize,
    /// Bytes of it when unpacked.
    size: u64,
    start: u64,
    crc: u32,
    stored: bool,
}

impl Zipped {
    /// Reads the list of records.
    ///
    /// # Errors
    /// It is not a zip archive, or not one of `torch.save`; it is encrypted, its numbers are big-endian, or a
    /// record stands in it twice.
    pub fn open(file: Section) -> Result<Self, Flaw> {
        let reader = BufReader::new(file.again().map_err(|e| e.to_string())?);
        let mut archive = ZipArchive::new(reader).map_err(|e| format!("it is damaged: {e}"))?;
        let names: Vec<String> = archive.file_names().map(str::to_owned).collect();
        let root = root(&names)?;
        let again = file.again().map_err(|e| e.to_string())?;
        if files::stands_twice(again, &archive).map_err(|e| e.to_string())? {
            return Err(Flaw::from("it is damaged: a record stands in it twice".to_owned()));
        }
        let (mut records, mut by_key, mut pickle) = (vec![], HashMap::new(), None);
        for (index, name) in names.iter().enumerate() {
            let Some(inner) = name.strip_prefix(root.as_str()) else { continue };
            let record = record(&mut archive, index)?;
            match inner {
                "data.pkl" => pickle = Some(records.len()),
                "byteorder" => refuse_big_endian(&mut archive, index)?,
                _ => drop(
                    inner.strip_prefix("data/").map(|k| by_key.insert(k.to_owned(), records.len())),
                ),
            }
            records.push(record);
        }
        let pickle = pickle.ok_or_else(|| "it is damaged: it has no data.pkl".to_owned())?;
        Ok(Self { archive, file, records, by_key, pickle, checked: HashSet::new() })
    }

    /// Reads the pickle.
    ///
    /// # Errors
    /// As [`pickle::read`].
    pub fn pickle(&mut self, arena: &mut Arena) -> Result<Id, Flaw> {
        let Record { index, stored, crc, .. } = self.records[self.pickle];
        if stored && crc != 0 {
            self.check(self.pickle)?;
        }
        let record = self.archive.by_index(index).map_err(|e| format!("it is damaged: {e}"))?;
        let mut reader = BufReader::new(record.take(LONGEST));
        let root = pickle::read(&mut reader, arena)?;
        if !stored {
            // At the end what was unpacked is held against its checksum.
            std::io::copy(&mut reader, &mut std::io::sink())
                .map_err(|e| format!("it is damaged: {e}"))?;
        }
        Ok(root)
    }

    /// Where a tensor begins.
    ///
    /// # Errors
    /// Its storage is not there or too short.
    pub fn place(&self, source: usize, view: &View) -> Result<Place, String> {
        let key = &view.storage.key;
        let record = self.by_key.get(&**key).copied();
        let record = record.ok_or_else(|| format!("its storage '{key}' is missing"))?;
        let (start, end) = view.bytes().ok_or_else(|| format!("storage '{key}' is too large"))?;
        match end <= self.records[record].size {
            true => Ok(Place { source, record, start }),
            false => Err(format!("its storage '{key}' is cut short")),
        }
    }

    /// Reads a part of a record. The first time the whole record is held against its checksum; files that
    /// were written without have 0 there.
    pub fn read(&mut self, record: usize, start: u64, length: usize) -> Result<Vec<u8>, String> {
        let Record { index, stored, crc, .. } = self.records[record];
        if stored {
            let begin = self.records[record].start;
            if crc != 0 && self.checked.insert(record) {
                self.check(record)?;
            }
            let mut bytes = files::room(length)?;
            self.file.read_exact_at(&mut bytes, begin + start).map_err(|e| e.to_string())?;
            return Ok(bytes);
        }
        let mut packed = self.archive.by_index(index).map_err(|e| e.to_string())?;
        files::check_packed(packed.compressed_size(), start.saturating_add(length as u64))
            .map_err(|said| format!("a record {said}"))?;
        let mut bytes = files::reserved(length)?;
        std::io::copy(&mut (&mut packed).take(start), &mut std::io::sink())
            .and_then(|_| (&mut packed).take(length as u64).read_to_end(&mut bytes))
            .map_err(|e| e.to_string())?;
        match bytes.len() == length {
            true => Ok(bytes),
            false => Err("a record is cut short".to_owned()),
        }
    }

    fn check(&self, record: usize) -> Result<(), String> {
        let Record { size, start, crc, .. } = self.records[record];
        let mut hasher = crc32fast::Hasher::new();
        let mut buffer = vec![0; 1 << 16];
        let mut done = 0;
        while done < size {
            let count = (size - done).min(buffer.len() as u64) as usize;
            let part = &mut buffer[..count];
            self.file.read_exact_at(part, start + done).map_err(|e| e.to_string())?;
            hasher.update(part);
            done += count as u64;
        }
        match hasher.finalize() == crc {
            true => Ok(()),
            false => {
                Err("its bytes do not have the checksum that they were written with".to_owned())
            }
        }
    }
}

fn record(archive: &mut ZipArchive<BufReader<Section>>, index: usize) -> Result<Record, Flaw> {
    let entry = archive.by_index_raw(index).map_err(|e| format!("it is damaged: {e}"))?;
    if entry.encrypted() {
        return Err(Flaw::new("it is encrypted", "give the file without a password"));
    }
    let stored = entry.compression() == zip::CompressionMethod::Stored;
    Ok(Record {
        index,
        // What is stored as it is cannot be longer than what is there.
        size: if stored { entry.size().min(entry.compressed_size()) } else { entry.size() },
        start: entry.data_start(),
        crc: entry.crc32(),
        stored,
    })
}

/// The folder of the archive that holds the pickle, with a slash behind it.
fn root(names: &[String]) -> Result<String, Flaw> {
    let has = |end: &str| names.iter().any(|n| n == end || n.ends_with(&format!("/{end}")));
    if has("constants.pkl") {
        let remedy =
            "give it as the model itself, or what torch.save(model.state_dict(), FILE) writes";
        return Err(Flaw::new("it is a TorchScript archive: a model, not weights alone", remedy));
    }
    if has("models/model.json") || has("serialized_exported_program.json") {
        let remedy =
            "give it as the model itself, or what torch.save(model.state_dict(), FILE) writes";
        return Err(Flaw::new("it is a torch.export archive: a model, not weights alone", remedy));
    }
    let own = |name: &&String| **name == "data.pkl" || name.ends_with("/data.pkl");
    let shortest = names.iter().filter(own).min_by_key(|name| name.len());
    match shortest {
        Some(name) => Ok(name[..name.len() - "data.pkl".len()].to_owned()),
        None => Err(Flaw::new("it is a zip archive that torch.save did not write", super::WANTED)),
    }
}

fn refuse_big_endian(
    archive: &mut ZipArchive<BufReader<Section>>,
    index: usize,
) -> Result<(), Flaw> {
    let mut record = archive.by_index(index).map_err(|e| format!("it is damaged: {e}"))?;
    let mut order = [0; 16];
    let count = record.read(&mut order).map_err(|e| format!("it is damaged: {e}"))?;
    match order[..count].trim_ascii() {
        b"little" => Ok(()),
        _ => Err(super::big_endian()),
    }
}
