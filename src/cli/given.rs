//! What `--input NAME=VALUE` and `--channel-axis LAYER=AXIS` say.

use tch::Kind;

use super::limits;
use crate::analysis::{ChannelAxis, GivenInput, GivenValue};
use crate::torchscript::Fixed;
use crate::torchscript::packing::kind_of;

/// What a value may be, for messages.
const EXPECTED: &str =
    "expected NAME=NUMBER, NAME=true, NAME=false, NAME=none or NAME=SHAPE:TYPE such as x=2x47:f32";

/// An argument and its value.
pub fn input(text: &str) -> Result<GivenInput, String> {
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
        name => Ok(GivenInput { name: name.to_owned(), value, text: text.to_owned() }),
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

/// Layers and the axis of their channels.
pub fn channel_axis(text: &str) -> Result<ChannelAxis, String> {
    let said = || "expected LAYER=AXIS, such as 'features.*=3'".to_owned();
    let (pattern, axis) = text.rsplit_once('=').ok_or_else(said)?;
    let axis =
        limits::AXIS.read(axis.trim()).map_err(|why| format!("{}, the axis {why}", said()))?;
    if pattern.is_empty() || pattern.starts_with('!') {
        return Err(said());
    }
    ChannelAxis::new(pattern, axis).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<GivenValue, String> {
        input(text).map(|input| input.value)
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
