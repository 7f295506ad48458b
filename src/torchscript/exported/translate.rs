//! A `torch.export` program becomes a TorchScript graph: each node an operator with the defaults of its
//! schema, each weight an attribute of a module.

use std::collections::HashMap;

use super::program::Refusal;
use super::schema::{Argument, Name, Node, OptionalTensor, Symbolic};
use crate::torchscript::ffi::builder::{Builder, Constant, Given, Value};

/// A graph that is being built, and its values by their names in the program.
pub struct Translator {
    pub builder: Builder,
    values: HashMap<String, Value>,
}

/// What a node could not become.
pub type Result<T, E = Refusal> = std::result::Result<T, E>;

const ATEN_ONLY: &str = "export a part of the model that does without it, or replace it by operators of \
                         PyTorch";

/// The library of what PT2E quantisation makes (torchao, torch.ao), which is Python.
const PT2E: &str = "quantized_decomposed::";
const FLOAT: &str = "it was quantised by PT2E, whose operators are Python: export the float model, or quantise it \
                     by torch.ao.quantization.convert and trace it";

impl Translator {
    pub fn new() -> Result<Self> {
        let builder = Builder::new().map_err(|said| unsound(&said))?;
        Ok(Self { builder, values: HashMap::new() })
    }

    /// Gives a value its name in the program.
    pub fn name(&mut self, name: &str, value: Value) -> Result<()> {
        match self.values.insert(name.to_owned(), value) {
            None => Ok(()),
            Some(_) => Err(unsound(&format!("the name {name} is taken twice"))),
        }
    }

    /// The value of a name.
    pub fn value(&self, name: &str) -> Result<Value> {
        let value = self.values.get(name).copied();
        value.ok_or_else(|| unsound(&format!("the value {name} is used before it is made")))
    }

    /// Adds a node, and names what it gives.
    pub fn node(&mut self, node: &Node) -> Result<()> {
        match node.target.strip_prefix("torch.ops.") {
            Some(operator) => self.operator(operator, node),
            None => self.scalar(node),
        }
    }

    fn operator(&mut self, operator: &str, node: &Node) -> Result<()> {
        let (path, overload) = operator.rsplit_once('.').unwrap_or((operator, "default"));
        let (space, name) = path.split_once('.').unwrap_or(("", path));
        if only_asserts(name) {
            return Ok(());
        }
        let name = format!("{space}::{}", name.strip_prefix("sym_").unwrap_or(name));
        let overload = if overload == "default" { "" } else { overload };
        let mut arguments = vec![];
        for input in &node.inputs {
            arguments.push((input.name.as_str(), self.argument(&input.arg)?));
        }
        let made = self.builder.call(&name, overload, &arguments);
        let made = made.map_err(|said| refused(&name, &said))?;
        self.keep(node, &made)
    }

    /// Names what an operator gave.
    fn keep(&mut self, node: &Node, made: &[Value]) -> Result<()> {
        if let [Argument::AsTensors(names)] = node.outputs.as_slice() {
            let [list] = made else { return Err(unsound(&misfit(node))) };
            let tensors = self.builder.unpack(*list, names.len()).map_err(|said| unsound(&said))?;
            return names.iter().zip(tensors).try_for_each(|(n, value)| self.name(&n.name, value));
        }
        if node.outputs.len() > made.len() {
            return Err(unsound(&misfit(node)));
        }
        for (output, &value) in node.outputs.iter().zip(made) {
            match output {
                Argument::AsTensor(name) => self.name(&name.name, value)?,
                Argument::AsSymInt(to) => self.keep_number(to, "aten::Int", node, value)?,
                Argument::AsSymFloat(to) => self.keep_number(to, "aten::Float", node, value)?,
                Argument::AsSymBool(to) => self.keep_number(to, "aten::Bool", node, value)?,
                Argument::AsNone(_) => {}
                _ => return Err(unsound(&misfit(node))),
            }
        }
        Ok(())
    }

    /// Names a number, cast where an operator gives it without its kind.
    fn keep_number<T>(
        &mut self,
        to: &Symbolic<T>,
        cast: &str,
        node: &Node,
        value: Value,
    ) -> Result<()> {
        let Symbolic::Name(name) = to else { return Ok(()) };
        let is_scalar = ["item", "_local_scalar_dense"].iter().any(|n| node.target.contains(n));
        let value = match is_scalar {
            true => self.builder.scalar(cast, &[value]).map_err(|said| unsound(&said))?,
            false => value,
        };
        self.name(name, value)
    }

    /// A function of Python on numbers.
    fn scalar(&mut self, node: &Node) -> Result<()> {
        if node.target.ends_with("_set_grad_enabled") {
            return Ok(());
        }
        let name = scalar_operator(&node.target)
            .ok_or_else(|| Refusal::new(format!("it calls {}", node.target), ATEN_ONLY))?;
        let mut values = vec![];
        for input in &node.inputs {
            match self.argument(&input.arg)? {
                Given::One(value) => values.push(value),
                Given::Many(_) => return Err(unsound(&misfit(node))),
            }
        }
        let value = self.builder.scalar(name, &values).map_err(|said| refused(name, &said))?;
        self.keep(node, &[value])
    }

    /// The value or values of an argument.
    pub fn argument(&mut self, argument: &Argument) -> Result<Given> {
        let constant = match argument {
            Argument::AsTensor(name) => return self.value(&name.name).map(Given::One),
            Argument::AsOptionalTensor(tensor) => return self.optional(tensor).map(Given::One),
            Argument::AsTensors(names) => return self.many(names, Self::tensor),
            Argument::AsOptionalTensors(tensors) => return self.many(tensors, Self::optional),
            Argument::AsInts(values) => return self.many(values, |this, &v| this.int(v)),
            Argument::AsFloats(values) => return self.many(values, |this, v| this.float(v.0)),
            Argument::AsBools(values) => return self.many(values, |this, &v| this.bool(v)),
            Argument::AsStrings(texts) => return self.many(texts, |this, t| this.text(t)),
            Argument::AsSymInt(value) => return self.symbol(value, |&v| Constant::Int(v)),
            Argument::AsSymFloat(value) => return self.symbol(value, |v| Constant::Float(v.0)),
            Argument::AsSymBool(value) => return self.symbol(value, |&v| Constant::Bool(v)),
            Argument::AsSymInts(values) => return self.symbols(values, |&v| Constant::Int(v)),
            Argument::AsSymFloats(values) => return self.symbols(values, |v| Constant::Float(v.0)),
            Argument::AsSymBools(values) => return self.symbols(values, |&v| Constant::Bool(v)),
            Argument::AsNone(_) => Constant::None,
            Argument::AsInt(value) => Constant::Int(*value),
            Argument::AsFloat(value) => Constant::Float(value.0),
            Argument::AsBool(value) => Constant::Bool(*value),
            Argument::AsString(text) => Constant::Text(text.clone()),
            Argument::AsScalarType(number) => Constant::Int(coded("type", scalar_type(*number))?),
            Argument::AsLayout(number) => Constant::Int(coded("layout", layout(*number))?),
            Argument::AsMemoryFormat(number) => {
                Constant::Int(coded("memory format", memory_format(*number))?)
            }
            // Where a run puts its tensors is not the exporter's to say.
            Argument::AsDevice(device) if device.kind == "meta" => {
                return Err(Refusal::new(
                    "it makes tensors without values (device meta)",
                    ATEN_ONLY,
                ));
            }
            Argument::AsDevice(_) => Constant::Device("cpu".to_owned()),
            _ => return Err(Refusal::new("an operator takes nested lists or graphs", ATEN_ONLY)),
        };
        self.constant(&constant).map(Given::One)
    }

    /// A constant.
    pub fn constant(&mut self, constant: &Constant) -> Result<Value> {
        self.builder.constant(constant).map_err(|said| unsound(&said))
    }

    fn many<T>(
        &mut self,
        items: &[T],
        mut value: impl FnMut(&mut Self, &T) -> Result<Value>,
    ) -> Result<Given> {
        items.iter().map(|item| value(self, item)).collect::<Result<_>>().map(Given::Many)
    }

    fn tensor(&mut self, name: &Name) -> Result<Value> {
        self.value(&name.name)
    }

    fn optional(&mut self, tensor: &OptionalTensor) -> Result<Value> {
        match tensor {
            OptionalTensor::AsTensor(name) => self.value(&name.name),
            OptionalTensor::AsNone(_) => self.constant(&Constant::None),
        }
    }

    fn int(&mut self, value: i64) -> Result<Value> {
        self.constant(&Constant::Int(value))
    }

    fn float(&mut self, value: f64) -> Result<Value> {
        self.constant(&Constant::Float(value))
    }

    fn bool(&mut self, value: bool) -> Result<Value> {
        self.constant(&Constant::Bool(value))
    }

    fn text(&mut self, text: &str) -> Result<Value> {
        self.constant(&Constant::Text(text.to_owned()))
    }

    fn symbolic<T>(
        &mut self,
        value: &Symbolic<T>,
        constant: impl Fn(&T) -> Constant,
    ) -> Result<Value> {
        match value {
            Symbolic::Name(name) => self.value(name),
            Symbolic::Known(value) => self.constant(&constant(value)),
        }
    }

    fn symbol<T>(&mut self, value: &Symbolic<T>, of: impl Fn(&T) -> Constant) -> Result<Given> {
        self.symbolic(value, of).map(Given::One)
    }

    fn symbols<T>(&mut self, values: &[Symbolic<T>], of: impl Fn(&T) -> Constant) -> Result<Given> {
        self.many(values, |this, value| this.symbolic(value, &of))
    }
}

/// A program that contradicts itself.
pub fn unsound(said: &str) -> Refusal {
    Refusal::new(said, "export and save it again (torch.export.save)")
}

fn misfit(node: &Node) -> String {
    format!("{} gives something else than the program says", node.target)
}

/// Why an operator could not be added.
fn refused(name: &str, said: &str) -> Refusal {
    let is_own = ["aten::", "prim::", "quantized::"].iter().any(|space| name.starts_with(space));
    if said.starts_with("untrusted operator") && !is_own {
        let problem = format!("it uses {name}, a custom operator, whose code is not in libtorch");
        return Refusal::new(problem, ATEN_ONLY);
    }
    if said.starts_with("untrusted operator") {
        let problem = format!("it uses {name}, which reaches beyond the model");
        return Refusal::new(problem, ATEN_ONLY);
    }
    if said.starts_with("unknown operator") {
        let problem = format!("it uses {name}, which this version of libtorch does not have");
        return Refusal::new(problem, if name.starts_with(PT2E) { FLOAT } else { ATEN_ONLY });
    }
    let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or(said).trim();
    Refusal::new(format!("{name}: {first}"), "export it with PyTorch 2.5 to 2.13")
}

/// Whether an operator only checks what was known when the program was exported.
fn only_asserts(name: &str) -> bool {
    name.starts_with("_assert")
        || name.starts_with("_functional_assert")
        || name.starts_with("sym_constrain_range")
        || name.starts_with("_functional_sym_constrain_range")
}

/// The operator of TorchScript for a function of Python on numbers.
fn scalar_operator(target: &str) -> Option<&'static str> {
    let (module, name) = target.rsplit_once('.')?;
    if !matches!(module, "_operator" | "math" | "torch" | "builtins") {
        return None;
    }
    Some(match name {
        "add" => "aten::add",
        "sub" => "aten::sub",
        "mul" => "aten::mul",
        "floordiv" => "aten::floordiv",
        "truediv" => "aten::div",
        "mod" => "aten::remainder",
        "pow" => "aten::pow",
        "neg" => "aten::neg",
        "eq" => "aten::eq",
        "ne" => "aten::ne",
        "lt" => "aten::lt",
        "le" => "aten::le",
        "gt" => "aten::gt",
        "ge" => "aten::ge",
        "and_" => "aten::__and__",
        "or_" => "aten::__or__",
        "not_" | "sym_not" => "aten::__not__",
        "ceil" => "aten::ceil",
        "floor" => "aten::floor",
        "sqrt" | "_sym_sqrt" => "aten::sqrt",
        "trunc" | "sym_int" => "aten::Int",
        "sym_float" => "aten::Float",
        "sym_max" => "prim::max",
        "sym_min" => "prim::min",
        _ => return None,
    })
}

fn coded(what: &str, code: Option<i64>) -> Result<i64> {
    code.ok_or_else(|| Refusal::new(format!("it uses a {what} that is not known"), ATEN_ONLY))
}

/// TorchScript's number for an element type of the schema.
fn scalar_type(number: i64) -> Option<i64> {
    match number {
        1..=12 => Some(number - 1),
        13 => Some(15),
        28 => Some(27),
        29..=32 => Some([24, 23, 26, 25][number as usize - 29]),
        34 | 35 => Some(number - 6),
        _ => None,
    }
}

/// TorchScript's number for a memory layout of the schema.
fn layout(number: i64) -> Option<i64> {
    (number == 7).then_some(0)
}

/// TorchScript's number for a memory format of the schema.
fn memory_format(number: i64) -> Option<i64> {
    match number {
        1 => Some(0),
        2 | 3 => Some(number),
        4 => Some(1),
        _ => None,
    }
}
