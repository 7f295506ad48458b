//! Gradients of a score with respect to the input and to inner activations.

use std::path::Path;

use tch::Tensor;

use super::batches::joined;
use super::ffi::Answer;
use super::model::Model;
use super::returned::no_tensor;
use crate::error::{Error, Result};

/// A layer's output and the gradient of the score with respect to it, both N×C×positions
/// ([`Axes::canonical`](super::Axes::canonical)).
pub struct LayerGradient {
    /// The output as the layer gave it, before any operator changed it in place.
    pub activation: Tensor,
    /// The gradient.
    pub gradient: Tensor,
}

/// What [`Model::gradients`] returns.
pub struct Gradients {
    /// The model's output.
    pub output: Tensor,
    /// The gradient with respect to the input.
    pub input: Tensor,
    /// One a layer that was prepared, in that order.
    pub layers: Vec<LayerGradient>,
}

/// What [`Model::tail_gradients`] returns.
pub struct TailGradients {
    /// The model's output.
    pub output: Tensor,
    /// One a layer that was prepared, in that order.
    pub layers: Vec<LayerGradient>,
}

/// What is said where autograd recorded nothing up to the input.
const UNREACHED: &str = "no gradient reaches the input: the output is computed under no_grad, or by \
                         operators without a derivative";

/// What PyTorch traces attention layers to where no gradient is recorded.
const FUSED: [&str; 2] = ["_native_multi_head_attention", "_transformer_encoder_layer_fwd"];

impl Model {
    /// Runs the prepared model forward and backward: ∂s/∂input and ∂s/∂activation for every layer
    /// prepared, where `score` makes the scalar s of the model's output.
    ///
    /// # Errors
    /// The model does not run on this input, returns no tensor, the score cannot be made, or it
    /// does not depend on the input through operators that can be differentiated.
    pub fn gradients(
        &mut self,
        input: &Tensor,
        score: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Gradients> {
        let input = self.place(input).detach().set_requires_grad(true);
        let (output, layers, found) = self.differentiate(&input, true, score)?;
        let input = found.ok_or_else(|| self.no_gradient("autograd gave nothing"))?;
        Ok(Gradients { output, input, layers })
    }

    /// The same for the layers alone. What lies before the first of them is not differentiated,
    /// and costs a forward pass only.
    ///
    /// # Errors
    /// As [`Model::gradients`].
    pub fn tail_gradients(
        &mut self,
        input: &Tensor,
        score: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<TailGradients> {
        let input = self.place(input).detach();
        let (output, layers, _) = self.differentiate(&input, false, score)?;
        Ok(TailGradients { output, layers })
    }

    fn differentiate(
        &mut self,
        input: &Tensor,
        with_input: bool,
        score: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<(Tensor, Vec<LayerGradient>, Option<Tensor>)> {
        let parts = self.parts(input);
        let mut kept: Vec<Vec<Tensor>> = self.layers().iter().map(|_| vec![]).collect();
        let mut outputs = vec![];
        for part in &parts {
            let output = self.keep(&part.input, &mut kept)?;
            let output = output.ok_or_else(|| no_tensor(self, "differentiate", input))?;
            outputs.push(part.cut(&output, 0));
        }
        let output = joined(&outputs, 0)?;
        let activations: Vec<&Tensor> = kept.iter().flatten().collect();
        let wanted: Vec<&Tensor> =
            activations.iter().copied().chain(with_input.then_some(input)).collect();
        let score = score(&output)?;
        // libtorch's engine follows a null pointer where nothing was recorded.
        if !score.requires_grad() {
            return Err(self.unreached(if with_input { self.layers().len() } else { 0 }));
        }
        let mut gradients = Tensor::f_run_backward(&[score], &wanted, false, false)
            .map_err(|e| self.no_gradient(&e.to_string()))?;
        if let Some(place) = gradients.iter().position(|g| !g.defined()) {
            let none = with_input && gradients.iter().all(|g| !g.defined());
            let layer = place / parts.len();
            return Err(self.unreached(if none { self.layers().len() } else { layer }));
        }
        let of_input = if with_input { gradients.pop() } else { None };
        let mut gradients = gradients.into_iter();
        let mut layers = vec![];
        for (layer, activations) in self.layers().iter().zip(kept) {
            let gradients: Vec<Tensor> = gradients.by_ref().take(activations.len()).collect();
            let whole = |of_parts: &[Tensor]| {
                let cut = of_parts.iter().zip(&parts);
                let cut: Vec<Tensor> =
                    cut.map(|(tensor, part)| part.cut(tensor, layer.axes.samples)).collect();
                joined(&cut, layer.axes.samples).map(|whole| layer.axes.canonical(&whole.detach()))
            };
            layers.push(LayerGradient {
                activation: whole(&activations)?,
                gradient: whole(&gradients)?,
            });
        }
        Ok((output.detach(), layers, of_input))
    }

    /// Runs the model on a part of a batch and keeps what the layers give, for their gradients.
    fn keep(&mut self, input: &Tensor, kept: &mut [Vec<Tensor>]) -> Result<Option<Tensor>> {
        let names: Vec<String> = self.layers().iter().map(|l| l.name.clone()).collect();
        let path = self.path().to_owned();
        self.run_placed(input, true, &mut |layer, output| {
            if !output.is_floating_point() {
                return Err(no_floats(&path, &names[layer]));
            }
            let leaf = match output.requires_grad() {
                true => output.shallow_clone(),
                false => output.detach().set_requires_grad(true),
            };
            // The clone goes on, so that operators in place leave the kept tensor as it is.
            let copy = leaf.copy();
            kept[layer].push(leaf);
            Ok(Answer::Replace(copy))
        })
    }

    /// The score does not depend on one of the layers, or, after the last of them, on the input.
    fn unreached(&self, place: usize) -> Error {
        match self.layers().get(place) {
            None => self.no_gradient(UNREACHED),
            Some(layer) => Error::Layer {
                layer: layer.name.clone(),
                path: self.path().to_owned(),
                problem: "has no gradient: the output does not depend on it through \
                          differentiable operators"
                    .to_owned(),
                remedy:
                    "choose a layer on the way to that output with --layers (`repsim layers` lists \
                         them), or export the model without no_grad"
                        .to_owned(),
            },
        }
    }

    /// What autograd could not do.
    pub(super) fn no_gradient(&self, said: &str) -> Error {
        let fused = FUSED.iter().find(|name| said.contains(**name));
        Error::Model {
            action: "differentiate",
            path: self.path().to_owned(),
            problem: match fused {
                Some(name) => format!("its attention is one operator, {name}, without a derivative"),
                None => said.lines().next().unwrap_or("no reason given").to_owned(),
            },
            remedy: match fused {
                Some(_) => "trace it after torch.backends.mha.set_fastpath_enabled(False)",
                None => {
                    "export it without no_grad, or see `repsim saliency --method occlusion`, which needs \
                     no gradient"
                }
            }
            .to_owned(),
            detail: said.to_owned(),
        }
    }
}

/// A layer whose output has no gradient.
fn no_floats(path: &Path, layer: &str) -> Error {
    Error::Layer {
        layer: layer.to_owned(),
        path: path.to_owned(),
        problem: "gives whole numbers, which have no gradient".to_owned(),
        remedy: "choose another layer; `repsim layers` lists them".to_owned(),
    }
}
