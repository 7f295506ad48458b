//! The report of `repsim layers`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::{LayerInfo, Report};

/// A list of layers.
pub type LayersReport = Report<LayersSettings, LayersResults>;

/// How the layers were found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LayersSettings {
    /// Shape of one sample of the first input the model was run on; empty where it was not run.
    pub input_size: Vec<i64>,
    /// Values of --input, as they were given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// Patterns of the layers wanted; empty for all.
    pub layers: Vec<String>,
}

/// The layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LayersResults {
    /// Whether the model ran; else shapes and calls of the layers are not known.
    #[serde(default = "yes")]
    pub ran: bool,
    /// What `forward` takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<WantedInput>,
    /// In the order in which they finish, or in that of the graph.
    pub layers: Vec<LayerInfo>,
    /// Modules that return no tensor, with the type they return.
    pub without_tensor: Vec<NoTensor>,
    /// Modules that did not run for this input.
    pub not_run: Vec<String>,
    /// Those of them that an operator stands for, with the operator and the module it is in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fused: Vec<Fused>,
}

fn yes() -> bool {
    true
}

/// An argument of `forward`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WantedInput {
    /// Its name.
    pub name: String,
    /// Its TorchScript type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Whether it may be left out.
    pub optional: bool,
    /// The type of its values, where the archive says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// Its sizes, where the archive says so; `null` for those that may differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<Option<i64>>>,
}

impl WantedInput {
    /// Its type in a line: `int64 ?×12`, or the TorchScript type.
    pub fn type_text(&self) -> String {
        let size = |size: &Option<i64>| size.map_or("?".to_owned(), |size| size.to_string());
        match (&self.dtype, &self.shape) {
            (Some(dtype), Some(shape)) => {
                format!("{dtype} {}", shape.iter().map(size).collect::<Vec<_>>().join("×"))
            }
            _ => self.type_name.clone(),
        }
    }
}

/// Modules that do not run because one operator computes what they would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fused {
    /// The operator and the module whose code holds it.
    pub operator: String,
    /// Dotted names of the modules.
    pub modules: Vec<String>,
}

/// A module that returns no tensor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoTensor {
    /// Dotted name.
    pub name: String,
    /// TorchScript type of what it returns.
    pub returns: String,
}
