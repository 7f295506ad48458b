//! One array as a source of samples.

use std::path::Path;
use std::sync::Arc;

use super::arrays::{Arrays, arrays};
use super::stored::Stored;
use super::{Form, Sample, Source, SourceKind};
use crate::data::dtype::Dtype;
use crate::data::resize::Picture;
use crate::error::{Error, Result};

/// The array of samples in a file of several.
const SAMPLES: &str = "images";

/// The array of their classes.
const LABELS: &str = "labels";

/// An array, a sample a row.
///
/// Bytes `N×H×W` or `N×H×W×C` are pictures, floats `N×C×H×W` are float pictures, and any other
/// array of two to four axes holds rows, which are taken as they are.
#[derive(Debug)]
pub(super) struct ArraySource {
    kind: SourceKind,
    array: Stored,
    form: Form,
    labels: Option<Vec<usize>>,
}

impl ArraySource {
    /// Opens the array `images` of a file, or its only one; `labels` beside it are the classes.
    pub fn open(kind: SourceKind, path: &Path) -> Result<Arc<dyn Source>> {
        let mut file = arrays(path)?;
        let name = choose(file.names(), path)?;
        let array = file.array(&name)?;
        let labelled = name != LABELS && file.names().iter().any(|n| n == LABELS);
        let labels = if labelled { Some(labels(file.as_mut(), &array)?) } else { None };
        let form = form(&array)?;
        Ok(Arc::new(Self { kind, array, form, labels }))
    }
}

/// The name of the array that holds the samples.
fn choose(names: &[String], path: &Path) -> Result<String> {
    let mut others = names.iter().filter(|name| *name != LABELS);
    let first = others.next();
    match (names.iter().find(|name| *name == SAMPLES), first, others.next()) {
        (Some(name), ..) | (None, Some(name), None) => Ok(name.clone()),
        (None, None, _) => {
            let problem = format!("it holds {LABELS} but no samples");
            Err(Error::file("load", path, problem, format!("add the samples as {SAMPLES:?}")))
        }
        (None, Some(_), Some(_)) => {
            let problem = format!("none of its arrays ({}) is {SAMPLES:?}", names.join(", "));
            Err(Error::file("load", path, problem, format!("name the samples {SAMPLES:?}")))
        }
    }
}

/// The array `labels` as classes, one a row of `array`.
fn labels(file: &mut dyn Arrays, array: &Stored) -> Result<Vec<usize>> {
    let stored = file.array(LABELS)?;
    let remedy = "save one integer from 0 up for each sample";
    if stored.shape.len() != 1 {
        return Err(stored.problem("is not one number a sample", remedy));
    }
    if stored.rows() != array.rows() {
        return Err(Error::shape(
            "load labels",
            (array.path.display(), &array.shape),
            (LABELS, &stored.shape),
            "save one label a sample",
        ));
    }
    let values = stored.dtype.labels(&stored.read_all()?);
    values.ok_or_else(|| stored.problem("holds something else than classes", remedy))
}

/// What the rows of an array are.
fn form(array: &Stored) -> Result<Form> {
    match (array.dtype, array.row_shape()) {
        (Dtype::U8, [_, _] | [_, _, 1 | 3]) => Ok(Form::Pixels),
        (Dtype::U8, [_, _, _]) => {
            let remedy = "give bytes as N×H×W×C with 1 or 3 channels";
            Err(array.problem("is no array of pictures", remedy))
        }
        (dtype, [_, _, _]) if dtype.is_float() => Ok(Form::Planes),
        (_, [_] | [_, _] | [_, _, _]) => Ok(Form::Rows),
        _ => {
            let remedy = "give N×H×W×C bytes, N×C×H×W floats, or N×D numbers";
            let rank = array.shape.len();
            Err(array.problem(&format!("has rank {rank}, and data must have 2 to 4"), remedy))
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

    fn labels(&self) -> Option<&[usize]> {
        self.labels.as_deref()
    }

    fn read(&self, index: usize, bytes: &mut Vec<u8>) -> Result<()> {
        self.array.read_row(index, bytes)
    }

    fn decode<'a>(&'a self, _: usize, bytes: &'a [u8], _: &'a mut Vec<u8>) -> Result<Sample<'a>> {
        let dtype = self.array.dtype;
        Ok(match (self.form, self.array.row_shape()) {
            (Form::Pixels, &[height, width]) => picture(bytes, height, width, 1),
            (Form::Pixels, &[height, width, channels]) => picture(bytes, height, width, channels),
            (Form::Planes, &[channels, height, width]) => {
                Sample::Planes { bytes, dtype, channels, size: (height, width) }
            }
            (_, shape) => Sample::Row { bytes, dtype, shape },
        })
    }
}

fn picture(data: &[u8], height: usize, width: usize, channels: usize) -> Sample<'_> {
    Sample::Pixels(Picture { data, height, width, channels })
}
