//! The inputs that `repsim layers` runs a model on.

use tch::{Device, Kind, Tensor};

use crate::analysis::session::LoadedModel;
use crate::analysis::{GivenInput, GivenValue};
use crate::error::{Error, Result};
use crate::torchscript::packing::{Argument, Part, Values, is_float, kind_of};
use crate::torchscript::{Layer, shape_text};

/// Samples that a model is tried on.
const SAMPLES: i64 = 2;

/// Shape of a sample where nothing says it.
const IMAGE: [i64; 3] = [3, 224, 224];

/// A size that an archive leaves open; the channels and sides of images are not meant.
const OPEN: i64 = 8;

/// No input that a model is tried on has more values, whatever an archive says.
const MOST_VALUES: i64 = 1 << 29;

/// The outcome of running a model.
pub enum Tried {
    /// The layers that ran, and the shape of a sample of the first tensor.
    Ran(Vec<Layer>, Vec<i64>),
    /// Why it does not run yet, and what to do: the end of a sentence.
    NotYet(String),
}

/// What a model is to be tried on.
pub struct Trial<'a> {
    /// Shape of one sample of the first tensor.
    pub size: Option<&'a [i64]>,
    /// Tensors and numbers of arguments.
    pub given: &'a [GivenInput],
}

/// A tensor to try: the argument it goes into, its shape and type.
struct Attempt {
    argument: usize,
    name: String,
    shape: Vec<i64>,
    kind: Kind,
}

impl Trial<'_> {
    /// Runs the model on random samples: two, so that the axis of the samples can be recognised.
    ///
    /// # Errors
    /// It does not run on what was given for it.
    pub fn run(&self, loaded: &mut LoadedModel) -> Result<Tried> {
        let arguments = loaded.model.arguments()?;
        if let Some(missing) = arguments.iter().find(|a| self.is_missing(a, &arguments)) {
            let why = format!("nothing says what to give for {missing}");
            return Ok(Tried::NotYet(self.advice(&why, &arguments)));
        }
        match self.attempt(loaded, &arguments) {
            Ok(layers) => Ok(Tried::Ran(layers, self.sample(&arguments))),
            Err(error) if self.is_explicit(&arguments) => Err(error),
            Err(error) => Ok(Tried::NotYet(self.advice(&problem(error), &arguments))),
        }
    }

    fn tensors_given(&self, name: &str) -> Option<&Vec<(Vec<i64>, Kind)>> {
        self.given.iter().find(|input| input.name == name).and_then(|input| match &input.value {
            GivenValue::Tensors(tensors) => Some(tensors),
            GivenValue::Fixed(_) => None,
        })
    }

    /// Whether an argument has to be given and nothing says what: the first tensor may be tried.
    fn is_missing(&self, argument: &Argument, all: &[Argument]) -> bool {
        let is_first = first_tensor(all).is_some_and(|first| std::ptr::eq(first, argument));
        let is_known = self.tensors_given(&argument.name).is_some() || argument.shape.is_some();
        !argument.has_default && !is_known && !is_first
    }

    /// Whether the user said what the tensors are.
    fn is_explicit(&self, arguments: &[Argument]) -> bool {
        self.size.is_some() || arguments.iter().any(|a| self.tensors_given(&a.name).is_some())
    }

    /// The shape of a sample of the first tensor.
    fn sample(&self, arguments: &[Argument]) -> Vec<i64> {
        let first = self.attempts(arguments).into_iter().next();
        first.map_or(vec![], |attempt| attempt.shape[1.min(attempt.shape.len())..].to_vec())
    }

    fn attempts(&self, arguments: &[Argument]) -> Vec<Attempt> {
        let first = first_tensor(arguments);
        let mut attempts = vec![];
        for (place, argument) in arguments.iter().enumerate() {
            let is_first = first.is_some_and(|first| std::ptr::eq(first, argument));
            let of = |shape: Vec<i64>, kind| Attempt {
                argument: place + 1,
                name: argument.name.clone(),
                shape,
                kind,
            };
            if let Some(tensors) = self.tensors_given(&argument.name) {
                attempts.extend(tensors.iter().map(|(shape, kind)| of(shape.clone(), *kind)));
            } else if argument.takes_tensor() && (is_first || !argument.has_default) {
                let size = self.size.filter(|_| is_first);
                let (shape, kind) = automatic(argument, size);
                attempts.push(of(shape, kind));
            }
        }
        attempts
    }

    fn attempt(&self, loaded: &mut LoadedModel, arguments: &[Argument]) -> Result<Vec<Layer>> {
        tch::manual_seed(0);
        let attempts = self.attempts(arguments);
        if let Some(attempt) = attempts.iter().find(|attempt| !attempt.can_be_made()) {
            let problem = format!("its input {} is {}", attempt.name, shape_text(&attempt.shape));
            let remedy = format!("give inputs of {MOST_VALUES} values at most");
            return Err(Error::file("run", loaded.model.path(), problem, remedy));
        }
        let tensors: Vec<Tensor> = attempts.iter().map(Attempt::tensor).collect();
        let size = |tensor: &Tensor| tensor.size().first().copied();
        let together = tensors.len() > 1 && tensors.iter().all(|t| size(t) == size(&tensors[0]));
        let (mut parts, mut start) = (vec![], 0);
        for (i, (attempt, tensor)) in attempts.into_iter().zip(&tensors).enumerate() {
            let shape: Vec<i64> = tensor.size().into_iter().skip(1).collect();
            let width: i64 = shape.iter().product();
            let values = match (together, i) {
                (true, _) => Values::Columns { start, shape },
                (false, 0) => Values::Batch,
                _ => Values::Given(tensor.shallow_clone()),
            };
            start += width;
            let Attempt { argument, name, kind, .. } = attempt;
            parts.push(Part { argument, name, kind: Some(kind), other: None, values });
        }
        let batch = match (together, tensors.first()) {
            (true, _) => packed(&tensors),
            (false, first) => first.map_or(Tensor::empty([0], FLOAT), Tensor::shallow_clone),
        };
        loaded.model.take(parts)?;
        loaded.find_layers(&batch)
    }

    fn advice(&self, why: &str, arguments: &[Argument]) -> String {
        let all: Vec<String> = arguments.iter().map(Argument::to_string).collect();
        let shape = if why.contains("Long") { "2x12:i64" } else { "2x47:f32" };
        let how = |argument: &Argument| {
            let name = &argument.name;
            match argument.type_name.as_str() {
                "Tensor" | "Optional[Tensor]" => format!("--input {name}={shape}"),
                "int" => format!("--input {name}=16000"),
                "float" => format!("--input {name}=0.5"),
                "bool" => format!("--input {name}=true"),
                _ => format!("--input {name}=2x1x8:f32,2x1x8:f32"),
            }
        };
        let needed = arguments.iter().filter(|argument| !argument.has_default);
        let how: Vec<String> = needed.map(how).collect();
        format!(
            "{why}; its forward takes {}: say what to give with --input-size (one sample of the first tensor), or \
             such as {}",
            all.join(", "),
            how.join(" ")
        )
    }
}

const FLOAT: (Kind, Device) = tch::kind::FLOAT_CPU;

fn first_tensor(arguments: &[Argument]) -> Option<&Argument> {
    arguments.iter().find(|argument| argument.takes_tensor())
}

/// All values of a sample of each tensor, one after the other.
fn packed(tensors: &[Tensor]) -> Tensor {
    let rows = |tensor: &Tensor| tensor.to_kind(Kind::Float).reshape([tensor.size()[0], -1]);
    Tensor::cat(&tensors.iter().map(rows).collect::<Vec<_>>(), 1)
}

/// The shape and type that an archive states, with its open sizes filled in, or those of an image.
fn automatic(argument: &Argument, size: Option<&[i64]>) -> (Vec<i64>, Kind) {
    let kind = argument.dtype.and_then(kind_of).unwrap_or(Kind::Float);
    let shape = match (size, &argument.shape) {
        (Some(size), _) => [&[SAMPLES], size].concat(),
        (None, Some(shape)) => {
            let is_image = shape.len() == 4 && kind != Kind::Int64;
            let open = |place: usize| match place {
                0 => SAMPLES,
                place if is_image => IMAGE[place - 1],
                _ => OPEN,
            };
            shape.iter().enumerate().map(|(i, size)| size.unwrap_or_else(|| open(i))).collect()
        }
        (None, None) => [&[SAMPLES], IMAGE.as_slice()].concat(),
    };
    (shape, kind)
}

impl Attempt {
    fn can_be_made(&self) -> bool {
        let all = self.shape.iter().try_fold(1_i64, |all, &size| all.checked_mul(size));
        self.shape.iter().all(|&size| size >= 0) && all.is_some_and(|all| all <= MOST_VALUES)
    }

    /// Random floats from 0 to 1; zeros for whole numbers, ones for a mask.
    fn tensor(&self) -> Tensor {
        match self.kind {
            kind if is_float(kind) => Tensor::rand(self.shape.as_slice(), FLOAT).to_kind(kind),
            kind if self.name.ends_with("mask") => {
                Tensor::ones(self.shape.as_slice(), (kind, Device::Cpu))
            }
            kind => Tensor::zeros(self.shape.as_slice(), (kind, Device::Cpu)),
        }
    }
}

/// What is wrong, without the remedy.
fn problem(error: Error) -> String {
    match error {
        Error::Model { problem, .. } | Error::File { problem, .. } => problem,
        other => other.to_string(),
    }
}
