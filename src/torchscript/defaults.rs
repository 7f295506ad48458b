//! Which layers are looked at where none are named: down to the blocks that repeat.

use std::collections::{HashMap, HashSet};

use super::ffi::RawLayer;
use super::layers::{Kind, Layer};

/// Depth of the dotted names that are chosen in any case.
const DEPTH: usize = 2;

/// Children of one type that make a module a container of blocks.
const REPEATED: usize = 3;

/// Marks the layers taken by default: all modules down to depth two, and, however deep they lie, the
/// children of a module that is opened; of layers that give one tensor only the one that finishes
/// first. A module is opened where at least three of its children are blocks of one type, or all of
/// them, where there are two. A block is a module that holds two or more layers with weights beside
/// norms.
pub(super) fn mark(layers: &mut [Layer], modules: &[RawLayer]) {
    let tree = Tree::new(modules);
    let opened = tree.opened();
    let mut taken: HashSet<String> = HashSet::new();
    for layer in layers {
        let path = modules[layer.tap].path.as_str();
        let wanted = depth(path) <= DEPTH || opened.contains(parent(path));
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
        let is_leaf = !self.children.contains_key(module.path.as_str());
        match Kind::of(&module.type_name, false, !is_leaf) {
            Kind::Block if is_leaf => module.parameters > 0,
            Kind::Block => self.weighted_below(place) >= 2,
            _ => false,
        }
    }

    /// Layers within a module that hold weights, norms aside.
    fn weighted_below(&self, place: usize) -> usize {
        let module = &self.modules[place];
        match self.children.get(module.path.as_str()) {
            Some(children) => children.iter().map(|&child| self.weighted_below(child)).sum(),
            None => {
                let kind = Kind::of(&module.type_name, false, false);
                usize::from(module.parameters > 0 && kind != Kind::Normalization)
            }
        }
    }
}
