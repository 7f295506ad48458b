//! The tail of a network behind a layer: it gives what the whole network gives, and it is refused
//! where it could not.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests fail by panicking")]

mod around;
mod gradients;
mod hooks;
mod networks;
mod support;
mod unusual;
