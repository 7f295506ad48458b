//! Queries and settings of devices beyond what tch offers.
#![expect(unsafe_code, reason = "this is where C++ is called")]

use std::ffi::{c_char, c_int};
use std::ptr::{self, NonNull};

use tch::Tensor;
use torch_sys::C_tensor;

use super::take;

#[repr(C)]
struct OpaqueStreams {
    _private: [u8; 0],
}

#[allow(improper_ctypes, reason = "C_tensor is opaque here and in torch-sys")]
unsafe extern "C" {
    fn repsim_set_tf32(allowed: c_int);
    fn repsim_has_short_floats() -> c_int;
    fn repsim_upload(
        values: *const f32,
        shape: *const i64,
        axes: usize,
        device: i64,
        error: *mut *mut c_char,
    ) -> *mut C_tensor;
    fn repsim_streams_new(device: i64, count: usize, error: *mut *mut c_char)
    -> *mut OpaqueStreams;
    fn repsim_drop_streams(streams: *mut OpaqueStreams);
    fn repsim_fork(streams: *mut OpaqueStreams, error: *mut *mut c_char) -> c_int;
    fn repsim_join(streams: *mut OpaqueStreams, error: *mut *mut c_char) -> c_int;
    fn repsim_use_stream(streams: *mut OpaqueStreams, which: i64, error: *mut *mut c_char)
    -> c_int;
}

/// Says whether CUDA devices multiply float32 in TF32.
pub fn set_tf32(allowed: bool) {
    // SAFETY: it sets flags of the process.
    unsafe { repsim_set_tf32(allowed.into()) }
}

/// Whether the current CUDA device computes in TF32 and bfloat16.
pub fn has_short_floats() -> bool {
    // SAFETY: it takes nothing.
    unsafe { repsim_has_short_floats() != 0 }
}

/// A tensor of values on a CUDA device, which may still be on their way there.
///
/// # Errors
/// The shape does not fit the values, or what libtorch said.
pub fn upload(values: &[f32], shape: &[i64], device: usize) -> Result<Tensor, String> {
    if shape.iter().product::<i64>() != values.len() as i64 {
        return Err("the shape does not fit the values".to_owned());
    }
    let (device, mut error) = (device as i64, ptr::null_mut());
    // SAFETY: values and shape outlive the call, which copies them, and are as long as is said.
    let tensor =
        unsafe { repsim_upload(values.as_ptr(), shape.as_ptr(), shape.len(), device, &mut error) };
    match take(error) {
        Some(error) => Err(error),
        // SAFETY: a tensor without an error is a new one that is ours.
        None => Ok(unsafe { Tensor::from_ptr(tensor) }),
    }
}

/// Which stream of a device is the current one of this thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// That which was current before.
    Main,
    /// That of copies.
    Copies,
    /// That of a model.
    Own(usize),
}

/// Streams of a CUDA device.
pub struct StreamsHandle(NonNull<OpaqueStreams>);

impl Drop for StreamsHandle {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `repsim_streams_new` and is dropped once.
        unsafe { repsim_drop_streams(self.0.as_ptr()) }
    }
}

impl StreamsHandle {
    /// A stream each for so many models, and one for copies.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn new(device: usize, count: usize) -> Result<Self, String> {
        let mut error = ptr::null_mut();
        // SAFETY: it takes numbers, and the error is freed by `take`.
        let streams = unsafe { repsim_streams_new(device as i64, count, &mut error) };
        NonNull::new(streams).map(Self).ok_or_else(|| take(error).unwrap_or_default())
    }

    /// Lets the streams of models wait for the main stream and for copies, and copies for the main one.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn fork(&self) -> Result<(), String> {
        let mut error = ptr::null_mut();
        // SAFETY: the handle is valid.
        unsafe { repsim_fork(self.0.as_ptr(), &mut error) };
        take(error).map_or(Ok(()), Err)
    }

    /// Lets the main stream wait for those of models.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn join(&self) -> Result<(), String> {
        let mut error = ptr::null_mut();
        // SAFETY: the handle is valid.
        unsafe { repsim_join(self.0.as_ptr(), &mut error) };
        take(error).map_or(Ok(()), Err)
    }

    /// Makes a stream the current one of this thread.
    ///
    /// # Errors
    /// What libtorch said, or there is no such stream.
    pub fn make_current(&self, which: Which) -> Result<(), String> {
        let which = match which {
            Which::Main => -1,
            Which::Copies => -2,
            Which::Own(place) => i64::try_from(place).unwrap_or(i64::MAX),
        };
        let mut error = ptr::null_mut();
        // SAFETY: the handle is valid; anything that is not a stream is an error.
        unsafe { repsim_use_stream(self.0.as_ptr(), which, &mut error) };
        take(error).map_or(Ok(()), Err)
    }
}
