//! Where samples come from: one trait, and a file for each kind of source.

mod array;
mod arrays;
mod axes;
mod cifar;
mod decode;
mod folder;
mod idx;
mod kinds;
mod labels;
mod npy;
mod npz;
mod open;
mod safetensors;
mod several;
mod spool;
mod stored;
mod texts;
mod tokenizer;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dtype::Dtype;
use super::resize::Picture;
use crate::error::Result;

pub(super) use array::is_pictures;
pub(super) use arrays::{Arrays, LABELS, arrays, few, samples_and_labels, with_rows};
pub use axes::ArrayLayout;
pub use kinds::is_picture;
pub(super) use labels::labels;
pub(super) use npy::{encode, header_of as npy_header};
pub use npy::{npy_of_bytes, npz_of_floats};
pub(super) use npz::{Npz, pack};
pub(super) use open::open;
pub use spool::Spool;
pub(super) use stored::Stored;
pub(super) use texts::open as open_texts;
pub use texts::{Tokenized, Tokenizing};

/// What kind of source a path turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// A folder of image files.
    ImageFolder,
    /// One array in NumPy's `.npy`.
    Npy,
    /// One array of NumPy's `.npz`.
    Npz,
    /// One tensor of a `.safetensors` file.
    Safetensors,
    /// CIFAR-10's binary records.
    Cifar10,
    /// MNIST's idx files.
    Idx,
    /// Texts, a line each.
    Texts,
}

/// What the samples of a source are, which decides the steps that make sense for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Pictures of bytes.
    Pixels,
    /// Pictures of floats.
    Planes,
    /// Anything else.
    Rows,
}

/// One decoded sample.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sample<'a> {
    /// A picture of bytes with one, three or four interleaved channels.
    Pixels(Picture<'a, u8>),
    /// A picture of floats, one plane a channel, as stored.
    Planes { bytes: &'a [u8], dtype: Dtype, channels: usize, size: (usize, usize) },
    /// A row of an array, as stored.
    Row { bytes: &'a [u8], dtype: Dtype, shape: &'a [usize] },
}

/// How a source is opened.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Opening {
    /// The order of the axes of an array of pictures.
    pub layout: Option<ArrayLayout>,
    /// Whether labels that are not classes are left out, where they would be an error.
    pub without_wrong_labels: bool,
    /// Whether a file may hold an array for each input of a network.
    pub several: bool,
}

/// An array of rows that a network takes as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputArray {
    /// Its name in the file; empty in a `.npy`.
    pub name: String,
    /// Shape of the row of a sample.
    pub shape: Vec<usize>,
    /// NumPy's name for the type of its elements.
    pub dtype: String,
    /// Whether these are floats.
    pub is_float: bool,
    /// Bytes of one element.
    pub size: usize,
}

impl InputArray {
    /// Bytes of the row of a sample.
    pub(super) fn bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.size
    }

    /// Whether its elements are float64.
    pub(super) fn is_double(&self) -> bool {
        self.is_float && self.size == 8
    }

    fn of(array: &Stored) -> Self {
        Self {
            name: array.name.clone(),
            shape: array.row_shape().to_vec(),
            dtype: array.dtype.to_string(),
            is_float: array.dtype.is_float(),
            size: array.dtype.size(),
        }
    }
}

/// A source of samples. Opening one reads names and labels, never a sample.
pub(super) trait Source: Send + Sync {
    /// What it is.
    fn kind(&self) -> SourceKind;

    /// What its samples are.
    fn form(&self) -> Form;

    /// Number of samples, at least one.
    fn len(&self) -> usize;

    /// Name of a sample: relative path with `/`, or its index.
    fn name(&self, index: usize) -> String {
        index.to_string()
    }

    /// The order of the axes of an array of pictures with an axis of channels.
    fn layout(&self) -> Option<ArrayLayout> {
        None
    }

    /// The class of each sample.
    fn labels(&self) -> Option<&[usize]> {
        None
    }

    /// Why labels that are there were left out.
    fn labels_left_out(&self) -> Option<&str> {
        None
    }

    /// Names of the classes, where there are any.
    fn classes(&self) -> &[String] {
        &[]
    }

    /// Names of files beside the samples that look like pictures of kinds that are not read.
    fn unread(&self) -> &[String] {
        &[]
    }

    /// The arrays whose rows make a sample, one after the other; none for pictures.
    fn arrays(&self) -> Vec<InputArray> {
        vec![]
    }

    /// What became of texts.
    fn tokenized(&self) -> Option<&Tokenized> {
        None
    }

    /// Reads a sample's bytes as stored; `bytes` is overwritten.
    fn read(&self, index: usize, bytes: &mut Vec<u8>) -> Result<()>;

    /// Decodes what `read` gave; `spare` is overwritten where decoding needs room.
    fn decode<'a>(
        &'a self,
        index: usize,
        bytes: &'a [u8],
        spare: &'a mut Vec<u8>,
    ) -> Result<Sample<'a>>;
}
