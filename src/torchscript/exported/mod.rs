//! Archives of `torch.export` (`.pt2`): read here, without Python, into the graph that everything else
//! works on.
//!
//! The archive is data and no program: operators of PyTorch by name, with their arguments. Sources:
//! `torch/_export/serde/schema.py` and `torch/export/pt2_archive` of PyTorch.

mod archive;
mod modules;
mod older;
mod order;
mod program;
mod schema;
mod shared;
mod spec;
mod strict;
mod translate;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use self::archive::Archive;
pub use self::archive::OLDER;
use self::modules::{Frame, Tap, calls, frames, owner, taps};
use self::older::Saved;
use self::order::Orders;
use self::program::Refusal;
use self::schema::{
    Argument, ExportedProgram, Graph, InputSpec, ModuleCall, OutputSpec, Payload, Versions,
};
use self::shared::Held;
use self::strict::Numbered;
use self::translate::Translator;
use super::ffi::builder::{Given, InputKind};
use super::ffi::{Handle, RawLayer};
use crate::error::Result;

/// An input of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its name in `forward`.
    pub name: String,
    /// The type of its values, as PyTorch writes it: `float32`, `int64`.
    pub dtype: &'static str,
    /// Its sizes; `None` for those that may differ.
    pub shape: Vec<Option<i64>>,
}

/// What a program takes and gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    /// The inputs, in their order.
    pub inputs: Vec<Input>,
    /// The names of what it returns, in their order: `logits`, `state.0`; one empty name for a single
    /// tensor.
    pub outputs: Vec<String>,
    /// Those of them that are tensors, and no numbers and no `None`.
    pub tensors: Vec<String>,
    /// Modules that count as another, which they may not be: their names and that other's.
    pub merged: Vec<(String, String)>,
}

impl Interface {
    /// The number of samples that it takes at once, where the first axis of the first tensor is fixed.
    pub(super) fn fixed_batch(&self) -> Option<i64> {
        let first = self.inputs.iter().find(|input| !input.shape.is_empty())?;
        first.shape[0].filter(|&size| size > 0)
    }
}

/// Loads an archive on the CPU and taps all its layers.
///
/// # Errors
/// The archive is damaged, of a version that is not known, or holds what cannot be run.
pub fn load(path: &Path) -> Result<(Handle, Interface)> {
    let mut archive = Archive::open(path)?;
    if archive.is_older() {
        let program = read(&mut archive, OLDER)?;
        let weights = Weights::Saved(Saved::open(&mut archive)?);
        return Loading { archive, weights }.build(program);
    }
    let model = archive.model_name()?;
    let program = read(&mut archive, &format!("models/{model}.json"))?;
    let weights = Weights::Listed {
        weights: archive.payloads(&model, "weights")?,
        constants: archive.payloads(&model, "constants")?,
    };
    Loading { archive, weights }.build(program)
}

/// The program, if its version is known.
fn read(archive: &mut Archive, name: &str) -> Result<ExportedProgram> {
    let text = archive.text(name)?;
    let Versions { schema_version: version, torch_version } = archive.parsed(name, &text)?;
    if !schema::MAJORS.contains(&version.major) {
        let (major, minor) = (version.major, version.minor);
        return Err(archive.error(
            format!("its schema has version {major}.{minor} (torch {torch_version}), not 7 or 8"),
            "export it with PyTorch 2.5 to 2.13",
        ));
    }
    archive.parsed(name, &text)
}

/// Where the weights are, by name.
enum Weights {
    /// Files of their own, which the archive lists.
    Listed { weights: BTreeMap<String, Payload>, constants: BTreeMap<String, Payload> },
    /// Those of `torch.save`.
    Saved(Saved),
}

/// What is known of the weights that a program has.
#[derive(Default)]
struct Known {
    /// Where each parameter begins and the number of its values, by name.
    parameters: BTreeMap<String, (usize, u64)>,
    /// All of them, in their order.
    held: Vec<Held>,
    /// Their names, by those that the program's values have.
    names: HashMap<String, String>,
}

impl Known {
    /// The number of values in a module's parameters; those with several names count once.
    fn count(&self, module: &str, numbered: &Numbered) -> u64 {
        let within = format!("{module}.");
        let own = self.parameters.range(within.clone()..);
        let own = own.take_while(|(name, _)| name.starts_with(&within)).map(|(_, counted)| counted);
        let taken = numbered.taken(module).filter_map(|name| self.parameters.get(name));
        let all: HashSet<&(usize, u64)> = own.chain(taken).collect();
        all.into_iter().map(|(_, count)| count).sum()
    }
}

struct Loading {
    archive: Archive,
    weights: Weights,
}

impl Loading {
    fn build(mut self, program: ExportedProgram) -> Result<(Handle, Interface)> {
        let module = program.graph_module;
        let refuse = |archive: &Archive, r: Refusal| archive.error(r.problem, r.remedy);
        let mut translator = Translator::new().map_err(|r| refuse(&self.archive, r))?;
        let held = self.add_weights(&mut translator, &module.signature.input_specs)?;
        let specs = &module.signature;
        let inputs = add_inputs(&mut translator, &specs.input_specs, &module.graph)
            .map_err(|r| refuse(&self.archive, r))?;
        let returned = returned(&specs.output_specs);
        let out_spec = module.module_call_graph.iter().find(|call| call.fqn.is_empty());
        let out_spec = out_spec.and_then(|call| spec::leaves(&call.signature.as_ref()?.out_spec));
        let mut merged = vec![];
        let finish = || {
            let nodes = module.graph.nodes.into_iter().chain(writes(specs)?).collect();
            merged =
                add_nodes(&mut translator, nodes, &returned, &held, &module.module_call_graph)?;
            let mut outputs = vec![];
            for argument in &returned {
                match translator.argument(argument)? {
                    Given::One(value) => outputs.push(value),
                    Given::Many(_) => return Err(translate::unsound("it returns a bare list")),
                }
            }
            match outputs.is_empty() {
                true => Err(translate::unsound("it returns nothing")),
                false => translator.builder.finish(&outputs).map_err(|s| translate::unsound(&s)),
            }
        };
        let handle = finish().map_err(|r| refuse(&self.archive, r))?;
        let names = out_spec.filter(|names| names.len() == returned.len());
        let outputs =
            names.unwrap_or_else(|| (0..returned.len()).map(|place| place.to_string()).collect());
        let named = outputs.iter().zip(&returned);
        let is_tensor = |argument: &Argument| matches!(argument, Argument::AsTensor(_));
        let tensors = named.filter(|(_, argument)| is_tensor(argument));
        let tensors = tensors.map(|(name, _)| name.clone()).collect();
        Ok((handle, Interface { inputs, outputs, tensors, merged }))
    }

    /// Adds the weights; returns what is to be known of them.
    fn add_weights(&mut self, translator: &mut Translator, specs: &[InputSpec]) -> Result<Known> {
        let mut known = Known::default();
        let mut held: HashMap<&str, super::ffi::builder::Value> = HashMap::new();
        for spec in specs {
            let (value, name, is_parameter) = match spec {
                InputSpec::Parameter { arg, parameter_name } => (&arg.name, parameter_name, true),
                InputSpec::Buffer { arg, buffer_name } => (&arg.name, buffer_name, false),
                InputSpec::TensorConstant { arg, tensor_constant_name } => {
                    (&arg.name, tensor_constant_name, false)
                }
                _ => continue,
            };
            let made = match held.get(name.as_str()) {
                Some(&made) => Ok(made),
                None => {
                    let tensor = self.weight(name)?;
                    if is_parameter {
                        let counted = (tensor.data_ptr() as usize, tensor.numel() as u64);
                        known.parameters.insert(name.clone(), counted);
                    }
                    known.held.extend(Held::new(name, &tensor));
                    translator.builder.weight(name, &tensor, is_parameter)
                }
            };
            known.names.insert(value.clone(), name.clone());
            let named = made.map_err(|said| translate::unsound(&said)).and_then(|made| {
                held.insert(name, made);
                translator.name(value, made)
            });
            named.map_err(|r| self.archive.error(r.problem, r.remedy))?;
        }
        Ok(known)
    }

    fn weight(&mut self, name: &str) -> Result<tch::Tensor> {
        let found = match &mut self.weights {
            Weights::Saved(saved) => saved.tensor(name)?,
            Weights::Listed { weights, constants } => {
                let listed = weights.get(name).map(|payload| ("weights", payload));
                let listed = listed.or(constants.get(name).map(|payload| ("constants", payload)));
                let tensor = |(kind, payload)| self.archive.tensor(kind, name, payload);
                listed.map(tensor).transpose()?
            }
        };
        found.ok_or_else(|| {
            let remedy = "export and save it again (torch.export.save)";
            self.archive.error(format!("the weight {name} is missing"), remedy)
        })
    }
}

/// What a program gives for its buffers, because it was made free of writes, written into them.
fn writes(specs: &schema::Signature) -> Result<Vec<schema::Node>, Refusal> {
    let mut nodes = vec![];
    for spec in &specs.output_specs {
        let OutputSpec::BufferMutation { arg, buffer_name } = spec else { continue };
        let buffer = specs.input_specs.iter().find_map(|input| match input {
            InputSpec::Buffer { arg, buffer_name: name } if name == buffer_name => Some(arg),
            _ => None,
        });
        let missing = || translate::unsound(&format!("the buffer {buffer_name} is missing"));
        nodes.push(program::write(buffer.ok_or_else(missing)?, arg));
    }
    Ok(nodes)
}

fn add_inputs(
    translator: &mut Translator,
    specs: &[InputSpec],
    graph: &Graph,
) -> Result<Vec<Input>, Refusal> {
    let mut inputs = vec![];
    for spec in specs {
        match spec {
            InputSpec::UserInput { arg } => {
                inputs.extend(add_input(translator, arg, graph)?);
            }
            InputSpec::CustomObj { custom_obj_name } => {
                return Err(Refusal::new(
                    format!("it holds the object {custom_obj_name}, which is not a tensor"),
                    "export the model without custom classes",
                ));
            }
            _ => {}
        }
    }
    Ok(inputs)
}

/// Adds an input; one that was fixed at export is none.
fn add_input(
    translator: &mut Translator,
    argument: &Argument,
    graph: &Graph,
) -> Result<Option<Input>, Refusal> {
    use schema::Symbolic::Name;
    let (name, kind, dtype) = match argument {
        Argument::AsTensor(name) => (&name.name, InputKind::Tensor, ""),
        Argument::AsSymInt(Name(name)) => (name, InputKind::Int, "int"),
        Argument::AsSymFloat(Name(name)) => (name, InputKind::Float, "float"),
        Argument::AsSymBool(Name(name)) => (name, InputKind::Bool, "bool"),
        _ => return Ok(None),
    };
    let value = translator.builder.input(name, kind).map_err(|said| translate::unsound(&said))?;
    translator.name(name, value)?;
    let meta = graph.tensor_values.get(name);
    let shape = meta.map(|meta| meta.sizes.iter().map(schema::Size::known).collect());
    let dtype = meta.map_or(dtype, |meta| archive::dtype(meta.dtype));
    Ok(Some(Input { name: name.clone(), dtype, shape: shape.unwrap_or_default() }))
}

/// What the program returns to its caller.
fn returned(specs: &[OutputSpec]) -> Vec<Argument> {
    let returned = specs.iter().filter_map(|spec| match spec {
        OutputSpec::UserOutput { arg } => Some(arg.clone()),
        OutputSpec::LossOutput { arg } => Some(Argument::AsTensor(arg.clone())),
        _ => None,
    });
    returned.collect()
}

/// Adds the nodes; returns the modules that count as another.
fn add_nodes(
    translator: &mut Translator,
    nodes: Vec<schema::Node>,
    returned: &[Argument],
    known: &Known,
    signatures: &[ModuleCall],
) -> Result<Vec<(String, String)>, Refusal> {
    let nodes = program::in_line(nodes)?;
    let mut frames: Vec<Vec<Frame>> = nodes.iter().map(frames).collect();
    let mut names = HashSet::new();
    for argument in returned {
        program::each_name(argument, &mut |name| {
            names.insert(name.to_owned());
        });
    }
    let calls = calls(&frames);
    let mut numbered = Numbered::new(&nodes, &frames, &known.names);
    let merged = shared::rename(&nodes, &mut frames, &known.held, &mut numbered);
    let taps = taps(&nodes, &frames, &calls, &names, &Orders::new(&nodes, signatures));
    let layers = add_layers(translator, &taps, known, &numbered)?;
    for ((node, frames), taps) in nodes.iter().zip(&frames).zip(&taps) {
        translator.builder.owner(owner(frames)).map_err(|said| translate::unsound(&said))?;
        translator.node(node)?;
        for tap in taps {
            let value = translator.value(&tap.value)?;
            let tapped = translator.builder.tap(value, layers[tap.layer.as_str()]);
            tapped.map_err(|said| translate::unsound(&format!("{}: {said}", tap.layer)))?;
        }
    }
    Ok(merged)
}

/// Adds each layer once, however often it runs.
fn add_layers<'a>(
    translator: &mut Translator,
    taps: &'a [Vec<Tap>],
    known: &Known,
    numbered: &Numbered,
) -> Result<HashMap<&'a str, i64>, Refusal> {
    let mut layers = HashMap::new();
    for tap in taps.iter().flatten() {
        if layers.contains_key(tap.layer.as_str()) {
            continue;
        }
        let layer = RawLayer {
            path: tap.layer.clone(),
            type_name: tap.class.clone(),
            result: "Tensor".to_owned(),
            parameters: known.count(&tap.module, numbered),
            gives_tensor: true,
            is_placed: true,
        };
        let place = translator.builder.layer(&layer).map_err(|said| translate::unsound(&said))?;
        layers.insert(tap.layer.as_str(), place);
    }
    Ok(layers)
}
