//! Which values of a `torch.export` program are the outputs of its modules.
//!
//! Each node says in which calls of modules it runs (`nn_module_stack`, outermost first: key, dotted
//! path and class; the keys of two calls of one module differ). A module's output is what its nodes make
//! and nodes outside of it use, or the program returns. The tap belongs behind its last node. Which
//! place it has in the tuple that the module gives is determined by [`Orders`].

use std::collections::{BTreeMap, HashMap, HashSet};

use super::order::{Order, Orders, named};
use super::program::each_name;
use super::schema::{Argument, Node};

/// A module call that a node runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What the exporter calls the call; with the path given there, no other call has it.
    pub key: String,
    /// Dotted path of the module.
    pub path: String,
    /// The module's class, without its modules.
    pub class: String,
    /// Whether the class is one of `torch.nn`.
    pub is_torch: bool,
    /// The path that the program has.
    pub written: String,
}

impl Frame {
    /// What the program calls the call: the module's path, for later calls with their number.
    pub fn call(&self) -> String {
        match self.key.rsplit_once('@') {
            Some((_, number)) if !self.written.contains('@') => {
                format!("{}@{number}", self.written)
            }
            _ => self.written.clone(),
        }
    }
}

/// A tap behind a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tap {
    /// Dotted path of the module, with `:0`, `:1` where it gives several tensors; `:made0`, `:made1` where
    /// their places in what it gives are not known.
    pub layer: String,
    /// The module's class, without its modules.
    pub class: String,
    /// Dotted path of the module.
    pub module: String,
    /// The value it gives.
    pub value: String,
}

/// The module calls that a node runs in, outermost first.
pub fn frames(node: &Node) -> Vec<Frame> {
    let frame = |text: &str| {
        let mut fields = text.splitn(3, ',');
        let (key, path, class) = (fields.next()?, fields.next()?, fields.next()?);
        let is_torch = class.starts_with("torch.nn.");
        let class = class.rsplit('.').next().unwrap_or(class).to_owned();
        let is_module = !path.is_empty() && path != key;
        let (key, written) = (key.to_owned(), path.to_owned());
        is_module.then(|| Frame { key, path: path.into(), class, is_torch, written })
    };
    node.metadata.nn_module_stack.split(';').filter_map(frame).collect()
}

/// Dotted path of the innermost module that a node runs in; empty for the model itself.
pub fn owner(frames: &[Frame]) -> &str {
    frames.last().map_or("", |frame| &frame.path)
}

/// A call of a module: its nodes, and its place in the last one's stack.
pub struct Call {
    depth: usize,
    nodes: Vec<usize>,
}

/// The taps behind each node, those of inner modules first.
pub fn taps(
    nodes: &[Node],
    frames: &[Vec<Frame>],
    calls: &[Call],
    returned: &HashSet<String>,
    orders: &Orders<'_>,
) -> Vec<Vec<Tap>> {
    let values = Values::of(nodes, returned);
    let mut calls: Vec<&Call> = calls.iter().filter(|call| !call.nodes.is_empty()).collect();
    calls.sort_by_key(|call| (call.nodes.last().copied(), std::cmp::Reverse(call.depth)));
    let mut modules: BTreeMap<&str, Vec<(usize, Order)>> = BTreeMap::new();
    for (place, call) in calls.iter().enumerate() {
        let frame = call.frame(frames);
        let used = values.outputs(call);
        if !used.is_empty() {
            let order = orders.of(frame, &call.nodes, &used);
            modules.entry(&frame.path).or_default().push((place, order));
        }
    }
    let mut outputs = vec![vec![]; calls.len()];
    for (path, ordered) in &modules {
        let orders: Vec<&Order> = ordered.iter().map(|(_, order)| order).collect();
        for ((place, _), named) in ordered.iter().zip(named(path, &orders)) {
            outputs[*place] = named;
        }
    }
    let mut taps = vec![vec![]; nodes.len()];
    for (call, outputs) in calls.into_iter().zip(outputs) {
        let Frame { path, class, .. } = call.frame(frames);
        taps[call.last()].extend(outputs.into_iter().map(|(layer, value)| {
            let (module, class) = (path.clone(), class.clone());
            Tap { layer, class, module, value }
        }));
    }
    taps
}

impl Call {
    fn last(&self) -> usize {
        self.nodes.last().copied().unwrap_or_default()
    }

    fn frame<'f>(&self, frames: &'f [Vec<Frame>]) -> &'f Frame {
        &frames[self.last()][self.depth]
    }
}

/// The calls of modules, by the keys and paths that the exporter gave. Where these do not tell the calls
/// of a module apart (before PyTorch 2.6), a gap between its nodes does.
pub fn calls(frames: &[Vec<Frame>]) -> Vec<Call> {
    let numbered = frames.iter().flatten().any(|frame| frame.key.contains('@'));
    let mut open: HashMap<(&str, &str), usize> = HashMap::new();
    let mut calls: Vec<Call> = vec![];
    for (node, stack) in frames.iter().enumerate() {
        for (depth, frame) in stack.iter().enumerate() {
            let name = (frame.key.as_str(), frame.path.as_str());
            let known = open.get(&name).copied();
            let known =
                known.filter(|&call| numbered || calls[call].nodes.last() == Some(&(node - 1)));
            let call = known.unwrap_or_else(|| {
                calls.push(Call { depth, nodes: vec![] });
                open.insert(name, calls.len() - 1);
                calls.len() - 1
            });
            let call = &mut calls[call];
            if call.nodes.last() != Some(&node) {
                call.nodes.push(node);
                call.depth = depth;
            }
        }
    }
    calls
}

/// Who makes and who uses the tensors of a program.
struct Values<'a> {
    /// For what operators give that return their input itself: that input.
    passed_on: HashMap<String, String>,
    /// The tensors that each node makes.
    made: Vec<Vec<String>>,
    /// The nodes that use each value.
    uses: HashMap<String, Vec<usize>>,
    returned: &'a HashSet<String>,
}

impl<'a> Values<'a> {
    fn of(nodes: &[Node], returned: &'a HashSet<String>) -> Self {
        let mut uses: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, node) in nodes.iter().enumerate() {
            for input in &node.inputs {
                each_name(&input.arg, &mut |name| {
                    uses.entry(name.to_owned()).or_default().push(place);
                });
            }
        }
        let passed_on = nodes.iter().filter_map(passed_on).collect();
        Self { passed_on, made: nodes.iter().map(tensors_of).collect(), uses, returned }
    }

    /// The tensors that a call gives, in the order in which they were made. Where there are others, these
    /// do not count: what the network only returns and does not go on with (keys and values of an
    /// attention for the next token), and the module's own input under another name.
    fn outputs(&self, call: &Call) -> Vec<&str> {
        let outside = |node: &usize| call.nodes.binary_search(node).is_err();
        let goes_on = |value: &&str| self.uses.get(*value).is_some_and(|by| by.iter().any(outside));
        let made: Vec<&str> =
            call.nodes.iter().flat_map(|&node| &self.made[node]).map(String::as_str).collect();
        let mut found: Vec<&str> = made.iter().copied().filter(goes_on).collect();
        if found.is_empty() {
            found = made.iter().copied().filter(|&v| self.returned.contains(v)).collect();
        }
        let own = |value: &&str| made.contains(&self.origin(value));
        match found.iter().any(own) {
            true => found.into_iter().filter(own).collect(),
            false => found,
        }
    }

    /// The value that this is another name of.
    fn origin<'v>(&'v self, value: &'v str) -> &'v str {
        let mut origin = value;
        for _ in 0..self.passed_on.len() {
            match self.passed_on.get(origin) {
                Some(input) => origin = input,
                None => break,
            }
        }
        origin
    }
}

/// Operators that return their input itself where there is nothing to do, as is mostly the case.
const PASSING: [&str; 3] =
    ["torch.ops.aten.to.", "torch.ops.aten.contiguous.", "torch.ops.aten.dropout."];

/// The name that a node gives to its input, and that input's.
fn passed_on(node: &Node) -> Option<(String, String)> {
    let passes = PASSING.iter().any(|target| node.target.starts_with(target));
    match (node.outputs.as_slice(), &node.inputs.first()?.arg) {
        ([Argument::AsTensor(new)], Argument::AsTensor(old)) if passes => {
            Some((new.name.clone(), old.name.clone()))
        }
        _ => None,
    }
}

fn tensors_of(node: &Node) -> Vec<String> {
    let mut names = vec![];
    for output in &node.outputs {
        if matches!(output, Argument::AsTensor(_) | Argument::AsTensors(_)) {
            each_name(output, &mut |name| names.push(name.to_owned()));
        }
    }
    names
}
