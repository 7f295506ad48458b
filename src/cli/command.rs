//! The command line of this process, for its reports.

use std::ffi::OsString;
use std::sync::OnceLock;

use crate::report::{Report, command_line};

/// The command line as it was given, without what was taken from files of defaults.
static GIVEN: OnceLock<String> = OnceLock::new();

/// Keeps the words of the command line, the program first, which is called `repsim` whatever its path is.
pub fn remember(words: &[OsString]) {
    let words: Vec<_> = words.iter().skip(1).map(|word| word.to_string_lossy()).collect();
    let all = std::iter::once("repsim").chain(words.iter().map(AsRef::as_ref));
    GIVEN.set(command_line(all)).ok();
}

/// The command line; none before it was [remembered](remember).
pub fn given() -> Option<String> {
    GIVEN.get().cloned()
}

/// The report with the command line that made it.
pub fn signed<S, R>(report: Report<S, R>) -> Report<S, R> {
    Report { command: given(), ..report }
}
