//! Which layers the output depends on.

use std::collections::HashMap;

use tch::{Kind, Tensor};

use super::ffi::Answer;
use super::layers::Layer;
use super::model::Model;
use crate::error::Error;

/// Weights of the values of the output repeat after so many: sums of probabilities are not constant then.
const WEIGHTS: i64 = 7;

/// How an output depends on layers.
pub struct Influences {
    /// The gradient of a weighted sum of all values of the output with respect to each layer, `None` for
    /// a layer that it does not depend on through operators with a derivative.
    pub gradients: Vec<Option<Tensor>>,
    /// Whether each layer gave floats, without which there is no gradient.
    pub floats: Vec<bool>,
    /// What kept autograd from passing an operator, where one has no derivative.
    pub stopped: Option<Error>,
}

impl Model {
    /// How all that the model gives for an input depends on some layers. Runs the model once as it was
    /// loaded. To be called before [`Model::prepare`].
    ///
    /// `None` where the output is not a tensor of floats, or nothing of it can be differentiated.
    pub fn influences(&mut self, input: &Tensor, layers: &[Layer]) -> Option<Influences> {
        let mut kept: Vec<Option<Tensor>> = layers.iter().map(|_| None).collect();
        let output = self.record(&self.fitted(input).copy(), layers, &mut kept)?;
        let score = weighted(&output).filter(Tensor::requires_grad)?;
        let known: Vec<&Tensor> = kept.iter().flatten().collect();
        if known.is_empty() {
            return None;
        }
        let (found, stopped) = match Tensor::f_run_backward(&[&score], &known, true, false) {
            Ok(found) => (found.into_iter().map(Some).collect(), None),
            Err(error) => (one_by_one(&score, &known), Some(self.no_gradient(&error.to_string()))),
        };
        let mut found: std::vec::IntoIter<Option<Tensor>> = found.into_iter();
        let of = |kept: &Option<Tensor>| {
            let gradient = kept.as_ref().and_then(|_| found.next()).flatten();
            gradient.filter(Tensor::defined)
        };
        let floats = kept.iter().map(Option::is_some).collect();
        Some(Influences { gradients: kept.iter().map(of).collect(), floats, stopped })
    }

    /// Runs the model with the outputs of some layers kept, from which gradients are recorded.
    fn record(
        &mut self,
        input: &Tensor,
        layers: &[Layer],
        kept: &mut [Option<Tensor>],
    ) -> Option<Tensor> {
        let places: HashMap<(usize, usize), usize> =
            layers.iter().enumerate().map(|(i, layer)| ((layer.tap, layer.call), i)).collect();
        let mut calls: HashMap<usize, usize> = HashMap::new();
        let given = self.unpacked(input).ok()?;
        let ran = self.handle.run::<Error>(&given, true, &mut |tap, output| {
            let call = calls.entry(tap).or_insert(0);
            *call += 1;
            let Some(&place) = places.get(&(tap, *call)) else { return Ok(Answer::Keep) };
            if !output.is_floating_point() {
                return Ok(Answer::Keep);
            }
            let leaf = match output.requires_grad() {
                true => output.shallow_clone(),
                false => output.detach().set_requires_grad(true),
            };
            // The clone goes on, so that operators in place leave the kept tensor as it is.
            let copy = leaf.copy();
            kept[place] = Some(leaf);
            Ok(Answer::Replace(copy))
        });
        ran.ok().flatten()
    }

    /// Whether a layer is a part of an attention layer, whose axes are heads, queries and keys.
    pub fn is_in_attention(&self, layer: &Layer) -> bool {
        let is_outer = |path: &str| {
            let rest = layer.name.strip_prefix(path);
            rest.is_some_and(|rest| rest.starts_with('.'))
        };
        self.raw.iter().any(|outer| is_outer(&outer.path) && is_attention(&outer.type_name))
    }
}

/// Whether a class is an attention layer by its name, and no block that holds one.
fn is_attention(type_name: &str) -> bool {
    let name = type_name.to_lowercase();
    let has = |words: [&str; 2]| words.iter().any(|word| name.contains(word));
    has(["attention", "attn"]) && !has(["block", "layer"])
}

/// The gradients up to the last operator without a derivative, from the last layer on.
fn one_by_one(score: &Tensor, layers: &[&Tensor]) -> Vec<Option<Tensor>> {
    let mut found: Vec<Option<Tensor>> = layers.iter().map(|_| None).collect();
    for (place, layer) in layers.iter().enumerate().rev() {
        let Ok(mut gradients) = Tensor::f_run_backward(&[score], &[*layer], true, false) else {
            break;
        };
        found[place] = gradients.pop();
    }
    found
}

/// Σ wᵢyᵢ over all values of the output; `None` where they are not floats.
fn weighted(output: &Tensor) -> Option<Tensor> {
    if !output.is_floating_point() {
        return None;
    }
    let flat = output.reshape([-1]);
    let count = flat.size()[0];
    let weights = Tensor::arange(count, (Kind::Int64, output.device())).remainder(WEIGHTS) + 1;
    Some((flat * weights.to_kind(output.kind())).sum(output.kind()))
}

#[cfg(test)]
mod tests {
    use super::is_attention;

    #[test]
    fn attention_is_told_from_blocks_that_hold_it() {
        let layers =
            ["MultiheadAttention", "WindowAttention", "FactorAttnConvRelPosEnc", "ViTAttention"];
        let others = ["ClassAttentionBlock", "LayerScaleBlockClassAttn", "Block", "LayerNorm"];
        assert!(layers.iter().all(|name| is_attention(name)));
        assert!(!others.iter().any(|name| is_attention(name)));
    }
}
