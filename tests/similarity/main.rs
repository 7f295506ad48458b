//! CKA and HSIC through the engine, and the measures of two layers and of one: golden values, known values, and what has to hold of any data.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests fail by panicking")]

mod absent;
mod apart;
mod batches;
mod copies;
mod engine;
mod estimators;
mod facts;
mod float32;
mod golden;
mod measures_absent;
mod measures_chance;
mod measures_facts;
mod measures_golden;
mod noise;
mod offsets;
mod probes;
mod random;
mod spatial;
mod tolerances;
