//! What a shard gathered, and its file.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Shard;
use super::facts::Facts;
use crate::analysis::features::Parts;
use crate::analysis::session::kept::{INDEX, JOURNAL};
use crate::analysis::sets::SetSums;
use crate::capture::HsicBlock;
use crate::capture::part::{Piece, Reading};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::files;
use crate::report::DefaultsInput;
use crate::stats::Blocks;
use crate::view::names::counted;

/// The first line of a file, without the version of its form.
const MAGIC: &str = "repsim-state ";

/// The version of the form.
const VERSION: u32 = 1;

/// Bytes of the checksum at the end.
const CHECKSUM: usize = 32;

/// What to do about a file that is not whole.
const AGAIN: &str = "remove it and run its shard again";

/// What a shard gathered.
///
/// # File
///
/// ```text
/// repsim-state 1⏎            the version of the form
/// {"kind":"cka", …}⏎         a [`Head`] as JSON
/// …                          a [`Body`] as CBOR (RFC 8949); arrays as [lengths of the axes, bytes of float64]
/// 32 bytes                   SHA-256 of all before
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Of which run and shard it is.
    pub head: Head,
    /// What was gathered.
    pub body: Body,
    /// The file that it was read from.
    path: Option<PathBuf>,
}

/// Of which run and shard a state is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// The command: `cka`.
    pub kind: String,
    /// Which shard.
    pub shard: Shard,
    /// Whether all of it was gathered.
    pub done: bool,
    /// The device that it ran on.
    pub device: String,
    /// The arguments of the command line, without those of shards and outputs; empty where there was none.
    pub command: Vec<String>,
    /// The file of defaults that some of them came from.
    #[serde(default)]
    pub defaults: Option<DefaultsInput>,
    /// What all shards of the run have in common.
    pub run: Facts,
}

/// What was gathered; empty for a set of which a shard has no block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// HSIC over batches.
    Hsic(Option<Box<Piece<Blocks<HsicBlock>>>>),
    /// Features of sets of images, in their order.
    Sets(Vec<Option<Piece<SetSums>>>),
    /// Outputs of layers in the files of the folder that the state lies in.
    Features(Option<Box<Piece<Parts>>>),
}

impl Head {
    /// Of a shard of a run; nothing is gathered yet.
    pub fn new(kind: &str, shard: Shard, run: Facts) -> Self {
        let (done, device, command, defaults) = (false, String::new(), vec![], None);
        Self { kind: kind.to_owned(), shard, done, device, command, defaults, run }
    }

    /// In what the run differs from another one, in words.
    pub fn apart(&self, other: &Self) -> Option<String> {
        if self.kind != other.kind {
            return Some(format!("repsim {} here, repsim {} there", self.kind, other.kind));
        }
        if self.shard.count != other.shard.count {
            let (own, others) = (self.shard.count, other.shard.count);
            return Some(format!("{own} shards here, {others} there"));
        }
        self.run.apart(&other.run)
    }
}

impl State {
    /// The file of a state in the folder that a shard of `repsim features` wrote.
    pub const PART: &str = "shard.state";

    /// Of a shard of a run.
    pub fn new(head: Head, body: Body) -> Self {
        Self { head, body, path: None }
    }

    /// What was gathered so far, in words.
    pub fn told(&self) -> String {
        let pieces: Vec<(usize, usize)> = match &self.body {
            Body::Hsic(piece) => piece.as_deref().into_iter().map(told).collect(),
            Body::Sets(sets) => sets.iter().flatten().map(told).collect(),
            Body::Features(part) => part.as_deref().into_iter().map(told).collect(),
        };
        let sum = |of: fn(&(usize, usize)) -> usize| pieces.iter().map(of).sum::<usize>();
        let (blocks, samples) = (sum(|p| p.0), sum(|p| p.1));
        format!("{} in {}", counted(samples, "sample"), counted(blocks, "block"))
    }

    /// The bytes of its file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let failed = |e: &dyn std::fmt::Display| {
            Error::usage(format!("failed to write a state: {e}"), "please report this")
        };
        let mut bytes = format!("{MAGIC}{VERSION}\n").into_bytes();
        serde_json::to_writer(&mut bytes, &self.head).map_err(|e| failed(&e))?;
        bytes.write_all(b"\n").map_err(|e| failed(&e))?;
        ciborium::into_writer(&self.body, &mut bytes).map_err(|e| failed(&e))?;
        let checksum = Sha256::digest(&bytes);
        bytes.extend(checksum);
        Ok(bytes)
    }

    /// Reads the file of a state, or of a folder that of its part.
    ///
    /// # Errors
    /// It cannot be read, is not a state, is one of a newer version, or is damaged.
    pub fn read(path: &Path) -> Result<Self> {
        if path.is_dir() {
            let part = path.join(Self::PART);
            return if part.exists() { Self::read(&part) } else { Err(not_a_part(path)) };
        }
        let mut bytes = vec![];
        let read = files::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
        read.map_err(|e| Error::io("read", path, e))?;
        let state = Self::of_bytes(&bytes);
        let state =
            state.map_err(|(problem, remedy)| Error::file("read", path, problem, remedy))?;
        Ok(Self { path: Some(path.to_owned()), ..state })
    }

    fn of_bytes(bytes: &[u8]) -> Result<Self, (String, &'static str)> {
        let damaged = |why: &str| (format!("it is damaged: {why}"), AGAIN);
        let (first, rest) = line(bytes).unwrap_or_default();
        let version = first.strip_prefix(MAGIC.as_bytes()).ok_or_else(|| {
            ("it is not a state".to_owned(), "give the files that --shard wrote with -o")
        })?;
        match std::str::from_utf8(version).ok().and_then(|text| text.parse::<u32>().ok()) {
            Some(VERSION) => {}
            Some(newer) if newer > VERSION => {
                let problem =
                    format!("it is a state in version {newer}, and this repsim reads {VERSION}");
                return Err((problem, "merge with the repsim that wrote it"));
            }
            _ => return Err(damaged("its version cannot be read")),
        }
        let end = bytes.len().saturating_sub(CHECKSUM);
        if Sha256::digest(&bytes[..end])[..] != bytes[end..] {
            return Err(damaged("its checksum is that of other bytes, as where it was cut short"));
        }
        let (head, body) =
            line(&rest[..rest.len() - CHECKSUM]).ok_or_else(|| damaged("it has no head"))?;
        let head: Head = serde_json::from_slice(head).map_err(|e| damaged(&e.to_string()))?;
        if !head.shard.is_one() {
            return Err(damaged(&format!("there is no shard {}", head.shard)));
        }
        let mut rest = body;
        let body = ciborium::from_reader(&mut rest).map_err(|e| damaged(&e.to_string()))?;
        match rest.len() {
            0 => Ok(Self::new(head, body)),
            more => Err(damaged(&format!("{} behind its end", counted(more, "byte")))),
        }
    }

    /// Takes out what was gathered of HSIC.
    pub(in crate::analysis) fn take_hsic(&mut self) -> Option<Piece<Blocks<HsicBlock>>> {
        match &mut self.body {
            Body::Hsic(piece) => piece.take().map(|piece| *piece),
            Body::Sets(_) | Body::Features(_) => None,
        }
    }

    /// The same, which lies in a file.
    pub(in crate::analysis) fn at(self, path: PathBuf) -> Self {
        Self { path: Some(path), ..self }
    }

    /// The folder of the part of a shard of `repsim features`.
    pub(in crate::analysis) fn folder(&self) -> &Path {
        self.path.as_deref().and_then(Path::parent).unwrap_or(Path::new(""))
    }

    /// Makes sure that the part of a shard of `repsim features` fits together, and is of the data that are there now.
    ///
    /// # Errors
    /// It does not, or is not.
    pub(in crate::analysis) fn check_part(
        &self,
        dataset: &Dataset,
        is_wanted: impl Fn(&Piece<Parts>) -> bool,
    ) -> Result<()> {
        match &self.body {
            Body::Features(None) => Ok(()),
            Body::Features(Some(part)) => {
                let is_sound = part.reading.is_sound() && is_wanted(part);
                self.check_piece(is_sound, &part.reading, Some(dataset))
            }
            Body::Hsic(_) | Body::Sets(_) => self.check_piece(false, &Reading::default(), None),
        }
    }

    /// Makes sure that sums of HSIC fit together, are those that are wanted, and are of the data that are there now.
    ///
    /// # Errors
    /// They are not.
    pub(in crate::analysis) fn check_hsic(
        &self,
        dataset: Option<&Dataset>,
        is_wanted: impl Fn(&Piece<Blocks<HsicBlock>>) -> bool,
    ) -> Result<()> {
        match &self.body {
            Body::Hsic(None) => Ok(()),
            Body::Hsic(Some(piece)) => {
                let is_sound = piece.is_sound(dataset.is_some()) && is_wanted(piece);
                self.check_piece(is_sound, &piece.reading, dataset)
            }
            Body::Sets(_) | Body::Features(_) => self.check_piece(false, &Reading::default(), None),
        }
    }

    /// The same of features of sets, with the number of features of each.
    ///
    /// # Errors
    /// They are not.
    pub(super) fn check_sets(&self, sets: &[(Option<&Dataset>, usize)]) -> Result<()> {
        let found: &[_] = match &self.body {
            Body::Sets(found) => found,
            Body::Hsic(_) | Body::Features(_) => &[],
        };
        self.check_piece(found.len() == sets.len(), &Reading::default(), None)?;
        for (piece, (dataset, width)) in found.iter().zip(sets) {
            let Some(Piece { blocks, reading, sums }) = piece else { continue };
            let read = dataset.map_or_else(|| reading.is_of_rows(), |_| reading.is_sound());
            let is_sound = read && sums.is_of((reading.samples(), *width), blocks);
            self.check_piece(is_sound, reading, *dataset)?;
        }
        Ok(())
    }

    fn check_piece(
        &self,
        is_sound: bool,
        reading: &Reading,
        dataset: Option<&Dataset>,
    ) -> Result<()> {
        if !is_sound {
            let problem = "it is damaged: what it holds does not fit together";
            return Err(Error::file("use", self.name(), problem, AGAIN));
        }
        let Some(dataset) = dataset else { return Ok(()) };
        match reading.changed(dataset)? {
            None => Ok(()),
            Some(name) => {
                let path = dataset.path().display();
                let problem = format!("sample {name} of {path} is another one now than then");
                Err(self.foreign(problem))
            }
        }
    }

    /// The error for a state that is in the way of another, or does not belong to the others.
    pub(in crate::analysis) fn foreign(&self, problem: String) -> Error {
        let remedy = "run all shards with the same command and N, or name another file with -o";
        Error::file("use", self.name(), problem, remedy)
    }

    /// What messages call it.
    pub(in crate::analysis) fn name(&self) -> PathBuf {
        let unread = || PathBuf::from(format!("shard {}", self.head.shard));
        self.path.clone().unwrap_or_else(unread)
    }
}

/// The error for a folder without a state.
fn not_a_part(path: &Path) -> Error {
    let has = |mark: &str| path.join(mark).exists();
    let (problem, remedy) = match () {
        () if has(INDEX) => (
            "it is a folder of features that is whole, and none of a shard",
            "give the folders that repsim features --shard wrote",
        ),
        () if has(JOURNAL) => (
            "its shard was stopped before its end",
            "run the shard again: it goes on where it stopped",
        ),
        () => {
            ("it is a folder, and none of a shard", "give the files or folders that --shard wrote")
        }
    };
    Error::file("read", path, problem, remedy)
}

/// Blocks and samples of a piece.
fn told<T>(piece: &Piece<T>) -> (usize, usize) {
    (piece.blocks.len(), piece.reading.samples())
}

/// The first line without its end, and what follows.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// The states of all shards of one run, in the order of the shards.
///
/// # Errors
/// One is missing or there twice, of another run, or of a shard that was stopped.
pub fn ordered(mut states: Vec<State>) -> Result<Vec<State>> {
    let Some(first) = states.first().cloned() else {
        return Err(Error::usage("no state was given", "give the file of each shard"));
    };
    for state in &states {
        if let Some(apart) = state.head.apart(&first.head) {
            let problem = format!("it is of another run than {}: {apart}", first.name().display());
            return Err(state.foreign(problem));
        }
        if !state.head.done {
            let problem = format!("shard {} was stopped before its end", state.head.shard);
            return Err(Error::file("merge", state.name(), problem, "run it again with --resume"));
        }
    }
    states.sort_by_key(|state| state.head.shard.index);
    let twice = states.windows(2).find(|two| two[0].head.shard == two[1].head.shard);
    if let Some([one, other]) = twice {
        let problem =
            format!("{} is of the same shard, {}", other.name().display(), one.head.shard);
        return Err(Error::file("merge", one.name(), problem, "give each shard once"));
    }
    let count = first.head.shard.count;
    let missing: Vec<String> = (0..count)
        .filter(|index| states.binary_search_by_key(index, |s| s.head.shard.index).is_err())
        .map(|index| index.to_string())
        .collect();
    if missing.is_empty() {
        return Ok(states);
    }
    let (few, more) = missing.split_at(missing.len().min(10));
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    let problem = format!("of {count} shards these are missing: {}{more}", few.join(", "));
    Err(Error::usage(problem, "run them, or give their files too"))
}
