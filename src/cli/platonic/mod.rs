//! `repsim platonic`: how alike many models are, one layer each, and whether the better ones agree.

mod args;

use super::output::{self, Messages};
use super::picture;
use super::status::Status;
use crate::cli::command;
use crate::error::Result;

pub use self::args::Args;

/// Aligns the models with each other.
///
/// # Errors
/// Anything that keeps the report from being made; nothing is written then.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    let gate = args.gate.prepare("platonic", args.results.place()?)?;
    let request = args.request()?;
    args.plot.as_deref().map_or(Ok(()), picture::check)?;
    let mut report = request.run(messages).map(command::signed)?;
    if let Some(path) = &args.plot {
        picture::plot_over(&report, path, &args.range)?;
        let shows = "How alike the models are";
        report.pictures = vec![picture::written(shows, path, args.results.output.as_deref())?];
    }
    output::show(&report, &args.results, messages)?;
    gate.finish(&report, Status::Done, messages)
}
