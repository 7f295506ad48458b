//! Which layers give the tensor of another in a run.

use std::collections::HashMap;

use tch::Tensor;

use crate::torchscript::Layer;

/// Of each layer the first one before it that gave its tensor when the layers were found.
pub fn sources(layers: &[Layer]) -> Vec<Option<usize>> {
    let source = |(i, layer): (usize, &Layer)| {
        layers[..i].iter().position(|before| layer.aliases.contains(&before.name))
    };
    layers.iter().enumerate().map(source).collect()
}

/// The tensors of layers that others are to give, too, kept in a run for as long as those have not come.
pub struct Shared {
    sources: Vec<Option<usize>>,
    kept: HashMap<usize, Kept>,
}

/// A tensor as it was given: one that was overwritten since has another version.
struct Kept {
    tensor: Tensor,
    version: Option<i64>,
    /// The last layer that is to give it.
    last: usize,
}

impl Shared {
    /// For a run of these layers.
    pub fn new(layers: &[Layer]) -> Self {
        Self { sources: sources(layers), kept: HashMap::new() }
    }

    /// The layer whose tensor this is, where it was to be that of another.
    pub fn find(&mut self, layer: usize, output: &Tensor) -> Option<usize> {
        if let Some(source) = self.sources[layer] {
            let kept = self.kept.get(&source)?;
            let same = kept.is(output).then_some(source);
            if kept.last == layer {
                self.kept.remove(&source);
            }
            return same;
        }
        if let Some(last) = self.sources.iter().rposition(|source| *source == Some(layer)) {
            let (tensor, version) = (output.shallow_clone(), version(output));
            self.kept.insert(layer, Kept { tensor, version, last });
        }
        None
    }
}

impl Kept {
    /// Whether an output is this tensor, and nothing was written into it since.
    fn is(&self, output: &Tensor) -> bool {
        let same_place = self.tensor.data_ptr() == output.data_ptr()
            && self.tensor.size() == output.size()
            && self.tensor.stride() == output.stride()
            && self.tensor.kind() == output.kind();
        same_place && self.version.is_some() && self.version == version(output)
    }
}

/// How often something was written into a tensor, where that is counted.
fn version(tensor: &Tensor) -> Option<i64> {
    tensor.f_internal_version().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared() -> Shared {
        Shared { sources: vec![None, Some(0), None, Some(0)], kept: HashMap::new() }
    }

    #[test]
    fn a_tensor_is_known_until_something_is_written_into_it() {
        let tensor = Tensor::ones([2, 3], tch::kind::FLOAT_CPU);
        let mut run = shared();
        assert_eq!(run.find(0, &tensor), None);
        assert_eq!(run.find(1, &tensor), Some(0));
        assert_eq!(run.find(2, &tensor), None);
        let _ = tensor.shallow_clone().g_add_(&tensor);
        assert_eq!(run.find(3, &tensor), None);
        assert!(run.kept.is_empty());
    }

    #[test]
    fn equal_tensors_and_views_are_others() {
        let tensor = Tensor::ones([2, 3], tch::kind::FLOAT_CPU);
        for other in [tensor.copy(), tensor.reshape([3, 2]), tensor.narrow(0, 0, 1)] {
            let mut run = shared();
            run.find(0, &tensor);
            assert_eq!(run.find(1, &other), None);
        }
    }
}
