//! A `torch.export` program as one list of nodes: regions that only set a mode are put in line.

use std::collections::HashMap;

use super::schema::{
    Argument, InnerGraph, Metadata, Name, NamedArgument, Node, OptionalTensor, Symbolic,
};

/// Why a program cannot be run: what it is, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    pub problem: String,
    pub remedy: String,
}

impl Refusal {
    pub fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into() }
    }
}

/// Writes into a tensor what another holds, and returns the first.
const WRITE: &str = "torch.ops.aten.copy_.default";

/// A node that writes a value into a buffer.
pub fn write(buffer: &Name, value: &Name) -> Node {
    let given = |name: &str, tensor: &Name| NamedArgument {
        name: name.to_owned(),
        arg: Argument::AsTensor(tensor.clone()),
    };
    let written = Name { name: format!("{}, written", buffer.name) };
    Node {
        target: WRITE.to_owned(),
        inputs: vec![given("self", buffer), given("src", value)],
        outputs: vec![Argument::AsTensor(written)],
        metadata: Metadata::default(),
    }
}

const HIGHER_ORDER: &str = "torch.ops.higher_order.";

/// Most nodes in line, whatever is nested in a program.
const MOST_NODES: usize = 4_000_000;

/// The nodes in the order in which they run.
///
/// `wrap_with_set_grad_enabled` and `wrap_with_autocast` (switched off) are regions whose nodes run as
/// any others here.
pub fn in_line(nodes: Vec<Node>) -> Result<Vec<Node>, Refusal> {
    let mut flat = Flat::default();
    flat.add(nodes, &mut HashMap::new(), 0)?;
    Ok(flat.nodes)
}

#[derive(Default)]
struct Flat {
    nodes: Vec<Node>,
    /// What operators in place gave, by what they were given.
    same: HashMap<String, String>,
    regions: usize,
}

/// Names of values in a region, by the names that hold outside.
type Names = HashMap<String, String>;

impl Flat {
    fn add(&mut self, nodes: Vec<Node>, names: &mut Names, region: usize) -> Result<(), Refusal> {
        for mut node in nodes {
            for input in &mut node.inputs {
                change_names(&mut input.arg, &mut |name| rename(name, names));
            }
            if let Some(kind) = node.target.strip_prefix(HIGHER_ORDER) {
                let kind = kind.to_owned();
                self.region(&kind, node, names)?;
                continue;
            }
            if let Some((output, value)) = self.writes_itself(&node) {
                names.insert(output, value);
                continue;
            }
            for output in &mut node.outputs {
                change_names(output, &mut |name| make_local(name, names, region));
            }
            self.note_in_place(&node);
            if self.nodes.len() >= MOST_NODES {
                return Err(Refusal::new("it has too many nodes", "export a smaller part of it"));
            }
            self.nodes.push(node);
        }
        Ok(())
    }

    /// What a tensor was before operators in place gave it other names.
    fn origin<'v>(&'v self, name: &'v str) -> &'v str {
        self.same.get(name).map_or(name, String::as_str)
    }

    fn note_in_place(&mut self, node: &Node) {
        let (Some(given), [Argument::AsTensor(made)]) =
            (node.inputs.first().and_then(|input| name_of(&input.arg)), node.outputs.as_slice())
        else {
            return;
        };
        if is_in_place(node) {
            self.same.insert(made.name.clone(), self.origin(given).to_owned());
        }
    }

    /// Of a node that writes a tensor into itself, which changes nothing and would keep autograd from it:
    /// the name of what it gives, and the value that this is.
    fn writes_itself(&self, node: &Node) -> Option<(String, String)> {
        let [into, from, ..] = node.inputs.as_slice() else { return None };
        let (into, from) = (name_of(&into.arg)?, name_of(&from.arg)?);
        let same = self.origin(into) == self.origin(from);
        let copies = node.target == WRITE;
        let output = node.outputs.first().and_then(name_of)?;
        (copies && same).then(|| (output.to_owned(), from.to_owned()))
    }

    /// A value that no gradient goes behind; its new name.
    fn detached(&mut self, value: String, region: &Node) -> String {
        let new = format!("{value}, detached");
        let tensor = |name: &str| Argument::AsTensor(Name { name: name.to_owned() });
        self.nodes.push(Node {
            target: "torch.ops.repsim.stop_gradient.default".to_owned(),
            inputs: vec![NamedArgument { name: "value".to_owned(), arg: tensor(&value) }],
            outputs: vec![tensor(&new)],
            metadata: region.metadata.clone(),
        });
        new
    }

    /// Puts the nodes of a region in place of the node that runs it.
    fn region(&mut self, kind: &str, node: Node, names: &mut Names) -> Result<(), Refusal> {
        let (graph, given) = inlined(kind, &node)?;
        self.regions += 1;
        let region = self.regions;
        let mut inner = Names::new();
        for (input, given) in graph.inputs.iter().zip(&given) {
            if let (Some(input), Some(given)) = (name_of(input), name_of(given)) {
                inner.insert(input.to_owned(), given.to_owned());
            }
        }
        self.add(graph.nodes, &mut inner, region)?;
        let returned = graph.outputs.iter().filter_map(name_of);
        let returned = returned.map(|name| inner.get(name).cloned().unwrap_or(name.to_owned()));
        let mut outputs = vec![];
        for output in &node.outputs {
            let is_tensor = matches!(output, Argument::AsTensor(_) | Argument::AsTensors(_));
            each_name(output, &mut |name| outputs.push((name.to_owned(), is_tensor)));
        }
        let returned: Vec<String> = returned.collect();
        let detach = is_without_gradients(kind, &node);
        for ((output, is_tensor), value) in outputs.into_iter().zip(returned) {
            let value = if detach && is_tensor { self.detached(value, &node) } else { value };
            names.insert(output, value);
        }
        Ok(())
    }
}

/// Whether an operator writes into what it is given first, and returns that.
fn is_in_place(node: &Node) -> bool {
    let operator = node.target.rsplit_once('.').map_or(node.target.as_str(), |(name, _)| name);
    operator.ends_with('_')
}

/// Whether a region records no gradients.
fn is_without_gradients(kind: &str, node: &Node) -> bool {
    let first = node.inputs.first().map(|input| &input.arg);
    kind == "wrap_with_set_grad_enabled" && matches!(first, Some(Argument::AsBool(false)))
}

/// The graph of a region that only sets a mode, and what is given to it.
fn inlined(kind: &str, node: &Node) -> Result<(InnerGraph, Vec<Argument>), Refusal> {
    let args: Vec<&Argument> = node.inputs.iter().map(|input| &input.arg).collect();
    let place = args.iter().position(|arg| matches!(arg, Argument::AsGraph(_)));
    let off = |arg: Option<&&Argument>| matches!(arg, Some(Argument::AsBool(false)));
    let only_sets_a_mode = match kind {
        "wrap_with_set_grad_enabled" => true,
        "wrap_with_autocast" => off(args.get(2)),
        _ => false,
    };
    match (only_sets_a_mode, place.map(|place| (place, args[place]))) {
        (true, Some((place, Argument::AsGraph(region)))) => {
            let given = args[place + 1..].iter().map(|&arg| arg.clone()).collect();
            Ok((region.graph.clone(), given))
        }
        _ if kind == "wrap_with_autocast" => Err(Refusal::new(
            "it was exported under autocast, which chooses types as it runs",
            "export it without autocast, in the type it is to run in (model.bfloat16())",
        )),
        _ => Err(Refusal::new(
            format!(
                "it holds the higher-order operator {}, which is not run here",
                kind.strip_suffix("_impl").unwrap_or(kind)
            ),
            "export the part of the model without it, or one that takes one branch",
        )),
    }
}

fn rename(name: &mut String, names: &Names) {
    if let Some(new) = names.get(name) {
        name.clone_from(new);
    }
}

/// Gives a value of a region a name that no other value has.
fn make_local(name: &mut String, names: &mut Names, region: usize) {
    if region > 0 {
        let new = format!("{name} of region {region}");
        names.insert(std::mem::replace(name, new.clone()), new);
    }
}

fn name_of(argument: &Argument) -> Option<&str> {
    match argument {
        Argument::AsTensor(name) => Some(&name.name),
        Argument::AsSymInt(Symbolic::Name(name))
        | Argument::AsSymFloat(Symbolic::Name(name))
        | Argument::AsSymBool(Symbolic::Name(name)) => Some(name),
        _ => None,
    }
}

/// Calls `visit` with each name of a value in an argument.
pub fn each_name(argument: &Argument, visit: &mut dyn FnMut(&str)) {
    if let Some(name) = name_of(argument) {
        return visit(name);
    }
    change_names(&mut argument.clone(), &mut |name| visit(name));
}

/// Calls `change` with each name of a value in an argument.
fn change_names(argument: &mut Argument, change: &mut dyn FnMut(&mut String)) {
    let mut tensor = |tensor: &mut Name| change(&mut tensor.name);
    match argument {
        Argument::AsTensor(name) => tensor(name),
        Argument::AsTensors(names) => names.iter_mut().for_each(tensor),
        Argument::AsNestedTensors(lists) => lists.iter_mut().flatten().for_each(tensor),
        Argument::AsOptionalTensor(OptionalTensor::AsTensor(name)) => tensor(name),
        Argument::AsOptionalTensors(tensors) => {
            for given in tensors {
                if let OptionalTensor::AsTensor(name) = given {
                    tensor(name);
                }
            }
        }
        Argument::AsSymInt(value) => symbolic(value, change),
        Argument::AsSymInts(values) => values.iter_mut().for_each(|value| symbolic(value, change)),
        Argument::AsSymFloat(value) => symbolic(value, change),
        Argument::AsSymFloats(values) => {
            values.iter_mut().for_each(|value| symbolic(value, change))
        }
        Argument::AsSymBool(value) => symbolic(value, change),
        Argument::AsSymBools(values) => values.iter_mut().for_each(|value| symbolic(value, change)),
        _ => {}
    }
}

fn symbolic<T>(value: &mut Symbolic<T>, change: &mut dyn FnMut(&mut String)) {
    if let Symbolic::Name(name) = value {
        change(name);
    }
}
