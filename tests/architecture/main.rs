//! What holds for the source as a whole: who imports whom, how long files are, and that the
//! checked-in JSON Schemas are those of the types.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests fail by panicking")]

mod imports;
mod rules;
mod schemas;
mod sizes;
mod sources;
