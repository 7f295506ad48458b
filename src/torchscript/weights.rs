//! Other values for the parameters and buffers of a model.

use tch::{Kind, Tensor};

use super::model::Model;
use super::tensors;
use crate::error::{Error, Result};

/// A parameter or buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weight {
    /// Its dotted name: `layer1.0.conv1.weight`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
    /// Type of its elements.
    pub kind: Kind,
    /// Whether it is a buffer and no parameter.
    pub is_buffer: bool,
    /// Names with the same number are one tensor.
    pub tensor: usize,
}

/// What became of values that were set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Some could not be held exactly in the type of the model.
    pub rounded: bool,
    /// Some are NaN or infinite in it.
    pub not_finite: bool,
}

impl Model {
    /// All parameters and buffers; empty where the archive was frozen.
    ///
    /// # Errors
    /// What libtorch said, or a tensor of a type that is not known.
    pub fn weights(&mut self) -> Result<Vec<Weight>> {
        let remedy = || "please report this".to_owned();
        let text =
            self.handle.weights().map_err(|said| self.torch_error("read", said, remedy()))?;
        let parsed: Option<Vec<Weight>> = text.lines().map(weight).collect();
        parsed.ok_or_else(|| {
            let problem = "it has a parameter or buffer of a type that is not known";
            Error::file("list the weights of", self.path(), problem, remedy())
        })
    }

    /// Sets a parameter or buffer to values of its shape, cast to its type. Other names of the same tensor
    /// change with it. To be called before [`Model::prepare`].
    ///
    /// # Errors
    /// The type of the values cannot become that of the weight without a change of meaning (fractions to
    /// integers, complex to real numbers), or what libtorch said.
    pub fn set_weight(&mut self, weight: &Weight, values: &Tensor) -> Result<Taken> {
        let (cast, rounded) =
            cast(values, weight.kind).map_err(|said| self.weight_error(weight, said))?;
        if rounded && !(is_float(values.kind()) && is_float(weight.kind)) {
            let said = format!("{:?} cannot become {:?}", values.kind(), weight.kind);
            return Err(self.weight_error(weight, said));
        }
        let set = self.handle.set_weight(&weight.name, &cast);
        set.map_err(|said| self.weight_error(weight, said))?;
        Ok(Taken { rounded, not_finite: !is_finite(&cast)? })
    }

    fn weight_error(&self, weight: &Weight, said: String) -> Error {
        let remedy = "give weights that were saved from this architecture".to_owned();
        self.torch_error("set a weight of", format!("{}: {said}", weight.name), remedy)
    }
}

/// The values in a type, and whether some changed.
fn cast(values: &Tensor, kind: Kind) -> Result<(Tensor, bool), String> {
    if values.kind() == kind {
        return Ok((values.shallow_clone(), false));
    }
    let said = |e: tch::TchError| e.to_string();
    let cast = values.f_to_kind(kind).map_err(said)?;
    let back = cast.f_to_kind(values.kind()).map_err(said)?;
    let same = back.f_eq_tensor(values).map_err(said)?;
    // NaN stays NaN and is not equal to itself.
    let nan = values.f_ne_tensor(values).map_err(said)?;
    let whole = same.f_logical_or(&nan).and_then(|kept| kept.f_all()).map_err(said)?;
    Ok((cast, whole.int64_value(&[]) == 0))
}

fn is_float(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Half
            | Kind::BFloat16
            | Kind::Float
            | Kind::Double
            | Kind::Float8e4m3fn
            | Kind::Float8e5m2
    )
}

fn is_finite(values: &Tensor) -> Result<bool> {
    let wide = match values.kind() {
        Kind::Float8e4m3fn | Kind::Float8e5m2 => values.f_to_kind(Kind::Float),
        _ => Ok(values.shallow_clone()),
    };
    let finite = wide.and_then(|wide| wide.f_isfinite()).and_then(|all| all.f_all());
    let finite =
        finite.map_err(|e| tensors::torch_error("look for numbers that are not finite", &e))?;
    Ok(finite.int64_value(&[]) != 0)
}

/// A line of the shim.
fn weight(line: &str) -> Option<Weight> {
    let mut fields = line.split('\t');
    let name = fields.next()?.to_owned();
    let is_buffer = fields.next()? == "1";
    let kind = kind(fields.next()?.parse().ok()?)?;
    let tensor = fields.next()?.parse().ok()?;
    let sizes = fields.next()?.split(',').filter(|size| !size.is_empty());
    let shape = sizes.map(|size| size.parse().ok()).collect::<Option<_>>()?;
    Some(Weight { name, shape, kind, is_buffer, tensor })
}

/// The type of a number of PyTorch's.
fn kind(number: u8) -> Option<Kind> {
    Some(match number {
        0 => Kind::Uint8,
        1 => Kind::Int8,
        2 => Kind::Int16,
        3 => Kind::Int,
        4 => Kind::Int64,
        5 => Kind::Half,
        6 => Kind::Float,
        7 => Kind::Double,
        8 => Kind::ComplexHalf,
        9 => Kind::ComplexFloat,
        10 => Kind::ComplexDouble,
        11 => Kind::Bool,
        15 => Kind::BFloat16,
        23 => Kind::Float8e5m2,
        24 => Kind::Float8e4m3fn,
        _ => return None,
    })
}
