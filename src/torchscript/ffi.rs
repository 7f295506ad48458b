//! The boundary to the C++ shim.
//!
//! Tensors cross as `at::Tensor*`, the type behind [`tch::Tensor::as_ptr`]. Every call that can
//! fail gives its message as a string; a hook that fails or panics stops the run, and its error
//! comes back out of it.
#![expect(unsafe_code, reason = "this is where C++ is called")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::ptr::{self, NonNull};

use tch::Tensor;
use torch_sys::C_tensor;

pub mod builder;
pub mod device;
pub mod fields;
mod found;
pub mod inputs;
pub mod loading;
pub mod rows;
pub mod tail;
mod types;
mod weights;

#[repr(C)]
struct Opaque {
    _private: [u8; 0],
}

type RawHook = extern "C" fn(*mut c_void, i64, *mut C_tensor, *mut *mut C_tensor) -> c_int;

const KEEP: c_int = 0;
const REPLACE: c_int = 1;
const STOP: c_int = 2;

#[allow(improper_ctypes, reason = "C_tensor is opaque here and in torch-sys")]
unsafe extern "C" {
    fn repsim_free(text: *mut c_char);
    fn repsim_drop(model: *mut Opaque);
    fn repsim_layer_count(model: *const Opaque) -> usize;
    fn repsim_layer_text(model: *const Opaque, layer: usize, field: c_int) -> *const c_char;
    fn repsim_layer_parameters(model: *const Opaque, layer: usize) -> i64;
    fn repsim_layer_gives_tensor(model: *const Opaque, layer: usize) -> c_int;
    fn repsim_layer_is_placed(model: *const Opaque, layer: usize) -> c_int;
    fn repsim_is_flat(model: *const Opaque) -> c_int;
    fn repsim_has_features_flag(model: *const Opaque) -> c_int;
    fn repsim_set_features_flag(model: *mut Opaque);
    fn repsim_output_type(model: *const Opaque) -> *const c_char;
    fn repsim_return_part(model: *mut Opaque, key: *const c_char, error: *mut *mut c_char)
    -> c_int;
    fn repsim_set_output(model: *mut Opaque, index: i64);
    fn repsim_parameters(model: *const Opaque, error: *mut *mut c_char) -> *mut c_char;
    fn repsim_redraw(
        model: *mut Opaque,
        name: *const c_char,
        seed: u64,
        error: *mut *mut c_char,
    ) -> c_int;
    fn repsim_tap_last_linear(model: *mut Opaque, error: *mut *mut c_char) -> i64;
    fn repsim_probe(
        model: *mut Opaque,
        inputs: *const *const C_tensor,
        count: usize,
        follow: c_int,
        hook: RawHook,
        context: *mut c_void,
        error: *mut *mut c_char,
    ) -> c_int;
    fn repsim_probed_axes(model: *const Opaque, call: usize, axes: *mut [i64; 3]);
    fn repsim_keeps_samples_apart(model: *const Opaque) -> c_int;
    fn repsim_prepare(
        model: *mut Opaque,
        layers: *const i64,
        count: usize,
        optimize: c_int,
        device: *const c_char,
        trial: *const *const C_tensor,
        tensors: usize,
        note: *mut *mut c_char,
        error: *mut *mut c_char,
    ) -> c_int;
    fn repsim_run(
        model: *mut Opaque,
        inputs: *const *const C_tensor,
        count: usize,
        gradients: c_int,
        hook: RawHook,
        context: *mut c_void,
        output: *mut *mut C_tensor,
        error: *mut *mut c_char,
    ) -> c_int;
    fn repsim_libtorch_version() -> *const c_char;
    fn repsim_libtorch_file() -> *const c_char;
}

/// What a hook asks for at a layer.
pub enum Answer {
    /// Go on with the layer's output.
    Keep,
    /// Go on with this tensor in its place.
    Replace(Tensor),
    /// Nothing more is wanted of this run.
    Stop,
}

/// What a run failed with: words of libtorch, or the error of the hook.
pub enum Failure<E> {
    /// All that libtorch said.
    Torch(String),
    /// What the hook returned.
    Hook(E),
}

/// A layer as the graph shows it, before anything ran.
pub struct RawLayer {
    /// Dotted name of the module, or kind and order of an operator node.
    pub path: String,
    /// Class of the module, or the operator.
    pub type_name: String,
    /// TorchScript type of its result.
    pub result: String,
    /// Parameters, its children's included.
    pub parameters: u64,
    /// Whether the result is one tensor.
    pub gives_tensor: bool,
    /// Whether its number among the outputs of a module, if it has one, is known to be that in the tuple.
    pub is_placed: bool,
}

/// A model of the shim.
pub struct Handle(NonNull<Opaque>);

// SAFETY: the shim keeps no thread-local state of a model; a handle is used by one thread at a
// time because every call that changes it takes `&mut self`.
unsafe impl Send for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `repsim_load` and is dropped once.
        unsafe { repsim_drop(self.0.as_ptr()) }
    }
}

/// Takes a message of the shim and frees it.
fn take(text: *mut c_char) -> Option<String> {
    let text = NonNull::new(text)?;
    // SAFETY: a non-null message is a string the shim allocated; it is freed once, here.
    unsafe {
        let owned = CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned();
        repsim_free(text.as_ptr());
        Some(owned)
    }
}

fn lines(text: Option<String>) -> Vec<String> {
    text.unwrap_or_default().lines().map(str::to_owned).collect()
}

fn c_string(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| "the name holds a zero byte".to_owned())
}

/// The version of the libtorch that runs.
pub fn libtorch_version() -> &'static str {
    // SAFETY: a constant string of the shim.
    unsafe { CStr::from_ptr(repsim_libtorch_version()) }.to_str().unwrap_or("unknown")
}

/// The file of the libtorch that runs, as the dynamic loader found it.
pub fn libtorch_file() -> Option<PathBuf> {
    // SAFETY: null, or a string of the loader that lives as long as the library is loaded: to the end.
    let file = NonNull::new(unsafe { repsim_libtorch_file() }.cast_mut())?;
    // SAFETY: as above.
    let file = unsafe { CStr::from_ptr(file.as_ptr()) };
    Some(PathBuf::from(file.to_string_lossy().into_owned()))
}

impl Handle {
    /// The layers in the order of the graph; their identifiers are their places here.
    pub fn layers(&self) -> Vec<RawLayer> {
        // SAFETY: the handle is valid.
        let count = unsafe { repsim_layer_count(self.0.as_ptr()) };
        (0..count).map(|i| self.layer(i)).collect()
    }

    fn layer(&self, i: usize) -> RawLayer {
        RawLayer {
            path: self.text(i, 0),
            type_name: self.text(i, 1),
            result: self.text(i, 2),
            // SAFETY: the handle is valid and `i` is below the count.
            parameters: unsafe { repsim_layer_parameters(self.0.as_ptr(), i) }.max(0) as u64,
            // SAFETY: as above.
            gives_tensor: unsafe { repsim_layer_gives_tensor(self.0.as_ptr(), i) } != 0,
            // SAFETY: as above.
            is_placed: unsafe { repsim_layer_is_placed(self.0.as_ptr(), i) } != 0,
        }
    }

    fn text(&self, layer: usize, field: c_int) -> String {
        // SAFETY: the handle is valid and `layer` is below the count; the string is the model's.
        unsafe { CStr::from_ptr(repsim_layer_text(self.0.as_ptr(), layer, field)) }
            .to_string_lossy()
            .into_owned()
    }

    /// Whether no modules are left in the archive: its layers are operator nodes.
    pub fn is_flat(&self) -> bool {
        // SAFETY: the handle is valid.
        unsafe { repsim_is_flat(self.0.as_ptr()) != 0 }
    }

    /// Whether `forward` has a flag `return_features`.
    pub fn has_features_flag(&self) -> bool {
        // SAFETY: the handle is valid.
        unsafe { repsim_has_features_flag(self.0.as_ptr()) != 0 }
    }

    /// Sets that flag in every run from now on.
    pub fn set_features_flag(&mut self) {
        // SAFETY: the handle is valid and not used elsewhere.
        unsafe { repsim_set_features_flag(self.0.as_ptr()) }
    }

    /// The TorchScript type that `forward` returns.
    pub fn output_type(&self) -> String {
        // SAFETY: the handle is valid; the string is the model's.
        unsafe { CStr::from_ptr(repsim_output_type(self.0.as_ptr())) }
            .to_string_lossy()
            .into_owned()
    }

    /// Takes an element of a tuple or list for the output from now on, or all that is returned.
    pub fn set_output(&mut self, index: Option<usize>) {
        let index = index.map_or(-1, |index| i64::try_from(index).unwrap_or(i64::MAX));
        // SAFETY: the handle is valid and not used elsewhere.
        unsafe { repsim_set_output(self.0.as_ptr(), index) }
    }

    /// Takes a part of what the model returns, by its key, for all of it.
    ///
    /// # Errors
    /// There is none: the parts that there are.
    pub fn return_part(&mut self, key: &str) -> Result<(), String> {
        let key = c_string(key)?;
        let mut error = ptr::null_mut();
        // SAFETY: the handle is valid and not used elsewhere; the key outlives the call.
        unsafe { repsim_return_part(self.0.as_ptr(), key.as_ptr(), &mut error) };
        take(error).map_or(Ok(()), Err)
    }

    /// The names of all parameters: `layer1.0.conv1.weight`.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn parameters(&self) -> Result<Vec<String>, String> {
        let mut error = ptr::null_mut();
        // SAFETY: the handle is valid; the text is freed by `take`.
        let names = take(unsafe { repsim_parameters(self.0.as_ptr(), &mut error) });
        match take(error) {
            Some(error) => Err(error),
            None => Ok(lines(names)),
        }
    }

    /// Re-initialises the parameter of a name.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn redraw(&mut self, name: &str, seed: u64) -> Result<(), String> {
        let name = c_string(name)?;
        let mut error = ptr::null_mut();
        // SAFETY: the handle is valid and not used elsewhere; the name outlives the call.
        unsafe { repsim_redraw(self.0.as_ptr(), name.as_ptr(), seed, &mut error) };
        take(error).map_or(Ok(()), Err)
    }

    /// Adds a layer that is the input of the last linear layer; `None` where there is none.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn tap_last_linear(&mut self) -> Result<Option<RawLayer>, String> {
        let mut error = ptr::null_mut();
        // SAFETY: the handle is valid and not used elsewhere.
        let layer = unsafe { repsim_tap_last_linear(self.0.as_ptr(), &mut error) };
        match take(error) {
            Some(error) => Err(error),
            None => Ok(usize::try_from(layer).ok().map(|i| self.layer(i))),
        }
    }

    /// Runs the model as it was loaded with every layer tapped. With `follow` the values are followed
    /// through its operators: axes, same tensors and dependence are those of the last such run.
    ///
    /// # Errors
    /// What libtorch said, or the hook's error.
    pub fn probe<E>(
        &mut self,
        inputs: &[Tensor],
        follow: bool,
        hook: &mut dyn FnMut(usize, &Tensor) -> Result<Answer, E>,
    ) -> Result<(), Failure<E>> {
        let (model, inputs) = (self.0.as_ptr(), pointers(inputs));
        with_hook(hook, |raw, context, error| {
            let follow = follow.into();
            // SAFETY: handle and inputs are valid; the context outlives the call.
            unsafe {
                repsim_probe(model, inputs.as_ptr(), inputs.len(), follow, raw, context, error)
            }
        })
    }

    /// What the last probe found about the axes of the output that was the `call`-th (from 0) to be
    /// handed to the hook: samples, channels, and how many tokens in front do not come from the input.
    pub fn probed_axes(&self, call: usize) -> [Option<usize>; 3] {
        let mut axes = [-1; 3];
        // SAFETY: the handle is valid and there is room for three numbers; any call may be asked for.
        unsafe { repsim_probed_axes(self.0.as_ptr(), call, &mut axes) };
        axes.map(|axis| usize::try_from(axis).ok())
    }

    /// Whether the last probe that followed the values met only operators that are known to keep the
    /// samples of a batch apart, to draw and write nothing, and to take any memory layout.
    pub fn keeps_samples_apart(&self) -> bool {
        // SAFETY: the handle is valid.
        unsafe { repsim_keeps_samples_apart(self.0.as_ptr()) != 0 }
    }

    /// Keeps the taps of the layers given and makes the model ready to run on the device. Returns
    /// why it could not be optimised, if so.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn prepare(
        &mut self,
        layers: &[i64],
        optimize: bool,
        device: &str,
        trial: &[Tensor],
    ) -> Result<Option<String>, String> {
        let trial = pointers(trial);
        let device = c_string(device)?;
        let (mut note, mut error) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the handle is valid, slice and trial outlive the call.
        let failed = unsafe {
            repsim_prepare(
                self.0.as_ptr(),
                layers.as_ptr(),
                layers.len(),
                optimize.into(),
                device.as_ptr(),
                trial.as_ptr(),
                trial.len(),
                &mut note,
                &mut error,
            )
        };
        let (note, error) = (take(note), take(error));
        if failed == 0 { Ok(note) } else { Err(error.unwrap_or_default()) }
    }

    /// Runs the prepared model, before that as it was loaded; the output is `None` where it is not a tensor or the hook
    /// stopped.
    ///
    /// # Errors
    /// What libtorch said, or the hook's error.
    pub fn run<E>(
        &mut self,
        inputs: &[Tensor],
        gradients: bool,
        hook: &mut dyn FnMut(usize, &Tensor) -> Result<Answer, E>,
    ) -> Result<Option<Tensor>, Failure<E>> {
        let (model, inputs) = (self.0.as_ptr(), pointers(inputs));
        let (given, count) = (inputs.as_ptr(), inputs.len());
        let mut output = ptr::null_mut();
        with_hook(hook, |raw, context, error| {
            // SAFETY: handle and inputs are valid; the context outlives the call.
            unsafe {
                let gradients = gradients.into();
                repsim_run(model, given, count, gradients, raw, context, &mut output, error)
            }
        })?;
        // SAFETY: a non-null output is a new tensor that is ours.
        Ok((!output.is_null()).then(|| unsafe { Tensor::from_ptr(output) }))
    }
}

/// The pointers behind tensors, which they must not outlive.
fn pointers(tensors: &[Tensor]) -> Vec<*const C_tensor> {
    tensors.iter().map(|tensor| tensor.as_ptr()).collect()
}

struct Context<'a, E> {
    hook: &'a mut dyn FnMut(usize, &Tensor) -> Result<Answer, E>,
    error: Option<E>,
    panic: Option<Box<dyn std::any::Any + Send>>,
}

fn with_hook<E>(
    hook: &mut dyn FnMut(usize, &Tensor) -> Result<Answer, E>,
    run: impl FnOnce(RawHook, *mut c_void, *mut *mut c_char) -> c_int,
) -> Result<(), Failure<E>> {
    let mut context = Context { hook, error: None, panic: None };
    let mut error = ptr::null_mut();
    let status = run(trampoline::<E>, ptr::from_mut(&mut context).cast(), &mut error);
    let said = take(error);
    if let Some(panic) = context.panic {
        resume_unwind(panic);
    }
    match context.error {
        Some(error) => Err(Failure::Hook(error)),
        None if status == 1 => Err(Failure::Torch(said.unwrap_or_default())),
        None => Ok(()),
    }
}

extern "C" fn trampoline<E>(
    context: *mut c_void,
    layer: i64,
    output: *mut C_tensor,
    replacement: *mut *mut C_tensor,
) -> c_int {
    // SAFETY: `context` is the `Context<E>` of `with_hook`, alive and not borrowed elsewhere.
    let context = unsafe { &mut *context.cast::<Context<'_, E>>() };
    // SAFETY: `output` is a live tensor; the clone shares its storage and is ours.
    let output = unsafe { Tensor::clone_from_ptr(output) };
    let answer = catch_unwind(AssertUnwindSafe(|| (context.hook)(layer as usize, &output)));
    match answer {
        Ok(Ok(Answer::Keep)) => KEEP,
        Ok(Ok(Answer::Stop)) => STOP,
        Ok(Ok(Answer::Replace(tensor))) => {
            let mut tensor = std::mem::ManuallyDrop::new(tensor);
            // SAFETY: the shim takes the tensor over and deletes it.
            unsafe { *replacement = tensor.as_mut_ptr() };
            REPLACE
        }
        Ok(Err(error)) => {
            context.error = Some(error);
            STOP
        }
        Err(panic) => {
            context.panic = Some(panic);
            STOP
        }
    }
}
/// The memory of a tensor of bytes on the CPU that lies in one piece; nothing of others.
pub fn bytes_of(tensor: &mut Tensor) -> &mut [u8] {
    let is_plain = tensor.kind() == tch::Kind::Uint8 && tensor.device() == tch::Device::Cpu;
    let length = if is_plain && tensor.is_contiguous() { tensor.numel() } else { 0 };
    if length == 0 {
        return &mut [];
    }
    // SAFETY: the memory of a contiguous CPU tensor holds so many bytes, which were written when it was made; it
    // lives as long as the tensor, which is borrowed.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<u8>(), length) }
}
