//! `repsim schema`.

use super::output::print;
use super::terminal::screen;
use crate::error::Result;
use crate::report;

/// Options of `repsim schema`.
#[derive(clap::Args)]
pub struct Args {
    #[arg(help = format!("Which: {} [default: list them]", report::schema_names().join(", ")))]
    name: Option<String>,
}

/// Prints the JSON Schema of a report or of a policy, or lists all.
///
/// # Errors
/// There is no such schema, or standard output is closed.
pub fn run(args: &Args) -> Result<()> {
    match &args.name {
        Some(name) => print(&report::schema(name)?),
        None => print(&list()),
    }
}

fn list() -> String {
    screen().glossary(&report::schema_lines())
}
