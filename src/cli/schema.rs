//! `repsim schema`.

use super::output::print;
use crate::error::Result;
use crate::report;

/// Options of `repsim schema`.
#[derive(clap::Args)]
pub struct Args {
    #[arg(help = format!("Which: {}", report::schema_names().join(", ")))]
    name: String,
}

/// Prints the JSON Schema of a report or of a policy.
pub fn run(args: &Args) -> Result<()> {
    print(report::schema(&args.name)?)
}
