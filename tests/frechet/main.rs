//! Distances between sets of features, and of samples from a set: golden values, known values, and
//! what has to hold of any data.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests fail by panicking")]

mod analytic;
mod golden;
mod infinity;
mod invariance;
mod kid;
mod large;
mod novelty;
mod prdc;
mod relatives;
mod support;
mod tolerances;
