//! From a layer's output to rows of features.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::error::{Error, Result};
use crate::torchscript::shape_text;

/// How the output of a layer, N×C×positions, becomes rows of features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reduce {
    /// A row a sample of all its numbers, C·H·W: the definition of CKA on feature maps.
    #[default]
    Flatten,
    /// A row a sample of channel means over all positions.
    Gap,
    /// A row a position of a sample, of the channels: N·H·W rows of C (N·T rows of D for tokens).
    Spatial,
    /// A row a sample of channel means over the tokens, without the class tokens where the network
    /// puts some in front of them.
    TokensMean,
    /// A row a sample: its first token, the class token where the network has one.
    Cls,
    /// A row a sample: its last token.
    Last,
}

/// Which tokens of an output are those of the samples.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tokens<'a> {
    /// Tokens in front that do not come from the input: class and register tokens.
    pub class: usize,
    /// N×T, true for the tokens of a sample and false for its padding; for outputs of T positions.
    pub mask: Option<&'a Tensor>,
    /// Of outputs that are means, taken before, what [`Reduce::magnitudes`] was of what they are means of: C, the
    /// same for all samples.
    pub averaged: Option<&'a Tensor>,
}

impl From<usize> for Tokens<'_> {
    fn from(class: usize) -> Self {
        Self { class, ..Self::default() }
    }
}

impl Reduce {
    /// The word for it on the command line.
    pub const NAMES: [&'static str; 6] =
        ["flatten", "gap", "spatial", "tokens-mean", "cls", "last"];

    /// Every one of them, in the order of the names.
    const ALL: [Self; 6] =
        [Self::Flatten, Self::Gap, Self::Spatial, Self::TokensMean, Self::Cls, Self::Last];

    /// The rows of a layer's output N×C×positions, without a copy where its memory layout allows it;
    /// float64 stays what it is, all else becomes float32. Padding is left out of means over tokens and
    /// of positions, and is neither the first nor the last token.
    ///
    /// The order of the features follows the order in memory (channels-last or not): it is the same
    /// for every batch and no measure here depends on it.
    ///
    /// # Errors
    /// The output is a scalar, or has no tokens where they are reduced.
    pub fn rows<'a>(self, output: &Tensor, tokens: impl Into<Tokens<'a>>) -> Result<Tensor> {
        let tokens = tokens.into();
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
        self.check(&shape).map_err(|problem| {
            Error::usage(format!("a layer gives {problem}"), "use --reduce gap or flatten")
        })?;
        let mask = tokens.mask_of(&output);
        let rows = match self {
            Self::Spatial => return Ok(positions(&output, mask.as_ref())),
            Self::Flatten => in_memory_order(&output),
            Self::Gap => pooled(&output),
            _ if shape.len() < 3 => output,
            Self::TokensMean => mean_of_tokens(&output, tokens.class, mask.as_ref()),
            Self::Cls => first_token(&output, mask.as_ref()),
            Self::Last => last_token(&output, mask.as_ref()),
        };
        Ok(rows.reshape([samples, -1]))
    }

    /// How large the numbers are that means are taken over: the mean of their absolute values, as
    /// [`Reduce::rows`]; `None` where rows are not means.
    pub fn magnitudes<'a>(self, output: &Tensor, tokens: impl Into<Tokens<'a>>) -> Option<Tensor> {
        let tokens = tokens.into();
        if let Some(sizes) = tokens.averaged {
            return Some(sizes.expand([output.size()[0], sizes.numel() as i64], false));
        }
        if output.dim() < 3 {
            return None;
        }
        let kind = if output.kind() == Kind::Double { Kind::Double } else { Kind::Float };
        let sizes = || output.detach().to_kind(kind).abs();
        match self {
            Self::Gap => Some(pooled(&sizes())),
            Self::TokensMean => {
                Some(mean_of_tokens(&sizes(), tokens.class, tokens.mask_of(output).as_ref()))
            }
            Self::Flatten | Self::Spatial | Self::Cls | Self::Last => None,
        }
    }

    /// Checks that there are tokens where those are reduced: N×C×T has some, a vector a sample is
    /// taken as it is.
    ///
    /// # Errors
    /// What there is in their place: the end of a sentence that begins with "it gives".
    pub fn check(self, shape: &[i64]) -> Result<(), String> {
        let of_tokens = matches!(self, Self::TokensMean | Self::Cls | Self::Last);
        match of_tokens && shape.len() > 3 {
            true => Err(format!(
                "feature maps ({} channels at {} positions) and --reduce {self} takes tokens",
                shape[1],
                shape_text(&shape[2..])
            )),
            false => Ok(()),
        }
    }

    /// How many rows a sample has, for an output of this shape: samples, channels, positions.
    pub fn positions(self, shape: &[i64]) -> usize {
        match (self, shape) {
            (Self::Spatial, [_, _, rest @ ..]) => product(rest),
            _ => 1,
        }
    }

    /// How many features a row has.
    pub fn width(self, shape: &[i64]) -> usize {
        match (self, shape) {
            (Self::Flatten, [_, rest @ ..]) => product(rest),
            (_, [_, channels, ..]) => product(&[*channels]),
            _ => 1,
        }
    }
}

fn product(sizes: &[i64]) -> usize {
    sizes.iter().map(|&s| s.max(0) as usize).product()
}

/// The axes behind the samples in the order in which they lie in memory, so that flattening a batch
/// in one piece copies nothing.
fn in_memory_order(output: &Tensor) -> Tensor {
    let (sizes, strides) = (output.size(), output.stride());
    let mut order: Vec<i64> = (1..sizes.len() as i64).filter(|&i| sizes[i as usize] > 1).collect();
    order.sort_by_key(|&axis| std::cmp::Reverse(strides[axis as usize]));
    order.extend((1..sizes.len() as i64).filter(|&i| sizes[i as usize] <= 1));
    order.insert(0, 0);
    output.permute(order)
}

fn pooled(output: &Tensor) -> Tensor {
    match output.dim() {
        0..=2 => output.shallow_clone(),
        dims => {
            let spatial: Vec<i64> = (2..dims as i64).collect();
            output.mean_dim(spatial.as_slice(), false, output.kind())
        }
    }
}

/// The tokens behind the first ones, or all where there are no others.
fn without_first(output: &Tensor, count: usize) -> Tensor {
    let (count, all) = (count as i64, output.size()[2]);
    if count < all { output.narrow(2, count, all - count) } else { output.shallow_clone() }
}

fn positions(output: &Tensor, mask: Option<&Tensor>) -> Tensor {
    let shape = output.size();
    let rows = match shape.as_slice() {
        [_, channels, ..] => output.movedim_int(1, -1).reshape([-1, *channels]),
        _ => output.reshape([-1, 1]),
    };
    match mask {
        Some(mask) => rows.index_select(0, &mask.reshape([-1]).nonzero().reshape([-1])),
        None => rows,
    }
}

impl Tokens<'_> {
    /// The mask of an output N×C×positions, if it has as many positions.
    fn mask_of(&self, output: &Tensor) -> Option<Tensor> {
        let (mask, shape) = (self.mask?, output.size());
        let whole = [shape.first().copied(), Some(shape.iter().skip(2).product())];
        let fits =
            shape.len() > 2 && mask.size() == whole.into_iter().flatten().collect::<Vec<_>>();
        fits.then(|| mask.to_device(output.device()))
    }
}

/// The channel means over the tokens of the samples.
fn mean_of_tokens(output: &Tensor, class_tokens: usize, mask: Option<&Tensor>) -> Tensor {
    let Some(mask) = mask.filter(|_| output.dim() == 3) else {
        return pooled(&without_first(output, class_tokens));
    };
    let output = without_first(output, class_tokens);
    let tokens = output.size()[2];
    let mask = mask.narrow(1, mask.size()[1] - tokens, tokens).unsqueeze(1);
    let sums = output.masked_fill(&mask.logical_not(), 0.0).sum_dim_intlist(
        [2i64].as_slice(),
        false,
        output.kind(),
    );
    sums / mask.sum_dim_intlist([2i64].as_slice(), false, output.kind())
}

/// The first token of each sample.
fn first_token(output: &Tensor, mask: Option<&Tensor>) -> Tensor {
    let Some(mask) = mask.filter(|_| output.dim() == 3) else { return output.select(2, 0) };
    let places = mask.to_kind(Kind::Int64).argmax(1, true).unsqueeze(1);
    let places = places.expand([output.size()[0], output.size()[1], 1], false);
    output.gather(2, &places, false).squeeze_dim(2)
}

/// The last token of each sample.
fn last_token(output: &Tensor, mask: Option<&Tensor>) -> Tensor {
    match mask {
        Some(mask) => first_token(&output.flip([2]), Some(&mask.flip([1]))),
        None => output.select(2, -1),
    }
}

impl FromStr for Reduce {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let place = Self::NAMES.iter().position(|name| *name == text);
        place.map(|i| Self::ALL[i]).ok_or_else(|| {
            let [most @ .., last] = &Self::NAMES;
            format!("expected {} or {last}", most.join(", "))
        })
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
            for reduce in Reduce::ALL.into_iter().filter(|reduce| reduce.check(shape).is_ok()) {
                let rows = reduce.rows(&tensor, 0).map(|r| r.size()).unwrap_or_default();
                let expected = [2 * reduce.positions(shape), reduce.width(shape)];
                assert_eq!(rows, expected.map(|v| v as i64), "{reduce} of {shape:?}");
            }
        }
    }

    #[test]
    fn names_are_read_and_written() {
        for reduce in Reduce::ALL {
            assert_eq!(reduce.to_string().parse(), Ok(reduce));
        }
        let said = "mean".parse::<Reduce>();
        assert_eq!(
            said,
            Err("expected flatten, gap, spatial, tokens-mean, cls or last".to_owned())
        );
    }

    #[test]
    fn tokens_are_reduced_without_class_tokens() -> Result<()> {
        // 1×2×4: one sample, two channels, four tokens of which the first is the class token.
        let tokens = Tensor::from_slice(&[9f32, 1.0, 2.0, 3.0, 8.0, 4.0, 5.0, 6.0]);
        let tokens = tokens.reshape([1, 2, 4]);
        for (reduce, first, expected) in [
            (Reduce::TokensMean, 1, [2.0, 5.0]),
            (Reduce::TokensMean, 0, [3.75, 5.75]),
            (Reduce::Gap, 1, [3.75, 5.75]),
            (Reduce::Cls, 1, [9.0, 8.0]),
            (Reduce::Last, 1, [3.0, 6.0]),
        ] {
            let expected = Tensor::from_slice(&expected).to_kind(Kind::Float).view((1, 2));
            assert_eq!(reduce.rows(&tokens, first)?, expected, "{reduce} without {first}");
        }
        Ok(())
    }

    #[test]
    fn padding_is_no_token() -> Result<()> {
        // 2×1×4: tokens 1, 2, 3 and one of padding; one of padding and 4, 5, 6.
        let tokens = Tensor::from_slice(&[1f32, 2.0, 3.0, f32::NAN, 9.0, 4.0, 5.0, 6.0]);
        let tokens = tokens.reshape([2, 1, 4]);
        let mask = Tensor::from_slice(&[true, true, true, false, false, true, true, true]);
        let mask = mask.reshape([2, 4]);
        let of = |reduce: Reduce, class| {
            let rows = reduce.rows(&tokens, Tokens { class, mask: Some(&mask), averaged: None })?;
            Ok(Vec::<f32>::try_from(rows.reshape([-1])).unwrap_or_default())
        };
        assert_eq!(of(Reduce::TokensMean, 0)?, [2.0, 5.0]);
        assert_eq!(of(Reduce::TokensMean, 2)?, [3.0, 5.5]);
        assert_eq!(of(Reduce::Last, 0)?, [3.0, 6.0]);
        assert_eq!(of(Reduce::Cls, 0)?, [1.0, 4.0]);
        assert_eq!(of(Reduce::Spatial, 0)?, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let other = Tensor::from_slice(&[true, false]).reshape([2, 1]);
        let all = Reduce::Last.rows(&tokens, Tokens { mask: Some(&other), ..Tokens::default() })?;
        assert!(all.double_value(&[0, 0]).is_nan());
        Ok(())
    }

    #[test]
    fn maps_have_no_tokens() {
        let said = Reduce::Cls.check(&[2, 32, 8, 8]).err().unwrap_or_default();
        assert!(said.contains("32 channels at 8×8 positions"), "{said}");
        assert!(Reduce::Gap.check(&[2, 32, 8, 8]).is_ok());
    }

    #[test]
    fn what_lies_in_one_piece_is_not_copied() {
        let image = Tensor::rand([2, 4, 5, 3], tch::kind::FLOAT_CPU);
        for output in
            [image.permute([0, 3, 1, 2]), image.permute([0, 2, 3, 1]), image.shallow_clone()]
        {
            let rows = Reduce::Flatten.rows(&output, 0).map(|r| r.data_ptr());
            assert_eq!(rows.ok(), Some(output.data_ptr()));
        }
    }

    #[test]
    fn the_order_of_features_is_the_same_for_a_batch_of_one() -> Result<()> {
        // T×N×D in memory, seen as N×D×T.
        let tokens = Tensor::rand([5, 3, 4], tch::kind::FLOAT_CPU).permute([1, 2, 0]);
        let whole = Reduce::Flatten.rows(&tokens, 0)?;
        let one = tokens.permute([2, 0, 1]).narrow(1, 2, 1).contiguous().permute([1, 2, 0]);
        assert_eq!(Reduce::Flatten.rows(&one, 0)?, whole.narrow(0, 2, 1));
        Ok(())
    }
}
