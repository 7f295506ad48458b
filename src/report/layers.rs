//! The report of `repsim layers`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LayerInfo, Report};

/// A list of layers.
pub type LayersReport = Report<LayersSettings, LayersResults>;

/// How the layers were found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LayersSettings {
    /// Shape of one sample of the input the model was run on.
    pub input_size: Vec<i64>,
    /// Patterns of the layers wanted; empty for all.
    pub layers: Vec<String>,
}

/// The layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LayersResults {
    /// In the order in which they finish.
    pub layers: Vec<LayerInfo>,
    /// Modules that return no tensor, with the type they return.
    pub without_tensor: Vec<NoTensor>,
    /// Modules that did not run for this input.
    pub not_run: Vec<String>,
    /// Those of them that an operator stands for, with the operator and the module it is in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fused: Vec<Fused>,
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
