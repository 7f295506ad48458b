//! Which axis of an array of pictures holds the channels.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::stored::Stored;
use crate::error::{Error, Result};

/// How many channels a picture of an array has where its shape has to tell: grey, colour, colour and
/// one more.
const CHANNELS: [usize; 3] = [1, 3, 4];

/// The order of the axes of an array of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ArrayLayout {
    /// `N×C×H×W`, as PyTorch has it.
    Nchw,
    /// `N×H×W×C`, as image files and TensorFlow have it.
    Nhwc,
}

impl FromStr for ArrayLayout {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "nchw" => Ok(Self::Nchw),
            "nhwc" => Ok(Self::Nhwc),
            _ => Err(Error::usage(format!("unknown layout {text:?}"), "give nchw or nhwc")),
        }
    }
}

impl fmt::Display for ArrayLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nchw => "nchw",
            Self::Nhwc => "nhwc",
        })
    }
}

/// Whether a row of this shape can be a picture with its channels first, and with them last.
pub(super) fn readings([first, _, last]: [usize; 3]) -> (bool, bool) {
    (CHANNELS.contains(&first), CHANNELS.contains(&last))
}

/// The layout of pictures of bytes: that given, else the one in which there are 1, 3 or 4 channels.
///
/// # Errors
/// Neither layout gives so many channels, or both do.
pub(super) fn of_bytes(
    array: &Stored,
    row: [usize; 3],
    given: Option<ArrayLayout>,
) -> Result<ArrayLayout> {
    let (first, last) = readings(row);
    match (given, first, last) {
        (Some(ArrayLayout::Nchw), true, _) | (None, true, false) => Ok(ArrayLayout::Nchw),
        (Some(ArrayLayout::Nhwc), _, true) | (None, false, true) => Ok(ArrayLayout::Nhwc),
        (None, true, true) => either(array, row),
        (Some(layout), ..) => {
            let channels = if layout == ArrayLayout::Nchw { row[0] } else { row[2] };
            let problem = format!("has {channels} channels as --layout {layout}");
            Err(array.problem(&problem, "pictures of bytes have 1, 3 or 4"))
        }
        (None, false, false) => {
            let remedy = "give uint8 N×H×W×C or N×C×H×W with 1, 3 or 4 channels, or float features";
            Err(array.problem("is not an array of pictures", remedy))
        }
    }
}

/// The layout of pictures of floats: that given, else channels first, unless only the last axis can
/// hold them (1, 3 or 4) and the two axes before it could not be those of a map: `H×W×3`, not
/// `512×4×4`.
///
/// # Errors
/// Both layouts are likely.
pub(super) fn of_floats(
    array: &Stored,
    row: [usize; 3],
    given: Option<ArrayLayout>,
) -> Result<ArrayLayout> {
    let [first, middle, last] = row;
    match (given, readings(row)) {
        (Some(layout), _) => Ok(layout),
        (None, (_, false)) => Ok(ArrayLayout::Nchw),
        (None, (true, true)) => either(array, row),
        (None, (false, true)) if middle == last => Ok(ArrayLayout::Nchw),
        (None, (false, true)) if last > 1 || first == middle => Ok(ArrayLayout::Nhwc),
        (None, (false, true)) => either(array, row),
    }
}

/// One pixel with one channel is the same either way; for anything else it has to be given.
fn either(array: &Stored, row: [usize; 3]) -> Result<ArrayLayout> {
    match row {
        [1, 1, 1] => Ok(ArrayLayout::Nhwc),
        _ => {
            let problem = "can be read as N×C×H×W and as N×H×W×C";
            Err(array.problem(problem, "say which with --layout nchw or --layout nhwc"))
        }
    }
}
