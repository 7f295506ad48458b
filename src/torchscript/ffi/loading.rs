//! Loading an archive of TorchScript from bytes that were looked at before.

use std::ffi::{c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

use tch::Tensor;
use torch_sys::C_tensor;

use super::{Handle, Opaque, c_string, lines, pointers, take};
use crate::torchscript::sealed::Sealed;

#[repr(C)]
struct Bytes {
    context: *const c_void,
    size: u64,
    read: extern "C" fn(*const c_void, u64, *mut u8, usize) -> usize,
}

#[allow(improper_ctypes, reason = "C_tensor is opaque here and in torch-sys")]
unsafe extern "C" {
    fn repsim_records(bytes: *const Bytes, error: *mut *mut c_char) -> *mut c_char;
    fn repsim_load(
        bytes: *const Bytes,
        names: *const c_char,
        trust: c_int,
        refused: *mut *mut c_char,
        error: *mut *mut c_char,
    ) -> *mut Opaque;
    fn repsim_returned(
        model: *mut Opaque,
        inputs: *const *const C_tensor,
        count: usize,
        error: *mut *mut c_char,
    ) -> *mut c_char;
}

/// The outcome of loading an archive.
pub enum Loaded {
    /// The model, and what is not known to compute only (there by permission).
    Model(Handle, Vec<String>),
    /// The archive was not loaded because of these operators.
    Refused(Vec<String>),
}

impl Bytes {
    fn of(sealed: &Sealed) -> Self {
        Self { context: ptr::from_ref(sealed).cast(), size: sealed.size(), read }
    }
}

extern "C" fn read(context: *const c_void, position: u64, buffer: *mut u8, count: usize) -> usize {
    let copied = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the context is the archive that the call into the shim borrows; the buffer has room for
        // `count` bytes, which are written before they are read.
        let (sealed, buffer) = unsafe {
            ptr::write_bytes(buffer, 0, count);
            (&*context.cast::<Sealed>(), std::slice::from_raw_parts_mut(buffer, count))
        };
        sealed.read(position, buffer)
    }));
    if matches!(copied, Ok(Ok(()))) { count } else { 0 }
}

/// What libtorch finds in an archive: a line a record, sorted, as [`Sealed::listing`].
///
/// # Errors
/// What libtorch said.
pub fn records(sealed: &Sealed) -> Result<Vec<String>, String> {
    let mut error = ptr::null_mut();
    // SAFETY: the archive outlives the call.
    let found = take(unsafe { repsim_records(&Bytes::of(sealed), &mut error) });
    if let Some(error) = take(error) {
        return Err(error);
    }
    let mut found = lines(found);
    found.sort();
    Ok(found)
}

impl Handle {
    /// Judges an archive, loads it on the CPU and taps all its layers.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn load(sealed: &Sealed, trust: bool) -> Result<Loaded, String> {
        let names = c_string(&sealed.names().join("\n"))?;
        let (mut refused, mut error) = (ptr::null_mut(), ptr::null_mut());
        let bytes = Bytes::of(sealed);
        // SAFETY: bytes and names outlive the call; both out-pointers are valid.
        let model =
            unsafe { repsim_load(&bytes, names.as_ptr(), trust.into(), &mut refused, &mut error) };
        let refused = lines(take(refused));
        match (NonNull::new(model), take(error)) {
            (Some(model), _) => Ok(Loaded::Model(Self(model), refused)),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(Loaded::Refused(refused)),
        }
    }

    /// What the model as it was loaded returns for tensors: a line with what it is (`tensor`, `elements`,
    /// `dictionary`, `other`), then a name and a shape each, separated by tabs, `none` for what is not a tensor.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn returned(&mut self, inputs: &[Tensor]) -> Result<String, String> {
        let inputs = pointers(inputs);
        let mut error = ptr::null_mut();
        // SAFETY: handle and inputs are valid; the text is freed by `take`.
        let text = take(unsafe {
            repsim_returned(self.0.as_ptr(), inputs.as_ptr(), inputs.len(), &mut error)
        });
        match take(error) {
            Some(error) => Err(error),
            None => Ok(text.unwrap_or_default()),
        }
    }
}
