//! Arrays that grow on disk and become an `.npz` archive once their lengths are known.

use std::fs::File;
use std::io::{BufReader, BufWriter, Result, Seek, Write, copy};
use std::path::Path;

use zip::write::ZipWriter;

use super::npy::header;
use super::npz::begin;

/// Bytes handed on at a time.
const CHUNK: usize = 1 << 18;

/// Arrays of floats by name, each in a nameless file that goes with the process.
pub struct Spool {
    arrays: Vec<Array>,
}

struct Array {
    name: String,
    /// Entries on the first axis.
    rows: usize,
    /// The other axes, the same of all entries.
    row: Vec<usize>,
    file: BufWriter<File>,
}

impl Spool {
    /// Empty arrays of these names, in files in a folder.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn new<'a>(folder: &Path, names: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let array = |name: &str| {
            let file = BufWriter::with_capacity(CHUNK, tempfile::tempfile_in(folder)?);
            Ok(Array { name: name.to_owned(), rows: 0, row: vec![], file })
        };
        let arrays: Result<Vec<Array>> = names.into_iter().map(array).collect();
        Ok(Self { arrays: arrays? })
    }

    /// Appends entries of `row` elements each, the last axis fastest, to an array.
    ///
    /// # Errors
    /// There is no such array, its entries have another shape, or it cannot be written.
    pub fn extend(
        &mut self,
        array: usize,
        row: &[usize],
        values: impl IntoIterator<Item = f32>,
    ) -> Result<()> {
        let Some(array) = self.arrays.get_mut(array) else {
            return Err(std::io::Error::other(format!("there is no array {array}")));
        };
        if array.rows > 0 && array.row != row {
            let text = format!("{} has entries of {:?} and of {row:?}", array.name, array.row);
            return Err(std::io::Error::other(text));
        }
        let mut count = 0;
        for value in values {
            array.file.write_all(&value.to_le_bytes())?;
            count += 1;
        }
        row.clone_into(&mut array.row);
        array.rows += count / row.iter().product::<usize>().max(1);
        Ok(())
    }

    /// Writes all arrays as an uncompressed `.npz` archive, what NumPy's `savez` writes.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn pack(self, file: impl Write + Seek) -> Result<()> {
        let mut archive = ZipWriter::new(BufWriter::with_capacity(CHUNK, file));
        for array in self.arrays {
            let shape = [&[array.rows], array.row.as_slice()].concat();
            let (head, mut elements) = (header("<f4", &shape), array.file.into_inner()?);
            let size = head.len() as u64 + elements.stream_position()?;
            begin(&mut archive, &array.name, size)?;
            archive.write_all(&head)?;
            elements.rewind()?;
            copy(&mut BufReader::with_capacity(CHUNK, elements), &mut archive)?;
        }
        archive.finish()?.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::npz_of_floats;

    #[test]
    fn arrays_grow_and_are_packed() -> std::result::Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let mut spool = Spool::new(folder.path(), ["a", "b/c"])?;
        spool.extend(0, &[1, 2], [1.0, 2.0])?;
        spool.extend(1, &[3], [0.5; 3])?;
        spool.extend(0, &[1, 2], [3.0, 4.0, 5.0, f32::NAN])?;
        assert_eq!(std::fs::read_dir(folder.path())?.count(), 0);
        let path = folder.path().join("maps.npz");
        spool.pack(&mut File::create(&path)?)?;
        let (a, b) = (vec![1.0, 2.0, 3.0, 4.0, 5.0, f32::NAN], vec![0.5; 3]);
        let whole = npz_of_floats(&[("a", &[3, 1, 2], a), ("b/c", &[1, 3], b)])?;
        assert_eq!(std::fs::read(&path)?, whole);
        Ok(())
    }

    #[test]
    fn entries_have_one_shape() -> Result<()> {
        let mut spool = Spool::new(&std::env::temp_dir(), ["a"])?;
        spool.extend(0, &[1, 2], [1.0, 2.0])?;
        let error = spool.extend(0, &[2, 2], [0.0; 4]).map_err(|e| e.to_string());
        assert_eq!(error, Err("a has entries of [1, 2] and of [2, 2]".to_owned()));
        assert!(spool.extend(1, &[1], [0.0]).is_err());
        Ok(())
    }
}
