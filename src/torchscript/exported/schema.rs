//! What `models/model.json` of a `torch.export` archive holds, as far as it is needed (schema version
//! 8 of `torch/_export/serde/schema.py`).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny};

/// The major versions of the schema that are read: of PyTorch 2.5, and of those since.
pub const MAJORS: [i64; 2] = [7, 8];

#[derive(Debug, Deserialize)]
pub struct Versions {
    pub schema_version: Version,
    #[serde(default)]
    pub torch_version: String,
}

#[derive(Debug, Deserialize)]
pub struct Version {
    pub major: i64,
    pub minor: i64,
}

#[derive(Debug, Deserialize)]
pub struct ExportedProgram {
    pub graph_module: GraphModule,
}

#[derive(Debug, Deserialize)]
pub struct GraphModule {
    pub graph: Graph,
    pub signature: Signature,
    #[serde(default)]
    pub module_call_graph: Vec<ModuleCall>,
}

#[derive(Debug, Deserialize)]
pub struct Graph {
    pub nodes: Vec<Node>,
    #[serde(default)]
    pub tensor_values: BTreeMap<String, TensorMeta>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Node {
    pub target: String,
    pub inputs: Vec<NamedArgument>,
    pub outputs: Vec<Argument>,
    #[serde(default)]
    pub metadata: Metadata,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub struct Metadata {
    #[serde(default)]
    pub nn_module_stack: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct NamedArgument {
    pub name: String,
    pub arg: Argument,
}

/// A value, given by name or in itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::enum_variant_names, reason = "the names of torch.export's schema")]
pub enum Argument {
    AsNone(IgnoredAny),
    AsTensor(Name),
    AsTensors(Vec<Name>),
    AsOptionalTensor(OptionalTensor),
    AsOptionalTensors(Vec<OptionalTensor>),
    AsNestedTensors(Vec<Vec<Name>>),
    AsInt(i64),
    AsInts(Vec<i64>),
    AsIntLists(IgnoredAny),
    AsFloat(Float),
    AsFloats(Vec<Float>),
    AsFloatLists(IgnoredAny),
    AsBool(bool),
    AsBools(Vec<bool>),
    AsString(String),
    AsStrings(Vec<String>),
    AsComplex(IgnoredAny),
    AsSymInt(Symbolic<i64>),
    AsSymInts(Vec<Symbolic<i64>>),
    AsSymFloat(Symbolic<Float>),
    AsSymFloats(Vec<Symbolic<Float>>),
    AsSymBool(Symbolic<bool>),
    AsSymBools(Vec<Symbolic<bool>>),
    AsScalarType(i64),
    AsMemoryFormat(i64),
    AsLayout(i64),
    AsDevice(Device),
    AsGraph(Box<SubGraph>),
    AsCustomObj(IgnoredAny),
    AsOperator(IgnoredAny),
    AsStringToArgument(IgnoredAny),
}

#[derive(Debug, Clone, Deserialize)]
pub struct Name {
    pub name: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptionalTensor {
    AsTensor(Name),
    AsNone(IgnoredAny),
}

/// A number that may be known by name only.
#[derive(Debug, Clone, Deserialize)]
pub enum Symbolic<T> {
    #[serde(rename = "as_name")]
    Name(String),
    #[serde(rename = "as_int", alias = "as_float", alias = "as_bool")]
    Known(T),
}

#[derive(Debug, Clone, Deserialize)]
pub struct Device {
    #[serde(rename = "type")]
    pub kind: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct SubGraph {
    pub graph: InnerGraph,
}

#[derive(Debug, Clone, Deserialize)]
pub struct InnerGraph {
    pub inputs: Vec<Argument>,
    pub outputs: Vec<Argument>,
    pub nodes: Vec<Node>,
}

/// A number; those that JSON does not have stand as texts.
#[derive(Debug, Clone, Copy)]
pub struct Float(pub f64);

impl<'de> Deserialize<'de> for Float {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(f64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(value) => Ok(Self(value)),
            Written::Text(text) => match text.as_str() {
                "Infinity" | "inf" => Ok(Self(f64::INFINITY)),
                "-Infinity" | "-inf" => Ok(Self(f64::NEG_INFINITY)),
                "NaN" | "nan" => Ok(Self(f64::NAN)),
                _ => Err(D::Error::custom(format!("{text:?} is not a number"))),
            },
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub struct TensorMeta {
    pub dtype: i64,
    pub sizes: Vec<Size>,
    pub strides: Vec<Size>,
    pub storage_offset: Size,
}

/// A size: known, or an expression.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    AsInt(i64),
    AsExpr(IgnoredAny),
}

impl Size {
    /// The size where it is known.
    pub fn known(&self) -> Option<i64> {
        match self {
            Self::AsInt(size) => Some(*size),
            Self::AsExpr(_) => None,
        }
    }
}

#[derive(Debug, Deserialize)]
pub struct Signature {
    pub input_specs: Vec<InputSpec>,
    pub output_specs: Vec<OutputSpec>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputSpec {
    UserInput { arg: Argument },
    Parameter { arg: Name, parameter_name: String },
    Buffer { arg: Name, buffer_name: String },
    TensorConstant { arg: Name, tensor_constant_name: String },
    ConstantInput(IgnoredAny),
    CustomObj { custom_obj_name: String },
    Token(IgnoredAny),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputSpec {
    UserOutput { arg: Argument },
    LossOutput { arg: Name },
    BufferMutation { arg: Name, buffer_name: String },
    ParameterMutation(IgnoredAny),
    GradientToParameter(IgnoredAny),
    GradientToUserInput(IgnoredAny),
    UserInputMutation(IgnoredAny),
    Token(IgnoredAny),
}

#[derive(Debug, Deserialize)]
pub struct ModuleCall {
    pub fqn: String,
    #[serde(default)]
    pub signature: Option<CallSignature>,
}

#[derive(Debug, Deserialize)]
pub struct CallSignature {
    #[serde(default)]
    pub outputs: Vec<Argument>,
    #[serde(default)]
    pub out_spec: String,
}

/// What `model_weights_config.json` says of the weights, by name.
#[derive(Debug, Deserialize)]
pub struct Payloads {
    pub config: BTreeMap<String, Payload>,
}

#[derive(Debug, Deserialize)]
pub struct Payload {
    pub path_name: String,
    #[serde(default)]
    pub use_pickle: bool,
    #[serde(default)]
    pub tensor_meta: Option<TensorMeta>,
}
