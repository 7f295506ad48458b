//! How the outputs of layers lie in files.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::feed::Place;
use super::reduce::Reduce;
use crate::data::{FloatFormat, LayerHead};
use crate::error::{Error, Result};
use crate::torchscript::tensors;

/// The name of what the model itself gives, and of its file.
pub(super) const LOGITS: &str = "logits";

/// How outputs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeping {
    /// What becomes of an output; whole with [`Reduce::Flatten`].
    pub reduce: Reduce,
    /// The type of the numbers; float64 of what is computed in it and else float32 where nothing is said.
    pub format: Option<FloatFormat>,
    /// Rows of more features than the first number are projected to so many, by the second as seed.
    pub project: Option<(usize, u64)>,
}

/// How the output of a layer lies in its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Laid {
    /// The name of the layer.
    pub name: String,
    /// The file, in the folder.
    pub file: String,
    /// The type of its numbers.
    pub format: FloatFormat,
    /// Shape of a row of the file.
    pub row: Vec<usize>,
    /// For each axis of the row which one behind the samples it is of the output as N×C×positions; empty of
    /// reduced ones.
    pub order: Vec<usize>,
    /// How many of these lie around the axis of the samples in memory.
    pub around: usize,
    /// The file with a row a batch: of means what they were taken over, as Σ a² a channel.
    pub averaged: Option<String>,
    /// Channels of that.
    pub channels: usize,
    /// D of the rows before they were projected.
    pub projected_from: Option<usize>,
}

/// How the files of a run lie.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// The layers, in their order.
    pub layers: Vec<Laid>,
    /// What the model itself gives, where that is N×K floats.
    pub outputs: Option<Laid>,
}

impl Keeping {
    /// How an output lies in a file; the names of files are not chosen yet.
    pub(super) fn laid(self, name: &str, at: &Place<'_>, output: &Tensor) -> Result<Laid> {
        let format = self.format.unwrap_or(match output.kind() {
            Kind::Double => FloatFormat::F64,
            _ => FloatFormat::F32,
        });
        let shape = output.size();
        let width = self.reduce.width(&shape);
        let projected_from = self.project.filter(|(to, _)| width > *to).map(|_| width);
        let whole = self.reduce == Reduce::Flatten && projected_from.is_none();
        let (order, around) = if whole { memory_order(output) } else { (vec![], 0) };
        let row = match (whole, projected_from, self.project) {
            (true, ..) => order.iter().map(|&axis| shape[axis + 1] as usize).collect(),
            (false, Some(_), Some((to, _))) => vec![to],
            _ => vec![width],
        };
        let averaged = self.reduce.magnitudes(output, at.tokens);
        Ok(Laid {
            name: name.to_owned(),
            file: String::new(),
            format,
            row,
            order,
            around,
            channels: averaged.as_ref().map_or(0, |sizes| sizes.size()[1] as usize),
            averaged: averaged.map(|_| String::new()),
            projected_from,
        })
    }

    /// The numbers that are written of an output, N first.
    pub(super) fn values(self, laid: &Laid, at: &Place<'_>, output: &Tensor) -> Result<Tensor> {
        match (laid.projected_from, self.reduce) {
            (None, Reduce::Flatten) => {
                let order: Vec<i64> = laid.order.iter().map(|&axis| axis as i64 + 1).collect();
                Ok(output.detach().permute([&[0], order.as_slice()].concat()))
            }
            // In the order of the axes, and not of the memory: the projection is one of all runs.
            (Some(_), Reduce::Flatten) => self.reduce.rows(&output.contiguous(), at.tokens),
            _ => self.reduce.rows(output, at.tokens),
        }
    }
}

/// The axes behind the samples in the order in which they lie in memory, and how many of them lie around the axis of
/// the samples.
fn memory_order(output: &Tensor) -> (Vec<usize>, usize) {
    let (sizes, strides) = (output.size(), output.stride());
    let mut order: Vec<usize> = (1..sizes.len()).collect();
    order.sort_by_key(|&axis| (sizes[axis] <= 1, std::cmp::Reverse(strides[axis])));
    let is_around = |axis: &&usize| sizes[**axis] > 1 && strides[**axis] > strides[0];
    let around = order.iter().filter(is_around).count();
    (order.into_iter().map(|axis| axis - 1).collect(), around)
}

/// The most bytes of a name of a file before its ending.
const LONGEST: usize = 120;

impl Laid {
    /// The same with names of files that nobody has taken: the layer's own, with `_` for what a file cannot be
    /// called.
    pub(super) fn named(mut self, taken: &[String]) -> Self {
        let is_safe = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        let safe: String = self.name.chars().map(|c| if is_safe(c) { c } else { '_' }).collect();
        let safe = safe.trim_start_matches('.');
        let own = if safe.is_empty() { "layer" } else { &safe[..safe.len().min(LONGEST)] };
        let ending = self.format.ending();
        let names = |stem: &str| [format!("{stem}.{ending}"), format!("{stem}.averaged.npy")];
        let is_free = |stem: &String| {
            let is_taken =
                |name: &String| taken.iter().any(|other| other.eq_ignore_ascii_case(name));
            !stem.eq_ignore_ascii_case(LOGITS) && !names(stem).iter().any(is_taken)
        };
        let numbered = (2..).map(|number| format!("{own}~{number}"));
        let stem = std::iter::once(own.to_owned()).chain(numbered).find(is_free);
        let [file, averaged] = names(&stem.unwrap_or_default());
        (self.file, self.averaged) = (file, self.averaged.map(|_| averaged));
        self
    }

    /// The names of its files.
    pub fn files(&self) -> Vec<String> {
        std::iter::once(&self.file).chain(&self.averaged).cloned().collect()
    }

    /// What stands before the rows of its file.
    pub fn head(&self) -> LayerHead {
        LayerHead { name: self.name.clone(), format: self.format, row: self.row.clone() }
    }

    /// What stands before the rows of the file of what means were taken over.
    pub fn averaged_head(&self) -> LayerHead {
        LayerHead { name: String::new(), format: FloatFormat::F64, row: vec![self.channels] }
    }
}

/// Numbers as they lie in a file; `beyond` says what is wrong where some are not finite in float16.
pub(super) fn to_bytes(
    values: &Tensor,
    format: FloatFormat,
    beyond: impl Fn() -> Option<Error>,
) -> Result<Vec<u8>> {
    let stored = values.to_device(Device::Cpu).to_kind(kind(format)).contiguous();
    if format == FloatFormat::F16
        && stored.isfinite().all().int64_value(&[]) == 0
        && let Some(error) = beyond()
    {
        return Err(error);
    }
    let mut bytes = vec![0; stored.numel() * format.size()];
    let copied = stored.f_copy_data_u8(&mut bytes, stored.numel());
    copied.map_err(|e| tensors::torch_error("copy a tensor", &e))?;
    Ok(bytes)
}

/// Rows as they lie in a file, N first: of float64 where they are, else of float32.
///
/// # Errors
/// libtorch cannot hold them.
pub fn from_bytes(bytes: &[u8], rows: usize, head: &LayerHead) -> Result<Tensor> {
    let shape: Vec<i64> = [rows].iter().chain(&head.row).map(|&size| size as i64).collect();
    let stored = Tensor::f_from_data_size(bytes, &shape, kind(head.format));
    let stored = stored.map_err(|e| tensors::torch_error("read features", &e))?;
    Ok(stored.to_kind(if head.format == FloatFormat::F64 { Kind::Double } else { Kind::Float }))
}

fn kind(format: FloatFormat) -> Kind {
    match format {
        FloatFormat::F16 => Kind::Half,
        FloatFormat::Bf16 => Kind::BFloat16,
        FloatFormat::F32 => Kind::Float,
        FloatFormat::F64 => Kind::Double,
    }
}
