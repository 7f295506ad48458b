//! A TorchScript archive as it is read: from one open file, whose records were looked at before.
//!
//! An archive is a program, and libtorch runs parts of it as it loads it. So it is read through here, twice:
//! once to be judged, and once to be loaded. Everything but large weights is kept in memory from the first
//! look on, so that what was judged is what is loaded, even if the file is changed meanwhile.

mod code;
mod depth;
mod pickle;
mod scan;
mod sums;
mod views;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;

use zip::ZipArchive;

/// Weights of more bytes are not kept in memory.
const LARGE: u64 = 1 << 16;

/// The most bytes of code, and of pickles, when unpacked.
const MOST_CODE: u64 = 1 << 26;
const MOST_PICKLED: u64 = 1 << 28;

/// The most bytes beside large records.
const MOST_KEPT: u64 = 1 << 30;

/// What compressed records may unpack to, in bytes and in multiples of the file.
const MOST_UNPACKED: u64 = 1 << 30;
const MOST_TIMES: u64 = 16;

/// A record of the archive.
pub struct Record {
    /// Its name without the folder that all lie in.
    pub name: String,
    /// Where its header begins in the file, and where its bytes do.
    start: u64,
    data: u64,
    /// Bytes in the file, and when unpacked.
    packed: u64,
    size: u64,
    crc: u32,
    stored: bool,
    /// Its place in the list of records.
    index: usize,
}

impl Record {
    fn end(&self) -> u64 {
        self.data.saturating_add(self.packed)
    }

    fn is_code(&self) -> bool {
        self.name.starts_with("code/") && self.name.ends_with(".py")
    }

    fn is_pickle(&self) -> bool {
        self.name == "data.pkl" || self.name == "constants.pkl"
    }

    /// Whether it may hold weights only, and many.
    fn is_large(&self) -> bool {
        self.packed >= LARGE && !self.name.ends_with(".py") && !self.name.ends_with(".pkl")
    }
}

/// A run of bytes of the file.
struct Kept {
    start: u64,
    bytes: Vec<u8>,
}

/// An archive whose records were found sound, and which stays as it is.
pub struct Sealed {
    file: File,
    size: u64,
    kept: Vec<Kept>,
    records: Vec<Record>,
    /// Classes and functions of Python that its pickles name.
    names: Vec<String>,
}

impl Sealed {
    /// Looks at an archive: every record has its checksum, none is too large or nests too deeply.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(file: File) -> Result<Self, String> {
        let size = file.metadata().map_err(|e| e.to_string())?.len();
        let reader = BufReader::new(file.try_clone().map_err(|e| e.to_string())?);
        let mut zip = ZipArchive::new(reader).map_err(|e| format!("it is damaged ({e})"))?;
        let records = records(&mut zip)?;
        refuse_names(&records)?;
        refuse_sizes(&records, size)?;
        sums::check(&file, &mut zip, &records)?;
        let kept = kept(&file, size, &records)?;
        let mut sealed = Self { file, size, kept, records, names: vec![] };
        sealed.look_inside()?;
        Ok(sealed)
    }

    /// Holds code and pickles to their bounds.
    fn look_inside(&mut self) -> Result<(), String> {
        let code = self.unpacked(Record::is_code)?;
        let texts: Vec<(String, &[u8])> =
            code.iter().map(|(name, text)| (qualifier(name), text.as_slice())).collect();
        code::check(&texts)?;
        let sizes: HashMap<String, u64> =
            self.records.iter().map(|r| (r.name.to_ascii_lowercase(), r.size)).collect();
        for (name, bytes) in self.unpacked(Record::is_pickle)? {
            let folder = name.trim_end_matches(".pkl");
            let size =
                |key: &str| sizes.get(&format!("{folder}/{key}").to_ascii_lowercase()).copied();
            let names = pickle::check(&bytes, &size);
            self.names.extend(names.map_err(|problem| format!("its {name} {problem}"))?);
        }
        Ok(())
    }

    /// Records of a kind, by name.
    fn unpacked(&self, is_one: impl Fn(&Record) -> bool) -> Result<Vec<(String, Vec<u8>)>, String> {
        let wanted = self.records.iter().filter(|record| is_one(record));
        wanted
            .map(|record| {
                let mut packed =
                    vec![0; usize::try_from(record.packed).map_err(|e| e.to_string())?];
                self.read(record.data, &mut packed).map_err(|e| e.to_string())?;
                let bytes = match record.stored {
                    true => packed,
                    false => inflated(&packed, record.size)
                        .ok_or_else(|| format!("its record {} is damaged", record.name))?,
                };
                Ok((record.name.clone(), bytes))
            })
            .collect()
    }

    /// The bytes of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Classes and functions of Python that its pickles name.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What libtorch has to find in it: a line a record, sorted.
    pub fn listing(&self) -> Vec<String> {
        let line = |r: &Record| format!("{} {} {}", r.data, r.size, r.name);
        let mut lines: Vec<String> = self.records.iter().map(line).collect();
        lines.sort();
        lines
    }

    /// Reads from a place of the file on: what is kept from memory.
    ///
    /// # Errors
    /// The file was cut short.
    pub fn read(&self, start: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        let (mut at, mut rest) = (start, buffer);
        while !rest.is_empty() {
            let next = self.kept.partition_point(|kept| kept.start <= at);
            let before = next.checked_sub(1).map(|place| &self.kept[place]);
            let offset = before.map_or(0, |kept| (at - kept.start) as usize);
            let held = before.and_then(|kept| kept.bytes.get(offset..)).unwrap_or_default();
            let count = match (held.len(), self.kept.get(next)) {
                (0, Some(kept)) => (kept.start - at).min(rest.len() as u64) as usize,
                (0, None) => rest.len(),
                (held, _) => held.min(rest.len()),
            };
            let (part, behind) = rest.split_at_mut(count);
            match held.is_empty() {
                true => self.file.read_exact_at(part, at)?,
                false => part.copy_from_slice(&held[..count]),
            }
            (at, rest) = (at + count as u64, behind);
        }
        Ok(())
    }
}

/// The qualified name whose code a record holds: `code/__torch__/a.py` is `__torch__.a`.
fn qualifier(name: &str) -> String {
    let name = name.strip_prefix("code/").unwrap_or(name);
    name.strip_suffix(".py").unwrap_or(name).replace('/', ".")
}

fn inflated(packed: &[u8], size: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![];
    flate2::read::DeflateDecoder::new(packed).take(size).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 == size).then_some(bytes)
}

fn records(zip: &mut ZipArchive<BufReader<File>>) -> Result<Vec<Record>, String> {
    let mut root = None;
    let mut records = vec![];
    for index in 0..zip.len() {
        let entry = zip.by_index_raw(index).map_err(|e| format!("it is damaged ({e})"))?;
        let name = std::str::from_utf8(entry.name_raw()).map_err(|_| "it is damaged")?;
        let stored = entry.compression() == zip::CompressionMethod::Stored;
        let is_known = stored || entry.compression() == zip::CompressionMethod::Deflated;
        if !is_known || entry.encrypted() || stored && entry.size() != entry.compressed_size() {
            return Err(format!("it is damaged: record {} cannot be read", name.escape_debug()));
        }
        let folder = name.split_once('/').map_or("", |(folder, _)| folder).to_owned();
        let inner = name.get(folder.len() + 1..).unwrap_or_default().to_owned();
        if *root.get_or_insert_with(|| folder.clone()) != folder {
            return Err("it is damaged: its records lie in several folders".to_owned());
        }
        records.push(Record {
            name: inner,
            start: entry.header_start(),
            data: entry.data_start(),
            packed: entry.compressed_size(),
            size: entry.size(),
            crc: entry.crc32(),
            stored,
            index,
        });
    }
    Ok(records)
}

/// Refuses names that readers could take for others.
fn refuse_names(records: &[Record]) -> Result<(), String> {
    let mut seen = HashSet::new();
    for Record { name, .. } in records {
        let shown = name.escape_debug();
        let lower = name.to_ascii_lowercase();
        if name.chars().any(char::is_control) || name.len() > 400 {
            return Err(format!("it is damaged: it has a record named '{shown}'"));
        }
        let is_own =
            |name: &str| name == "model.json" || name == "data.pkl" || name == "constants.pkl";
        if lower == "model.json" {
            return Err("it is of a format from before PyTorch 1.0".to_owned());
        }
        let is_code = lower.starts_with("code/") && lower.ends_with(".py");
        if is_own(&lower) && !is_own(name) || is_code && !is_name_of_code(name) {
            return Err(format!("its record '{shown}' is not named as torch.jit.save names it"));
        }
        if !seen.insert(lower) {
            return Err(format!("it is damaged: record '{shown}' stands in it twice"));
        }
    }
    Ok(())
}

/// `code/__torch__.py`, `code/__torch__/a/b.py`.
fn is_name_of_code(name: &str) -> bool {
    let inner = name.strip_prefix("code/").and_then(|name| name.strip_suffix(".py"));
    let mut parts = inner.unwrap_or_default().split('/');
    let is_name = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    parts.next() == Some("__torch__") && parts.all(is_name)
}

fn refuse_sizes(records: &[Record], file: u64) -> Result<(), String> {
    let sum = |is_one: &dyn Fn(&Record) -> bool, size: fn(&Record) -> u64| {
        records.iter().filter(|r| is_one(r)).fold(0_u64, |sum, r| sum.saturating_add(size(r)))
    };
    let code = sum(&Record::is_code, |r| r.size);
    if code > MOST_CODE {
        return Err(format!("its code has {code} bytes, and no more than {MOST_CODE} are read"));
    }
    let pickled = sum(&Record::is_pickle, |r| r.size);
    if pickled > MOST_PICKLED {
        return Err(format!(
            "its pickles have {pickled} bytes, and no more than {MOST_PICKLED} are read"
        ));
    }
    let unpacked = sum(&|record| !record.stored, |r| r.size);
    if unpacked > MOST_UNPACKED.max(file.saturating_mul(MOST_TIMES)) {
        return Err(format!(
            "its compressed records unpack to {unpacked} bytes, from a file of {file}"
        ));
    }
    Ok(())
}

/// Reads what lies outside of large records.
fn kept(file: &File, size: u64, records: &[Record]) -> Result<Vec<Kept>, String> {
    let mut all: Vec<&Record> = records.iter().collect();
    all.sort_by_key(|record| record.start);
    let mut reached = 0;
    let mut gaps = vec![];
    let mut from = 0;
    for record in all {
        if record.start < reached || record.data < record.start || record.end() > size {
            return Err("it is damaged: its records overlap or are cut short".to_owned());
        }
        reached = record.end();
        if record.is_large() {
            gaps.push(from..record.data);
            from = reached;
        }
    }
    gaps.push(from..size);
    if gaps.iter().map(|gap| gap.end - gap.start).sum::<u64>() > MOST_KEPT {
        return Err(format!("more than {MOST_KEPT} bytes of it are not weights"));
    }
    let read = |gap: &std::ops::Range<u64>| {
        let mut bytes = vec![0; (gap.end - gap.start) as usize];
        file.read_exact_at(&mut bytes, gap.start).map_err(|e| e.to_string())?;
        Ok(Kept { start: gap.start, bytes })
    };
    gaps.iter().map(read).collect()
}
