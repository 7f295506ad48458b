//! Tails: what is left of a prepared model behind a layer.
#![expect(unsafe_code, reason = "this is where C++ is called")]

use std::ffi::{c_char, c_int, c_void};
use std::ptr::{self, NonNull};

use tch::Tensor;
use torch_sys::C_tensor;

use super::{Answer, Failure, Handle, Opaque, RawHook, take, with_hook};

#[repr(C)]
struct OpaqueTail {
    _private: [u8; 0],
}

#[allow(improper_ctypes, reason = "C_tensor is opaque here and in torch-sys")]
unsafe extern "C" {
    fn repsim_cut(
        model: *const Opaque,
        layer: i64,
        call: i64,
        calls: *const i64,
        count: usize,
        samples: i64,
        same_type: c_int,
        refusal: *mut *mut c_char,
        error: *mut *mut c_char,
    ) -> *mut OpaqueTail;
    fn repsim_drop_tail(tail: *mut OpaqueTail);
    fn repsim_tail_first_call(tail: *const OpaqueTail, layer: usize) -> i64;
    fn repsim_tail_is_channels_last(tail: *const OpaqueTail) -> c_int;
    fn repsim_run_tail(
        tail: *mut OpaqueTail,
        activation: *const C_tensor,
        gradients: c_int,
        hook: RawHook,
        context: *mut c_void,
        output: *mut *mut C_tensor,
        error: *mut *mut c_char,
    ) -> c_int;
}

/// The outcome of cutting a model.
pub enum Parted {
    /// The part behind the layer.
    Tail(TailHandle),
    /// Why there is none: the end of a sentence that begins with the layer.
    Refused(String),
}

/// A tail of the shim.
pub struct TailHandle(NonNull<OpaqueTail>);

// SAFETY: as for `Handle`.
unsafe impl Send for TailHandle {}

impl Drop for TailHandle {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `repsim_cut` and is dropped once.
        unsafe { repsim_drop_tail(self.0.as_ptr()) }
    }
}

impl Handle {
    /// Cuts the prepared model behind a call (from 1) of a layer; `calls` says how often each layer
    /// runs, 0 where that is unknown.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn cut(
        &self,
        (layer, call): (usize, usize),
        calls: &[i64],
        (samples, same_type): (usize, bool),
    ) -> Result<Parted, String> {
        let (mut refusal, mut error) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the handle is valid, the slice outlives the call.
        let tail = unsafe {
            repsim_cut(
                self.0.as_ptr(),
                layer as i64,
                call as i64,
                calls.as_ptr(),
                calls.len(),
                samples as i64,
                c_int::from(same_type),
                &mut refusal,
                &mut error,
            )
        };
        let (refusal, error) = (take(refusal), take(error));
        match (NonNull::new(tail), error) {
            (Some(tail), _) => Ok(Parted::Tail(TailHandle(tail))),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(Parted::Refused(refusal.unwrap_or_default())),
        }
    }
}

impl TailHandle {
    /// The number of the call that a layer's first tap in the tail is; `None` where there is none
    /// or it is not known.
    pub fn first_call(&self, layer: usize) -> Option<usize> {
        // SAFETY: the handle is valid; any number of a layer may be asked for.
        let call = unsafe { repsim_tail_first_call(self.0.as_ptr(), layer) };
        usize::try_from(call).ok().filter(|call| *call > 0)
    }

    /// Whether it holds convolutions whose weights are laid out channels-last.
    pub fn is_channels_last(&self) -> bool {
        // SAFETY: the handle is valid.
        unsafe { repsim_tail_is_channels_last(self.0.as_ptr()) != 0 }
    }

    /// Runs the tail; as [`Handle::run`].
    ///
    /// # Errors
    /// What libtorch said, or the hook's error.
    pub fn run<E>(
        &mut self,
        activation: &Tensor,
        gradients: bool,
        hook: &mut dyn FnMut(usize, &Tensor) -> Result<Answer, E>,
    ) -> Result<Option<Tensor>, Failure<E>> {
        let tail = self.0.as_ptr();
        let mut output = ptr::null_mut();
        with_hook(hook, |raw, context, error| {
            // SAFETY: handle and activation are valid; the context outlives the call.
            unsafe {
                let gradients = gradients.into();
                repsim_run_tail(
                    tail,
                    activation.as_ptr(),
                    gradients,
                    raw,
                    context,
                    &mut output,
                    error,
                )
            }
        })?;
        // SAFETY: a non-null output is a new tensor that is ours.
        Ok((!output.is_null()).then(|| unsafe { Tensor::from_ptr(output) }))
    }
}
