//! `--input NAME=VALUE`: what arguments of `forward` are given beside the data.

use std::str::FromStr;

use tch::Kind;

use super::limits;
use crate::error::{Error, Result};
use crate::torchscript::packing::{Argument, kind_of};
use crate::torchscript::{Fixed, Model};
use crate::view::names::listed;

/// What a value may be, for messages.
const EXPECTED: &str =
    "expected NAME=NUMBER, NAME=true, NAME=false, NAME=none or NAME=SHAPE:TYPE such as x=2x47:f32";

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

impl FromStr for GivenInput {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or(EXPECTED)?;
        let value = value.trim();
        let value = match value {
            "true" => GivenValue::Fixed(Fixed::Bool(true)),
            "false" => GivenValue::Fixed(Fixed::Bool(false)),
            "none" => GivenValue::Fixed(Fixed::None),
            _ if value.contains(':') => {
                let tensors: Option<Vec<_>> = value.split(',').map(tensor).collect();
                GivenValue::Tensors(tensors.ok_or(EXPECTED)?)
            }
            _ => GivenValue::Fixed(number(value).ok_or(EXPECTED)?),
        };
        match name.trim() {
            "" => Err(EXPECTED.to_owned()),
            name => Ok(Self { name: name.to_owned(), value, text: text.to_owned() }),
        }
    }
}

fn number(text: &str) -> Option<Fixed> {
    match text.parse() {
        Ok(whole) => Some(Fixed::Int(whole)),
        Err(_) => text.parse().ok().filter(|n: &f64| n.is_finite()).map(Fixed::Float),
    }
}

/// A tensor as `2x47:f32`.
fn tensor(text: &str) -> Option<(Vec<i64>, Kind)> {
    let (shape, kind) = text.trim().split_once(':')?;
    Some((limits::shape(shape).ok()?, kind_of(long_name(kind))?))
}

/// PyTorch's name for a short one: `f32` is `float32`.
fn long_name(short: &str) -> &str {
    match short {
        "f16" | "half" => "float16",
        "bf16" => "bfloat16",
        "f32" | "float" => "float32",
        "f64" | "double" => "float64",
        "u8" => "uint8",
        "i8" => "int8",
        "i16" => "int16",
        "i32" | "int" => "int32",
        "i64" | "long" => "int64",
        name => name,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<GivenValue, String> {
        text.parse().map(|input: GivenInput| input.value)
    }

    #[test]
    fn values_are_read() {
        assert_eq!(value("sr=16000"), Ok(GivenValue::Fixed(Fixed::Int(16000))));
        assert_eq!(value("scale=-0.5"), Ok(GivenValue::Fixed(Fixed::Float(-0.5))));
        assert_eq!(value("flag=true"), Ok(GivenValue::Fixed(Fixed::Bool(true))));
        let one = GivenValue::Tensors(vec![(vec![2, 47], Kind::Float)]);
        assert_eq!(value("x=2x47:f32"), Ok(one.clone()));
        assert_eq!(value("x=2×47:float32"), Ok(one));
        let two = vec![(vec![2, 1, 8], Kind::Float), (vec![3], Kind::Int64)];
        assert_eq!(value("h=2x1x8:f32,3:i64"), Ok(GivenValue::Tensors(two)));
        for text in ["x", "=1", "x=", "x=nan", "x=2x47", "x=2x0:f32", "x=2x47:f31", "x=a:f32"] {
            assert!(value(text).is_err(), "{text}");
        }
    }
}
