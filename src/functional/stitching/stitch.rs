//! What stands between two networks.

use ndarray::Array2;
use tch::{Device, Kind, TchError, Tensor};

use super::fit::Affine;
use super::form::Form;
use crate::error::Result;
use crate::torchscript::tensors::{self, resized};

/// Takes the output of a layer of one network to the place of a layer's output in another: an affine
/// map over channels (a 1×1 convolution) and, between maps of different sizes, a resizing. The two
/// commute; the map is applied where there are fewer positions.
pub struct Stitch {
    /// Target channels × source channels, and target channels; `None` for the identity.
    affine: Option<(Tensor, Tensor)>,
    from: Form,
    to: Form,
}

impl Stitch {
    /// By an affine map.
    ///
    /// # Errors
    /// libtorch cannot hold it.
    pub fn affine(map: &Affine, from: Form, to: Form, device: Device) -> Result<Self> {
        let place = |t: Tensor| t.to_kind(Kind::Float).to_device(device);
        let weight = tensors::from_array(&map.weight.t().to_owned().into_dyn())?;
        let bias = tensors::from_array(&map.bias.clone().into_dyn())?;
        Ok(Self { affine: Some((place(weight), place(bias))), from, to })
    }

    /// Nothing but what the layer gave, for layers of one shape.
    pub fn identity(form: Form) -> Self {
        Self { affine: None, from: form, to: form }
    }

    /// By parameters that are learnt: target channels × source channels, and target channels.
    pub(super) fn learnt(weight: Tensor, bias: Tensor, from: Form, to: Form) -> Self {
        Self { affine: Some((weight, bias)), from, to }
    }

    /// W as a tensor and b, of a stitch that is affine.
    pub(super) fn parameters(&self) -> Option<(&Tensor, &Tensor)> {
        self.affine.as_ref().map(|(weight, bias)| (weight, bias))
    }

    /// The shapes on both sides.
    pub(super) fn forms(&self) -> (Form, Form) {
        (self.from, self.to)
    }

    /// W, source channels × target channels; `None` for the identity.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn weight(&self) -> Result<Option<Array2<f64>>> {
        let read = |(weight, _): &(Tensor, Tensor)| tensors::to_matrix(&weight.detach().tr());
        self.affine.as_ref().map(read).transpose()
    }

    /// What the target's layer is replaced by, of the map's type. Gradients pass.
    ///
    /// # Errors
    /// The output does not have the form the stitch was made for.
    pub fn apply(&self, output: &Tensor) -> Result<Tensor> {
        let Some((weight, bias)) = &self.affine else { return Ok(output.shallow_clone()) };
        let output = &output.to_kind(weight.kind());
        let (Some(size), Some(_)) = (self.to.size(), self.from.size()) else {
            let found = self.as_rows(output).and_then(|rows| rows.f_linear(weight, Some(bias)));
            let found = found.and_then(|rows| self.as_target(rows));
            return found.map_err(|e| tensors::torch_error("stitch", &e));
        };
        let kernel = weight.unsqueeze(-1).unsqueeze(-1);
        let convolved = |maps: &Tensor| {
            maps.f_conv2d(&kernel, Some(bias), [1], [0], [1], 1)
                .map_err(|e| tensors::torch_error("stitch", &e))
        };
        match self.from.grows_to(self.to) {
            true => resized(&convolved(output)?, size),
            false => convolved(&resized(output, size)?),
        }
    }
}

impl Stitch {
    /// Channels last, and maps of one position as vectors.
    fn as_rows(&self, output: &Tensor) -> Result<Tensor, TchError> {
        match self.from {
            Form::Maps { .. } => output.f_flatten(1, -1),
            Form::Rows { .. } => output.f_transpose(1, 2),
            Form::Vector { .. } => Ok(output.shallow_clone()),
        }
    }

    /// The other way round, as the target has it.
    fn as_target(&self, rows: Tensor) -> Result<Tensor, TchError> {
        match self.to {
            Form::Maps { .. } => rows.f_unsqueeze(-1)?.f_unsqueeze(-1),
            Form::Rows { .. } => rows.f_transpose(1, 2),
            Form::Vector { .. } => Ok(rows),
        }
    }
}

/// One sample of a layer with the mean of each channel everywhere: what a stitch gives that sees
/// nothing of the image.
///
/// # Errors
/// libtorch cannot hold it.
pub fn constant(mean: &ndarray::Array1<f64>, form: Form, device: Device) -> Result<Tensor> {
    let mean = tensors::from_array(&mean.clone().into_dyn())?.to_kind(Kind::Float);
    let channels = form.channels() as i64;
    Ok(match form {
        Form::Maps { size: [h, w], .. } => mean.reshape([1, channels, 1, 1]).repeat([1, 1, h, w]),
        Form::Rows { rows, .. } => mean.reshape([1, channels, 1]).repeat([1, 1, rows]),
        Form::Vector { .. } => mean.reshape([1, channels]),
    }
    .to_device(device))
}
