//! Pictures that commands draw.

use std::path::Path;

use super::outputs;
use crate::data::{Channels, InputBatch, Preprocess, Range};
use crate::error::{Error, Result};
use crate::render::{Chart, Heatmap, Image, RenderError, Rule, Series, Sheet};
use crate::report::cka::CkaReport;
use crate::report::distance::{Decile, DistanceReport, PredictionResult};
use crate::report::{PictureFile, check_writable};
use crate::view::cka::values;

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

/// What is done to images to look at them: the steps for a network, but bytes in three channels.
pub fn shown(steps: &Preprocess) -> Preprocess {
    let (channels, range) = (Channels::Rgb, Range::Bytes);
    Preprocess { channels, range, mean: vec![], std: vec![], ..steps.clone() }
}

/// The pictures of a batch that was made to be looked at.
pub fn images(input: &InputBatch) -> Vec<Image> {
    let &[_, height, width, channels] = input.shape.as_slice() else { return vec![] };
    let byte = |v: f32| v.round().clamp(0.0, 255.0) as u8;
    let image = |pixels: &[f32]| {
        Image::from_fn(width, height, |row, column| {
            let first = (row * width + column) * channels;
            [0, 1, 2].map(|c| byte(pixels[first + c.min(channels - 1)]))
        })
    };
    input.data.chunks_exact(height * width * channels).map(image).collect()
}

/// Draws the matrix of a report.
///
/// # Errors
/// It cannot be drawn or written.
pub fn heatmap(report: &CkaReport, path: &Path) -> Result<()> {
    let results = &report.results;
    let values = values(report);
    let names = report.inputs.names();
    let subtitle = report.settings.summary(results.n);
    let marks: Vec<(usize, usize)> = results.best_columns();
    let heatmap = Heatmap {
        title: "Centred kernel alignment between layers",
        subtitle: &subtitle,
        row_axis: &names[0],
        column_axis: &names[names.len() - 1],
        rows: &results.layers_a,
        columns: &results.layers_b,
        values: values.view(),
        range: (0.0, 1.0),
        reversed: false,
        scale_label: "CKA",
        marks: &marks,
        mark_label: "best match of each row",
    };
    let remedy = "try .svg, or fewer layers with --layers";
    write(path, heatmap.to_svg(), || heatmap.to_png(), remedy)
}

/// Draws accuracy in ten groups of samples by each score, from the nearest to the farthest.
///
/// # Errors
/// It cannot be drawn or written.
pub fn accuracy(report: &DistanceReport, found: &PredictionResult, path: &Path) -> Result<()> {
    let results = &report.results;
    let groups = [&found.deciles.mahalanobis, &found.deciles.neighbour, &found.deciles.confidence];
    let points = groups.map(|group| heights(group));
    let neighbour = format!("distance of neighbour {}", results.neighbour.k);
    let names = ["Mahalanobis distance", neighbour.as_str(), "1 − softmax probability (baseline)"];
    let series: Vec<Series<'_>> = points
        .iter()
        .zip(names)
        .enumerate()
        .map(|(i, (points, name))| Series { name, points, dashed: i == 2 })
        .collect();
    let ticks: Vec<String> = (1..=points[0].len()).map(|i| i.to_string()).collect();
    let layer = results.layer.as_deref().unwrap_or("stored features");
    let subtitle = format!(
        "{layer} · D = {} · {} samples against {} of the reference",
        results.width, results.n, results.n_reference
    );
    let overall = format!("all: {:.1} %", 100.0 * found.accuracy);
    let rules = [Rule { value: found.accuracy, label: &overall }];
    let chart = Chart {
        title: "Accuracy against distance from the reference",
        subtitle: &subtitle,
        x_label: "tenths of the samples, from the nearest to the farthest",
        y_label: "accuracy",
        x_ticks: &ticks,
        y_range: None,
        percent: true,
        series: &series,
        lines: &rules,
    };
    write(path, chart.to_svg(), || chart.to_png(), "try .svg")
}

/// What a report says of a picture that this run wrote.
///
/// # Errors
/// The picture cannot be read.
pub fn written(shows: &str, path: &Path, report: Option<&Path>) -> Result<PictureFile> {
    PictureFile::written(shows, path, &outputs::held(path), report)
}

/// Draws pictures in a grid.
///
/// # Errors
/// It cannot be drawn or written; `remedy` is what to do where it is too large.
pub fn sheet(sheet: &Sheet<'_>, path: &Path, remedy: &str) -> Result<()> {
    let failed = |e| Error::file("draw", path, e, remedy);
    let bytes = match is_svg(path) {
        true => sheet.to_svg().map_err(failed)?.into_bytes(),
        false => sheet.to_png().map_err(failed)?,
    };
    outputs::write(path, &bytes)
}

/// Refuses a sheet that a PNG has no room for: of the pictures, the sizes are enough.
///
/// # Errors
/// It is too large; `remedy` is what to do then.
pub fn check_sheet(sheet: &Sheet<'_>, path: &Path, remedy: &str) -> Result<()> {
    match is_svg(path) {
        true => Ok(()),
        false => sheet.check_size().map_err(|e| Error::file("draw", path, e, remedy)),
    }
}

fn heights(groups: &[Decile]) -> Vec<(f64, f64)> {
    groups.iter().enumerate().map(|(i, group)| (i as f64, group.accuracy)).collect()
}

/// Writes a picture in the format of its name.
///
/// # Errors
/// It cannot be drawn or written.
pub fn write(
    path: &Path,
    svg: String,
    png: impl FnOnce() -> Result<Vec<u8>, RenderError>,
    remedy: &str,
) -> Result<()> {
    let bytes = match is(path, "svg") {
        true => svg.into_bytes(),
        false => png().map_err(|e| Error::file("draw", path, e, remedy))?,
    };
    outputs::write(path, &bytes)
}
