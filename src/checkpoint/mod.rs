//! Checkpoints: named tensors in files, found without running code and read one at a time.
//!
//! ```text
//! .safetensors, index + shards ──┐
//! torch.save: zip, chain of pickles ─► state dicts (name → type, shape, place) ─► fit ─► elements
//! ```
//!
//! The kind of a file is detected from its content. Of a pickle only tensors, containers, numbers and
//! texts are built; whatever else it holds (an optimiser's state, options of a script) is passed over.

mod dicts;
mod dtype;
mod fit;
mod legacy;
mod pickle;
mod safetensors;
mod sharded;
mod source;
mod zipped;

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

pub use dtype::Dtype;
pub use fit::{Fit, Rename, Slot, Wanted, listed};

use self::dicts::{Holdings, holdings};
use self::pickle::Arena;
use self::source::{Flaw, Place, Source};
use self::zipped::Zipped;
use crate::error::{Error, Result};
use crate::files::{self, Section};

/// What is asked for where a file is something else.
const WANTED: &str = "give a .safetensors file, its index or folder, or what torch.save(model.state_dict(), \
                      FILE) writes";

/// In which form a checkpoint is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A zip archive of `torch.save`.
    Zip,
    /// A chain of pickles, as `torch.save` wrote before PyTorch 1.6.
    Legacy,
    /// A safetensors file.
    Safetensors,
    /// Several files with an index.
    Sharded,
}

impl Format {
    /// A stable name: `torch-zip`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zip => "torch-zip",
            Self::Legacy => "torch-legacy",
            Self::Safetensors => "safetensors",
            Self::Sharded => "sharded",
        }
    }
}

/// A tensor whose elements are still where they were stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// What its elements are.
    pub dtype: Dtype,
    /// The length of each axis.
    pub shape: Vec<i64>,
    /// Elements from one to the next along each axis; never negative.
    pub strides: Vec<i64>,
    /// Elements from the first to behind the last: what [`Checkpoint::read`] gives.
    pub extent: u64,
    place: Place,
}

/// A dictionary of named tensors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateDict {
    /// Where it stands in the checkpoint, as a dotted path; empty for the top.
    pub key: String,
    /// The tensors by name, in the order of the file.
    pub tensors: Vec<(String, Stored)>,
    /// What else has a name in it, and what that is: `a torch._utils._rebuild_qtensor`.
    pub others: Vec<(String, String)>,
}

impl Stored {
    /// Where its elements begin: tensors of one place are one tensor, or views of one.
    pub fn begins(&self) -> (usize, usize, u64) {
        (self.place.source, self.place.record, self.place.start)
    }
}

impl StateDict {
    /// Its key as the command line takes it: `.` for the top.
    pub fn shown_key(&self) -> &str {
        if self.key.is_empty() { "." } else { &self.key }
    }
}

/// An open checkpoint.
pub struct Checkpoint {
    path: PathBuf,
    format: Format,
    files: Vec<PathBuf>,
    sources: Vec<Source>,
    dicts: Vec<StateDict>,
    classes: Vec<(String, String)>,
}

impl Checkpoint {
    /// Opens a file, an index or a folder, and reads where which tensor lies.
    ///
    /// # Errors
    /// It is not there, no checkpoint (and what it is), damaged, or holds no tensors outside of classes that
    /// would have to be imported.
    pub fn open(path: &Path) -> Result<Self> {
        let meta = std::fs::metadata(path).map_err(|e| Error::io("open", path, e))?;
        if meta.is_dir() {
            let inner = sharded::in_folder(path).map_err(|flaw| error(path, flaw))?;
            return Self::open(&inner).map(|found| Self { path: path.to_owned(), ..found });
        }
        let first = first_bytes(path)?;
        if sharded::is_index(path, &first) {
            return sharded::open(path);
        }
        let mut found = Self::new(path, Format::Safetensors);
        open_file(path, &mut found)?;
        match found.dicts.is_empty() {
            true => Err(error(path, found.without_tensors())),
            false => Ok(found),
        }
    }

    /// Opens what `torch.save` wrote as it stands within another file; it may hold no tensors.
    ///
    /// # Errors
    /// It is damaged, or no archive of `torch.save`.
    pub fn within(path: &Path, range: Range<u64>) -> Result<Self> {
        let file = files::open(path).map_err(|e| Error::io("open", path, e))?;
        let mut found = Self::new(path, Format::Zip);
        let taken = take_archive(Section::new(file, range), &mut found);
        taken.map(|()| found).map_err(|flaw| error(path, flaw))
    }

    fn new(path: &Path, format: Format) -> Self {
        let path = path.to_owned();
        let (sources, dicts, classes) = (vec![], vec![], vec![]);
        Self { files: vec![path.clone()], path, format, sources, dicts, classes }
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it is stored.
    pub fn format(&self) -> Format {
        self.format
    }

    /// All its files, an index first.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The dictionaries of tensors in it, those nearer to the top first; there is one at least.
    pub fn dicts(&self) -> &[StateDict] {
        &self.dicts
    }

    /// Reads the elements that a tensor spans, from its first to its last.
    ///
    /// # Errors
    /// They cannot be read, or are not those that were written.
    pub fn read(&mut self, tensor: &Stored) -> Result<Vec<u8>> {
        let length = tensor.extent.checked_mul(tensor.dtype.size());
        let length = length.and_then(|n| usize::try_from(n).ok());
        let read = length
            .ok_or("a tensor is too large".to_owned())
            .and_then(|length| self.sources[tensor.place.source].read(tensor.place, length));
        read.map_err(|problem| error(&self.path, Flaw::from(problem)))
    }

    fn without_tensors(&self) -> Flaw {
        let Some((key, class)) = self.classes.first() else {
            return Flaw::new("it holds no tensors under a name", WANTED);
        };
        let place = if key.is_empty() { String::new() } else { format!(" at '{key}'") };
        Flaw::new(
            format!(
                "it holds no state dict but a pickled {class}{place}, which cannot be made here"
            ),
            "in Python, where that class can be imported, save its weights alone: \
             torch.save(torch.load(FILE, weights_only=False).state_dict(), NEW)",
        )
    }
}

/// Opens one file into `found`, whose sources are kept.
fn open_file(path: &Path, found: &mut Checkpoint) -> Result<()> {
    let first = first_bytes(path)?;
    let file = files::open(path).map_err(|e| Error::io("open", path, e))?;
    take_in(file, &first, found).map_err(|flaw| error(path, flaw))
}

fn take_in(file: File, first: &[u8], found: &mut Checkpoint) -> Result<(), Flaw> {
    let source = found.sources.len();
    let mut arena = Arena::default();
    let (source, Holdings { dicts, classes }) = match first {
        _ if first.starts_with(b"PK\x03\x04") => {
            let whole = Section::whole(file).map_err(|e| e.to_string())?;
            return take_archive(whole, found);
        }
        _ if safetensors::is_one(first) => {
            let dicts = vec![safetensors::read(&file, source)?];
            (Source::Plain(file), Holdings { dicts, ..Holdings::default() })
        }
        _ => {
            refuse_others(first)?;
            found.format = Format::Legacy;
            let (root, storages) = legacy::read(&file, &mut arena)?;
            let held = holdings(&arena, root, &|view| storages.place(source, view));
            (Source::Plain(file), held)
        }
    };
    found.sources.push(source);
    found.dicts = dicts;
    found.classes = classes;
    Ok(())
}

fn take_archive(file: Section, found: &mut Checkpoint) -> Result<(), Flaw> {
    let source = found.sources.len();
    let mut arena = Arena::default();
    let mut archive = Zipped::open(file)?;
    let root = archive.pickle(&mut arena)?;
    let held = holdings(&arena, root, &|view| archive.place(source, view));
    found.format = Format::Zip;
    found.sources.push(Source::Zip(Box::new(archive)));
    found.dicts = held.dicts;
    found.classes = held.classes;
    Ok(())
}

/// Says what some files are that are not checkpoints.
fn refuse_others(first: &[u8]) -> Result<(), Flaw> {
    let at = |from: usize, what: &[u8]| first.get(from..from + what.len()) == Some(what);
    let (problem, remedy) = match first {
        [] => ("it is empty", WANTED),
        _ if at(257, b"ustar") => (
            "it is a tar archive, as torch.save wrote before PyTorch 0.1.10",
            "load and save it once in Python: torch.save(torch.load(FILE), NEW)",
        ),
        _ if at(0, b"version https://git-lfs") => {
            ("it is a pointer of Git LFS, and not the file itself", "fetch the file: git lfs pull")
        }
        _ if at(0, b"\x89HDF") => ("it is an HDF5 file, as Keras saves", WANTED),
        _ if at(0, b"GGUF") => ("it is a GGUF file", WANTED),
        _ if at(0, b"\x93NUMPY") => ("it is a NumPy array", WANTED),
        _ if at(0, b"\x1f\x8b") => ("it is compressed by gzip", "unpack it"),
        _ => return Ok(()),
    };
    Err(Flaw::new(problem, remedy))
}

fn first_bytes(path: &Path) -> Result<Vec<u8>> {
    let mut first = vec![];
    let file = files::open(path).map_err(|e| Error::io("open", path, e))?;
    file.take(512).read_to_end(&mut first).map_err(|e| Error::io("read", path, e))?;
    Ok(first)
}

fn big_endian() -> Flaw {
    Flaw::new(
        "its numbers are stored with the most significant byte first",
        "load and save it once in Python: torch.save(torch.load(FILE), NEW)",
    )
}

/// An error of a checkpoint.
fn error(path: &Path, flaw: Flaw) -> Error {
    Error::file("take weights from", path, flaw.problem, flaw.remedy)
}
