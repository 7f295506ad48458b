//! A `torch.export` program as one list of nodes: regions that only set a mode are put in line.

use std::collections::HashMap;

use super::schema::{Argument, InnerGraph, Name, Node, OptionalTensor, Symbolic};

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
            for output in &mut node.outputs {
                change_names(output, &mut |name| make_local(name, names, region));
            }
            if self.nodes.len() >= MOST_NODES {
                return Err(Refusal::new("it has too many nodes", "export a smaller part of it"));
            }
            self.nodes.push(node);
        }
        Ok(())
    }

    /// Puts the nodes of a region in the place of the node that runs it.
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
            each_name(output, &mut |name| outputs.push(name.to_owned()));
        }
        names.extend(outputs.into_iter().zip(returned));
        Ok(())
    }
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
            format!("it holds the higher-order operator {kind}, which is not run here"),
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
