//! Module calls of a strict export.
//!
//! It numbers modules where others name calls: the keys of one module's calls begin with its number.
//! The path is any of the module's names, and its weights are kept by the first name only.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use super::modules::Frame;
use super::program::each_name;
use super::schema::Node;
use super::shared::{below, join};

/// A call as the program has it: its key and path.
type Call = (String, String);

/// The modules by their numbers, and what they are called.
#[derive(Default)]
pub struct Numbered {
    /// The name that a module's weights are kept by.
    owners: HashMap<String, String>,
    /// The weights that its calls take.
    taken: HashMap<String, BTreeSet<String>>,
    /// The number of a module by its name.
    numbers: HashMap<String, String>,
    /// The calls of a module that another call of a module made, in their order.
    made: HashMap<(Call, String), Vec<Call>>,
    /// The name below the caller's that the so-manyth call of a module had in the caller's first call.
    first: HashMap<(String, String, usize), String>,
}

impl Numbered {
    /// The modules that take weights, by the names of these; `weights` holds what the program calls them.
    pub fn new(nodes: &[Node], frames: &[Vec<Frame>], weights: &HashMap<String, String>) -> Self {
        let mut numbered = Self::default();
        let classes: HashMap<&str, &str> =
            frames.iter().flatten().map(|f| (f.path.as_str(), f.class.as_str())).collect();
        for (node, stack) in nodes.iter().zip(frames) {
            for input in &node.inputs {
                each_name(&input.arg, &mut |name| {
                    if let Some(weight) = weights.get(name) {
                        numbered.take(stack, weight);
                        note_owners(&mut numbered.owners, stack, weight, &classes);
                    }
                });
            }
        }
        numbered.settle(frames);
        numbered
    }

    /// Takes back what several modules are called, or one by a weight that may be another's alone: a name
    /// is that of the module that is called by it.
    fn settle(&mut self, frames: &[Vec<Frame>]) {
        let mut paths: HashMap<&str, Vec<&str>> = HashMap::new();
        for frame in frames.iter().flatten() {
            let Some(number) = number(&frame.key) else { continue };
            let known = paths.entry(number).or_default();
            if !known.contains(&frame.path.as_str()) {
                known.push(&frame.path);
            }
        }
        let mut claims: HashMap<String, usize> = HashMap::new();
        for owner in self.owners.values() {
            *claims.entry(owner.clone()).or_default() += 1;
        }
        let taken = &self.taken;
        self.owners.retain(|number, owner| {
            let paths = paths.get(number.as_str()).map_or(&[][..], Vec::as_slice);
            let is_sure = claims[owner] == 1 && taken.get(number).is_some_and(|all| all.len() > 1);
            if paths.contains(&owner.as_str()) || is_sure {
                return true;
            }
            if let [first, _, ..] = paths {
                (*first).clone_into(owner);
            }
            paths.len() > 1
        });
    }

    fn take(&mut self, stack: &[Frame], weight: &str) {
        for number in stack.iter().filter_map(|frame| number(&frame.key)) {
            self.taken.entry(number.to_owned()).or_default().insert(weight.to_owned());
        }
    }

    /// The name that the weights of a module are kept by.
    pub fn owner(&self, key: &str) -> Option<&str> {
        self.owners.get(number(key)?).map(String::as_str)
    }

    /// The names of the weights that a module's calls take, by the module's name.
    pub fn taken(&self, name: &str) -> impl Iterator<Item = &str> {
        let taken = self.numbers.get(name).and_then(|number| self.taken.get(number));
        taken.into_iter().flatten().map(String::as_str)
    }

    /// Notes what the module of a key is called.
    pub fn named(&mut self, key: &str, name: &str) {
        if let Some(number) = number(key) {
            self.numbers.insert(name.to_owned(), number.to_owned());
        }
    }

    /// What a call is called below `called`, the name of the call that makes it: as in the first call of
    /// that module. Keys and paths are those that the program has.
    pub fn called(&mut self, frame: &Frame, caller: Option<&Call>, called: &str) -> String {
        let Some(module) = number(&frame.key) else { return frame.path.clone() };
        let caller = caller.cloned().unwrap_or_default();
        let parent = caller.0.split('@').next().unwrap_or_default().to_owned();
        let call = (frame.key.clone(), frame.path.clone());
        let made = self.made.entry((caller, module.to_owned())).or_default();
        let place = made.iter().position(|other| *other == call).unwrap_or(made.len());
        if place == made.len() {
            made.push(call);
        }
        let known = self.first.entry((parent, module.to_owned(), place));
        match (known, below(&frame.path, called)) {
            (Entry::Occupied(name), _) => join(called, name.get()),
            (Entry::Vacant(name), Some(rest)) => join(called, name.insert(rest.to_owned())),
            (Entry::Vacant(_), None) => frame.path.clone(),
        }
    }
}

/// The number of a module in a key.
pub fn number(key: &str) -> Option<&str> {
    let number = key.split('@').next()?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
}

/// Notes that a weight belongs to the innermost of some calls; and its parents to theirs, as far as the
/// names agree.
fn note_owners(
    owners: &mut HashMap<String, String>,
    stack: &[Frame],
    weight: &str,
    classes: &HashMap<&str, &str>,
) {
    let Some((mut owner, _)) = weight.rsplit_once('.') else { return };
    let mut frames = stack.iter().rev().peekable();
    while let Some(frame) = frames.next() {
        let other = classes.get(owner).is_some_and(|class| *class != frame.class);
        let Some(number) = number(&frame.key).filter(|_| !other) else { return };
        let known = owners.entry(number.to_owned()).or_insert_with(|| owner.to_owned());
        if frame.path == owner {
            owner.clone_into(known);
        }
        let (Some((path, last)), Some((next, same))) =
            (frame.path.rsplit_once('.'), owner.rsplit_once('.'))
        else {
            return;
        };
        if last != same || frames.peek().is_none_or(|parent| parent.path != path) {
            return;
        }
        owner = next;
    }
}
