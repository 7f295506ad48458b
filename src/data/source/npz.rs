//! NumPy's `.npz`: a zip archive of `.npy` files.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zip::read::ZipArchive;
use zip::result::ZipError;
use zip::{CompressionMethod, read::ZipFile};

use super::arrays::Arrays;
use super::npy::Header;
use super::stored::{Place, Stored};
use crate::error::{Error, Result};

/// An open archive.
///
/// Elements that were not compressed (`numpy.savez`) stay in the file and are read by rows;
/// compressed ones are unpacked into memory when their array is asked for.
pub(super) struct Npz {
    path: PathBuf,
    file: Arc<File>,
    archive: ZipArchive<BufReader<File>>,
    names: Vec<String>,
}

impl Npz {
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        let again = file.try_clone().map_err(|e| Error::io("open", path, e))?;
        let archive = ZipArchive::new(BufReader::new(again)).map_err(|e| damaged(path, &e))?;
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
}

impl Arrays for Npz {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn array(&mut self, name: &str) -> Result<Stored> {
        let entry = self.archive.by_name(&format!("{name}.npy"));
        let mut entry = entry.map_err(|e| damaged(&self.path, &e))?;
        let start = entry.data_start();
        if entry.compression() == CompressionMethod::Stored {
            let header = Header::read(&mut entry, &self.path, name)?;
            let place = Place::File(Arc::clone(&self.file), start + header.length as u64);
            return header.stored(&self.path, name, place);
        }
        let bytes = unpack(&mut entry).map_err(|e| damaged(&self.path, &e.into()))?;
        let header = Header::read(&mut bytes.as_slice(), &self.path, name)?;
        let place = Place::Memory(Arc::new(bytes), header.length);
        header.stored(&self.path, name, place)
    }
}

fn unpack(entry: &mut ZipFile<'_, BufReader<File>>) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![];
    entry.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn damaged(path: &Path, error: &ZipError) -> Error {
    let problem = format!("it is no .npz archive, or damaged ({error})");
    Error::file("load", path, problem, "write it again with numpy.savez")
}
