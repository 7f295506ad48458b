//! Listening to TorchScript models: what taps see against what forward hooks saw in Python.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests fail by panicking")]

mod archives;
mod axes;
mod control;
mod damaged;
mod draws;
mod exported;
mod fields;
mod golden;
mod gradients;
mod hooks;
mod inputs;
mod layers;
mod older;
mod outputs;
mod quantized;
mod selection;
mod tolerances;
mod values;
mod weights;
