//! CKA and HSIC through the engine: golden values, known values, and what has to hold of any data.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests fail by panicking")]

mod absent;
mod batches;
mod engine;
mod facts;
mod float32;
mod golden;
mod noise;
mod random;
mod spatial;
mod tolerances;
