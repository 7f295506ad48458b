//! `repsim patterns`: the patches of the data that drive each channel most.

mod args;

use super::output::{self, Messages};
use super::picture;
use super::status::Status;
use crate::analysis::PatternsSink;
use crate::cli::command;
use crate::error::Result;
use crate::report::patterns::PatternsReport;
use crate::view::patterns::sheet::{Planned, SMALLER, Shown};

pub use self::args::Args;

/// Finds the patches that drive each channel most, and those that another model's channels share.
///
/// # Errors
/// Anything that keeps the report from being made, or a file from being written; nothing is written then.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    let request = args.request()?;
    let gate = args.gate.prepare("patterns", args.results.place()?)?;
    let mut files = Files { args, shown: None };
    let mut report = request.run(messages, &mut files).map(command::signed)?;
    files.write(&mut report)?;
    output::show(&report, &args.results, messages)?;
    gate.finish(&report, Status::Done, messages)
}

/// The sheet.
struct Files<'a> {
    args: &'a Args,
    shown: Option<Shown>,
}

impl PatternsSink for Files<'_> {
    fn wants_patches(&self) -> bool {
        self.args.files.plot.is_some()
    }

    fn begin(&mut self, planned: &Planned) -> Result<()> {
        let check = |path| picture::check_size(path, |format| planned.check(format), SMALLER);
        self.args.files.plot.as_deref().map_or(Ok(()), check)
    }

    fn take(&mut self, shown: Shown) -> Result<()> {
        self.shown = Some(shown);
        Ok(())
    }
}

impl Files<'_> {
    /// Writes the sheet, if it was asked for; the report then names it.
    fn write(&self, report: &mut PatternsReport) -> Result<()> {
        let Some((shown, path)) = self.shown.as_ref().zip(self.args.files.plot.as_ref()) else {
            return Ok(());
        };
        picture::draw(path, |format| shown.sheet(report, format), SMALLER)?;
        let shows = "Patches that drive each channel most";
        report.pictures = vec![picture::written(shows, path, self.args.results.output.as_deref())?];
        Ok(())
    }
}
