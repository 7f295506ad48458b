//! The part of a model behind a layer, run on its own.

use std::path::{Path, PathBuf};

use tch::{Device, Tensor};

use super::batches::{joined, parts_of};
use super::draws;
use super::ffi::tail::{Parted, TailHandle};
use super::ffi::{Answer, Failure};
use super::layers::Layer;
use super::model::{Model, shape_text, torch_error};
use super::taps::Taps;
use super::tensors::in_plain_layout;
use crate::error::{Error, Result};

/// What is left of a prepared model to run behind one of its layers, with the layer's output for an
/// input: f where the model is f∘g and g the part up to the layer.
///
/// It does not depend on the model any more; weights are shared. Its parameters never require
/// gradients.
pub struct Tail {
    handle: TailHandle,
    path: PathBuf,
    layer: Layer,
    taps: Taps,
    device: Device,
    optimized: bool,
    draws: bool,
    /// How many samples it takes at once, where that is fixed.
    fixed: Option<i64>,
}

impl Model {
    /// Cuts the prepared model behind the layer with this index among those prepared. What counts
    /// as the output is what [`Model::choose_output`] has set by now.
    ///
    /// # Errors
    /// Something behind the layer takes values that do not come through it (the message names
    /// them), the layer runs in a loop, or the output does not depend on it.
    pub fn cut(&self, layer: usize) -> Result<Tail> {
        let Some(wanted) = self.layers().get(layer) else {
            let problem = format!("{} has no prepared layer {layer}", self.path().display());
            return Err(Error::usage(problem, "prepare the model for the layer first"));
        };
        let mut calls = vec![0; self.raw.len()];
        for prepared in self.layers() {
            calls[prepared.tap] = prepared.calls as i64;
        }
        let described = (wanted.axes.samples, self.packing.are_all(wanted.dtype));
        match self.handle.cut((wanted.tap, wanted.call), &calls, described) {
            Ok(Parted::Tail(handle)) => Ok(Tail::new(self, wanted, handle)),
            Ok(Parted::Refused(problem)) => Err(cannot_cut(self.path(), wanted, problem)),
            Err(said) => Err(self.torch_error("cut", said, "please report this".to_owned())),
        }
    }
}

impl Tail {
    fn new(model: &Model, layer: &Layer, handle: TailHandle) -> Self {
        let behind = model.layers().iter().enumerate().filter_map(|(number, layer)| {
            let first = handle.first_call(layer.tap)?;
            let call = (layer.call + 1).checked_sub(first).filter(|call| *call > 0)?;
            let calls = layer.calls + 1 - first;
            Some((number, Layer { call, calls, ..layer.clone() }))
        });
        Self {
            taps: Taps::numbered(behind),
            handle,
            path: model.path().to_owned(),
            layer: layer.clone(),
            device: model.device(),
            optimized: model.is_optimized(),
            draws: model.draws(),
            fixed: model.fixed,
        }
    }

    /// The layer it begins behind.
    pub fn layer(&self) -> &Layer {
        &self.layer
    }

    /// Indices, among the layers prepared, of those behind the cut that a hook is called for, in
    /// ascending order. A layer that runs both before and behind the cut, on both sides in branches
    /// or loops, is not among them: which of its calls come later is not known.
    pub fn heard(&self) -> Vec<usize> {
        self.taps.numbers()
    }

    /// Runs the tail on the layer's output for a batch of any size (on any device, in any memory
    /// layout), without recording gradients. The tensor stays as it is. The hook is called for the
    /// layers behind the cut, as by [`Model::run`]; once for each part where the model takes batches of
    /// one size only, the last part filled up.
    ///
    /// Returns the model's output, or `None` where it is not a tensor or the hook stopped the run.
    ///
    /// # Errors
    /// The tail does not run on a tensor of this shape, a layer did not run as often as when it was
    /// probed, or the hook failed.
    pub fn run(
        &mut self,
        activation: &Tensor,
        hook: &mut dyn FnMut(usize, &Tensor) -> Result<Answer>,
    ) -> Result<Option<Tensor>> {
        self.run_recording(activation, false, hook)
    }

    /// The same with gradients recorded: a backward pass from the output reaches `activation` and
    /// what it was computed from, where that requires gradients, and tensors the hook puts in a
    /// layer's place.
    ///
    /// # Errors
    /// As [`Tail::run`].
    pub fn run_with_gradients(
        &mut self,
        activation: &Tensor,
        hook: &mut dyn FnMut(usize, &Tensor) -> Result<Answer>,
    ) -> Result<Option<Tensor>> {
        self.run_recording(activation, true, hook)
    }

    fn run_recording(
        &mut self,
        activation: &Tensor,
        gradients: bool,
        hook: &mut dyn FnMut(usize, &Tensor) -> Result<Answer>,
    ) -> Result<Option<Tensor>> {
        let axis = self.layer.axes.samples;
        let mut outputs = vec![];
        for part in parts_of(activation, axis, self.fixed) {
            let output = self.run_part(&part.input, gradients, hook)?;
            match output {
                Some(output) => outputs.push(part.cut(&output, 0)),
                None => return Ok(None),
            }
        }
        joined(&outputs, 0).map(Some)
    }

    fn run_part(
        &mut self,
        activation: &Tensor,
        gradients: bool,
        hook: &mut dyn FnMut(usize, &Tensor) -> Result<Answer>,
    ) -> Result<Option<Tensor>> {
        let input = match gradients {
            true => self.place(activation),
            false => tch::no_grad(|| self.place(activation)),
        };
        let _kept = self.draws.then(draws::begin_run);
        let (taps, handle) = (&self.taps, &mut self.handle);
        let ran = taps.listen(&self.path, hook, |listen| handle.run(&input, gradients, listen));
        ran.map_err(|failure| self.run_error(failure, activation))
    }

    /// The activation on the tail's device and in the layout it runs fastest in: channels-last for
    /// a feature map where the convolutions of an optimised model follow. Other layers stay as they
    /// are written, so that operators that want their memory in order (`view`) find it so.
    fn place(&self, activation: &Tensor) -> Tensor {
        let activation = activation.to_device(self.device);
        let is_map = activation.dim() == 4 && self.layer.axes.channels == Some(1);
        match (self.optimized, is_map) {
            (true, true) if self.handle.is_channels_last() => channels_last(&activation),
            (true, true) => activation,
            _ => in_plain_layout(&activation),
        }
    }

    fn run_error(&self, failure: Failure<Error>, activation: &Tensor) -> Error {
        let said = match failure {
            Failure::Hook(error) => return error,
            Failure::Torch(said) => said,
        };
        let (given, gives) = (shape_text(&activation.size()), shape_text(&self.layer.shape));
        let name = &self.layer.name;
        let remedy = format!(
            "it was given a tensor of shape {given} in the place of {name}, whose output has shape \
             {gives} for the images it was probed with"
        );
        torch_error(&self.path, "run the tail of", said, remedy)
    }
}

/// A tensor with four axes laid out with the second one fastest; gradients pass.
fn channels_last(tensor: &Tensor) -> Tensor {
    tensor.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
}

fn cannot_cut(path: &Path, layer: &Layer, problem: String) -> Error {
    let remedy = match problem.ends_with("as it runs") {
        true => {
            "export a forward that is given its state and returns it; what runs the whole model, such as \
             `repsim cka`, takes it as it is"
        }
        false => {
            "choose a layer that all paths to the output go through, such as the last of a block"
        }
    };
    let (layer, path, remedy) = (layer.name.clone(), path.to_owned(), remedy.to_owned());
    Error::Layer { layer, path, problem, remedy }
}
