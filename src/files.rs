//! Inputs are opened here: what is not a file is named for what it is, and memory is requested before it
//! is taken.

use std::collections::BTreeMap;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{BufReader, Error as IoError, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};

/// The most bytes of a report, a file of texts or a tokenizer.
pub const MOST_TEXT: u64 = 1 << 28;

/// The most bytes of what is written by hand: a policy, steps, a list of names.
pub const MOST_BY_HAND: u64 = 1 << 24;

/// What a path names that is neither a file nor a folder; `None` for those.
fn other_than_file(meta: &Metadata) -> Option<&'static str> {
    let kind = meta.file_type();
    match () {
        () if kind.is_fifo() => Some("a named pipe (FIFO)"),
        () if kind.is_socket() => Some("a socket"),
        () if kind.is_char_device() => Some("a device"),
        () if kind.is_block_device() => Some("a block device"),
        () => None,
    }
}

/// Why a path cannot be read as a file: a pipe, which would be waited for without end, or a folder.
///
/// # Errors
/// As an error of the operating system, for those who have none of their own.
pub fn check(path: &Path) -> std::io::Result<()> {
    let meta = std::fs::metadata(path)?;
    let kind = match other_than_file(&meta) {
        None if meta.is_dir() => "a folder",
        None => return Ok(()),
        Some(_) if is_handed(path) => "a pipe of the shell, which gives its bytes only once",
        Some(kind) => kind,
    };
    Err(IoError::new(ErrorKind::InvalidInput, format!("it is {kind}; give the path of a file")))
}

/// Whether a link in a folder of data leads to too much to be data: a folder that the data lie in, or the user's
/// home or one around it. All paths are without links.
pub fn is_too_wide(folder: &Path, target: &Path) -> bool {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let home = home.and_then(|home| home.canonicalize().ok());
    let is_around = folder != target && folder.starts_with(target);
    is_around || home.is_some_and(|home| home.starts_with(target))
}

/// What tells a file from another, and from what it was before it was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    number: u64,
    size: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Stamp {
    /// That of the file a path leads to; `None` where there is no file.
    pub fn of(path: &Path) -> Option<Self> {
        let meta = std::fs::metadata(path).ok().filter(Metadata::is_file)?;
        Some(Self {
            device: meta.dev(),
            number: meta.ino(),
            size: meta.len(),
            seconds: meta.mtime(),
            nanoseconds: meta.mtime_nsec(),
        })
    }
}

/// Opens a file for reading, and nothing else.
///
/// # Errors
/// It is not there, cannot be read, or is a folder, a pipe, a socket or a device.
pub fn open(path: &Path) -> std::io::Result<File> {
    check(path)?;
    // What became a pipe in between is not waited for.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    match other_than_file(&file.metadata()?) {
        None => Ok(file),
        Some(kind) => Err(IoError::new(
            ErrorKind::InvalidInput,
            format!("it is {kind}; give the path of a file"),
        )),
    }
}

/// Whether the shell handed a path over: `/dev/stdin`, `<(command)`.
fn is_handed(path: &Path) -> bool {
    ["/dev/stdin", "/dev/fd", "/proc/self/fd"].iter().any(|start| path.starts_with(start))
}

/// What was read of pipes that the shell handed over: they give their bytes once.
static HANDED: Mutex<BTreeMap<PathBuf, Vec<u8>>> = Mutex::new(BTreeMap::new());

/// The bytes of a text, and one more where it has more than that: of a file, or of a pipe that the shell handed
/// over.
fn text_bytes(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    let read = |file: File| {
        let mut bytes = vec![];
        file.take(most + 1).read_to_end(&mut bytes).map(|_| bytes)
    };
    if !is_handed(path) {
        return open(path).and_then(read);
    }
    let mut handed = HANDED.lock().unwrap_or_else(PoisonError::into_inner);
    match handed.get(path) {
        Some(bytes) => Ok(bytes.clone()),
        None => {
            let bytes = File::open(path).and_then(read)?;
            handed.insert(path.to_owned(), bytes.clone());
            Ok(bytes)
        }
    }
}

/// The bytes of a file of text.
///
/// # Errors
/// It cannot be opened or read, or has more bytes than that.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let failed = |e| Error::io("read", path, e);
    let bytes = text_bytes(path, most).map_err(failed)?;
    match bytes.len() as u64 > most {
        true => {
            let problem = format!("it has more than {} MiB", most >> 20);
            Err(Error::file("read", path, problem, "is it the file that was meant?"))
        }
        false => Ok(bytes),
    }
}

/// The text of a file.
///
/// # Errors
/// As [`read`]; it is not UTF-8.
pub fn read_text(path: &Path, most: u64) -> Result<String> {
    String::from_utf8(read(path, most)?)
        .map_err(|_| Error::file("read", path, "it is not text", "give a file of text in UTF-8"))
}

/// So many bytes, all zero, to be read from a file that announces them.
///
/// # Errors
/// They do not fit into the memory that is free.
pub fn room(bytes: usize) -> Result<Vec<u8>, String> {
    let mut room = reserved(bytes)?;
    room.resize(bytes, 0);
    Ok(room)
}

/// Room for so many items that a file announces, not touched yet.
///
/// # Errors
/// They do not fit into the memory that is free.
pub fn reserved<T>(count: usize) -> Result<Vec<T>, String> {
    let bytes = (count as u64).saturating_mul(size_of::<T>() as u64);
    check_room(bytes)?;
    let mut room = vec![];
    room.try_reserve_exact(count).map_err(|_| no_room(bytes))?;
    Ok(room)
}

/// The most bytes that a packed byte unpacks to: deflate's own limit is 1032.
const MOST_PACKED: u64 = 1040;

/// The most bytes that a packed byte of much data unpacks to, and from how many bytes on it is much.
const MOST_PACKED_OF_MUCH: u64 = 200;
const MUCH: u64 = 1 << 28;

/// Refuses an announcement of more bytes than so many packed ones can hold, or data would ever be packed
/// into.
///
/// # Errors
/// It is one.
pub fn check_packed(packed: u64, announced: u64) -> Result<(), String> {
    let most = if announced > MUCH { MOST_PACKED_OF_MUCH } else { MOST_PACKED };
    match announced > packed.saturating_mul(most) {
        false => Ok(()),
        true => Err(format!(
            "announces {} and has {} of packed bytes, which no data are packed into",
            size(announced),
            size(packed)
        )),
    }
}

/// Whether a name stands in a zip archive twice: which of the two counts would depend on the reader.
///
/// # Errors
/// It cannot be read.
pub fn stands_twice<R>(
    source: impl Read + Seek,
    archive: &zip::ZipArchive<R>,
) -> std::io::Result<bool>
where
    R: Read + Seek,
{
    let mut reader = BufReader::new(source);
    reader.seek(SeekFrom::Start(archive.central_directory_start()))?;
    let (mut head, mut count) = ([0; 46], 0);
    while reader.read_exact(&mut head).is_ok() && head.starts_with(b"PK\x01\x02") {
        let length = |at: usize| i64::from(u16::from_le_bytes([head[at], head[at + 1]]));
        reader.seek_relative(length(28) + length(30) + length(32))?;
        count += 1;
    }
    Ok(count > archive.len())
}

/// A part of a file that is read as if it were one.
#[derive(Debug)]
pub struct Section {
    file: File,
    range: Range<u64>,
    at: u64,
}

impl Section {
    /// The bytes of a file in a range.
    pub fn new(file: File, range: Range<u64>) -> Self {
        Self { file, range, at: 0 }
    }

    /// All of a file.
    ///
    /// # Errors
    /// Its length cannot be read.
    pub fn whole(file: File) -> std::io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self::new(file, 0..length))
    }

    /// The same bytes again, from the first on.
    ///
    /// # Errors
    /// There is no further handle of the file.
    pub fn again(&self) -> std::io::Result<Self> {
        Ok(Self::new(self.file.try_clone()?, self.range.clone()))
    }

    fn length(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// Fills `bytes` from a place on.
    ///
    /// # Errors
    /// They are not there, or cannot be read.
    pub fn read_exact_at(&self, bytes: &mut [u8], at: u64) -> std::io::Result<()> {
        let end = at.checked_add(bytes.len() as u64);
        match end.is_some_and(|end| end <= self.length()) {
            true => self.file.read_exact_at(bytes, self.range.start + at),
            false => Err(ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Read for Section {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let left = self.length().saturating_sub(self.at);
        let count = left.min(bytes.len() as u64) as usize;
        let read = self.file.read_at(&mut bytes[..count], self.range.start + self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Section {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let place = match to {
            SeekFrom::Start(at) => i128::from(at),
            SeekFrom::End(by) => i128::from(self.length()) + i128::from(by),
            SeekFrom::Current(by) => i128::from(self.at) + i128::from(by),
        };
        self.at = u64::try_from(place).map_err(|_| IoError::from(ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

/// Reads what a file announces, and no more; whether it ends there.
///
/// # Errors
/// It is longer than the memory that is free, or cannot be read; fewer bytes are
/// [`ErrorKind::UnexpectedEof`].
pub fn read_announced(reader: &mut dyn Read, bytes: usize) -> std::io::Result<(Vec<u8>, bool)> {
    let mut room = reserved(bytes).map_err(|said| IoError::new(ErrorKind::OutOfMemory, said))?;
    reader.take(bytes as u64).read_to_end(&mut room)?;
    match room.len() == bytes {
        true => Ok((room, reader.read(&mut [0])? == 0)),
        false => Err(ErrorKind::UnexpectedEof.into()),
    }
}

/// Refuses what a file announces where it does not fit into the memory that is free.
///
/// # Errors
/// How much it is, and how much is free.
pub fn check_room(bytes: u64) -> Result<(), String> {
    match free_memory() {
        Some(free) if bytes > free => {
            Err(format!("{}, and {} are free", no_room(bytes), size(free)))
        }
        _ => Ok(()),
    }
}

fn no_room(bytes: u64) -> String {
    format!("takes {} of memory", size(bytes))
}

/// The part of this machine's memory below which it counts as used up.
const LEAST_FREE: u64 = 50;

/// Whether almost no memory of this machine is free, where that is known.
pub fn is_memory_used_up() -> bool {
    let whole = memory("MemTotal:");
    free_memory().zip(whole).is_some_and(|(free, whole)| free < whole / LEAST_FREE)
}

/// The memory that is free on this machine, where that is known.
fn free_memory() -> Option<u64> {
    memory("MemAvailable:")
}

/// Bytes of memory that the system tells in a line.
fn memory(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Bytes as people write them.
fn size(bytes: u64) -> String {
    match bytes {
        0..0x10_0000 => format!("{} KiB", bytes.div_ceil(1024)),
        0x10_0000..0x4000_0000 => format!("{} MiB", bytes >> 20),
        _ => format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_told() {
        let said = |path: &str| open(path.as_ref()).err().map(|e| e.to_string());
        assert_eq!(said("/dev/zero"), Some("it is a device; give the path of a file".to_owned()));
        assert_eq!(said("/dev"), Some("it is a folder; give the path of a file".to_owned()));
        assert!(said("/dev/nothing-of-the-kind").is_some());
    }

    #[test]
    fn a_file_that_is_written_to_is_another() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a");
        assert_eq!(Stamp::of(&path), None);
        std::fs::write(&path, "one")?;
        let before = Stamp::of(&path);
        assert!(before.is_some() && before == Stamp::of(&path));
        std::fs::write(folder.path().join("b"), "two")?;
        std::fs::rename(folder.path().join("b"), &path)?;
        assert_ne!(before, Stamp::of(&path));
        Ok(())
    }

    #[test]
    fn room_is_asked_for() {
        assert_eq!(room(3), Ok(vec![0; 3]));
        assert!(room(usize::MAX / 2).is_err_and(|said| said.contains("GiB of memory")));
    }
}
