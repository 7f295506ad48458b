//! Several arrays of a file as one source: an array for each input of a network.

use std::path::Path;
use std::sync::Arc;

use super::array::{ArraySource, exact};
use super::arrays::{Arrays, LABELS, arrays, samples_and_labels, with_rows};
use super::labels::labels;
use super::stored::{Stored, called};
use super::{Form, InputArray, Opening, Sample, Source, SourceKind};
use crate::data::dtype::Dtype;
use crate::error::{Error, Result};

/// Arrays of equally many rows. A sample is a row of each, one after the other, as float32.
#[derive(Debug)]
pub(super) struct Several {
    kind: SourceKind,
    arrays: Vec<Stored>,
    /// Floats of a sample, as a shape.
    length: [usize; 1],
    labels: Option<Vec<usize>>,
    /// Why labels that are there were left out.
    left_out: Option<String>,
}

/// Opens the array of samples of a file, or all its arrays where none is alone or called so.
pub(super) fn open(kind: SourceKind, path: &Path, how: Opening) -> Result<Arc<dyn Source>> {
    if !how.several {
        return ArraySource::open(kind, path, how);
    }
    let mut file = arrays(path)?;
    let names: Vec<String> =
        with_rows(file.as_mut())?.into_iter().filter(|name| name != LABELS).collect();
    match samples_and_labels(file.as_mut(), path) {
        Err(_) if names.len() > 1 => Several::open((kind, path), file.as_mut(), &names, how),
        _ => ArraySource::open(kind, path, how),
    }
}

impl Several {
    fn open(
        (kind, path): (SourceKind, &Path),
        file: &mut dyn Arrays,
        names: &[String],
        how: Opening,
    ) -> Result<Arc<dyn Source>> {
        let found: Result<Vec<Stored>> = names.iter().map(|name| file.array(name)).collect();
        let found = found?;
        let first = &found[0];
        if let Some(other) = found.iter().find(|array| array.rows() != first.rows()) {
            return Err(Error::shape(
                "take the arrays of a file as inputs",
                (called(&first.name), &first.shape),
                (called(&other.name), &other.shape),
                format!("give as many rows to each of {}", path.display()),
            ));
        }
        let found_labels = match file.names().iter().any(|name| name == LABELS) {
            true => Some(labels(&file.array(LABELS)?, &first.shape)),
            false => None,
        };
        let (labels, left_out) = match found_labels.transpose() {
            Err(error) if how.without_wrong_labels => (None, Some(error.to_string())),
            found => (found?, None),
        };
        let length = [found.iter().map(|array| array.row_shape().iter().product::<usize>()).sum()];
        Ok(Arc::new(Self { kind, arrays: found, length, labels, left_out }))
    }
}

impl Source for Several {
    fn kind(&self) -> SourceKind {
        self.kind
    }

    fn form(&self) -> Form {
        Form::Rows
    }

    fn len(&self) -> usize {
        self.arrays[0].rows()
    }

    fn labels(&self) -> Option<&[usize]> {
        self.labels.as_deref()
    }

    fn labels_left_out(&self) -> Option<&str> {
        self.left_out.as_deref()
    }

    fn arrays(&self) -> Vec<InputArray> {
        self.arrays.iter().map(InputArray::of).collect()
    }

    fn read(&self, index: usize, bytes: &mut Vec<u8>) -> Result<()> {
        let (mut all, mut row) = (vec![], vec![]);
        for array in &self.arrays {
            array.read_row(index, &mut row)?;
            all.append(&mut row);
        }
        *bytes = all;
        Ok(())
    }

    fn decode<'a>(
        &'a self,
        _: usize,
        bytes: &'a [u8],
        spare: &'a mut Vec<u8>,
    ) -> Result<Sample<'a>> {
        let (mut rest, mut floats) = (bytes, vec![]);
        spare.clear();
        for array in &self.arrays {
            let (row, others) = rest.split_at(array.row_bytes());
            rest = others;
            exact(array, row)?;
            floats.resize(row.len() / array.dtype.size(), 0.0);
            array.dtype.narrow(row, &mut floats);
            spare.extend(floats.iter().flat_map(|value| value.to_le_bytes()));
        }
        Ok(Sample::Row { bytes: spare, dtype: Dtype::F32, shape: &self.length })
    }
}
