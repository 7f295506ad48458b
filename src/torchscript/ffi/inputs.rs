//! What `forward` takes, and what it is given.
#![expect(unsafe_code, reason = "this is where C++ is called")]

use std::ffi::{c_char, c_int};
use std::ptr;

use super::{Handle, Opaque, lines, take};

unsafe extern "C" {
    fn repsim_arguments(model: *const Opaque, error: *mut *mut c_char) -> *mut c_char;
    fn repsim_feed(
        model: *mut Opaque,
        places: *const i64,
        counts: *const i64,
        count: usize,
        error: *mut *mut c_char,
    ) -> c_int;
    fn repsim_fix(
        model: *mut Opaque,
        place: i64,
        kind: c_int,
        number: f64,
        error: *mut *mut c_char,
    ) -> c_int;
    fn repsim_embeddings(model: *const Opaque, error: *mut *mut c_char) -> *mut c_char;
}

/// An argument of `forward`, as the shim reports it.
pub struct RawArgument {
    /// Its name.
    pub name: String,
    /// Its TorchScript type.
    pub type_name: String,
    /// Whether it may be left out.
    pub has_default: bool,
}

/// An embedding whose rows are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embedding {
    /// How many rows it has.
    pub rows: i64,
    /// The module it is in.
    pub module: String,
    /// The argument of `forward`, from 1, whose values are looked up; `None` for others.
    pub looks_up: Option<usize>,
}

/// A value that an argument has in every run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fixed {
    /// No value.
    None,
    /// A flag.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
}

impl Fixed {
    fn parts(self) -> (c_int, f64) {
        match self {
            Self::None => (0, 0.0),
            Self::Bool(flag) => (1, f64::from(u8::from(flag))),
            Self::Int(number) => (2, number as f64),
            Self::Float(number) => (3, number),
        }
    }
}

impl Handle {
    /// The arguments of `forward` behind `self`.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn arguments(&self) -> Result<Vec<RawArgument>, String> {
        let mut error = ptr::null_mut();
        // SAFETY: the handle is valid; the text is freed by `take`.
        let text = take(unsafe { repsim_arguments(self.0.as_ptr(), &mut error) });
        let argument = |line: String| {
            let mut fields = line.split('\t').map(str::to_owned);
            let (name, type_name) = (fields.next()?, fields.next()?);
            Some(RawArgument { name, type_name, has_default: fields.next()? == "1" })
        };
        match take(error) {
            Some(error) => Err(error),
            None => Ok(lines(text).into_iter().filter_map(argument).collect()),
        }
    }

    /// Says which arguments (from 1) take the tensors of a run, and how many each.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn feed(&mut self, arguments: &[(usize, usize)]) -> Result<(), String> {
        let places: Vec<i64> = arguments.iter().map(|(place, _)| *place as i64).collect();
        let counts: Vec<i64> = arguments.iter().map(|(_, count)| *count as i64).collect();
        let (model, mut error) = (self.0.as_ptr(), ptr::null_mut());
        // SAFETY: the handle is valid and not used elsewhere; both vectors outlive the call.
        unsafe { repsim_feed(model, places.as_ptr(), counts.as_ptr(), places.len(), &mut error) };
        take(error).map_or(Ok(()), Err)
    }

    /// Gives an argument (from 1) a value in every run.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn fix(&mut self, argument: usize, value: Fixed) -> Result<(), String> {
        let ((kind, number), mut error) = (value.parts(), ptr::null_mut());
        // SAFETY: the handle is valid and not used elsewhere.
        unsafe { repsim_fix(self.0.as_ptr(), argument as i64, kind, number, &mut error) };
        take(error).map_or(Ok(()), Err)
    }

    /// The embeddings of the graph whose rows can be told.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn embeddings(&self) -> Result<Vec<Embedding>, String> {
        let mut error = ptr::null_mut();
        // SAFETY: the handle is valid; the text is freed by `take`.
        let text = take(unsafe { repsim_embeddings(self.0.as_ptr(), &mut error) });
        let embedding = |line: String| {
            let mut fields = line.split('\t');
            let rows = fields.next()?.parse().ok()?;
            let module = fields.next()?.to_owned();
            let looks_up = fields.next()?.parse().ok().filter(|&place: &usize| place > 0);
            Some(Embedding { rows, module, looks_up })
        };
        match take(error) {
            Some(error) => Err(error),
            None => Ok(lines(text).into_iter().filter_map(embedding).collect()),
        }
    }
}
