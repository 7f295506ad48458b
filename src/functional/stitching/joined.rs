//! Layers of one size side by side.

use tch::{Kind, TchError, Tensor};

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
        self.joined(outputs).map_err(|e| tensors::torch_error("join layers", &e))
    }

    fn joined(&self, outputs: &[Tensor]) -> Result<Joined, TchError> {
        let mut distinct: Vec<(Columns, Tensor)> = vec![];
        let mut columns: Vec<Columns> = vec![];
        let mut width = 0;
        for &i in &self.members {
            let layer = channels_last(&outputs[i])?;
            if let Some((known, _)) = distinct.iter().find(|(_, other)| same_values(other, &layer))
            {
                columns.push(*known);
                continue;
            }
            let found = Columns { first: width, channels: layer.size()[3] };
            width += found.channels;
            columns.push(found);
            distinct.push((found, layer));
        }
        Ok(Joined { columns, maps: side_by_side(&distinct, width)? })
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

/// Whether two layers have the same positions, so that their channels can stand side by side.
fn same_places(a: Form, b: Form) -> bool {
    match (a, b) {
        (Form::Maps { size: a, .. }, Form::Maps { size: b, .. }) => a == b,
        (Form::Rows { rows: a, .. }, Form::Rows { rows: b, .. }) => a == b,
        (Form::Vector { .. }, Form::Vector { .. }) => true,
        _ => false,
    }
}

fn same_values(a: &Tensor, b: &Tensor) -> bool {
    a.size() == b.size() && a.kind() == b.kind() && a.f_equal(b).unwrap_or(false)
}

/// N×H×W×C layers as one N×H×W×ΣC in float64.
fn side_by_side(layers: &[(Columns, Tensor)], width: i64) -> Result<Tensor, TchError> {
    let Some((_, one)) = layers.first() else { return Ok(Tensor::new()) };
    let size = one.size();
    let maps = Tensor::f_empty([size[0], size[1], size[2], width], (Kind::Double, one.device()))?;
    for (columns, layer) in layers {
        maps.narrow(3, columns.first, columns.channels).f_copy_(layer)?;
    }
    Ok(maps)
}

/// A layer N×C×H×W, N×C×H or N×C as N×H×W×C.
fn channels_last(output: &Tensor) -> Result<Tensor, TchError> {
    match output.size()[..] {
        [_, _, _, _] => output.f_permute([0, 2, 3, 1]),
        [_, _, _] => output.f_permute([0, 2, 1])?.f_unsqueeze(2),
        [n, ..] => output.f_reshape([n, 1, 1, -1]),
        [] => output.f_reshape([1, 1, 1, 1]),
    }
}
