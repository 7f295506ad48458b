//! NumPy's `.npy`: a header of text, then the elements.
//!
//! Source: NumPy, "A simple file format for NumPy arrays" (versions 1, 2 and 3).

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::arrays::{Arrays, Head};
use super::stored::{Place, Stored, called, unknown_type};
use crate::data::dtype::Dtype;
use crate::error::{Error, Result};
use crate::files;

/// The most bytes a header may have.
const LONGEST: usize = 1 << 20;

/// The most axes, as in NumPy.
const MOST_AXES: usize = 64;

/// What to do about a file that is not an array.
const REMEDY: &str = "write it again with numpy.save or numpy.savez";

/// A `.npy` file as a file of one array without a name.
pub(super) struct Npy {
    path: PathBuf,
    names: [String; 1],
    file: Arc<File>,
}

impl Npy {
    pub fn open(path: &Path) -> Result<Self> {
        let file = files::open(path).map_err(|e| Error::io("open", path, e))?;
        Ok(Self { path: path.to_owned(), names: [String::new()], file: Arc::new(file) })
    }

    fn header(&self) -> Result<Header> {
        let mut file = &*self.file;
        file.rewind().map_err(|e| Error::io("read", &self.path, e))?;
        Header::read(&mut BufReader::new(file), &self.path, "")
    }
}

impl Arrays for Npy {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn head(&mut self, _: &str) -> Result<Head> {
        Ok(self.header()?.head())
    }

    fn array(&mut self, _: &str) -> Result<Stored> {
        let header = self.header()?;
        let place = Place::File(Arc::clone(&self.file), header.length as u64, u64::MAX);
        header.stored(&self.path, "", place)
    }
}

/// What a header says.
pub(super) struct Header {
    /// The element type, or in words what is there instead.
    dtype: Result<Dtype, String>,
    text: bool,
    shape: Vec<usize>,
    /// Whether the first axis is the fastest, not the last.
    fortran: bool,
    /// Bytes from the start of the file to the first element.
    pub length: usize,
}

impl Header {
    /// Reads the header of array `name`; `path` and `name` are for messages.
    pub fn read(reader: &mut impl Read, path: &Path, name: &str) -> Result<Self> {
        let text = text(reader).ok_or_else(|| {
            Error::file("load", path, format!("{} is not in NumPy's format", called(name)), REMEDY)
        })?;
        let (length, text) = text;
        let broken = || {
            let problem = format!("the header of {} cannot be understood", called(name));
            Error::file("load", path, problem, REMEDY)
        };
        let descr = value(&text, "descr").ok_or_else(broken)?;
        let (dtype, text_like) = (dtype(descr), is_text(descr));
        let fortran = value(&text, "fortran_order").ok_or_else(broken)?.starts_with("True");
        let shape = shape(value(&text, "shape").ok_or_else(broken)?).ok_or_else(broken)?;
        if shape.len() > MOST_AXES {
            return Err(broken());
        }
        Ok(Self { dtype, text: text_like, shape, fortran, length })
    }

    /// Bytes of the elements; `None` where they are of a type that cannot be read, or too many.
    pub fn bytes(&self) -> Option<usize> {
        let size = self.dtype.as_ref().ok()?.size();
        self.shape.iter().try_fold(size, |bytes, &length| bytes.checked_mul(length))
    }

    /// What is known without the elements.
    pub fn head(self) -> Head {
        Head { shape: self.shape, dtype: self.dtype.ok(), text: self.text }
    }

    /// The array that follows this header; one in Fortran order is read and put into the other.
    ///
    /// # Errors
    /// Elements of a type that cannot be read, none, or fewer than the header says.
    pub fn stored(self, path: &Path, name: &str, place: Place) -> Result<Stored> {
        let dtype = self.dtype.map_err(|found| unknown_type(path, name, &found))?;
        let (path, name) = (path.to_owned(), name.to_owned());
        let stored = Stored { path, name, dtype, shape: self.shape, place }.check()?;
        if self.fortran { stored.with_last_axis_fastest() } else { Ok(stored) }
    }
}

/// The one string (`<U…` of shape `()`) that a `.npy` file holds; `None` where it holds anything else.
pub(super) fn string(mut file: &[u8]) -> Option<String> {
    let (_, header) = text(&mut file)?;
    let length = value(&header, "descr")?.strip_prefix("'<U")?.split('\'').next()?;
    let bytes = length.parse::<usize>().ok()?.checked_mul(4)?;
    if !shape(value(&header, "shape")?)?.is_empty() {
        return None;
    }
    let letters = file.get(..bytes)?.as_chunks::<4>().0.iter();
    let letters: Option<String> = letters.map(|&l| char::from_u32(u32::from_le_bytes(l))).collect();
    Some(letters?.trim_end_matches('\0').to_owned())
}

/// A `.npy` file of elements that are given as bytes, the last axis fastest.
pub(in crate::data) fn encode(descr: &str, shape: &[usize], elements: &[u8]) -> Vec<u8> {
    let mut file = header(descr, shape);
    file.extend(elements);
    file
}

/// What stands before the elements.
pub(super) fn header(descr: &str, shape: &[usize]) -> Vec<u8> {
    header_of(descr, shape, 0)
}

/// The same, of at least so many bytes: a multiple of 64.
pub(in crate::data) fn header_of(descr: &str, shape: &[usize], length: usize) -> Vec<u8> {
    let lengths = match shape {
        [one] => format!("{one},"),
        all => all.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
    };
    let dictionary =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({lengths}), }}");
    // The start has 10 bytes, the header ends in a line break, and elements begin at a multiple of 64.
    let size = (10 + dictionary.len() + 1).next_multiple_of(64).max(length) - 10;
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((size as u16).to_le_bytes());
    file.extend(format!("{dictionary:<width$}\n", width = size - 1).bytes());
    file
}

/// An array of bytes as a `.npy` file, the last axis fastest: what NumPy's `save` writes of `uint8`.
pub fn npy_of_bytes(shape: &[usize], elements: &[u8]) -> Vec<u8> {
    encode("|u1", shape, elements)
}

/// Arrays of floats by name as an `.npz` archive, uncompressed: what NumPy's `savez` writes.
///
/// # Errors
///
/// More than an archive can hold.
pub fn npz_of_floats(arrays: &[(&str, &[usize], Vec<f32>)]) -> Result<Vec<u8>> {
    let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let files: Vec<(&str, Vec<u8>)> = arrays
        .iter()
        .map(|(name, shape, values)| (*name, encode("<f4", shape, &bytes(values))))
        .collect();
    super::npz::pack(&files).map_err(|e| {
        Error::usage(format!("failed to pack arrays: {e}"), "write fewer images, with --limit")
    })
}

/// The header's text and the number of bytes up to its end.
fn text(reader: &mut impl Read) -> Option<(usize, String)> {
    let mut start = [0; 8];
    reader.read_exact(&mut start).ok()?;
    let version = start.strip_prefix(b"\x93NUMPY")?[0];
    let mut size = [0; 4];
    let digits = match version {
        1 => 2,
        2 | 3 => 4,
        _ => return None,
    };
    reader.read_exact(&mut size[..digits]).ok()?;
    let size = u32::from_le_bytes(size) as usize;
    let mut text = vec![0; Some(size).filter(|&size| size <= LONGEST)?];
    reader.read_exact(&mut text).ok()?;
    Some((8 + digits + size, String::from_utf8_lossy(&text).into_owned()))
}

/// What follows a key of the header's dictionary.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("'{key}':"))?;
    Some(rest.trim_start())
}

/// The element type of `'<f4'` and the like; what was found instead, in words.
fn dtype(descr: &str) -> Result<Dtype, String> {
    let Some(code) = descr.strip_prefix('\'').and_then(|rest| rest.split('\'').next()) else {
        return Err("several fields to an element".to_owned());
    };
    let (order, kind) = code.split_at(usize::from(code.starts_with(['<', '>', '|', '='])));
    let dtype = match kind {
        "b1" => Dtype::Bool,
        "u1" => Dtype::U8,
        "i1" => Dtype::I8,
        "u2" => Dtype::U16,
        "i2" => Dtype::I16,
        "u4" => Dtype::U32,
        "i4" => Dtype::I32,
        "u8" => Dtype::U64,
        "i8" => Dtype::I64,
        "f2" => Dtype::F16,
        "f4" => Dtype::F32,
        "f8" => Dtype::F64,
        "O" => return Err("Python objects for elements".to_owned()),
        _ => return Err(format!("elements of type {code}")),
    };
    if order == ">" { Err(format!("big-endian elements ({code})")) } else { Ok(dtype) }
}

/// Whether the elements are strings (`'<U7'`, `'|S7'`).
fn is_text(descr: &str) -> bool {
    let code = descr.trim_start_matches(['\'', '<', '>', '|', '=']);
    code.starts_with(['U', 'S'])
}

/// The lengths in `(3, 4), …`.
fn shape(text: &str) -> Option<Vec<usize>> {
    let inner = text.strip_prefix('(')?.split(')').next()?;
    let lengths = inner.split(',').map(str::trim).filter(|length| !length.is_empty());
    lengths.map(|length| length.trim_end_matches('L').parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_read_as_they_were_written() {
        let letters = |text: &str| -> Vec<u8> {
            text.chars().flat_map(|letter| u32::from(letter).to_le_bytes()).collect()
        };
        let file = encode("<U6", &[], &letters("σ {}\0\0"));
        assert_eq!(file.len(), 128 + 24);
        assert_eq!(string(&file), Some("σ {}".to_owned()));
        assert_eq!(string(&file[..140]), None);
        assert_eq!(string(&encode("<U2", &[1], &letters("ab"))), None);
        assert_eq!(string(&encode("<i8", &[], &[0; 8])), None);
    }

    #[test]
    fn headers_are_taken_apart() {
        let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }";
        assert_eq!(value(text, "descr").map(dtype), Some(Ok(Dtype::F32)));
        assert_eq!(value(text, "shape").and_then(shape), Some(vec![3, 4]));
        assert_eq!(shape("(5,)"), Some(vec![5]));
        assert_eq!(shape("()"), Some(vec![]));
        assert_eq!(dtype("'>f8'"), Err("big-endian elements (>f8)".to_owned()));
        assert_eq!(dtype("'<c8'"), Err("elements of type <c8".to_owned()));
        assert!(is_text("'<U5', ") && is_text("'|S2'") && !is_text("'|u1'") && !is_text("'|O'"));
    }
}
