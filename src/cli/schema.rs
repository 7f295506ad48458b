//! `repsim schema`.

use super::output::print;
use crate::error::Result;
use crate::report;

/// Options of `repsim schema`.
#[derive(clap::Args)]
pub struct Args {
    /// Which report: cka or layers
    name: String,
}

/// Prints the JSON Schema of a report.
pub fn run(args: &Args) -> Result<()> {
    print(report::schema(&args.name)?)
}
