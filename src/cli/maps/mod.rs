//! `repsim maps`: the feature maps of layers, to look at.

mod args;

use std::path::Path;

use super::output::{self, Messages};
use super::status::Status;
use super::{outputs, picture};
use crate::analysis::MapsSink;
use crate::cli::command;
use crate::data::npz_of_floats;
use crate::error::Result;
use crate::report::maps::MapsReport;
use crate::view::maps::sheet::{Columns, Look, Planned, SMALLER, Scale, Shown};

pub use self::args::Args;

/// Shows the feature maps of layers, beside those of another model where one is given.
///
/// # Errors
/// Anything that keeps the maps from being made, or a file from being written; nothing is written then.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    let request = args.request()?;
    let gate = args.gate.prepare("maps", args.results.place()?)?;
    let mut files = Files { args, shown: None };
    let mut report = request.run(messages, &mut files).map(command::signed)?;
    files.write(&mut report, request.scale)?;
    output::show(&report, &args.results, messages)?;
    gate.finish(&report, Status::Done, messages)
}

/// What stands in files of their own.
struct Files<'a> {
    args: &'a Args,
    shown: Option<Shown>,
}

impl MapsSink for Files<'_> {
    fn begin(&mut self, planned: &Planned) -> Result<()> {
        let colours = self.args.files.colormap;
        let check =
            |path| picture::check_size(path, |format| planned.check(colours, format), SMALLER);
        self.args.files.plot.as_deref().map_or(Ok(()), check)
    }

    fn take(&mut self, shown: Shown) -> Result<()> {
        self.shown = Some(shown);
        Ok(())
    }
}

impl Files<'_> {
    /// Writes the maps and the picture that were asked for; the report then names the picture.
    fn write(&self, report: &mut MapsReport, scale: Scale) -> Result<()> {
        let Some(shown) = &self.shown else { return Ok(()) };
        if let Some(path) = &self.args.files.maps {
            write_maps(&shown.columns, path)?;
        }
        if let Some(path) = &self.args.files.plot {
            let look = Look { scale, colours: self.args.files.colormap };
            picture::draw(path, |format| shown.sheet(report, look, format), SMALLER)?;
            let shows = "Feature maps of the images";
            report.pictures =
                vec![picture::written(shows, path, self.args.results.output.as_deref())?];
        }
        Ok(())
    }
}

fn write_maps(columns: &[Columns], path: &Path) -> Result<()> {
    let arrays: Vec<_> = columns.iter().map(Columns::stored).collect();
    let arrays: Vec<_> = arrays
        .iter()
        .map(|(name, maps)| (name.as_str(), maps.shape(), maps.iter().copied().collect()))
        .collect();
    outputs::write(path, &npz_of_floats(&arrays)?)
}
