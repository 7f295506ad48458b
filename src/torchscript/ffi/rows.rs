//! Rows of numbers in the memory of those that are not zero.
#![expect(unsafe_code, reason = "this is where C++ is called")]

use std::ffi::{c_char, c_int};
use std::ptr::{self, NonNull};

use tch::Tensor;
use torch_sys::C_tensor;

use super::take;

#[repr(C)]
struct OpaqueRows {
    _private: [u8; 0],
}

#[allow(improper_ctypes, reason = "C_tensor is opaque here and in torch-sys")]
unsafe extern "C" {
    fn repsim_rows_new(width: i64) -> *mut OpaqueRows;
    fn repsim_drop_rows(rows: *mut OpaqueRows);
    fn repsim_rows_bytes(rows: *const OpaqueRows) -> u64;
    fn repsim_rows_push(
        rows: *mut OpaqueRows,
        tensor: *const C_tensor,
        error: *mut *mut c_char,
    ) -> c_int;
    fn repsim_rows_read(
        rows: *const OpaqueRows,
        start: i64,
        centre: *const C_tensor,
        out: *const C_tensor,
        error: *mut *mut c_char,
    ) -> c_int;
}

/// Rows of the shim.
pub struct RowsHandle(NonNull<OpaqueRows>);

// SAFETY: the rows are plain memory; a call that changes them takes `&mut self`.
unsafe impl Send for RowsHandle {}

impl Drop for RowsHandle {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `repsim_rows_new` and is dropped once.
        unsafe { repsim_drop_rows(self.0.as_ptr()) }
    }
}

impl RowsHandle {
    /// No rows yet, of so many numbers each; `None` where there is no memory.
    pub fn new(width: i64) -> Option<Self> {
        // SAFETY: a plain number crosses.
        NonNull::new(unsafe { repsim_rows_new(width) }).map(Self)
    }

    /// The memory that they take.
    pub fn bytes(&self) -> u64 {
        // SAFETY: the handle is valid.
        unsafe { repsim_rows_bytes(self.0.as_ptr()) }
    }

    /// Appends rows.
    ///
    /// # Errors
    /// They are not float32 numbers of this width, row by row on the CPU.
    pub fn push(&mut self, rows: &Tensor) -> Result<(), String> {
        let mut error = ptr::null_mut();
        // SAFETY: handle and tensor are valid, the handle is not used elsewhere.
        unsafe { repsim_rows_push(self.0.as_ptr(), rows.as_ptr(), &mut error) };
        take(error).map_or(Ok(()), Err)
    }

    /// Writes columns of the first rows, less a centre.
    ///
    /// # Errors
    /// There are no such rows or columns.
    pub fn read(&self, start: i64, centre: &Tensor, out: &Tensor) -> Result<(), String> {
        let mut error = ptr::null_mut();
        let (centre, out) = (centre.as_ptr(), out.as_ptr());
        // SAFETY: handle and tensors are valid; the shim checks that the columns are there.
        unsafe { repsim_rows_read(self.0.as_ptr(), start, centre, out, &mut error) };
        take(error).map_or(Ok(()), Err)
    }
}
