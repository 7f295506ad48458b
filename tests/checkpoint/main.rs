//! Checkpoints as PyTorch and safetensors write them, and files that are no such thing.

mod damaged;
mod formats;
mod hostile;
mod support;
