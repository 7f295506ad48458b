//! Checkpoints as PyTorch and safetensors write them, and files that are not such thing.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests fail by panicking")]

mod damaged;
mod formats;
mod hostile;
mod support;
