//! What `repsim saliency` writes beside its report: maps, overlays and a sheet.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use super::args::{FileArgs, MapSize};
use crate::analysis::{ColumnMaps, SaliencySink};
use crate::cli::{outputs, picture};
use crate::data::Spool;
use crate::error::{Error, Result};
use crate::render::{Image, encode_png};
use crate::report::saliency::{ColumnInfo, SaliencyReport};
use crate::view::saliency::pictures::{Look, Mapped, Pictures, Planned, SMALLER};

/// The files that were asked for, as they come about.
pub struct Files<'a> {
    args: &'a FileArgs,
    /// The maps so far, where a file of them is wanted.
    maps: Option<Spool>,
    pictures: Pictures,
    overlays: Option<Overlays<'a>>,
}

impl<'a> Files<'a> {
    /// None yet.
    pub fn new(args: &'a FileArgs) -> Self {
        let look = Look { colours: args.colormap, opacity: args.opacity };
        let rows = if args.plot.is_some() { args.rows } else { 0 };
        let overlays = args.images.as_deref();
        let overlays = overlays.map(|folder| Overlays { folder, names: HashSet::new() });
        Self { args, maps: None, pictures: Pictures::new(look, rows), overlays }
    }

    /// Writes the maps and the sheet; the report, which is written to `output`, then names the sheet.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&mut self, report: &mut SaliencyReport, output: Option<&Path>) -> Result<()> {
        if let Some((path, maps)) = self.args.maps.as_deref().zip(self.maps.take()) {
            outputs::fill(path, |file| maps.pack(file))?;
        }
        if let Some(path) = &self.args.plot {
            picture::draw(path, |format| self.pictures.sheet(report, format), SMALLER)?;
            let shows = "Saliency maps over the images";
            report.pictures = vec![picture::written(shows, path, output)?];
        }
        Ok(())
    }
}

impl SaliencySink for Files<'_> {
    fn wants_images(&self) -> bool {
        self.args.plot.is_some() || self.args.images.is_some()
    }

    fn begin(&mut self, planned: &Planned<'_>) -> Result<()> {
        let begun = |path: &PathBuf| spool(path, planned.columns);
        self.maps = self.args.maps.as_ref().map(begun).transpose()?;
        let check = |path: &Path| {
            picture::check_size(path, |format| self.pictures.check(planned, format), SMALLER)
        };
        self.args.plot.as_deref().map_or(Ok(()), check)
    }

    fn maps(&mut self, column: usize, maps: &ColumnMaps<'_>) -> Result<()> {
        let Some((spool, path)) = self.maps.as_mut().zip(self.args.maps.as_ref()) else {
            return Ok(());
        };
        let own = match self.args.map_size {
            MapSize::Input => None,
            MapSize::Layer => Some(maps.unscaled()?),
        };
        let stored = own.as_ref().unwrap_or(maps.whole);
        let written = spool.extend(column, &stored.shape()[1..], stored.iter().copied());
        written.map_err(|e| Error::io("write", path, e))
    }

    fn image(&mut self, mapped: &Mapped<'_>) -> Result<()> {
        let Self { pictures, overlays, .. } = self;
        if overlays.is_none() && !pictures.shows(mapped) {
            return Ok(());
        }
        pictures.take(mapped, |drawn, column| match overlays {
            Some(overlays) => overlays.write(drawn, (&mapped.result.sample, column)),
            None => Ok(()),
        })
    }
}

/// Every map over its image, as PNG.
struct Overlays<'a> {
    folder: &'a Path,
    /// Paths of those written.
    names: HashSet<PathBuf>,
}

impl Overlays<'_> {
    fn write(&mut self, drawn: &Image, (sample, column): (&str, &ColumnInfo)) -> Result<()> {
        let name = self.file_name(sample, &column.name);
        let bytes = encode_png(drawn).map_err(|e| {
            let problem = format!("failed to draw {}: {e}", name.display());
            Error::usage(problem, "leave --images out")
        })?;
        outputs::write_below(self.folder, &name, &bytes)?;
        self.names.insert(name);
        Ok(())
    }

    /// A path for an overlay unlike all before: that of the image, sub-folders kept, and the column.
    fn file_name(&self, sample: &str, column: &str) -> PathBuf {
        let whole = Path::new(sample).components();
        let place: PathBuf = whole.filter(|part| matches!(part, Component::Normal(_))).collect();
        let column = column.replace(['/', '\\', ':'], "-");
        let mut name = PathBuf::from(format!("{}-{column}.png", place.display()));
        let mut again = 2;
        while self.names.contains(&name) {
            name = PathBuf::from(format!("{}-{column}-{again}.png", place.display()));
            again += 1;
        }
        name
    }
}

/// Empty arrays of maps, in files beside the one that they are for.
fn spool(path: &Path, columns: &[ColumnInfo]) -> Result<Spool> {
    let names = columns.iter().map(|column| column.name.as_str());
    Spool::new(&outputs::room_beside(path)?, names).map_err(|e| Error::io("write", path, e))
}
