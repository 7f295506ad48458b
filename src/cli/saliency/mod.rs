//! `repsim saliency`: what predictions look at, and whether models look at the same.

mod args;
mod files;

use super::output::{self, Messages};
use super::status::Status;
use crate::cli::command;
use crate::error::Result;

pub use self::args::Args;
use self::files::Files;

/// Explains every image by every model and method.
///
/// # Errors
/// Anything that keeps the maps from being made, or a file from being written; nothing is written then.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    let gate = args.gate.prepare("saliency", args.results.place()?)?;
    let request = args.request()?;
    let mut files = Files::new(&args.files);
    let mut report = request.run(messages, &mut files).map(command::signed)?;
    files.write(&mut report, args.results.output.as_deref())?;
    output::show(&report, &args.results, messages)?;
    gate.finish(&report, Status::Done, messages)
}
