//! One array as a source of samples.

use std::path::Path;
use std::sync::Arc;

use super::arrays::{arrays, samples_and_labels};
use super::axes::{ArrayLayout, of_bytes, of_floats, readings};
use super::labels::labels;
use super::stored::Stored;
use super::{Form, InputArray, Opening, Sample, Source, SourceKind};
use crate::data::dtype::Dtype;
use crate::data::resize::Picture;
use crate::error::{Error, Result};

/// An array, a sample a row.
///
/// Bytes `N×H×W`, `N×H×W×C` or `N×C×H×W` are pictures, floats of four axes are float pictures, and
/// any other array of two to four axes holds rows, which are taken as they are.
#[derive(Debug)]
pub(super) struct ArraySource {
    kind: SourceKind,
    array: Stored,
    form: Form,
    /// The order of the axes of pictures with an axis of channels.
    layout: Option<ArrayLayout>,
    labels: Option<Vec<usize>>,
    /// Why labels were left out.
    left_out: Option<String>,
}

impl ArraySource {
    /// Opens the array of samples of a file, and that of their classes.
    pub fn open(kind: SourceKind, path: &Path, how: Opening) -> Result<Arc<dyn Source>> {
        let mut file = arrays(path)?;
        let (samples, classes) = samples_and_labels(file.as_mut(), path)?;
        let array = file.array(&samples)?;
        let (form, layout) = form(&array, how.layout)?;
        let found = classes.map(|name| labels(&file.array(&name)?, &array.shape)).transpose();
        let (labels, left_out) = match found {
            Err(error) if how.without_wrong_labels => (None, Some(error.to_string())),
            found => (found?, None),
        };
        Ok(Arc::new(Self { kind, array, form, layout, labels, left_out }))
    }
}

/// What the rows of an array are, and the order of their axes where they are pictures.
fn form(array: &Stored, given: Option<ArrayLayout>) -> Result<(Form, Option<ArrayLayout>)> {
    let pictures = |form, layout| Ok((form, Some(layout)));
    match (array.dtype, array.row_shape()) {
        (Dtype::U8, &[a, b, c]) => pictures(Form::Pixels, of_bytes(array, [a, b, c], given)?),
        (dtype, &[a, b, c]) if dtype.is_float() => {
            pictures(Form::Planes, of_floats(array, [a, b, c], given)?)
        }
        (dtype, &[a, b, c]) if given.is_some() || readings([a, b, c]) != (false, false) => {
            Err(no_pictures(array, dtype))
        }
        (_, [_] | [_, _] | [_, _, _]) if given.is_some() => {
            let problem = "has no axis of channels, and --layout says where that is";
            Err(array.problem(problem, "leave --layout out"))
        }
        (Dtype::U8, &[height, width]) => {
            not_one_picture(array, [array.rows(), height, width])?;
            Ok((Form::Pixels, None))
        }
        (_, [_] | [_, _] | [_, _, _]) => Ok((Form::Rows, None)),
        _ => {
            let remedy = "give N×H×W×C bytes, N×C×H×W floats, or N×D numbers";
            let rank = array.shape.len();
            Err(array.problem(&format!("has rank {rank}, and data must have 2 to 4"), remedy))
        }
    }
}

/// Refuses bytes of three axes that are as likely one picture with channels as several grey ones.
fn not_one_picture(array: &Stored, [first, height, last]: [usize; 3]) -> Result<()> {
    let colours = |count: usize| matches!(count, 3 | 4);
    let order = match (colours(first), colours(last)) {
        (true, _) if height > 4 && last > 4 => "C×H×W",
        (_, true) if first > 4 && height > 4 => "H×W×C",
        _ => return Ok(()),
    };
    let problem = format!("can be read as {first} grey pictures and as one {order} picture");
    let remedy = "save x[None] if it is one picture, x[:, :, :, None] if they are grey";
    Err(array.problem(&problem, remedy))
}

/// Whether the rows can be nothing but pictures: bytes of three or four axes, or other integers in the
/// shape of pictures.
pub(in crate::data) fn is_pictures(array: &Stored) -> bool {
    match (array.dtype, array.row_shape()) {
        (Dtype::U8, [_, _] | [_, _, _]) => true,
        (dtype, &[a, b, c]) => !dtype.is_float() && readings([a, b, c]) != (false, false),
        _ => false,
    }
}

/// The error for an array that has the shape of pictures but integers of another type.
fn no_pictures(array: &Stored, dtype: Dtype) -> Error {
    let problem = format!("has the shape of pictures and elements of type {dtype}");
    let remedy = match dtype {
        Dtype::U16 => {
            "pictures are uint8 or floats in 0…1: save (x // 257).astype(numpy.uint8) or \
             (x / 65535).astype(numpy.float32) if its values go up to 65535"
        }
        Dtype::Bool => "pictures are uint8 or floats in 0…1: save x.astype(numpy.uint8) * 255",
        _ => {
            "pictures are uint8 or floats in 0…1: save x.astype(numpy.uint8) if its values are those \
             of bytes, or scale them to 0…1 as float32"
        }
    };
    array.problem(&problem, remedy)
}

/// Whole numbers beyond this have no exact float32.
const EXACT: f64 = 16_777_216.0;

/// Refuses whole numbers of a row that float32 cannot hold exactly.
pub(super) fn exact(array: &Stored, row: &[u8]) -> Result<()> {
    if array.dtype.is_float() || array.dtype.size() < 4 {
        return Ok(());
    }
    let mut values = vec![];
    array.dtype.widen(row, &mut values);
    match values.iter().find(|value| value.abs() > EXACT) {
        None => Ok(()),
        Some(value) => {
            let problem = format!("holds {value}, and whole numbers are taken up to 2^24");
            Err(array.problem(&problem, "give smaller numbers, or floats"))
        }
    }
}

impl Source for ArraySource {
    fn kind(&self) -> SourceKind {
        self.kind
    }

    fn form(&self) -> Form {
        self.form
    }

    fn len(&self) -> usize {
        self.array.rows()
    }

    fn layout(&self) -> Option<ArrayLayout> {
        self.layout
    }

    fn labels(&self) -> Option<&[usize]> {
        self.labels.as_deref()
    }

    fn labels_left_out(&self) -> Option<&str> {
        self.left_out.as_deref()
    }

    fn arrays(&self) -> Vec<InputArray> {
        match self.form {
            Form::Rows => vec![InputArray::of(&self.array)],
            _ => vec![],
        }
    }

    fn read(&self, index: usize, bytes: &mut Vec<u8>) -> Result<()> {
        self.array.read_row(index, bytes)
    }

    fn decode<'a>(
        &'a self,
        _: usize,
        bytes: &'a [u8],
        spare: &'a mut Vec<u8>,
    ) -> Result<Sample<'a>> {
        use ArrayLayout::{Nchw, Nhwc};
        let dtype = self.array.dtype;
        let planes = |bytes, channels, size| Sample::Planes { bytes, dtype, channels, size };
        Ok(match (self.form, self.layout, self.array.row_shape()) {
            (Form::Pixels, None, &[height, width]) => picture(bytes, height, width, 1),
            (Form::Pixels, Some(Nhwc), &[height, width, channels]) => {
                picture(bytes, height, width, channels)
            }
            (Form::Pixels, Some(Nchw), &[channels, height, width]) => {
                transpose(bytes, channels, height * width, 1, spare);
                picture(spare, height, width, channels)
            }
            (Form::Planes, Some(Nchw), &[channels, height, width]) => {
                planes(bytes, channels, (height, width))
            }
            (Form::Planes, Some(Nhwc), &[height, width, channels]) => {
                transpose(bytes, height * width, channels, dtype.size(), spare);
                planes(spare, channels, (height, width))
            }
            (_, _, shape) => {
                exact(&self.array, bytes)?;
                Sample::Row { bytes, dtype, shape }
            }
        })
    }
}

/// Writes the `rows`×`columns` elements of so many bytes to `out` with the rows as columns.
fn transpose(bytes: &[u8], rows: usize, columns: usize, size: usize, out: &mut Vec<u8>) {
    out.clear();
    for column in 0..columns {
        let starts = (0..rows).map(|row| (row * columns + column) * size);
        out.extend(starts.flat_map(|start| &bytes[start..start + size]));
    }
}

fn picture(data: &[u8], height: usize, width: usize, channels: usize) -> Sample<'_> {
    Sample::Pixels(Picture { data, height, width, channels })
}
