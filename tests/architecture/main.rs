//! What holds for the source as a whole: who imports whom, how long files are, that the
//! checked-in JSON Schemas are those of the types, and that archives hold no paths.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests fail by panicking")]

mod archives;
mod imports;
mod kinds;
mod measures;
mod rules;
mod schemas;
mod sizes;
mod sources;
