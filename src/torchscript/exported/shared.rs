//! Names of modules that are registered more than once.
//!
//! A program says under which name a module was called. Modules of one class that hold the same tensors
//! by the same names are one, whose name is the one that was registered first; so do the calls of
//! TorchScript's modules count.

use std::collections::HashMap;

use super::modules::Frame;
use super::strict::Numbered;

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

/// Gives the calls of a module the name that it was registered with first.
pub fn rename(frames: &mut [Vec<Frame>], held: &[Held], numbered: &mut Numbered) {
    let first = First::new(frames, held);
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
            numbered.named(&frame.key, &name);
            caller = Some((frame.key.clone(), frame.path.clone()));
            frame.path.clone_from(&name);
            (called, named) = (path, name);
        }
    }
}

/// The first name of each module that holds tensors.
struct First {
    paths: HashMap<String, String>,
}

impl First {
    fn new(frames: &[Vec<Frame>], held: &[Held]) -> Self {
        let classes: HashMap<&str, &str> =
            frames.iter().flatten().map(|f| (f.path.as_str(), f.class.as_str())).collect();
        let mut firsts: HashMap<Contents<'_>, Vec<&str>> = HashMap::new();
        let mut paths = HashMap::new();
        for (path, contents) in modules(held) {
            let count = contents.len();
            let same = firsts.entry(contents).or_default();
            let is_one = |other: &&&str| match (classes.get(path), classes.get(**other)) {
                (Some(one), Some(other)) => one == other,
                // A weight alone may be that of an embedding and of a linear layer.
                _ => count > 1,
            };
            let name = same.iter().find(is_one).map_or(path, |other| *other);
            if name == path {
                same.push(path);
            }
            paths.insert(path.to_owned(), name.to_owned());
        }
        Self { paths }
    }
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
