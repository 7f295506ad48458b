//! What `forward` returns that is no tensor: its elements, for messages.

use tch::{CModule, IValue, Tensor};

use super::exported::Interface;
use super::model::{Model, shape_text};
use crate::error::Error;

/// What a model returns for an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Returned {
    /// Elements by number: a tuple, a named tuple or a list, each in words (`of shape 2×10`, `no tensor`).
    Elements(Vec<String>),
    /// Elements by name.
    Dictionary(Vec<String>),
    /// One tensor, in words.
    Tensor(String),
    /// Neither.
    Other,
}

impl Model {
    /// What it returns for an input. The archive, which was found safe when it was loaded, is loaded once
    /// more and run on the CPU.
    pub fn returned(&self, input: &Tensor) -> Returned {
        let Interface { outputs, tensors, .. } = self.interface();
        if outputs.len() > 1 {
            return Returned::Dictionary(tensors.iter().map(|part| format!("'{part}'")).collect());
        }
        let Ok(mut module) = CModule::load(self.path()) else { return Returned::Other };
        if module.f_set_eval().is_err() {
            return Returned::Other;
        }
        let input = input.to_device(tch::Device::Cpu);
        let found = tch::no_grad(|| module.forward_is(&[IValue::Tensor(input)]));
        found.map_or(Returned::Other, |value| in_words(&value))
    }
}

/// That a model returns no tensor where one is needed for `action`, what it returns, and what can be done.
pub fn no_tensor(model: &Model, action: &'static str, input: &Tensor) -> Error {
    let (what, remedy) = match model.returned(input) {
        Returned::Dictionary(elements) => {
            let first = elements.first().and_then(|e| e.split(' ').next()).unwrap_or("'out'");
            let remedy = format!("choose one of them with --output-key, such as {first}");
            (format!("parts named {}", elements.join(", ")), remedy)
        }
        Returned::Elements(elements) => {
            let count = elements.len();
            let listed = elements.iter().enumerate().map(|(i, e)| format!("{i} {e}"));
            let listed: Vec<String> = listed.collect();
            let text = format!(
                "{}, which has {count} elements ({})",
                model.output_type(),
                listed.join(", ")
            );
            (text, "choose one with --output-index (--output is the file of the report)".to_owned())
        }
        Returned::Tensor(tensor) => {
            (format!("Tensor, one {tensor}"), "leave --output-index out".to_owned())
        }
        Returned::Other => {
            let remedy =
                "wrap the module so that forward returns one tensor, and export the wrapper";
            (model.output_type(), remedy.to_owned())
        }
    };
    let why = match (model.chosen_part(), model.chosen_output()) {
        (Some(part), None) => format!("and '{part}' is none of them that is a tensor"),
        (_, Some(index)) => format!("and --output-index {index} is no tensor of it"),
        (None, None) => "and this takes a tensor".to_owned(),
    };
    Error::file(action, model.path(), format!("it returns {what}, {why}"), remedy)
}

fn in_words(value: &IValue) -> Returned {
    match value {
        IValue::Tensor(tensor) => Returned::Tensor(of_tensor(tensor)),
        IValue::Tuple(all) | IValue::GenericList(all) => {
            Returned::Elements(all.iter().map(element).collect())
        }
        IValue::TensorList(all) => Returned::Elements(all.iter().map(of_tensor).collect()),
        IValue::GenericDict(pairs) => {
            let pair =
                |(key, value): &(IValue, IValue)| format!("{} {}", name(key), element(value));
            Returned::Dictionary(pairs.iter().map(pair).collect())
        }
        _ => Returned::Other,
    }
}

fn element(value: &IValue) -> String {
    match value {
        IValue::Tensor(tensor) => of_tensor(tensor),
        _ => "no tensor".to_owned(),
    }
}

fn of_tensor(tensor: &Tensor) -> String {
    format!("of shape {}", shape_text(&tensor.size()))
}

fn name(key: &IValue) -> String {
    match key {
        IValue::String(text) => format!("'{text}'"),
        IValue::Int(number) => number.to_string(),
        _ => "a key".to_owned(),
    }
}
