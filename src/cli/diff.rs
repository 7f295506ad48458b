//! `repsim diff`: what changed between two reports.

use std::path::PathBuf;

use super::judging::read;
use super::output::{self, Messages};
use super::results::ResultArgs;
use crate::check;
use crate::error::{Error, Result};

/// Options of `repsim diff`.
#[derive(clap::Args)]
#[command(
    after_long_help = "Each change is named as `repsim check NEW --baseline OLD` without a policy names it: drifted, \
    improved, moved (pairs of layers of different names), could not be checked, or within the tolerance."
)]
pub struct Args {
    /// The report before
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The report after
    #[arg(value_name = "NEW")]
    new: PathBuf,
    #[command(flatten)]
    results: ResultArgs,
}

/// Lists what changed, the largest first.
///
/// # Errors
/// A report cannot be read, they are of different kinds, or the output cannot be written.
pub fn run(args: &Args, messages: &Messages) -> Result<()> {
    args.results.place()?;
    let (old, new) = (read(&args.old)?, read(&args.new)?);
    let report = check::diff((&old, &args.old), (&new, &args.new)).ok_or_else(|| {
        let problem = format!("it is a report of {}, the other one of {}", new.kind(), old.kind());
        Error::file("compare", &args.new, problem, "give two reports of one kind")
    })?;
    output::show(&report, &args.results, messages)
}
