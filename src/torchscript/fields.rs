//! Receptive fields: which part of the input each unit of a layer depends on.

use std::collections::HashMap;

use tch::{Kind, Tensor};

use super::ffi::Answer;
use super::ffi::fields::FieldsHandle;
use super::layers::Layer;
use super::model::Model;
use super::tensors;
use crate::error::{Error, Result};

/// The part of the input that the units of a layer depend on, as its operators tell.
pub struct FollowedField {
    /// For each unit of the first sample a box, 4×C×positions: minus the first row, the last row, minus the first
    /// column, the last column, float32; −∞ where it depends on nothing of the input.
    pub bounds: Tensor,
    /// Operators on the way of which it is not known what they do; the bounds are NaN then.
    pub unknown: Vec<String>,
}

impl Model {
    /// Follows the rows and columns of images N×C×H×W, which the model takes in a shape, through the operators of a run
    /// up to some layers: kernels, strides, paddings and dilations of convolutions and pooling, over branches the box
    /// that holds the boxes of all. Exact for what the operators can pass on, whatever the weights are. To be called
    /// before [`Model::prepare`].
    ///
    /// # Errors
    /// The model does not run on the input.
    pub fn follow_fields(
        &mut self,
        images: &Tensor,
        shape: &[i64],
        layers: &[Layer],
    ) -> Result<Vec<FollowedField>> {
        let following = |said| self.torch_error("follow", said, "please report this".to_owned());
        let fields = FieldsHandle::follow(images).map_err(following)?;
        let input = &images.reshape(shape);
        let given = self.unpacked(&self.fitted(input))?;
        let places: HashMap<(usize, usize), usize> =
            layers.iter().enumerate().map(|(i, layer)| ((layer.tap, layer.call), i)).collect();
        let mut calls: HashMap<usize, usize> = HashMap::new();
        let mut found: Vec<Option<FollowedField>> = layers.iter().map(|_| None).collect();
        let ran = self.handle.probe(&given, false, &mut |tap, output| {
            let call = calls.entry(tap).or_insert(0);
            *call += 1;
            if let Some(&place) = places.get(&(tap, *call)) {
                found[place] = Some(followed(&fields, &layers[place], output)?);
            }
            Ok(Answer::Keep)
        });
        drop(fields);
        ran.map_err(|failure| self.run_error(failure, input))?;
        let missing = |layer: &Layer| Error::Layer {
            layer: layer.name.clone(),
            path: self.path().to_owned(),
            problem: "did not run again for the same input".to_owned(),
            remedy: "choose another layer; `repsim layers` lists them".to_owned(),
        };
        layers.iter().zip(found).map(|(layer, found)| found.ok_or_else(|| missing(layer))).collect()
    }

    /// How the units of a prepared layer at some positions (of those of
    /// [`Axes::canonical`](super::Axes::canonical), counted through) depend on an input: for each position the
    /// absolute gradient of a weighted sum of its channels, summed over the samples, in the shape of one of them
    /// with a leading axis of 1.
    ///
    /// # Errors
    /// The model does not run on the input, or nothing of the layer can be differentiated.
    pub fn unit_gradients(
        &mut self,
        input: &Tensor,
        layer: usize,
        positions: &[i64],
    ) -> Result<Vec<Tensor>> {
        let input = self.place(&self.fitted(input)).detach().set_requires_grad(true);
        let axes = self.layers()[layer].axes;
        let mut kept = None;
        self.run_placed(&input, true, &mut |place, output| {
            if place != layer {
                return Ok(Answer::Keep);
            }
            // A clone, so that operators in place leave it as it is.
            kept = Some(axes.canonical(output).copy());
            Ok(Answer::Stop)
        })?;
        let output = kept.filter(|output| output.requires_grad() && output.dim() >= 2);
        let output = output.ok_or_else(|| {
            self.no_gradient("nothing of the layer can be differentiated to the input")
        })?;
        let flat = output.reshape([output.size()[0], output.size()[1], -1]);
        let weights = weights(flat.size()[1], &flat);
        let gradient = |&position: &i64| {
            let score = (flat.select(2, position) * &weights).sum(flat.kind());
            let found = Tensor::f_run_backward(&[&score], &[&input], true, false);
            let found = found.map_err(|e| self.no_gradient(&e.to_string()))?.remove(0);
            if !found.defined() {
                return Err(self.no_gradient("the layer does not depend on the input"));
            }
            Ok(found.abs().sum_dim_intlist([0i64].as_slice(), true, Kind::Double))
        };
        positions.iter().map(gradient).collect()
    }
}

/// Weights of channels whose sums do not cancel.
fn weights(channels: i64, like: &Tensor) -> Tensor {
    let numbers = Tensor::arange(channels, (Kind::Double, like.device()));
    (numbers.f_sin().unwrap_or(numbers) * 0.25 + 1.0).to_kind(like.kind())
}

fn followed(fields: &FieldsHandle, layer: &Layer, output: &Tensor) -> Result<FollowedField> {
    let failed = |said: String| {
        let problem = format!("failed to follow the input to {}: {said}", layer.name);
        Error::usage(problem, "please report this")
    };
    let mut bounds = vec![];
    for bound in 0..4 {
        let whole = fields.bound(output, bound).map_err(failed)?;
        bounds.push(layer.axes.canonical(&whole).f_select(0, 0).map_err(|e| stacked(&e))?);
    }
    let bounds = Tensor::f_stack(&bounds, 0).map_err(|e| stacked(&e))?;
    let is_known = bounds.isnan().any().int64_value(&[]) == 0;
    Ok(FollowedField { bounds, unknown: if is_known { vec![] } else { fields.unknown() } })
}

fn stacked(error: &tch::TchError) -> Error {
    tensors::torch_error("read receptive fields", error)
}
