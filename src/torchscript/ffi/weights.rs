//! Parameters and buffers by name.

use std::ffi::{c_char, c_int};
use std::ptr;

use tch::Tensor;
use torch_sys::C_tensor;

use super::{Handle, Opaque, c_string, take};

#[allow(improper_ctypes, reason = "C_tensor is opaque here and in torch-sys")]
unsafe extern "C" {
    fn repsim_weights(model: *mut Opaque, error: *mut *mut c_char) -> *mut c_char;
    fn repsim_set_weight(
        model: *mut Opaque,
        name: *const c_char,
        tensor: *const C_tensor,
        error: *mut *mut c_char,
    ) -> c_int;
}

impl Handle {
    /// All parameters and buffers, a line each: name, whether it is a buffer, type, number of the tensor,
    /// sizes.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn weights(&mut self) -> Result<String, String> {
        let mut error = ptr::null_mut();
        // SAFETY: the handle is valid and not used elsewhere; the text is freed by `take`.
        let text = take(unsafe { repsim_weights(self.0.as_ptr(), &mut error) });
        match take(error) {
            Some(error) => Err(error),
            None => Ok(text.unwrap_or_default()),
        }
    }

    /// Copies values into the parameter or buffer of a name.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn set_weight(&mut self, name: &str, values: &Tensor) -> Result<(), String> {
        let name = c_string(name)?;
        let mut error = ptr::null_mut();
        // SAFETY: handle and tensor are valid, the handle is not used elsewhere; the name outlives the call.
        unsafe { repsim_set_weight(self.0.as_ptr(), name.as_ptr(), values.as_ptr(), &mut error) };
        take(error).map_or(Ok(()), Err)
    }
}
