//! What loading a model and its last probe found beside the layers and their outputs.
#![expect(unsafe_code, reason = "this is where C++ is called")]

use std::ffi::{c_char, c_int};

use super::{Handle, Opaque, lines, take};
use crate::torchscript::dependence::{Cause, Dependence};

unsafe extern "C" {
    fn repsim_layer_dependence(model: *const Opaque, layer: usize) -> c_int;
    fn repsim_output_dependence(model: *const Opaque) -> c_int;
    fn repsim_ends_in_sigmoid(model: *const Opaque) -> c_int;
    fn repsim_causes(model: *const Opaque) -> *mut c_char;
    fn repsim_written(model: *const Opaque) -> *mut c_char;
    fn repsim_merged(model: *const Opaque) -> *mut c_char;
    fn repsim_keep_state(model: *mut Opaque);
    fn repsim_same_tensor(model: *const Opaque, call: usize) -> i64;
}

impl Handle {
    /// What a layer's values depend on, as far as the graph of the last probe shows it.
    pub fn layer_dependence(&self, layer: usize) -> Dependence {
        // SAFETY: the handle is valid; a number beyond the layers gives 0.
        Dependence::from_bits(unsafe { repsim_layer_dependence(self.0.as_ptr(), layer) })
    }

    /// What the values that the model returns depend on.
    pub fn output_dependence(&self) -> Dependence {
        // SAFETY: the handle is valid.
        Dependence::from_bits(unsafe { repsim_output_dependence(self.0.as_ptr()) })
    }

    /// Whether what the model returned in the last probe, or the element of it chosen by now, comes from
    /// a sigmoid or a softmax.
    pub fn ends_in_sigmoid(&self) -> bool {
        // SAFETY: the handle is valid.
        unsafe { repsim_ends_in_sigmoid(self.0.as_ptr()) != 0 }
    }

    /// Dotted names of the attributes that the model changes as it runs.
    pub fn written(&self) -> Vec<String> {
        // SAFETY: the handle is valid; the text is freed by `take`.
        lines(take(unsafe { repsim_written(self.0.as_ptr()) }))
    }

    /// Names that count as calls of another module although they may be modules of their own: the name and
    /// that other's.
    pub fn merged(&self) -> Vec<(String, String)> {
        // SAFETY: the handle is valid; the text is freed by `take`.
        let text = lines(take(unsafe { repsim_merged(self.0.as_ptr()) }));
        let pair = |line: &String| {
            line.split_once('\t').map(|(name, other)| (name.to_owned(), other.to_owned()))
        };
        text.iter().filter_map(pair).collect()
    }

    /// Leaves what a run changed for the next one.
    pub fn keep_state(&mut self) {
        // SAFETY: the handle is valid and not used elsewhere.
        unsafe { repsim_keep_state(self.0.as_ptr()) }
    }

    /// The operators that bring this in.
    pub fn causes(&self) -> Vec<Cause> {
        // SAFETY: the handle is valid; the text is freed by `take`.
        let text = take(unsafe { repsim_causes(self.0.as_ptr()) });
        let cause = |line: String| {
            let mut fields = line.split('\t');
            let bits = fields.next()?.parse().ok()?;
            let dependence = Dependence::from_bits(bits);
            let [operator, module] = [fields.next()?, fields.next()?].map(str::to_owned);
            Some(Cause { dependence, operator, module })
        };
        lines(text).into_iter().filter_map(cause).collect()
    }

    /// For so many calls of the hook in the last probe the first call that was given the same tensor.
    pub fn same_tensors(&self, calls: usize) -> Vec<Option<usize>> {
        // SAFETY: the handle is valid; a number beyond the calls gives -1.
        let same = |call| unsafe { repsim_same_tensor(self.0.as_ptr(), call) };
        (0..calls).map(|call| usize::try_from(same(call)).ok()).collect()
    }
}
