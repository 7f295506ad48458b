//! From a layer's output to rows of features.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::error::{Error, Result};

/// How a feature map becomes rows of features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reduce {
    /// A row a sample of all its numbers, C·H·W: the definition of CKA on feature maps.
    #[default]
    Flatten,
    /// A row a sample of channel means (of token means for N×T×D).
    Gap,
    /// A row a position of a sample, of the channels: N·H·W rows of C (N·T rows of D for tokens).
    Spatial,
}

impl Reduce {
    /// The word for it on the command line.
    pub const NAMES: [&'static str; 3] = ["flatten", "gap", "spatial"];

    /// The rows of a layer's output, without a copy where its memory layout allows it; float64
    /// stays what it is, all else becomes float32.
    ///
    /// The order of the features follows the layout (channels-last or not): it is the same for
    /// every batch and no measure here depends on it.
    ///
    /// # Errors
    /// The output is a scalar.
    pub fn rows(self, output: &Tensor) -> Result<Tensor> {
        let output = match output.kind() {
            Kind::Double => output.detach(),
            _ => output.detach().to_kind(Kind::Float),
        };
        let shape = output.size();
        let Some(&samples) = shape.first() else {
            return Err(Error::usage(
                "a layer gave a scalar",
                "leave it out with --layers '!NAME'",
            ));
        };
        Ok(match self {
            Self::Flatten => dense(&output).reshape([samples, -1]),
            Self::Gap => pooled(&output).reshape([samples, -1]),
            Self::Spatial => channels_last(&output),
        })
    }

    /// How many rows a sample has, for an output of this shape (the samples included).
    pub fn positions(self, shape: &[i64]) -> usize {
        match (self, shape) {
            (Self::Spatial, [_, _, rest @ ..]) if shape.len() >= 4 => product(rest),
            (Self::Spatial, [_, tokens, _]) => product(&[*tokens]),
            _ => 1,
        }
    }

    /// How many features a row has.
    pub fn width(self, shape: &[i64]) -> usize {
        match (self, shape) {
            (Self::Flatten, [_, rest @ ..]) => product(rest),
            (_, [_, _, features]) => product(&[*features]),
            (_, [_, channels, ..]) => product(&[*channels]),
            _ => 1,
        }
    }
}

fn product(sizes: &[i64]) -> usize {
    sizes.iter().map(|&s| s.max(0) as usize).product()
}

/// A channels-last image batch seen as N×H×W×C, so that flattening it copies nothing.
fn dense(output: &Tensor) -> Tensor {
    if output.dim() == 4 && !output.is_contiguous() {
        let last = output.permute([0, 2, 3, 1]);
        if last.is_contiguous() {
            return last;
        }
    }
    output.shallow_clone()
}

fn pooled(output: &Tensor) -> Tensor {
    match output.dim() {
        0..=2 => output.shallow_clone(),
        3 => output.mean_dim([1i64].as_slice(), false, output.kind()),
        dims => {
            let spatial: Vec<i64> = (2..dims as i64).collect();
            output.mean_dim(spatial.as_slice(), false, output.kind())
        }
    }
}

fn channels_last(output: &Tensor) -> Tensor {
    let shape = output.size();
    match shape.as_slice() {
        [_] => output.reshape([-1, 1]),
        [_, features] => output.reshape([-1, *features]),
        [_, _, features] => output.reshape([-1, *features]),
        [_, channels, ..] => output.movedim_int(1, -1).reshape([-1, *channels]),
        [] => output.reshape([1, 1]),
    }
}

impl FromStr for Reduce {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "flatten" => Ok(Self::Flatten),
            "gap" => Ok(Self::Gap),
            "spatial" => Ok(Self::Spatial),
            _ => Err("expected flatten, gap or spatial".to_owned()),
        }
    }
}

impl fmt::Display for Reduce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAMES[*self as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_what_the_rows_have() {
        let shapes: [&[i64]; 4] = [&[2, 3, 4, 5], &[2, 6, 7], &[2, 9], &[2]];
        for shape in shapes {
            let tensor = Tensor::rand(shape, tch::kind::FLOAT_CPU);
            for reduce in [Reduce::Flatten, Reduce::Gap, Reduce::Spatial] {
                let rows = reduce.rows(&tensor).map(|r| r.size()).unwrap_or_default();
                let expected = [2 * reduce.positions(shape), reduce.width(shape)];
                assert_eq!(rows, expected.map(|v| v as i64), "{reduce} of {shape:?}");
            }
        }
    }

    #[test]
    fn channels_last_images_are_not_copied() {
        let image = Tensor::rand([2, 4, 5, 3], tch::kind::FLOAT_CPU).permute([0, 3, 1, 2]);
        let rows = Reduce::Flatten.rows(&image).map(|r| r.data_ptr());
        assert_eq!(rows.ok(), Some(image.data_ptr()));
    }
}
