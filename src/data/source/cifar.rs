//! CIFAR-10's binary version: records of a label and 3×32×32 bytes.

use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::open::file_name;
use super::{Form, Sample, Source, SourceKind};
use crate::data::resize::Picture;
use crate::error::{Error, Result};
use crate::files::{self, MOST_BY_HAND};

/// Pixels on a side.
const SIDE: usize = 32;

/// Bytes of one plane.
const PLANE: usize = SIDE * SIDE;

/// Bytes of one record: the label, then the planes.
const RECORD: usize = 1 + 3 * PLANE;

/// The file that names the classes, beside the batches.
const CLASSES: &str = "batches.meta.txt";

/// One or more files of records, one after the other. The labels are read at once (one byte a
/// record), the pictures when they are asked for.
#[derive(Debug)]
pub(super) struct Cifar {
    files: Vec<Records>,
    labels: Vec<usize>,
    classes: Vec<String>,
}

#[derive(Debug)]
struct Records {
    path: PathBuf,
    file: File,
    /// Index of its first record.
    first: usize,
}

impl Cifar {
    /// Whether a file is named as one of CIFAR-10's batches.
    pub fn is_batch(name: &str) -> bool {
        name.ends_with(".bin") && (name.starts_with("data_batch") || name.starts_with("test_batch"))
    }

    /// Opens the training batches or the test batch of a folder.
    pub fn open_folder(root: &Path, names: &[String]) -> Result<Self> {
        let batches: Vec<_> = names.iter().filter(|name| Self::is_batch(name)).collect();
        let tests = batches.iter().filter(|name| name.starts_with("test")).count();
        if tests != 0 && tests != batches.len() {
            let remedy = format!("name one file, as {}/test_batch.bin", root.display());
            return Err(Error::file("open", root, "it holds training and test batches", remedy));
        }
        Self::open(batches.into_iter().map(|name| root.join(name)).collect())
    }

    /// Opens files of records.
    pub fn open(paths: Vec<PathBuf>) -> Result<Self> {
        let classes = paths.first().map(|path| class_names(path)).unwrap_or_default();
        let mut all = Self { files: vec![], labels: vec![], classes };
        for path in paths {
            all.append(path)?;
        }
        Ok(all)
    }

    fn append(&mut self, path: PathBuf) -> Result<()> {
        let file = files::open(&path).map_err(|e| Error::io("open", &path, e))?;
        let length = file.metadata().map_err(|e| Error::io("read", &path, e))?.len();
        if length == 0 || length % RECORD as u64 != 0 {
            let problem = format!("its {length} bytes are no CIFAR-10 records of {RECORD}");
            let remedy = format!("give {} of CIFAR-10's binary version", file_name(&path));
            return Err(Error::file("load", path, problem, remedy));
        }
        let first = self.labels.len();
        let mut reader = BufReader::with_capacity(64 * RECORD, &file);
        let mut record = [0; RECORD];
        for index in 0..length / RECORD as u64 {
            reader.read_exact(&mut record).map_err(|e| Error::io("read", &path, e))?;
            if record[0] > 9 {
                let problem = format!("record {index} has label {}", record[0]);
                return Err(Error::file("load", path, problem, "give CIFAR-10's binary version"));
            }
            self.labels.push(usize::from(record[0]));
        }
        self.files.push(Records { path, file, first });
        Ok(())
    }
}

/// The classes' names, where the file that lists them lies beside the batches.
fn class_names(batch: &Path) -> Vec<String> {
    let text = files::read_text(&batch.with_file_name(CLASSES), MOST_BY_HAND).unwrap_or_default();
    let names = text.lines().map(str::trim).filter(|line| !line.is_empty());
    names.map(str::to_owned).collect()
}

impl Source for Cifar {
    fn kind(&self) -> SourceKind {
        SourceKind::Cifar10
    }

    fn form(&self) -> Form {
        Form::Pixels
    }

    fn len(&self) -> usize {
        self.labels.len()
    }

    fn labels(&self) -> Option<&[usize]> {
        Some(&self.labels)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn read(&self, index: usize, bytes: &mut Vec<u8>) -> Result<()> {
        let at = self.files.partition_point(|records| records.first <= index) - 1;
        let records = &self.files[at];
        bytes.resize(RECORD, 0);
        let offset = (index - records.first) * RECORD;
        let read = records.file.read_exact_at(bytes, offset as u64);
        read.map_err(|e| Error::io("read", &records.path, e))
    }

    fn decode<'a>(
        &'a self,
        _: usize,
        bytes: &'a [u8],
        spare: &'a mut Vec<u8>,
    ) -> Result<Sample<'a>> {
        let (red, rest) = bytes[1..].split_at(PLANE);
        let (green, blue) = rest.split_at(PLANE);
        spare.clear();
        spare.extend(red.iter().zip(green).zip(blue).flat_map(|((&r, &g), &b)| [r, g, b]));
        Ok(Sample::Pixels(Picture { data: spare, height: SIDE, width: SIDE, channels: 3 }))
    }
}
