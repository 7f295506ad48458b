//! The element type that a model computes in.
#![expect(unsafe_code, reason = "this is where C++ is called")]

use std::ffi::{c_char, c_int};
use std::ptr;

use tch::Kind;

use super::{Handle, Opaque, take};

unsafe extern "C" {
    fn repsim_float_type(model: *const Opaque) -> c_int;
    fn repsim_cast(model: *mut Opaque, kind: c_int, error: *mut *mut c_char) -> c_int;
}

/// The types of floats, by their numbers in libtorch.
const FLOATS: [(c_int, Kind); 4] =
    [(5, Kind::Half), (6, Kind::Float), (7, Kind::Double), (15, Kind::BFloat16)];

impl Handle {
    /// The type of the first parameter or buffer that holds floats.
    pub fn float_kind(&self) -> Option<Kind> {
        // SAFETY: the handle is valid.
        let number = unsafe { repsim_float_type(self.0.as_ptr()) };
        FLOATS.iter().find(|(known, _)| *known == number).map(|(_, kind)| *kind)
    }

    /// Casts all parameters, buffers and constants that hold floats.
    ///
    /// # Errors
    /// The type holds no floats, or what libtorch said.
    pub fn cast(&mut self, kind: Kind) -> Result<(), String> {
        let number = FLOATS.iter().find(|(_, known)| *known == kind).map(|(number, _)| *number);
        let number = number.ok_or_else(|| format!("{kind:?} holds no floats"))?;
        let mut error = ptr::null_mut();
        // SAFETY: the handle is valid and not used elsewhere.
        unsafe { repsim_cast(self.0.as_ptr(), number, &mut error) };
        take(error).map_or(Ok(()), Err)
    }
}
