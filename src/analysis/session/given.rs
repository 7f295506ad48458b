//! `--input NAME=VALUE`: what arguments of `forward` are given beside the data.

use tch::Kind;

use crate::error::{Error, Result};
use crate::torchscript::packing::Argument;
use crate::torchscript::{Fixed, Model};
use crate::view::names::listed;

/// A value for an argument of `forward`.
#[derive(Debug, Clone, PartialEq)]
pub struct GivenInput {
    /// The argument's name.
    pub name: String,
    /// Its value.
    pub value: GivenValue,
    /// As it was written.
    pub text: String,
}

/// What an argument is given.
#[derive(Debug, Clone, PartialEq)]
pub enum GivenValue {
    /// A number, a flag, or nothing.
    Fixed(Fixed),
    /// Tensors of a shape and type; several are a tuple or list.
    Tensors(Vec<(Vec<i64>, Kind)>),
}

/// Gives the models the numbers and flags among the values: each model those that its `forward` takes.
///
/// # Errors
/// No model takes an argument of a name, or not such a value.
pub fn fix<'a>(
    models: impl IntoIterator<Item = &'a mut Model>,
    given: &[GivenInput],
) -> Result<()> {
    let mut left: Vec<&GivenInput> = given.iter().collect();
    let mut known = vec![];
    for model in models {
        let arguments = model.arguments()?;
        for input in given {
            let Some(place) = arguments.iter().position(|a| a.name == input.name) else { continue };
            left.retain(|other| other.name != input.name);
            if let GivenValue::Fixed(value) = &input.value {
                model.fix(place + 1, fitting(input, *value, &arguments[place])?)?;
            }
        }
        known.extend(arguments.iter().map(Argument::to_string));
    }
    match left.first() {
        None => Ok(()),
        Some(input) => {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let problem = format!("--input {}: forward takes no {}", input.text, input.name);
            Err(Error::usage(problem, format!("it takes {}", listed(&known))))
        }
    }
}

/// The value as the type of the argument wants it.
fn fitting(input: &GivenInput, value: Fixed, argument: &Argument) -> Result<Fixed> {
    let optional = argument.type_name.strip_prefix("Optional[").and_then(|t| t.strip_suffix(']'));
    let wanted = optional.unwrap_or(&argument.type_name);
    match (wanted, value) {
        ("int", Fixed::Int(_)) | ("float", Fixed::Float(_)) | ("bool", Fixed::Bool(_)) => Ok(value),
        ("number", Fixed::Int(_) | Fixed::Float(_)) => Ok(value),
        ("float", Fixed::Int(number)) => Ok(Fixed::Float(number as f64)),
        ("bool", Fixed::Int(number @ 0..=1)) => Ok(Fixed::Bool(number == 1)),
        (_, Fixed::None) if optional.is_some() => Ok(value),
        _ => {
            let problem = format!("--input {}: forward takes {argument}", input.text);
            let remedy = match wanted {
                "Tensor" => "give its values with --data, or `repsim layers` a SHAPE:TYPE",
                _ => "give a value of that type",
            };
            Err(Error::usage(problem, remedy))
        }
    }
}

/// Refuses tensors, which are for `repsim layers` alone.
///
/// # Errors
/// Names the first.
pub fn refuse_tensors(given: &[GivenInput]) -> Result<()> {
    match given.iter().find(|input| matches!(input.value, GivenValue::Tensors(_))) {
        None => Ok(()),
        Some(input) => Err(Error::usage(
            format!("--input {} is a tensor, and here those come from --data", input.text),
            "give an .npz or .safetensors file with an array for each input as --data",
        )),
    }
}
