//! Building a model of the shim node by node.
#![expect(unsafe_code, reason = "this is where C++ is called")]

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};

use tch::Tensor;

use super::{Handle, Opaque, RawLayer, c_string, take};

#[repr(C)]
struct OpaqueBuilder {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn repsim_build_begin(error: *mut *mut c_char) -> *mut OpaqueBuilder;
    fn repsim_build_drop(builder: *mut OpaqueBuilder);
    fn repsim_build_weight(
        builder: *mut OpaqueBuilder,
        name: *const c_char,
        tensor: *const c_void,
        is_parameter: c_int,
        error: *mut *mut c_char,
    ) -> i64;
    fn repsim_build_input(
        builder: *mut OpaqueBuilder,
        name: *const c_char,
        kind: c_int,
        error: *mut *mut c_char,
    ) -> i64;
    fn repsim_build_constant(
        builder: *mut OpaqueBuilder,
        kind: c_int,
        integer: i64,
        number: f64,
        text: *const c_char,
        error: *mut *mut c_char,
    ) -> i64;
    fn repsim_build_call(
        builder: *mut OpaqueBuilder,
        name: *const c_char,
        overload: *const c_char,
        arguments: *const *const c_char,
        counts: *const i64,
        count: usize,
        values: *const i64,
        outputs: *mut i64,
        capacity: usize,
        error: *mut *mut c_char,
    ) -> i64;
    fn repsim_build_scalar(
        builder: *mut OpaqueBuilder,
        name: *const c_char,
        values: *const i64,
        count: usize,
        error: *mut *mut c_char,
    ) -> i64;
    fn repsim_build_unpack(
        builder: *mut OpaqueBuilder,
        list: i64,
        outputs: *mut i64,
        count: usize,
        error: *mut *mut c_char,
    ) -> i64;
    fn repsim_build_owner(
        builder: *mut OpaqueBuilder,
        path: *const c_char,
        error: *mut *mut c_char,
    ) -> i64;
    fn repsim_build_layer(
        builder: *mut OpaqueBuilder,
        path: *const c_char,
        type_name: *const c_char,
        result: *const c_char,
        parameters: i64,
        gives_tensor: c_int,
        error: *mut *mut c_char,
    ) -> i64;
    fn repsim_build_tap(
        builder: *mut OpaqueBuilder,
        value: i64,
        layer: i64,
        error: *mut *mut c_char,
    ) -> i64;
    fn repsim_build_finish(
        builder: *mut OpaqueBuilder,
        values: *const i64,
        count: usize,
        error: *mut *mut c_char,
    ) -> *mut Opaque;
}

/// A value of a graph that is being built, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value(i64);

/// A value that is known before anything runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Constant {
    /// No value.
    None,
    /// A flag.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text.
    Text(String),
    /// Where something is to be: `cpu`, `cuda:0`.
    Device(String),
}

/// What an input of a graph is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    /// A tensor.
    Tensor,
    /// A flag.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Float,
}

/// An argument of an operator.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// One value.
    One(Value),
    /// A list of values.
    Many(Vec<Value>),
}

/// Most values that an operator returns.
const MOST_RETURNED: usize = 64;

/// A model that is being built: values of its graph are made in the order in which they run.
pub struct Builder(NonNull<OpaqueBuilder>);

impl Drop for Builder {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `repsim_build_begin` and is dropped once.
        unsafe { repsim_build_drop(self.0.as_ptr()) }
    }
}

/// The number that a call gave, or what it said where it failed.
fn numbered(call: impl FnOnce(*mut *mut c_char) -> i64) -> Result<i64, String> {
    let mut error = ptr::null_mut();
    let number = call(&mut error);
    match take(error) {
        Some(said) => Err(said),
        None => Ok(number),
    }
}

impl Builder {
    /// A graph without nodes, over a module without weights.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn new() -> Result<Self, String> {
        let mut error = ptr::null_mut();
        // SAFETY: the out-pointer is valid.
        let builder = unsafe { repsim_build_begin(&mut error) };
        let said = take(error).unwrap_or_default();
        NonNull::new(builder).map(Self).ok_or(said)
    }

    /// A parameter or buffer under its dotted name.
    ///
    /// # Errors
    /// The name is taken, or what libtorch said.
    pub fn weight(
        &mut self,
        name: &str,
        tensor: &Tensor,
        is_parameter: bool,
    ) -> Result<Value, String> {
        let name = c_string(name)?;
        let (name, tensor) = (name.as_ptr(), tensor.as_ptr().cast());
        // SAFETY: the builder is valid; name and tensor outlive the call, which copies the tensor's handle.
        numbered(|error| unsafe {
            repsim_build_weight(self.0.as_ptr(), name, tensor, is_parameter.into(), error)
        })
        .map(Value)
    }

    /// The next input.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn input(&mut self, name: &str, kind: InputKind) -> Result<Value, String> {
        let name = c_string(name)?;
        let kind = match kind {
            InputKind::Bool => 1,
            InputKind::Int => 2,
            InputKind::Float => 3,
            InputKind::Tensor => 6,
        };
        // SAFETY: the builder is valid; the name outlives the call.
        numbered(|error| unsafe { repsim_build_input(self.0.as_ptr(), name.as_ptr(), kind, error) })
            .map(Value)
    }

    /// A constant.
    ///
    /// # Errors
    /// A device that libtorch does not know.
    pub fn constant(&mut self, constant: &Constant) -> Result<Value, String> {
        let (kind, integer, number, text) = match constant {
            Constant::None => (0, 0, 0.0, ""),
            Constant::Bool(flag) => (1, i64::from(*flag), 0.0, ""),
            Constant::Int(value) => (2, *value, 0.0, ""),
            Constant::Float(value) => (3, 0, *value, ""),
            Constant::Text(text) => (4, 0, 0.0, text.as_str()),
            Constant::Device(name) => (5, 0, 0.0, name.as_str()),
        };
        let text = c_string(text)?;
        // SAFETY: the builder is valid; the text outlives the call.
        numbered(|error| unsafe {
            repsim_build_constant(self.0.as_ptr(), kind, integer, number, text.as_ptr(), error)
        })
        .map(Value)
    }

    /// An operator (`aten::conv2d`, overload empty for the default) with arguments by the names of its
    /// schema; returns what it returns.
    ///
    /// # Errors
    /// There is no such operator, it is not trusted, or its arguments are others.
    pub fn call(
        &mut self,
        name: &str,
        overload: &str,
        arguments: &[(&str, Given)],
    ) -> Result<Vec<Value>, String> {
        let (name, overload) = (c_string(name)?, c_string(overload)?);
        let names = arguments.iter().map(|(name, _)| c_string(name));
        let names = names.collect::<Result<Vec<CString>, String>>()?;
        let pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
        let counts: Vec<i64> = arguments.iter().map(|(_, given)| given.count()).collect();
        let values: Vec<i64> = arguments.iter().flat_map(|(_, given)| given.numbers()).collect();
        let mut outputs = [0; MOST_RETURNED];
        // SAFETY: the builder is valid; all arrays outlive the call and have the lengths given: `values`
        // holds one value for each count of −1 and as many as any other count says.
        let returned = numbered(|error| unsafe {
            repsim_build_call(
                self.0.as_ptr(),
                name.as_ptr(),
                overload.as_ptr(),
                pointers.as_ptr(),
                counts.as_ptr(),
                counts.len(),
                values.as_ptr(),
                outputs.as_mut_ptr(),
                outputs.len(),
                error,
            )
        })?;
        let returned = (returned.max(0) as usize).min(MOST_RETURNED);
        Ok(outputs[..returned].iter().map(|&number| Value(number)).collect())
    }

    /// An operator on numbers, its overload chosen by what they are.
    ///
    /// # Errors
    /// There is none for them.
    pub fn scalar(&mut self, name: &str, values: &[Value]) -> Result<Value, String> {
        let name = c_string(name)?;
        let values: Vec<i64> = values.iter().map(|value| value.0).collect();
        // SAFETY: the builder is valid; name and values outlive the call.
        numbered(|error| unsafe {
            let builder = self.0.as_ptr();
            repsim_build_scalar(builder, name.as_ptr(), values.as_ptr(), values.len(), error)
        })
        .map(Value)
    }

    /// The tensors of a list that holds so many.
    ///
    /// # Errors
    /// It is not a list.
    pub fn unpack(&mut self, list: Value, count: usize) -> Result<Vec<Value>, String> {
        let mut outputs = vec![0; count];
        // SAFETY: the builder is valid; `outputs` has room for `count` values.
        numbered(|error| unsafe {
            let builder = self.0.as_ptr();
            repsim_build_unpack(builder, list.0, outputs.as_mut_ptr(), count, error)
        })?;
        Ok(outputs.into_iter().map(Value).collect())
    }

    /// Says whose code the nodes made from now on are.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn owner(&mut self, path: &str) -> Result<(), String> {
        let path = c_string(path)?;
        // SAFETY: the builder is valid; the path outlives the call.
        let owner = |error| unsafe { repsim_build_owner(self.0.as_ptr(), path.as_ptr(), error) };
        numbered(owner).map(drop)
    }

    /// Adds a layer; returns its place among them.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn layer(&mut self, layer: &RawLayer) -> Result<i64, String> {
        let path = c_string(&layer.path)?;
        let (type_name, result) = (c_string(&layer.type_name)?, c_string(&layer.result)?);
        // SAFETY: the builder is valid; the texts outlive the call.
        numbered(|error| unsafe {
            repsim_build_layer(
                self.0.as_ptr(),
                path.as_ptr(),
                type_name.as_ptr(),
                result.as_ptr(),
                i64::try_from(layer.parameters).unwrap_or(i64::MAX),
                layer.gives_tensor.into(),
                error,
            )
        })
    }

    /// Taps a value as a layer's output: what is made from now on takes what the tap gives.
    ///
    /// # Errors
    /// The value is not a tensor.
    pub fn tap(&mut self, value: Value, layer: i64) -> Result<(), String> {
        // SAFETY: the builder is valid.
        numbered(|error| unsafe { repsim_build_tap(self.0.as_ptr(), value.0, layer, error) })
            .map(drop)
    }

    /// The model that returns the given values: one by itself, several as a tuple.
    ///
    /// # Errors
    /// The graph is not sound.
    pub fn finish(self, outputs: &[Value]) -> Result<Handle, String> {
        let outputs: Vec<i64> = outputs.iter().map(|value| value.0).collect();
        let mut error = ptr::null_mut();
        // SAFETY: the builder is valid; `outputs` outlives the call.
        let model = unsafe {
            repsim_build_finish(self.0.as_ptr(), outputs.as_ptr(), outputs.len(), &mut error)
        };
        let said = take(error).unwrap_or_default();
        NonNull::new(model).map(Handle).ok_or(said)
    }
}

impl Given {
    fn count(&self) -> i64 {
        match self {
            Self::One(_) => -1,
            Self::Many(values) => values.len() as i64,
        }
    }

    fn numbers(&self) -> Vec<i64> {
        match self {
            Self::One(value) => vec![value.0],
            Self::Many(values) => values.iter().map(|value| value.0).collect(),
        }
    }
}
