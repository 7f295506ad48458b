//! MNIST's idx files: big-endian lengths, then bytes; `.gz` or not.
//!
//! Source: Y. LeCun, "The MNIST database", the section on file formats.

use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::GzDecoder;

use super::open::file_name;
use super::{Form, Sample, Source, SourceKind};
use crate::data::resize::Picture;
use crate::error::{Error, Result};
use crate::files;

/// What to do about a file that is not an idx file.
const REMEDY: &str = "download the file again";

/// Pictures of one channel and, where the file lies beside them, their labels. Both are in memory.
#[derive(Debug)]
pub(super) struct Idx {
    pixels: Vec<u8>,
    size: (usize, usize),
    labels: Option<Vec<usize>>,
}

/// Whether a file is named as an idx file of bytes.
pub(super) fn is_idx(name: &str) -> bool {
    name.strip_suffix(".gz").unwrap_or(name).ends_with("-ubyte")
}

/// Opens the one file of images in a folder.
pub(super) fn open_folder(root: &Path, names: &[String]) -> Result<Arc<dyn Source>> {
    let images: Vec<_> =
        names.iter().filter(|name| is_idx(name) && name.contains("images")).collect();
    match images.as_slice() {
        [name] => open(&root.join(name)),
        [] => {
            let problem = "it holds idx files but none of images";
            Err(Error::file("open", root, problem, "add the *-images-idx3-ubyte file"))
        }
        [first, ..] => {
            let all: Vec<_> = images.iter().map(|name| name.as_str()).collect();
            let problem = format!("it holds several files of images ({})", all.join(", "));
            let remedy = format!("name the one to use, as {}", root.join(first).display());
            Err(Error::file("open", root, problem, remedy))
        }
    }
}

/// Opens a file of images, and the labels beside it.
pub(super) fn open(path: &Path) -> Result<Arc<dyn Source>> {
    if file_name(path).contains("labels") {
        let remedy = "give the *-images-idx3-ubyte file beside it";
        return Err(Error::file("open", path, "it holds labels, not images", remedy));
    }
    let (lengths, pixels) = load(path)?;
    let &[count, height, width] = lengths.as_slice() else {
        let problem = format!("it has {} axes where images have 3", lengths.len());
        return Err(Error::file("load", path, problem, "give a *-images-idx3-ubyte file"));
    };
    let labels = labels_path(path).map(|found| labels(&found, path, count)).transpose()?;
    Ok(Arc::new(Idx { pixels, size: (height, width), labels }))
}

/// The file of labels that belongs to a file of images, packed or not.
fn labels_path(images: &Path) -> Option<PathBuf> {
    let name = file_name(images).replace("images", "labels").replace("idx3", "idx1");
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    let packed = format!("{plain}.gz");
    let both = [&name, plain, &packed].map(|name| images.with_file_name(name));
    both.into_iter().find(|path| path != images && path.is_file())
}

fn labels(path: &Path, images: &Path, count: usize) -> Result<Vec<usize>> {
    let (lengths, bytes) = load(path)?;
    if lengths != [count] {
        return Err(Error::shape(
            "load labels",
            (images.display(), &[count]),
            (path.display(), &lengths),
            "give files that belong together",
        ));
    }
    Ok(bytes.into_iter().map(usize::from).collect())
}

/// The lengths of the axes and the bytes of an idx file.
fn load(path: &Path) -> Result<(Vec<usize>, Vec<u8>)> {
    let file = files::open(path).map_err(|e| Error::io("open", path, e))?;
    let length = file.metadata().map_err(|e| Error::io("read", path, e))?.len();
    let file = BufReader::new(file);
    let elements = match path.extension().is_some_and(|e| e == "gz") {
        true => elements(&mut GzDecoder::new(file), &|bytes| files::check_packed(length, bytes)),
        false => elements(&mut { file }, &|bytes| match bytes <= length {
            true => Ok(()),
            false => Err(format!("announces {bytes} bytes and has {length}")),
        }),
    };
    elements.map_err(|problem| Error::file("load", path, problem, REMEDY))
}

/// The lengths of the axes and the elements behind them, where their bytes can be as many. No more is
/// read than the header announces.
fn elements(
    file: &mut dyn Read,
    check: &dyn Fn(u64) -> Result<(), String>,
) -> Result<(Vec<usize>, Vec<u8>), String> {
    let damaged = |e: std::io::Error| match e.kind() {
        ErrorKind::UnexpectedEof => "it is cut short".to_owned(),
        ErrorKind::OutOfMemory => format!("what it announces {e}"),
        _ => format!("it is damaged ({e})"),
    };
    let mut head = [0; 4];
    file.read_exact(&mut head).map_err(damaged)?;
    let [0, 0, kind, rank] = head else { return Err("it is not an idx file".to_owned()) };
    if kind != 8 {
        return Err("its elements are not bytes".to_owned());
    }
    let mut head = vec![0; 4 * usize::from(rank)];
    file.read_exact(&mut head).map_err(damaged)?;
    let lengths: Vec<_> =
        head.as_chunks().0.iter().map(|&v| u32::from_be_bytes(v) as usize).collect();
    let total = lengths.iter().try_fold(1_usize, |n, &length| n.checked_mul(length));
    let unfit = || format!("its length does not fit its shape {lengths:?}");
    let total = total.ok_or_else(unfit)?;
    check(total as u64).map_err(|said| format!("{}: it {said}", unfit()))?;
    if total == 0 {
        return Err("it is empty".to_owned());
    }
    match files::read_announced(file, total) {
        Ok((bytes, true)) => Ok((lengths, bytes)),
        Err(e) if e.kind() != ErrorKind::UnexpectedEof => Err(damaged(e)),
        _ => Err(unfit()),
    }
}

impl Source for Idx {
    fn kind(&self) -> SourceKind {
        SourceKind::Idx
    }

    fn form(&self) -> Form {
        Form::Pixels
    }

    fn len(&self) -> usize {
        self.pixels.len() / (self.size.0 * self.size.1)
    }

    fn labels(&self) -> Option<&[usize]> {
        self.labels.as_deref()
    }

    fn read(&self, index: usize, bytes: &mut Vec<u8>) -> Result<()> {
        let area = self.size.0 * self.size.1;
        bytes.clear();
        bytes.extend_from_slice(&self.pixels[index * area..(index + 1) * area]);
        Ok(())
    }

    fn decode<'a>(&'a self, _: usize, bytes: &'a [u8], _: &'a mut Vec<u8>) -> Result<Sample<'a>> {
        let (height, width) = self.size;
        Ok(Sample::Pixels(Picture { data: bytes, height, width, channels: 1 }))
    }
}
