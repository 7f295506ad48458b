//! Files of one array whose rows are written a batch at a time, and read where they are wanted.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::dtype::Dtype;
use super::source::{Stored, arrays, npy_header};
use crate::error::{Error, Result};
use crate::files;

/// A type of floats in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FloatFormat {
    /// 16 bits, 11 of them for digits.
    F16,
    /// 16 bits, 8 of them for digits: with the range of float32.
    Bf16,
    /// 32 bits.
    F32,
    /// 64 bits.
    F64,
}

impl FloatFormat {
    /// Bytes of a number.
    pub fn size(self) -> usize {
        self.dtype().size()
    }

    /// The ending of a file of such numbers: NumPy's format has no bfloat16, so that these are tensors of a
    /// `.safetensors` file.
    pub fn ending(self) -> &'static str {
        if self == Self::Bf16 { "safetensors" } else { "npy" }
    }

    fn dtype(self) -> Dtype {
        match self {
            Self::F16 => Dtype::F16,
            Self::Bf16 => Dtype::Bf16,
            Self::F32 => Dtype::F32,
            Self::F64 => Dtype::F64,
        }
    }

    fn descr(self) -> &'static str {
        match self {
            Self::F16 | Self::Bf16 => "<f2",
            Self::F32 => "<f4",
            Self::F64 => "<f8",
        }
    }
}

/// What a file holds, beside its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerHead {
    /// The name of the array, where the format has one.
    pub name: String,
    /// The type of its numbers.
    pub format: FloatFormat,
    /// Shape of a row.
    pub row: Vec<usize>,
}

impl LayerHead {
    /// Bytes of a row.
    pub fn row_bytes(&self) -> usize {
        self.row.iter().product::<usize>() * self.format.size()
    }

    /// What stands before so many rows, as long as `length` says where that is longer.
    fn header(&self, rows: usize, length: usize) -> Vec<u8> {
        let shape = [&[rows], self.row.as_slice()].concat();
        match self.format {
            FloatFormat::Bf16 => self.tensor_header(&shape, length),
            other => npy_header(other.descr(), &shape, length),
        }
    }

    /// The length of the header in eight bytes, and the header: JSON, filled up with spaces.
    fn tensor_header(&self, shape: &[usize], length: usize) -> Vec<u8> {
        let bytes = shape.iter().product::<usize>() * self.format.size();
        let tensor =
            serde_json::json!({"dtype": "BF16", "shape": shape, "data_offsets": [0, bytes]});
        let json = serde_json::json!({ self.name.clone(): tensor }).to_string();
        let size = json.len().next_multiple_of(8).max(length.saturating_sub(8));
        let mut header = (size as u64).to_le_bytes().to_vec();
        header.extend(format!("{json:<size$}").bytes());
        header.resize(8 + size, b' ');
        header
    }
}

/// How far a file was written.
#[derive(Clone)]
pub struct LayerMark {
    rows: usize,
    hasher: Sha256,
}

/// A file that grows by a batch of rows at a time.
pub struct LayerWriter {
    path: PathBuf,
    head: LayerHead,
    /// What stands before the rows, for as many as are expected.
    header: Vec<u8>,
    expected: usize,
    rows: usize,
    hasher: Sha256,
}

impl LayerWriter {
    /// Begins a file of `expected` rows, in place of one that is there.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn create(path: &Path, head: LayerHead, expected: usize) -> Result<Self> {
        let header = head.header(expected, 0);
        let io = |e| Error::io("write", path, e);
        let file = File::create(path).map_err(io)?;
        file.write_all_at(&header, 0).map_err(io)?;
        Ok(Self::at_start(path, head, (header, expected)))
    }

    /// Goes on with a file whose rows are looked at again with [`LayerWriter::take_again`].
    pub fn again(path: &Path, head: LayerHead, expected: usize) -> Self {
        let header = head.header(expected, 0);
        Self::at_start(path, head, (header, expected))
    }

    fn at_start(path: &Path, head: LayerHead, (header, expected): (Vec<u8>, usize)) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(&header);
        Self { path: path.to_owned(), head, header, expected, rows: 0, hasher }
    }

    /// What it holds.
    pub fn head(&self) -> &LayerHead {
        &self.head
    }

    /// SHA-256 of the file as far as it is written.
    pub fn digest(&self) -> [u8; 32] {
        self.hasher.clone().finalize().into()
    }

    /// Adds rows, given as their bytes.
    ///
    /// # Errors
    /// They cannot be written (a full disk): what was written of them does not count.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let offset = self.end();
        let written = OpenOptions::new()
            .write(true)
            .open(&self.path)
            .and_then(|file| file.write_all_at(bytes, offset));
        written.map_err(|e| Error::io("write", &self.path, e))?;
        self.count(bytes);
        Ok(())
    }

    /// Takes in so many rows that the file holds already; `false` where it does not hold them, or begins
    /// otherwise.
    pub fn take_again(&mut self, rows: usize) -> bool {
        let Ok(file) = files::open(&self.path) else { return false };
        let mut begin = vec![0; self.header.len()];
        let begins = file.read_exact_at(&mut begin, 0).is_ok() && begin == self.header;
        let Ok(mut bytes) = files::room(rows * self.head.row_bytes()) else { return false };
        let found = begins && file.read_exact_at(&mut bytes, self.end()).is_ok();
        if found {
            self.count(&bytes);
        }
        found
    }

    /// How far it is.
    pub fn mark(&self) -> LayerMark {
        LayerMark { rows: self.rows, hasher: self.hasher.clone() }
    }

    /// Goes back to where it was.
    pub fn restore(&mut self, LayerMark { rows, hasher }: LayerMark) {
        (self.rows, self.hasher) = (rows, hasher);
    }

    /// The bytes of rows that were written.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn read_again(&self, first: usize, count: usize) -> Result<Vec<u8>> {
        let io = |e| Error::io("read", &self.path, e);
        let file = files::open(&self.path).map_err(io)?;
        let mut bytes = vec![0; count * self.head.row_bytes()];
        let offset = self.header.len() + first * self.head.row_bytes();
        file.read_exact_at(&mut bytes, offset as u64).map_err(io)?;
        Ok(bytes)
    }

    /// Cuts off what lies behind the rows taken in.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn cut(&self) -> Result<()> {
        let file = OpenOptions::new().write(true).open(&self.path);
        let cut = file.and_then(|file| file.set_len(self.end()));
        cut.map_err(|e| Error::io("write", &self.path, e))
    }

    /// Says how many rows there are, and sees to it that they are on the disk; gives the SHA-256 of the
    /// file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(self) -> Result<String> {
        let io = |e| Error::io("write", &self.path, e);
        let file = OpenOptions::new().read(true).write(true).open(&self.path).map_err(io)?;
        let fewer = self.rows != self.expected;
        if fewer {
            let header = self.head.header(self.rows, self.header.len());
            file.write_all_at(&header, 0).map_err(io)?;
        }
        file.set_len(self.end()).map_err(io)?;
        file.sync_all().map_err(io)?;
        let digest = match fewer {
            true => of_file(file).map_err(io)?,
            false => self.hasher.finalize().into(),
        };
        Ok(in_hexadecimal(&digest))
    }

    fn end(&self) -> u64 {
        (self.header.len() + self.rows * self.head.row_bytes()) as u64
    }

    fn count(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.rows += bytes.len() / self.head.row_bytes().max(1);
    }
}

fn of_file(mut file: File) -> std::io::Result<[u8; 32]> {
    let (mut hasher, mut bytes) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut bytes)? {
            0 => return Ok(hasher.finalize().into()),
            count => hasher.update(&bytes[..count]),
        }
    }
}

/// Bytes as two digits each.
pub fn in_hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file of rows that is read in pieces: by positioned reads, and not by a memory map, of which a page that the disk
/// or the network does not give, or that another process cuts off, ends the process instead of being an error.
#[derive(Debug, Clone)]
pub struct LayerReader {
    stored: Stored,
}

impl LayerReader {
    /// Opens a file that is to hold so many rows.
    ///
    /// # Errors
    /// It is not there, is damaged or cut short, or holds something else: what.
    pub fn open(path: &Path, head: &LayerHead, rows: usize) -> Result<Self> {
        let name = if head.format == FloatFormat::Bf16 { head.name.as_str() } else { "" };
        let stored = arrays(path)?.array(name)?;
        let shape = [&[rows], head.row.as_slice()].concat();
        let dtype = head.format.dtype();
        if (stored.dtype, &stored.shape) == (dtype, &shape) {
            return Ok(Self { stored });
        }
        let problem = format!(
            "it holds {} of shape {:?}, and features.json beside it says {dtype} of shape {shape:?}",
            stored.dtype, stored.shape
        );
        Err(Error::file("read", path, problem, "write the folder again with repsim features"))
    }

    /// The bytes of rows in a row.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn range(&self, first: usize, count: usize) -> Result<Vec<u8>> {
        self.stored.read_rows(first, count)
    }

    /// The bytes of the rows of these numbers.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn rows(&self, rows: &[usize]) -> Result<Vec<u8>> {
        if let Some(&first) = rows.first()
            && rows.iter().enumerate().all(|(i, &row)| row == first + i)
        {
            return self.range(first, rows.len());
        }
        let (mut all, mut one) = (vec![], vec![]);
        for &row in rows {
            self.stored.read_row(row, &mut one)?;
            all.extend_from_slice(&one);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(format: FloatFormat) -> LayerHead {
        LayerHead { name: "fc:input".to_owned(), format, row: vec![3] }
    }

    #[test]
    fn rows_come_back_from_every_format_and_fewer_than_expected_are_told() -> Result<()> {
        let folder = tempfile::tempdir().map_err(|e| Error::io("make", "a folder", e))?;
        for format in [FloatFormat::F16, FloatFormat::Bf16, FloatFormat::F32, FloatFormat::F64] {
            let head = head(format);
            let path = folder.path().join(format!("a.{}", format.ending()));
            let row = |i: usize| vec![i as u8; head.row_bytes()];
            let mut writer = LayerWriter::create(&path, head.clone(), 1000)?;
            writer.append(&[row(0), row(1)].concat())?;
            assert!(LayerReader::open(&path, &head, 1000).is_err(), "it is cut short");
            writer.append(&row(2))?;
            let said = writer.finish()?;
            let whole = files::read(&path, 1 << 20)?;
            assert_eq!(said, in_hexadecimal(&Sha256::digest(&whole)));
            let reader = LayerReader::open(&path, &head, 3)?;
            assert_eq!(reader.rows(&[2, 0])?, [row(2), row(0)].concat());
            assert_eq!(reader.rows(&[1, 2])?, [row(1), row(2)].concat());
            assert!(LayerReader::open(&path, &head, 2).is_err());
        }
        Ok(())
    }

    #[test]
    fn a_file_is_gone_on_with_behind_the_rows_that_are_there() -> Result<()> {
        let folder = tempfile::tempdir().map_err(|e| Error::io("make", "a folder", e))?;
        let (path, head) = (folder.path().join("a.npy"), head(FloatFormat::F32));
        let mut whole = LayerWriter::create(&path, head.clone(), 4)?;
        whole.append(&[1; 48])?;
        let expected = whole.finish()?;
        let mut again = LayerWriter::again(&path, head, 4);
        assert!(again.take_again(2) && !again.take_again(3));
        again.cut()?;
        again.append(&[1; 24])?;
        assert_eq!(again.finish()?, expected);
        Ok(())
    }
}
