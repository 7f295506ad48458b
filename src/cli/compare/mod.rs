//! `repsim compare`: how alike layers are by several measures, and what each layer is like alone.

mod args;
mod measuring;

use super::output::{self, Messages};
use super::status::Status;
use super::{outputs, picture};
use crate::cli::command;
use crate::error::Result;

pub use self::args::Args;
pub use self::measuring::{ChanceArgs, OptionArgs};

/// What to do where a picture is too large.
const SMALLER: &str = "try .svg, or fewer layers with --layers";

/// Compares the layers of two models, of one with itself, or of stored representations.
///
/// # Errors
/// Anything that keeps the comparison from being made; nothing is written then.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    let gate = args.gate.prepare("compare", args.results.place()?)?;
    let request = args.request()?;
    let pictures = args.pictures();
    for (_, path) in &pictures {
        picture::check(path)?;
        outputs::check(path)?;
    }
    let mut report = request.run(messages).map(command::signed)?;
    for (measure, path) in &pictures {
        picture::draw(path, |format| report.plot(*measure, args.range.over(format)), SMALLER)?;
        let shows = format!("{} of all pairs of layers", report.results.measures[*measure].name);
        report.pictures.push(picture::written(&shows, path, args.results.output.as_deref())?);
    }
    output::show(&report, &args.results, messages)?;
    gate.finish(&report, Status::Done, messages)
}
