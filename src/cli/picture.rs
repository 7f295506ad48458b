//! Pictures that commands draw.

use std::path::Path;

use super::outputs;
use crate::error::{Error, Result};
use crate::render::RenderError;
use crate::report::{PictureFile, check_writable};
use crate::view::{ColourRange, PictureFormat, Plot};

/// Which values have which colours in maps.
#[derive(clap::Args)]
pub struct RangeArgs {
    /// Values at the ends of the colour scale: full (the bounds of the measure), auto (the smallest and the largest
    /// value in the picture; its subtitle says so), or two numbers
    #[arg(
        long,
        value_name = "full|auto|LOW..HIGH",
        default_value = "full",
        allow_hyphen_values = true
    )]
    plot_range: ColourRange,
}

impl RangeArgs {
    /// The same format with this range.
    pub fn over(&self, format: PictureFormat) -> PictureFormat {
        format.with_range(self.plot_range)
    }
}

/// Checks that a picture can be written there, in a format that there is.
///
/// # Errors
/// The ending is neither `.png` nor `.svg`, or the folder cannot be written to.
pub fn check(path: &Path) -> Result<()> {
    if !is(path, "png") && !is(path, "svg") {
        let remedy = "end its name in .png or .svg";
        return Err(Error::file("draw", path, "unsupported file extension", remedy));
    }
    check_writable(path)
}

/// Whether a picture is to be an SVG.
pub fn is_svg(path: &Path) -> bool {
    is(path, "svg")
}

/// Whether a file's name has an ending, in whichever case.
pub fn is(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending))
}

/// Draws the main picture of a report.
///
/// # Errors
/// It cannot be drawn or written.
pub fn plot<R: Plot>(report: &R, path: &Path) -> Result<()> {
    draw(path, |format| report.plot(format), R::SMALLER)
}

/// The same with a range of the colours.
///
/// # Errors
/// It cannot be drawn or written.
pub fn plot_over<R: Plot>(report: &R, path: &Path, range: &RangeArgs) -> Result<()> {
    draw(path, |format| report.plot(range.over(format)), R::SMALLER)
}

/// Draws a picture in the format of its name; `smaller` is what to do where it is too large.
///
/// # Errors
/// It cannot be drawn or written.
pub fn draw(
    path: &Path,
    drawn: impl FnOnce(PictureFormat) -> Result<Vec<u8>, RenderError>,
    smaller: &str,
) -> Result<()> {
    let format = format_of(path);
    outputs::write(path, &drawn(format).map_err(|e| Error::file("draw", path, e, smaller))?)
}

/// The format that the name of a file asks for.
pub fn format_of(path: &Path) -> PictureFormat {
    if is_svg(path) { PictureFormat::SVG } else { PictureFormat::PNG }
}

/// What a report says of a picture that this run wrote.
///
/// # Errors
/// The picture cannot be read.
pub fn written(shows: &str, path: &Path, report: Option<&Path>) -> Result<PictureFile> {
    PictureFile::written(shows, path, &outputs::held(path), report)
}

/// Refuses a picture that would be too large in the format of its name; `smaller` is what to do then.
///
/// # Errors
/// It would be.
pub fn check_size(
    path: &Path,
    checked: impl FnOnce(PictureFormat) -> Result<(), RenderError>,
    smaller: &str,
) -> Result<()> {
    checked(format_of(path)).map_err(|e| Error::file("draw", path, e, smaller))
}
