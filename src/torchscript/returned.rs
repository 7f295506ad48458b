//! What `forward` returns that is not a tensor: its elements, for messages.

use tch::Tensor;

use super::archive;
use super::exported::Interface;
use super::model::Model;
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
    /// What it returns for an input: the archive is judged and loaded again, and run on the CPU.
    pub fn returned(&self, input: &Tensor) -> Returned {
        let Interface { outputs, tensors, .. } = self.interface();
        if outputs.len() > 1 {
            return Returned::Dictionary(tensors.iter().map(|part| format!("'{part}'")).collect());
        }
        let again = archive::open(self.path()).and_then(|(_, file)| {
            archive::load(self.path(), file, !self.untrusted_operators().is_empty())
        });
        let Ok((mut handle, _)) = again else { return Returned::Other };
        let input = input.to_device(tch::Device::Cpu);
        handle.returned(&[input]).map_or(Returned::Other, |text| in_words(&text))
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
            let remedy = "choose one with --output-key or --output-index (--output is the file of the report)";
            (text, remedy.to_owned())
        }
        Returned::Tensor(tensor) => {
            let option = if model.chosen_output().is_some() { "index" } else { "key" };
            (format!("Tensor, one {tensor}"), format!("leave --output-{option} out"))
        }
        Returned::Other if model.chosen_part().is_some() && model.chosen_output().is_some() => {
            let remedy = "leave --output-index out, or choose all with --output-key (state.0)";
            (model.output_type(), remedy.to_owned())
        }
        Returned::Other => {
            let remedy =
                "wrap the module so that forward returns one tensor, and export the wrapper";
            (model.output_type(), remedy.to_owned())
        }
    };
    let why = match (model.chosen_part(), model.chosen_output()) {
        (Some(part), None) => format!("and '{part}' is none of them that is a tensor"),
        (_, Some(index)) => format!("and --output-index {index} is not a tensor of it"),
        (None, None) => "and this takes a tensor".to_owned(),
    };
    Error::file(action, model.path(), format!("it returns {what}, {why}"), remedy)
}

/// Of lines: what it is, then a name and a shape each, separated by tabs.
fn in_words(text: &str) -> Returned {
    let mut lines = text.lines();
    let kind = lines.next().unwrap_or_default();
    let pairs = lines.filter_map(|line| line.split_once('\t'));
    let of_shape = |shape: &str| match shape {
        "none" => "no tensor".to_owned(),
        shape => format!("of shape {shape}"),
    };
    match kind {
        "tensor" => Returned::Tensor(pairs.map(|(_, shape)| of_shape(shape)).collect()),
        "elements" => Returned::Elements(pairs.map(|(_, shape)| of_shape(shape)).collect()),
        "dictionary" => Returned::Dictionary(
            pairs.map(|(name, shape)| format!("{name} {}", of_shape(shape))).collect(),
        ),
        _ => Returned::Other,
    }
}
