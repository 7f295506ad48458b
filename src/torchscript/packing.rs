//! What `forward` takes, and how a batch becomes that.

use std::fmt;

use tch::{Kind, Tensor};

use super::exported::Interface;
use super::ffi::inputs::{Embedding, Fixed, RawArgument};
use super::model::{Model, shape_text};
use super::tensors;
use crate::error::{Error, Result};

/// An argument of `forward`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// Its TorchScript type: `Tensor`, `Optional[Tensor]`, `int`.
    pub type_name: String,
    /// Whether it may be left out.
    pub has_default: bool,
    /// The type of its values, as PyTorch writes it, where the archive says so: one of `torch.export`.
    pub dtype: Option<&'static str>,
    /// Its sizes, where the archive says so; `None` for those that may differ.
    pub shape: Option<Vec<Option<i64>>>,
}

impl Argument {
    fn new(raw: RawArgument, place: usize, interface: &Interface) -> Self {
        let RawArgument { name, type_name, has_default } = raw;
        let known = interface.inputs.get(place);
        let dtype = known.map(|input| input.dtype).filter(|name| kind_of(name).is_some());
        let name = known.map_or(name, |input| input.name.clone());
        let shape = dtype.and(known).map(|input| input.shape.clone());
        Self { name, type_name, has_default, dtype, shape }
    }

    /// Whether it takes one tensor.
    pub fn takes_tensor(&self) -> bool {
        matches!(self.type_name.as_str(), "Tensor" | "Optional[Tensor]")
    }

    /// Its type in a message: `int64 ?×12`, or the TorchScript type.
    pub fn type_text(&self) -> String {
        match (self.dtype, &self.shape) {
            (Some(dtype), Some(shape)) => format!("{dtype} {}", open_shape(shape)),
            _ => self.type_name.clone(),
        }
    }
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.type_text())
    }
}

/// A call of an embedding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup<'a> {
    /// The module it is in.
    pub module: &'a str,
    /// Which of the module's, from 1.
    pub call: usize,
    /// How many the module's code has.
    pub calls: usize,
}

/// A shape with `?` for sizes that may differ.
fn open_shape(shape: &[Option<i64>]) -> String {
    let size = |size: &Option<i64>| size.map_or("?".to_owned(), |size| size.to_string());
    shape.iter().map(size).collect::<Vec<_>>().join("×")
}

/// The element type of a name of PyTorch or NumPy: `int64`, `bool`.
pub fn kind_of(name: &str) -> Option<Kind> {
    Some(match name {
        "uint8" => Kind::Uint8,
        "int8" => Kind::Int8,
        "int16" => Kind::Int16,
        "int32" => Kind::Int,
        "int64" => Kind::Int64,
        "float16" => Kind::Half,
        "bfloat16" => Kind::BFloat16,
        "float32" => Kind::Float,
        "float64" => Kind::Double,
        "bool" => Kind::Bool,
        _ => return None,
    })
}

/// The name of an element type, as PyTorch writes it.
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Uint8 => "uint8",
        Kind::Int8 => "int8",
        Kind::Int16 => "int16",
        Kind::Int => "int32",
        Kind::Int64 => "int64",
        Kind::Half => "float16",
        Kind::BFloat16 => "bfloat16",
        Kind::Double => "float64",
        Kind::Bool => "bool",
        _ => "float32",
    }
}

/// Whether a type holds whole numbers.
pub(super) fn is_whole(kind: Kind) -> bool {
    matches!(kind, Kind::Uint8 | Kind::Int8 | Kind::Int16 | Kind::Int | Kind::Int64)
}

/// Whether a type holds fractions.
pub fn is_float(kind: Kind) -> bool {
    matches!(kind, Kind::Half | Kind::BFloat16 | Kind::Float | Kind::Double)
}

/// Where the values of an input are.
#[derive(Debug)]
pub enum Values {
    /// They are the batch.
    Batch,
    /// Columns of a batch N×D, from `start` on, as N×`shape`.
    Columns {
        /// The first of them.
        start: i64,
        /// The shape of a sample.
        shape: Vec<i64>,
    },
    /// The same tensor in every run.
    Given(Tensor),
}

/// A tensor that `forward` is given.
#[derive(Debug)]
pub struct Part {
    /// Which argument it goes into, from 1; those of a tuple follow each other.
    pub argument: usize,
    /// The argument's name.
    pub name: String,
    /// The type its values are cast to; `None` as they are.
    pub kind: Option<Kind>,
    /// The type to try in its place where no archive says which the network takes.
    pub other: Option<Kind>,
    /// Its values.
    pub values: Values,
}

impl Part {
    /// The batch, as it is.
    fn whole(argument: usize, name: String, kind: Option<Kind>) -> Self {
        Self { argument, name, kind, other: None, values: Values::Batch }
    }

    fn tensor(&self, batch: &Tensor) -> Result<Tensor, tch::TchError> {
        let values = match &self.values {
            Values::Batch => batch.shallow_clone(),
            Values::Given(tensor) => tensor.f_to_device(batch.device())?,
            Values::Columns { start, shape } => {
                let width = shape.iter().product();
                let samples = batch.size().first().copied().unwrap_or(0);
                let whole = [&[samples], shape.as_slice()].concat();
                batch.f_narrow(1, *start, width)?.f_contiguous()?.f_view(whole.as_slice())?
            }
        };
        match self.kind {
            Some(kind) if kind != values.kind() => values.f_to_kind(kind),
            _ => Ok(values),
        }
    }
}

/// How a batch becomes what `forward` takes.
#[derive(Debug, Default)]
pub(super) struct Packing {
    parts: Vec<Part>,
    embeddings: Vec<Embedding>,
}

impl Packing {
    /// The batch is the first tensor, of the type the archive says.
    pub fn of_interface(interface: &Interface) -> Self {
        let known = |input: &super::Input| Some((input.name.clone(), kind_of(input.dtype)?));
        let inputs = interface.inputs.iter().enumerate();
        let first = inputs.filter_map(|(i, input)| Some((i + 1, known(input)?))).next();
        let part = match first {
            Some((place, (name, kind))) => Part::whole(place, name, Some(kind)),
            None => Part::whole(1, String::new(), None),
        };
        Self { parts: vec![part], embeddings: vec![] }
    }

    pub fn into_parts(self) -> Vec<Part> {
        self.parts
    }

    /// The arguments that take tensors, and how many each.
    fn fed(&self) -> Vec<(usize, usize)> {
        let same = |a: &Part, b: &Part| a.argument == b.argument;
        self.parts.chunk_by(same).map(|parts| (parts[0].argument, parts.len())).collect()
    }

    /// Whether all that `forward` is given is of this type.
    pub fn are_all(&self, kind: Kind) -> bool {
        self.parts.iter().all(|part| part.kind.unwrap_or(Kind::Float) == kind)
    }

    fn is_plain(&self) -> bool {
        matches!(self.parts.as_slice(), [Part { values: Values::Batch, kind: None, .. }])
    }
}

impl Model {
    /// The arguments of `forward`, in their order.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn arguments(&self) -> Result<Vec<Argument>> {
        let raw = self.handle.arguments().map_err(|said| self.unreadable(said))?;
        let arguments = raw.into_iter().enumerate();
        let argument = |(i, raw): (usize, RawArgument)| {
            let has_default = raw.has_default || self.given.contains(&(i + 1));
            Argument::new(RawArgument { has_default, ..raw }, i, self.interface())
        };
        Ok(arguments.map(argument).collect())
    }

    /// Says how a batch becomes what `forward` takes from now on. To be called before
    /// [`Model::prepare`].
    ///
    /// # Errors
    /// What libtorch said.
    pub fn take(&mut self, mut parts: Vec<Part>) -> Result<()> {
        for part in parts.iter_mut().filter(|part| part.kind.is_none_or(is_float)) {
            // Samples are float32 as they come.
            let casts = |kind: &Kind| *kind != Kind::Float || part.kind.is_some();
            part.kind = self.floats.filter(casts).or(part.kind);
        }
        let whole = parts.iter().any(|part| part.kind.is_some_and(is_whole));
        let embeddings = if whole { self.handle.embeddings() } else { Ok(vec![]) };
        let embeddings = embeddings.map_err(|said| self.unreadable(said))?;
        let packing = Packing { parts, embeddings };
        self.handle.feed(&packing.fed()).map_err(|said| self.unreadable(said))?;
        self.packing = packing;
        Ok(())
    }

    /// The same for further batches that hold the same inputs, maybe of other sizes or at other places;
    /// false where they do not.
    pub fn take_again(&mut self, parts: Vec<Part>) -> bool {
        let fits = |(old, new): (&Part, &Part)| {
            let whole = old.kind.is_some_and(is_whole);
            old.argument == new.argument && (!whole || new.kind.is_some_and(is_whole))
        };
        let old = &mut self.packing.parts;
        if old.len() != parts.len() || !old.iter().zip(&parts).all(fits) {
            return false;
        }
        for (old, new) in old.iter_mut().zip(parts) {
            old.values = new.values;
        }
        true
    }

    /// Gives an argument of `forward` (from 1) a value in every run.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn fix(&mut self, argument: usize, value: Fixed) -> Result<()> {
        self.handle.fix(argument, value).map_err(|said| self.unreadable(said))?;
        self.given.push(argument);
        Ok(())
    }

    /// Puts the other type to try in place of each that is not certain; returns whether there is one.
    pub fn swap_types(&mut self) -> bool {
        let mut any = false;
        for part in self.packing.parts.iter_mut().filter(|part| part.other.is_some()) {
            std::mem::swap(&mut part.kind, &mut part.other);
            any = true;
        }
        any
    }

    /// The types that the tensors are cast to, as PyTorch writes them.
    pub fn input_types(&self) -> Vec<&'static str> {
        let name = |part: &Part| kind_name(part.kind.unwrap_or(Kind::Float));
        self.packing.parts.iter().map(name).collect()
    }

    fn unreadable(&self, said: String) -> Error {
        self.torch_error("read the inputs of", said, "please report this".to_owned())
    }

    /// The tensors of a batch, each for its argument.
    pub(super) fn unpacked(&self, batch: &Tensor) -> Result<Vec<Tensor>> {
        if self.packing.is_plain() {
            return Ok(vec![batch.shallow_clone()]);
        }
        let parts = &self.packing.parts;
        let tensors: Result<Vec<Tensor>, _> = parts.iter().map(|p| p.tensor(batch)).collect();
        let tensors = tensors.map_err(|e| tensors::torch_error("take a batch apart", &e))?;
        for (part, tensor) in parts.iter().zip(&tensors) {
            self.check_rows(part, tensor)?;
        }
        Ok(tensors)
    }

    /// Refuses numbers of rows that the embedding they are looked up in does not have.
    fn check_rows(&self, part: &Part, tensor: &Tensor) -> Result<()> {
        if !is_whole(tensor.kind()) || tensor.numel() == 0 {
            return Ok(());
        }
        for embedding in &self.packing.embeddings {
            if embedding.looks_up != Some(part.argument) {
                continue;
            }
            let (least, most) = (tensor.min().int64_value(&[]), tensor.max().int64_value(&[]));
            if least < 0 || most >= embedding.rows {
                let id = if least < 0 { least } else { most };
                return Err(self.beyond(part, id, embedding));
            }
        }
        Ok(())
    }

    fn beyond(&self, part: &Part, id: i64, embedding: &Embedding) -> Error {
        let which = if id < 0 { "least" } else { "largest" };
        let problem = format!(
            "the {which} id of input {} is {id}, and the embedding {} has {} rows",
            part.name, embedding.module, embedding.rows
        );
        let remedy = format!(
            "give ids from 0 to {}, those of the tokenizer it was trained with",
            embedding.rows - 1
        );
        Error::file("run", self.path(), problem, remedy)
    }

    /// What a batch is to `forward`, in words.
    pub(super) fn described(&self, batch: &Tensor) -> String {
        if self.packing.is_plain() {
            return format!("an input of shape {}", shape_text(&batch.size()));
        }
        let part = |part: &Part| {
            let Ok(tensor) = part.tensor(batch) else { return part.name.clone() };
            let (dtype, shape) = (kind_name(tensor.kind()), shape_text(&tensor.size()));
            format!("{} ({dtype} {shape})", part.name)
        };
        self.packing.parts.iter().map(part).collect::<Vec<_>>().join(", ")
    }

    /// What `forward` takes, in words: `input_ids (int64 ?×12)`; `None` where that is one tensor of any
    /// shape.
    pub fn wants(&self) -> Option<String> {
        let arguments = self.arguments().ok()?;
        let tensors = arguments.iter().filter(|argument| argument.takes_tensor()).count();
        let told = arguments.iter().any(|argument| argument.dtype.is_some());
        let all: Vec<String> = arguments.iter().map(Argument::to_string).collect();
        (told || tensors != arguments.len() || tensors > 1).then(|| all.join(", "))
    }

    /// The embedding with the fewest rows of those that look up what an input is given: its module and rows.
    pub fn looks_up(&self, input: &str) -> Option<(&str, i64)> {
        let part = self.packing.parts.iter().find(|part| part.name == input)?;
        let own = self.packing.embeddings.iter().filter(|e| e.looks_up == Some(part.argument));
        own.map(|e| (e.module.as_str(), e.rows)).min_by_key(|(_, rows)| *rows)
    }

    /// The calls of embeddings that look up what an input is given, in the order of the graph.
    pub fn lookups(&self, input: &str) -> Vec<Lookup<'_>> {
        let Some(part) = self.packing.parts.iter().find(|part| part.name == input) else {
            return vec![];
        };
        let all = &self.packing.embeddings;
        let lookup = |(place, own): (usize, &Embedding)| {
            let of_module =
                |part: &[Embedding]| part.iter().filter(|e| e.module == own.module).count();
            let (call, calls) = (of_module(&all[..=place]), of_module(all));
            Lookup { module: &all[place].module, call, calls }
        };
        let own = all.iter().enumerate().filter(|(_, e)| e.looks_up == Some(part.argument));
        own.map(lookup).collect()
    }

    /// The embeddings that numbers may be beyond the rows of.
    pub(super) fn embeddings(&self) -> &[Embedding] {
        &self.packing.embeddings
    }
}
