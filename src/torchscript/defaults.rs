//! Which layers are looked at where none are named: down to the blocks that repeat.

use std::collections::{HashMap, HashSet};

use super::ffi::RawLayer;
use super::layers::{Kind, Layer, element};

/// Depth of the dotted names that are chosen in any case.
const DEPTH: usize = 2;

/// Children of one type that make a module a container of blocks.
const REPEATED: usize = 3;

/// Marks the layers taken by default: all modules down to depth two, and, however deep they lie, the children of a
/// module that is opened; of layers that give one tensor only the one that finishes first, and of a module that gives a
/// tuple the first tensor. A module is opened where at least three of its children are blocks of one type, or all of
/// them, where there are two. A block is a module that holds two or more layers with weights beside norms.
pub(super) fn mark(layers: &mut [Layer], modules: &[RawLayer]) {
    let tree = Tree::new(modules);
    let opened = tree.opened();
    let mut taken: HashSet<String> = HashSet::new();
    for layer in layers {
        let (path, place) = element(&modules[layer.tap].path);
        let first = place.unwrap_or(0) == 0 && layer.without_order().is_none();
        let wanted = first && (depth(path) <= DEPTH || opened.contains(parent(path)));
        layer.by_default = wanted && !layer.aliases.iter().any(|alias| taken.contains(alias));
        if layer.by_default {
            taken.insert(layer.name.clone());
        }
    }
}

/// Number of parts of a dotted name: 2 for `layer1.0`.
pub(super) fn depth(name: &str) -> usize {
    name.split('.').count()
}

fn parent(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(parent, _)| parent)
}

struct Tree<'a> {
    modules: &'a [RawLayer],
    /// Places of the children below a path, which need not be a layer itself.
    children: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Tree<'a> {
    fn new(modules: &'a [RawLayer]) -> Self {
        let mut children: HashMap<&str, Vec<usize>> = HashMap::new();
        for (place, module) in modules.iter().enumerate() {
            if element(&module.path).1.is_some_and(|place| place > 0) {
                continue;
            }
            children.entry(parent(&module.path)).or_default().push(place);
        }
        Self { modules, children }
    }

    fn opened(&self) -> HashSet<&'a str> {
        let repeats =
            |(path, children): (&&'a str, &Vec<usize>)| self.repeats(children).then_some(*path);
        self.children.iter().filter_map(repeats).collect()
    }

    fn repeats(&self, children: &[usize]) -> bool {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for &child in children.iter().filter(|&&child| self.is_block(child)) {
            *counts.entry(self.modules[child].type_name.as_str()).or_default() += 1;
        }
        let most = counts.into_values().max().unwrap_or(0);
        most >= REPEATED || (most >= 2 && most == children.len())
    }

    fn is_block(&self, place: usize) -> bool {
        let module = &self.modules[place];
        let is_leaf = !self.children.contains_key(element(&module.path).0);
        match Kind::of(&module.type_name, false, !is_leaf) {
            Kind::Block if is_leaf => module.parameters > 0,
            Kind::Block => self.weighted_below(place) >= 2,
            _ => false,
        }
    }

    /// Layers within a module that hold weights, norms aside.
    fn weighted_below(&self, place: usize) -> usize {
        let module = &self.modules[place];
        match self.children.get(element(&module.path).0) {
            Some(children) => children.iter().map(|&child| self.weighted_below(child)).sum(),
            None => {
                let kind = Kind::of(&module.type_name, false, false);
                usize::from(module.parameters > 0 && kind != Kind::Normalization)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torchscript::axes::Axes;
    use crate::torchscript::dependence::Dependence;

    /// Modules by path and class; those without children have parameters where they can.
    fn modules(listed: &[(&str, &str)]) -> Vec<RawLayer> {
        let bare = ["ReLU", "Dropout", "GELU", "Identity"];
        let module = |&(path, class): &(&str, &str)| RawLayer {
            path: path.to_owned(),
            type_name: class.to_owned(),
            result: "Tensor".to_owned(),
            parameters: u64::from(!bare.contains(&class)),
            gives_tensor: true,
            is_placed: true,
        };
        listed.iter().map(module).collect()
    }

    fn layers(modules: &[RawLayer], aliases: &[(&str, &str)]) -> Vec<Layer> {
        let mut layers: Vec<Layer> = vec![];
        for (tap, module) in modules.iter().enumerate() {
            let name = module.path.as_str();
            let of = |&(a, b): &(&str, &str)| match (a == name, b == name) {
                (true, _) => Some(b.to_owned()),
                (_, true) => Some(a.to_owned()),
                _ => None,
            };
            layers.push(Layer {
                name: name.to_owned(),
                type_name: module.type_name.clone(),
                kind: Kind::Block,
                shape: vec![2, 3],
                axes: Axes::guessed(2),
                parameters: module.parameters,
                call: 1,
                calls: 1,
                aliases: aliases.iter().filter_map(of).collect(),
                by_default: false,
                complex: false,
                dtype: tch::Kind::Float,
                dependence: Dependence::default(),
                is_placed: true,
                tap,
            });
        }
        layers
    }

    fn taken(listed: &[(&str, &str)], aliases: &[(&str, &str)]) -> Vec<String> {
        let modules = modules(listed);
        let mut layers = layers(&modules, aliases);
        mark(&mut layers, &modules);
        layers.into_iter().filter(|l| l.by_default).map(|l| l.name).collect()
    }

    /// A block of a class with two linear layers, and its inner modules before it.
    fn block(path: &'static str, class: &'static str) -> Vec<(&'static str, &'static str)> {
        let inner =
            |name: &str| -> &'static str { Box::leak(format!("{path}.{name}").into_boxed_str()) };
        vec![
            (inner("norm"), "LayerNorm"),
            (inner("one"), "Linear"),
            (inner("two"), "Linear"),
            (path, class),
        ]
    }

    #[test]
    fn blocks_below_wrappers_are_taken() {
        let mut listed = vec![("bert.embeddings", "Embedding")];
        for path in ["bert.encoder.layer.0", "bert.encoder.layer.1", "bert.encoder.layer.2"] {
            listed.extend(block(path, "BertLayer"));
        }
        listed.extend([("bert.encoder", "BertEncoder"), ("head", "Linear")]);
        let found = taken(&listed, &[("bert.encoder.layer.2", "bert.encoder")]);
        let blocks = ["bert.encoder.layer.0", "bert.encoder.layer.1", "bert.encoder.layer.2"];
        assert_eq!(found[0], "bert.embeddings");
        assert_eq!(found[1..4], blocks);
        assert_eq!(found[4..], ["head"]);
    }

    #[test]
    fn two_blocks_are_enough_where_there_is_nothing_else() {
        let stage = |other: Option<(&'static str, &'static str)>| {
            let mut listed = block("net.features.1.0", "SwinBlock");
            listed.extend(block("net.features.1.1", "SwinBlock"));
            listed.extend(other);
            listed.push(("net.features.1", "Sequential"));
            taken(&listed, &[])
        };
        assert_eq!(stage(None), ["net.features.1.0", "net.features.1.1"]);
        assert!(stage(Some(("net.features.1.2", "LayerNorm"))).is_empty());
    }

    #[test]
    fn parts_of_a_block_are_not_blocks() {
        let listed = [
            ("features.1.block.0.0", "Conv2d"),
            ("features.1.block.0.1", "BatchNorm2d"),
            ("features.1.block.0", "Conv2dNormActivation"),
            ("features.1.block.1.0", "Conv2d"),
            ("features.1.block.1.1", "BatchNorm2d"),
            ("features.1.block.1", "Conv2dNormActivation"),
            ("features.1.block.2.0", "Conv2d"),
            ("features.1.block.2", "Conv2dNormActivation"),
            ("features.1.block", "Sequential"),
            ("features.1", "InvertedResidual"),
        ];
        assert_eq!(taken(&listed, &[("features.1.block", "features.1")]), ["features.1"]);
    }

    /// A fused encoder layer runs none of its children: they are not in the graph.
    #[test]
    fn blocks_without_children_are_blocks() {
        let class = "TransformerEncoderLayer";
        let listed = [
            ("m.enc.layers.0", class),
            ("m.enc.layers.1", class),
            ("m.enc.layers.2", class),
            ("m.enc.layers.2.act", "ReLU"),
        ];
        assert_eq!(taken(&listed[..3], &[]).len(), 3);
        assert!(
            taken(&[("m.a.b.0", "ReLU"), ("m.a.b.1", "ReLU"), ("m.a.b.2", "ReLU")], &[]).is_empty()
        );
    }
}
