//! Inputs that were made to mislead, and faults in the middle of a run: the answer is one line and
//! exit code 2, and nothing is left over.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests fail by panicking")]
#![allow(clippy::exit, reason = "a forked run ends as the program does")]

mod archives;
mod bombs;
mod bounds;
#[expect(dead_code, reason = "made for the tests of the command line")]
#[path = "../cli/check_support.rs"]
mod check_support;
mod crafted;
mod inputs;
mod mutated;
mod names;
mod options;
mod outputs;
mod policies;
mod sandbox;
mod signals;
#[expect(dead_code, reason = "made for the tests of the command line")]
#[path = "../cli/support.rs"]
mod support;
