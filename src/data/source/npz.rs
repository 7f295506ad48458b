//! NumPy's `.npz`: a zip archive of `.npy` files.

use std::fs::File;
use std::io::{BufReader, Cursor, ErrorKind, Read, Seek, Write, copy, sink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zip::read::ZipArchive;
use zip::result::{ZipError, ZipResult};
use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, DateTime, read::ZipFile};

use super::arrays::{Arrays, Head};
use super::npy::{Header, string};
use super::stored::{Place, Stored, called};
use crate::error::{Error, Result};
use crate::files;

/// The most bytes a string may have as stored.
const LONGEST: u64 = 1 << 26;

/// Bytes that are held against a checksum at a time.
const CHUNK: usize = 1 << 18;

/// An open archive.
///
/// Elements that were not compressed (`numpy.savez`) stay in the file and are read by rows;
/// compressed ones are unpacked into memory when their array is asked for.
pub(in crate::data) struct Npz {
    path: PathBuf,
    file: Arc<File>,
    archive: ZipArchive<BufReader<File>>,
    names: Vec<String>,
}

impl Npz {
    pub fn open(path: &Path) -> Result<Self> {
        let file = files::open(path).map_err(|e| Error::io("open", path, e))?;
        let again = file.try_clone().map_err(|e| Error::io("open", path, e))?;
        let archive = ZipArchive::new(BufReader::new(again)).map_err(|e| damaged(path, &e))?;
        if files::stands_twice(&file, &archive).map_err(|e| Error::io("read", path, e))? {
            let problem = "an array stands in it twice";
            return Err(Error::file("load", path, problem, "write it again with numpy.savez"));
        }
        let names: Vec<_> = archive
            .file_names()
            .filter_map(|n| n.strip_suffix(".npy"))
            .map(str::to_owned)
            .collect();
        if names.is_empty() {
            return Err(Error::file(
                "load",
                path,
                "it holds no arrays",
                "write it with numpy.savez",
            ));
        }
        Ok(Self { path: path.to_owned(), file: Arc::new(file), archive, names })
    }

    /// Reads an array that is one string; `None` where it is anything else.
    pub fn string(&mut self, name: &str) -> Result<Option<String>> {
        let mut bytes = vec![];
        let read = self.entry(name)?.take(LONGEST).read_to_end(&mut bytes);
        read.map_err(|e| damaged_array(&self.path, name, &e))?;
        Ok(string(&bytes))
    }

    fn entry(&mut self, name: &str) -> Result<ZipFile<'_, BufReader<File>>> {
        let entry = self.archive.by_name(&format!("{name}.npy"));
        entry.map_err(|e| damaged(&self.path, &e))
    }

    /// The header of an array and where its elements are; all of it is held against its checksum.
    fn find(&mut self, name: &str) -> Result<(Header, Place)> {
        let (path, file) = (self.path.clone(), Arc::clone(&self.file));
        let mut entry = self.entry(name)?;
        let start = entry.data_start();
        if entry.compression() == CompressionMethod::Stored {
            let header = Header::read(&mut entry, &path, name)?;
            let size = entry.size().saturating_sub(header.length as u64);
            let mut rest = BufReader::with_capacity(CHUNK, entry);
            copy(&mut rest, &mut sink()).map_err(|e| damaged_array(&path, name, &e))?;
            let place = Place::File(file, start + header.length as u64, size);
            return Ok((header, place));
        }
        let header = Header::read(&mut entry, &path, name)?;
        // What cannot be read is refused without a look at it.
        let Some(announced) = header.bytes() else {
            return Ok((header, Place::Memory(Arc::default(), 0)));
        };
        files::check_packed(entry.compressed_size(), announced as u64).map_err(|said| {
            let remedy = "save it again with numpy.savez, not compressed";
            Error::file("load", &path, format!("{} {said}", called(name)), remedy)
        })?;
        let read = files::read_announced(&mut entry, announced);
        let bytes = match read.map_err(|e| damaged_array(&path, name, &e))? {
            (bytes, true) => bytes,
            (_, false) => {
                let problem = format!("{} is longer than its shape says", called(name));
                return Err(Error::file("load", path, problem, "write it again with numpy.savez"));
            }
        };
        Ok((header, Place::Memory(Arc::new(bytes), 0)))
    }
}

impl Arrays for Npz {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn head(&mut self, name: &str) -> Result<Head> {
        let path = self.path.clone();
        Ok(Header::read(&mut self.entry(name)?, &path, name)?.head())
    }

    fn array(&mut self, name: &str) -> Result<Stored> {
        let (header, place) = self.find(name)?;
        header.stored(&self.path, name, place)
    }
}

/// An archive of named `.npy` files, not compressed; equal files give equal bytes.
pub(in crate::data) fn pack(files: &[(&str, Vec<u8>)]) -> ZipResult<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(vec![]));
    for (name, file) in files {
        begin(&mut archive, name, file.len() as u64)?;
        archive.write_all(file)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// Begins a `.npy` file of so many bytes, which is not compressed and has no date.
pub(super) fn begin(
    archive: &mut ZipWriter<impl Write + Seek>,
    name: &str,
    size: u64,
) -> ZipResult<()> {
    let plain = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default());
    archive.start_file(format!("{name}.npy"), plain.large_file(u32::try_from(size).is_err()))
}

/// The error for an array whose bytes are not those that were written, or too many.
fn damaged_array(path: &Path, name: &str, error: &std::io::Error) -> Error {
    if error.kind() == ErrorKind::OutOfMemory {
        let problem = format!("{} {error}", called(name));
        return Error::file("load", path, problem, "give a smaller array");
    }
    let problem = format!("{} is damaged ({error})", called(name));
    Error::file("load", path, problem, "copy the file again, or write it again with numpy.savez")
}

fn damaged(path: &Path, error: &ZipError) -> Error {
    let problem = format!("it is not an .npz archive, or damaged ({error})");
    Error::file("load", path, problem, "write it again with numpy.savez")
}
