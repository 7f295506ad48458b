//! Which places the outputs of a module have in the tuple that it gives.
//!
//! A program keeps this for the modules of `preserve_module_call_signature` alone. What recurrent layers
//! and attention of `torch.nn` give is inferred from the operators that make it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::modules::Frame;
use super::schema::{Argument, ModuleCall, Node};
use crate::torchscript::layers::{MADE, ORDERED};

/// The outputs of a module's call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// The only one that is used, whose place is not known.
    Single(String),
    /// By their places in the tuple, and the places of those that are used.
    Places(BTreeMap<usize, String>, BTreeSet<usize>),
    /// In the order in which they are computed.
    Made(Vec<String>),
}

/// What determines the places of outputs.
pub struct Orders<'a> {
    nodes: &'a [Node],
    /// The node that makes a value, and its place among what that node gives.
    makers: HashMap<&'a str, (usize, usize)>,
    /// What calls return, by the names of the calls.
    signatures: HashMap<&'a str, Vec<&'a str>>,
}

impl<'a> Orders<'a> {
    pub fn new(nodes: &'a [Node], calls: &'a [ModuleCall]) -> Self {
        let mut makers = HashMap::new();
        for (place, node) in nodes.iter().enumerate() {
            let names = node.outputs.iter().enumerate();
            let named = names.filter_map(|(output, given)| Some((tensor(given)?, output)));
            makers.extend(named.map(|(name, output)| (name, (place, output))));
        }
        let known = |call: &'a ModuleCall| {
            let returned = &call.signature.as_ref()?.outputs;
            Some((call.fqn.as_str(), returned.iter().filter_map(tensor).collect()))
        };
        Self { nodes, makers, signatures: calls.iter().filter_map(known).collect() }
    }

    /// The order of a call's outputs, of which those in `used` are used; `nodes` are the call's.
    pub fn of(&self, frame: &Frame, nodes: &[usize], used: &[&str]) -> Order {
        let names = || used.iter().map(|&value| value.to_owned()).collect::<Vec<_>>();
        if let Some(order) = self.by_signature(frame, nodes, used) {
            return order;
        }
        let has_order = frame.is_torch && ORDERED.contains(&frame.class.as_str());
        match used {
            _ if has_order => self.by_operator(nodes, used).unwrap_or_else(|| Order::Made(names())),
            [value] => Order::Single((*value).to_owned()),
            _ => Order::Made(names()),
        }
    }

    fn by_signature(&self, frame: &Frame, nodes: &[usize], used: &[&str]) -> Option<Order> {
        let returned = self.signatures.get(frame.call().as_str())?.iter().enumerate();
        let is_used = |&(_, value): &(usize, &&str)| used.contains(value);
        let taken: BTreeSet<usize> =
            returned.clone().filter(is_used).map(|(place, _)| place).collect();
        let made = returned.filter(|(_, value)| self.makes(nodes, value));
        let all = made.map(|(place, value)| (place, (*value).to_owned())).collect();
        (!taken.is_empty()).then_some(Order::Places(all, taken))
    }

    fn by_operator(&self, nodes: &[usize], used: &[&str]) -> Option<Order> {
        let mut all = BTreeMap::new();
        for value in used {
            if all.insert(self.place(nodes, value)?, (*value).to_owned()).is_some() {
                return None;
            }
        }
        let taken = all.keys().copied().collect();
        let makers: BTreeSet<usize> =
            used.iter().filter_map(|value| Some(self.makers.get(value)?.0)).collect();
        let only = makers.first().map(|&maker| &self.nodes[maker]).filter(|_| makers.len() == 1);
        if let Some(node) = only.filter(|node| is_recurrent(node)) {
            let given = node.outputs.iter().enumerate();
            all =
                given.filter_map(|(place, name)| Some((place, tensor(name)?.to_owned()))).collect();
        }
        Some(Order::Places(all, taken))
    }

    /// The place of what a recurrent layer or an attention gives.
    fn place(&self, nodes: &[usize], value: &str) -> Option<usize> {
        let mut value = value;
        for _ in nodes {
            let &(maker, output) = self.makers.get(value)?;
            nodes.binary_search(&maker).ok()?;
            let node = &self.nodes[maker];
            match operator(node) {
                _ if is_recurrent(node) => return Some(output),
                "_native_multi_head_attention" => return Some(output),
                "linear" | "addmm" | "mm" => return Some(0),
                name if name.contains("softmax") => return Some(1),
                name if SAME_VALUES.contains(&name) => {
                    value = tensor(&node.inputs.first()?.arg)?;
                }
                _ => return None,
            }
        }
        None
    }

    fn makes(&self, nodes: &[usize], value: &str) -> bool {
        self.makers.get(value).is_some_and(|(maker, _)| nodes.binary_search(maker).is_ok())
    }
}

/// Operators that only rearrange values, and the mean over the heads of an attention.
const SAME_VALUES: [&str; 16] = [
    "_unsafe_view",
    "alias",
    "clone",
    "contiguous",
    "detach",
    "dropout",
    "index_select",
    "mean",
    "permute",
    "reshape",
    "squeeze",
    "to",
    "transpose",
    "unsqueeze",
    "view",
    "t",
];

/// Whether a node computes a whole recurrent layer or cell, whose outputs it gives in the layer's order.
/// Sequences of several lengths (`.data`) are tuples themselves.
fn is_recurrent(node: &Node) -> bool {
    let is_layer = matches!(operator(node), "lstm" | "gru" | "rnn_tanh" | "rnn_relu");
    operator(node) == "lstm_cell" || (is_layer && node.target.ends_with(".input"))
}

/// An operator's name, without its overload.
fn operator(node: &Node) -> &str {
    let name = node.target.strip_prefix("torch.ops.aten.").unwrap_or_default();
    name.split('.').next().unwrap_or_default()
}

fn tensor(argument: &Argument) -> Option<&str> {
    match argument {
        Argument::AsTensor(name) => Some(&name.name),
        _ => None,
    }
}

/// How the outputs of all calls of a module are named.
enum Naming {
    /// By the module's name alone.
    Plain,
    /// By their places in the tuple; these are the places that some call uses.
    Numbered(BTreeSet<usize>),
    /// By the order in which they are computed.
    Made,
}

impl Naming {
    fn of(orders: &[&Order]) -> Self {
        let mut places = BTreeSet::new();
        let mut is_single = false;
        for order in orders {
            match order {
                Order::Made(_) => return Self::Made,
                Order::Single(_) => is_single = true,
                Order::Places(_, used) => places.extend(used),
            }
        }
        match places.last() {
            None | Some(0) => Self::Plain,
            _ if is_single => Self::Made,
            _ => Self::Numbered(places),
        }
    }
}

/// The layers of a module's calls: for each call the names and values of its outputs.
pub fn named(path: &str, orders: &[&Order]) -> Vec<Vec<(String, String)>> {
    let naming = Naming::of(orders);
    let one = |order: &&Order| match (&naming, *order) {
        (Naming::Numbered(places), Order::Places(all, _)) => {
            let taken = all.iter().filter(|(place, _)| places.contains(place));
            taken.map(|(place, value)| (format!("{path}:{place}"), value.clone())).collect()
        }
        (Naming::Made, order) => {
            let values = order.used().into_iter().enumerate();
            values.map(|(place, value)| (format!("{path}:{MADE}{place}"), value)).collect()
        }
        (_, order) => order.used().into_iter().map(|value| (path.to_owned(), value)).collect(),
    };
    orders.iter().map(one).collect()
}

impl Order {
    /// The values that are used.
    fn used(&self) -> Vec<String> {
        match self {
            Self::Single(value) => vec![value.clone()],
            Self::Made(values) => values.clone(),
            Self::Places(all, used) => {
                used.iter().filter_map(|place| all.get(place).cloned()).collect()
            }
        }
    }
}
