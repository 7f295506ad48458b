//! Layers of one size side by side.

use tch::{Kind, Tensor};

use super::form::Form;
use crate::error::Result;
use crate::torchscript::tensors;

/// Layers that have the same positions, by their places among others.
pub(super) struct Alike {
    /// What one of them gives.
    pub form: Form,
    /// All of them.
    pub members: Vec<usize>,
}

impl Alike {
    /// Layers by their positions; `wanted` leaves some out.
    pub fn all(forms: &[Form], wanted: &dyn Fn(usize) -> bool) -> Vec<Self> {
        let mut found: Vec<Self> = vec![];
        for (i, &form) in forms.iter().enumerate().filter(|(i, _)| wanted(*i)) {
            match found.iter_mut().find(|alike| same_places(alike.form, form)) {
                Some(alike) => alike.members.push(i),
                None => found.push(Self { form, members: vec![i] }),
            }
        }
        found
    }

    /// Their channels over a batch, side by side in float64. Layers that gave the same values, such as
    /// a block and the last module in it, share their channels.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn join(&self, outputs: &[Tensor]) -> Result<Joined> {
        let mut distinct: Vec<&Tensor> = vec![];
        let mut columns: Vec<Columns> = vec![];
        let mut width = 0;
        for &i in &self.members {
            let output = &outputs[i];
            match distinct.iter().position(|other| same_values(other, output)) {
                Some(place) => columns.push(columns_of(&columns, place)),
                None => {
                    let channels = channels(output);
                    columns.push(Columns { place: distinct.len(), first: width, channels });
                    distinct.push(output);
                    width += channels;
                }
            }
        }
        let maps = laid(&distinct, width).map_err(|e| tensors::torch_error("join layers", &e))?;
        Ok(Joined { columns, maps })
    }
}

/// The channels of some layers over a batch.
pub(super) struct Joined {
    /// Where each layer's channels are.
    pub columns: Vec<Columns>,
    /// N×H×W×C, with the channels of all layers whose values differ.
    pub maps: Tensor,
}

/// Where a layer's channels are.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Columns {
    /// The number of the layer among those whose values differ.
    place: usize,
    /// The first.
    pub first: i64,
    /// How many.
    pub channels: i64,
}

impl Joined {
    /// A row a sample and position, a column a channel.
    pub fn rows(&self) -> Tensor {
        rows(&self.maps)
    }

    /// The columns of all layers, one layer after the other, those that share their channels too.
    pub fn spread(&self) -> Tensor {
        let of = |c: &Columns| c.first..c.first + c.channels;
        let all: Vec<i64> = self.columns.iter().flat_map(of).collect();
        Tensor::from_slice(&all).to_device(self.maps.device())
    }
}

/// A row a sample and position, a column a channel, of N×H×W×C.
pub(super) fn rows(maps: &Tensor) -> Tensor {
    maps.reshape([-1, maps.size().last().copied().unwrap_or(1)])
}

fn columns_of(columns: &[Columns], place: usize) -> Columns {
    let nothing = Columns { place, first: 0, channels: 0 };
    columns.iter().find(|c| c.place == place).copied().unwrap_or(nothing)
}

/// Whether two layers have the same positions, so that their channels can stand side by side.
fn same_places(a: Form, b: Form) -> bool {
    match (a, b) {
        (Form::Rows { rows: a, .. }, Form::Rows { rows: b, .. }) => a == b,
        (Form::Rows { .. }, _) | (_, Form::Rows { .. }) => false,
        (a, b) => a.places() == b.places(),
    }
}

fn same_values(a: &Tensor, b: &Tensor) -> bool {
    a.size() == b.size() && a.equal(b)
}

fn channels(output: &Tensor) -> i64 {
    match output.size()[..] {
        [_, channels, _, _] | [_, _, channels] => channels,
        [n, ..] => output.numel() as i64 / n.max(1),
        [] => 1,
    }
}

/// Layers N×C×H×W, N×H×C or N×C as one N×H×W×ΣC.
fn laid(outputs: &[&Tensor], width: i64) -> Result<Tensor, tch::TchError> {
    let moved = outputs.iter().map(|output| last(output)).collect::<Result<Vec<_>, _>>()?;
    let Some(shape) = moved.first().map(Tensor::size) else { return Ok(Tensor::new()) };
    let maps = Tensor::f_empty(
        [shape[0], shape[1], shape[2], width],
        (Kind::Double, outputs[0].device()),
    )?;
    let mut first = 0;
    for layer in &moved {
        let channels = layer.size()[3];
        maps.narrow(3, first, channels).f_copy_(layer)?;
        first += channels;
    }
    Ok(maps)
}

/// A layer with its channels last.
fn last(output: &Tensor) -> Result<Tensor, tch::TchError> {
    match output.size()[..] {
        [_, _, _, _] => output.f_permute([0, 2, 3, 1]),
        [n, rows, channels] => output.f_reshape([n, rows, 1, channels]),
        [n, ..] => output.f_reshape([n, 1, 1, -1]),
        [] => output.f_reshape([1, 1, 1, 1]),
    }
}
