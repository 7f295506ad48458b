//! Names of modules that are registered more than once.
//!
//! A program says under which name a module was called. A strict export numbers modules: the number says
//! which are one. Elsewhere, modules of one class and code that hold the same tensors by the same names
//! are one, whose name is the one that was registered first; so do the calls of TorchScript's modules count.

use std::collections::{BTreeMap, HashMap};

use super::modules::Frame;
use super::program::each_name;
use super::schema::Node;
use super::strict::{self, Numbered};

/// A weight and where its values lie: two names of one tensor lie in one place.
pub struct Held {
    /// Dotted name, in the order in which they were registered.
    pub name: String,
    /// Its place in memory, sizes and strides.
    pub place: Place,
}

/// Where a tensor begins, its sizes and strides.
pub type Place = (usize, Vec<i64>, Vec<i64>);

impl Held {
    /// A weight as it was read; `None` where it holds no values.
    pub fn new(name: &str, tensor: &tch::Tensor) -> Option<Self> {
        let place = (tensor.data_ptr() as usize, tensor.size(), tensor.stride());
        (tensor.numel() > 0).then(|| Self { name: name.to_owned(), place })
    }
}

/// Gives the calls of a module the name that it was registered with first. Returns the names that count as
/// another although nothing in the program tells whether they are modules of their own.
pub fn rename(
    nodes: &[Node],
    frames: &mut [Vec<Frame>],
    held: &[Held],
    numbered: &mut Numbered,
) -> Vec<(String, String)> {
    let first = match frames.iter().flatten().any(|frame| strict::number(&frame.key).is_some()) {
        true => First::own(held),
        false => First::new(nodes, frames, held),
    };
    let mut merged = BTreeMap::new();
    for stack in frames {
        let (mut caller, mut called, mut named) = (None, String::new(), String::new());
        for frame in stack {
            let path = numbered.called(frame, caller.as_ref(), &called);
            let owner = || numbered.owner(&frame.key).map(str::to_owned);
            let name = first.paths.get(&path).cloned().or_else(owner);
            let name = name.unwrap_or_else(|| match below(&path, &called) {
                Some(rest) => join(&named, rest),
                None => path.clone(),
            });
            if first.paths.get(&path).is_some_and(|first| *first != path) && named == called {
                merged.insert(path.clone(), name.clone());
            }
            numbered.named(&frame.key, &name);
            caller = Some((frame.key.clone(), frame.path.clone()));
            frame.path.clone_from(&name);
            (called, named) = (path, name);
        }
    }
    merged.into_iter().collect()
}

/// The first name of each module that holds tensors.
struct First {
    paths: HashMap<String, String>,
}

impl First {
    /// Each module by its own name.
    fn own(held: &[Held]) -> Self {
        let own = |(path, _): (&str, _)| (path.to_owned(), path.to_owned());
        Self { paths: modules(held).into_iter().map(own).collect() }
    }

    fn new(nodes: &[Node], frames: &[Vec<Frame>], held: &[Held]) -> Self {
        let mut alike: HashMap<Contents<'_>, Vec<&str>> = HashMap::new();
        for (path, contents) in modules(held) {
            alike.entry(contents).or_default().push(path);
        }
        let mut paths = HashMap::new();
        for (contents, same) in alike {
            for (path, name) in settled(&same, contents.len(), nodes, frames) {
                paths.insert(path.to_owned(), name.to_owned());
            }
        }
        Self { paths }
    }
}

/// Names modules that hold the same tensors, `count` of them: those whose code differs are several.
fn settled<'p>(
    same: &[&'p str],
    count: usize,
    nodes: &[Node],
    frames: &[Vec<Frame>],
) -> Vec<(&'p str, &'p str)> {
    if let [path] = same {
        return vec![(path, path)];
    }
    let mut firsts: HashMap<Vec<String>, &str> = HashMap::new();
    let mut named = vec![];
    for path in same {
        let code = code(path, nodes, frames);
        if !code.is_empty() {
            named.push((*path, *firsts.entry(code).or_insert(path)));
        }
    }
    // A weight alone may be that of an embedding and of a linear layer.
    let is_called = named.first().is_some_and(|(path, _)| *path == same[0]);
    if firsts.len() == 1 && (is_called || count > 1) {
        named.iter_mut().for_each(|(_, name)| *name = same[0]);
    }
    named
}

/// What the first call of a module runs: classes, operators and what these are given but tensors.
fn code(path: &str, nodes: &[Node], frames: &[Vec<Frame>]) -> Vec<String> {
    let mut code = vec![];
    let mut first = None;
    for (node, stack) in nodes.iter().zip(frames) {
        let Some(depth) = stack.iter().position(|frame| frame.path == path) else { continue };
        if *first.get_or_insert(&stack[depth].key) != &stack[depth].key {
            continue;
        }
        code.push(stack[depth].class.clone());
        for inner in &stack[depth + 1..] {
            code.push(format!(
                "{} {}",
                below(&inner.path, path).unwrap_or(&inner.path),
                inner.class
            ));
        }
        code.push(node.target.clone());
        for input in &node.inputs {
            let mut is_constant = true;
            each_name(&input.arg, &mut |_| is_constant = false);
            let given = if is_constant { format!("{:?}", input.arg) } else { String::new() };
            code.push(format!("{} {given}", input.name));
        }
    }
    code
}

/// The tensors of a module, by their names below it.
type Contents<'a> = Vec<(&'a str, &'a Place)>;

/// The modules that hold tensors, and these, in the order in which they were registered.
fn modules(held: &[Held]) -> Vec<(&str, Contents<'_>)> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut modules: Vec<(&str, Contents<'_>)> = vec![];
    for Held { name, place } in held {
        for (dot, _) in name.match_indices('.') {
            let (path, rest) = (&name[..dot], &name[dot + 1..]);
            let at = *places.entry(path).or_insert(modules.len());
            if at == modules.len() {
                modules.push((path, vec![]));
            }
            modules[at].1.push((rest, place));
        }
    }
    modules
}

/// The rest of a path below another.
pub fn below<'p>(path: &'p str, parent: &str) -> Option<&'p str> {
    match parent.is_empty() {
        true => Some(path),
        false => path.strip_prefix(parent)?.strip_prefix('.'),
    }
}

/// A path below another.
pub fn join(parent: &str, rest: &str) -> String {
    if parent.is_empty() { rest.to_owned() } else { format!("{parent}.{rest}") }
}
