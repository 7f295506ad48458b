//! The taps of a prepared graph: which layer's hook a tap is, and whether all ran.

use std::collections::HashMap;
use std::path::Path;

use tch::{Kind, Tensor};

use super::ffi::{Answer, Failure};
use super::layers::Layer;
use crate::error::{Error, Result};

/// A hook as it is called from a graph: with the number of a tap.
pub(super) type Listen<'a> = dyn FnMut(usize, &Tensor) -> Result<Answer> + 'a;

/// The layers listened to, found by tap and number of the call.
#[derive(Default)]
pub(super) struct Taps {
    index: HashMap<(usize, usize), usize>,
    /// The layers, with the calls they have in this graph.
    pub(super) layers: Vec<Layer>,
}

impl Taps {
    /// Taps behind all of these layers; hooks are called with the place of the layer here.
    pub(super) fn new(layers: &[Layer]) -> Self {
        Self::numbered(layers.iter().cloned().enumerate())
    }

    /// Taps behind these layers; hooks are called with the number beside the layer.
    pub(super) fn numbered(layers: impl IntoIterator<Item = (usize, Layer)>) -> Self {
        let mut taps = Self::default();
        for (number, layer) in layers {
            taps.index.insert((layer.tap, layer.call), number);
            taps.layers.push(layer);
        }
        taps
    }

    /// The numbers that hooks are called with, from the lowest.
    pub(super) fn numbers(&self) -> Vec<usize> {
        let mut numbers: Vec<usize> = self.index.values().copied().collect();
        numbers.sort_unstable();
        numbers
    }

    /// Runs a graph with a hook, and checks that each layer ran as often as it should. Hooks see the numbers
    /// that quantised outputs stand for.
    pub(super) fn listen(
        &self,
        path: &Path,
        hook: &mut dyn FnMut(usize, &Tensor) -> Result<Answer>,
        run: impl FnOnce(&mut Listen<'_>) -> Result<Option<Tensor>, Failure<Error>>,
    ) -> Result<Option<Tensor>, Failure<Error>> {
        let mut counts: HashMap<usize, usize> = HashMap::new();
        let mut stopped = false;
        let output = run(&mut |tap, output| {
            let call = counts.entry(tap).or_insert(0);
            *call += 1;
            let Some(&layer) = self.index.get(&(tap, *call)) else { return Ok(Answer::Keep) };
            let answer = match is_quantized(output) {
                true => hook(layer, &output.dequantize())?,
                false => hook(layer, output)?,
            };
            stopped |= matches!(answer, Answer::Stop);
            Ok(answer)
        })?;
        if !stopped {
            self.check_counts(path, &counts).map_err(Failure::Hook)?;
        }
        Ok(output)
    }

    /// Each module must have run as often as it did when the layers were found.
    fn check_counts(&self, path: &Path, counts: &HashMap<usize, usize>) -> Result<()> {
        for layer in &self.layers {
            let (expected, ran) = (layer.calls, counts.get(&layer.tap).copied().unwrap_or(0));
            if ran != expected {
                return Err(Error::Layer {
                    layer: layer.name.clone(),
                    path: path.to_owned(),
                    problem: format!("ran {ran} times for this batch but {expected} times before"),
                    remedy: format!(
                        "leave it out with --layers '!{}'; a layer has to run equally often for \
                         every batch",
                        layer.name
                    ),
                });
            }
        }
        Ok(())
    }
}

/// Whether a tensor holds whole numbers that stand for others by a scale.
fn is_quantized(tensor: &Tensor) -> bool {
    matches!(tensor.f_kind(), Ok(Kind::QInt8 | Kind::QUInt8 | Kind::QInt32))
}
