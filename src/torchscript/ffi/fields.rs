//! What of the input the values of a run depend on.
#![expect(unsafe_code, reason = "this is where C++ is called")]

use std::ffi::{c_char, c_int};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use tch::Tensor;
use torch_sys::C_tensor;

use super::{lines, take};

#[repr(C)]
struct OpaqueFields {
    _private: [u8; 0],
}

#[allow(improper_ctypes, reason = "C_tensor is opaque here and in torch-sys")]
unsafe extern "C" {
    fn repsim_follow_fields(input: *const C_tensor, error: *mut *mut c_char) -> *mut OpaqueFields;
    fn repsim_drop_fields(fields: *mut OpaqueFields);
    fn repsim_field(
        fields: *const OpaqueFields,
        output: *const C_tensor,
        bound: c_int,
        error: *mut *mut c_char,
    ) -> *mut C_tensor;
    fn repsim_fields_unknown(fields: *const OpaqueFields) -> *mut c_char;
}

/// Follows an input through all that this thread computes, until it is dropped.
pub struct FieldsHandle {
    fields: NonNull<OpaqueFields>,
    /// It listens to the thread that it was made on.
    _on_this_thread: PhantomData<*const ()>,
}

impl Drop for FieldsHandle {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `repsim_follow_fields` and is dropped once, on the same thread.
        unsafe { repsim_drop_fields(self.fields.as_ptr()) }
    }
}

impl FieldsHandle {
    /// Follows an input N×C×H×W from now on.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn follow(input: &Tensor) -> Result<Self, String> {
        let mut error = ptr::null_mut();
        // SAFETY: the tensor outlives the call, which keeps no reference to its values.
        let fields = unsafe { repsim_follow_fields(input.as_ptr(), &mut error) };
        let said = take(error);
        let fields = NonNull::new(fields).ok_or_else(|| said.unwrap_or_default())?;
        Ok(Self { fields, _on_this_thread: PhantomData })
    }

    /// One bound of the box that each value depends on: 0 minus the first row, 1 the last row, 2 and 3 the
    /// columns. −∞ where it depends on nothing, NaN where it is not known.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn bound(&self, output: &Tensor, bound: usize) -> Result<Tensor, String> {
        let mut error = ptr::null_mut();
        // SAFETY: handle and tensor are valid; the result is a new tensor that is owned from here on.
        let found = unsafe {
            repsim_field(self.fields.as_ptr(), output.as_ptr(), bound as c_int, &mut error)
        };
        match take(error) {
            Some(said) => Err(said),
            // SAFETY: as above.
            None => Ok(unsafe { Tensor::from_ptr(found) }),
        }
    }

    /// The operators so far that are not known, each once.
    pub fn unknown(&self) -> Vec<String> {
        // SAFETY: the handle is valid; the text is freed by `take`.
        let mut names = lines(take(unsafe { repsim_fields_unknown(self.fields.as_ptr()) }));
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(name.clone()));
        names
    }
}
