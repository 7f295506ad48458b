//! Pictures that commands draw.

use std::path::Path;

use super::cka::values;
use crate::error::{Error, Result};
use crate::render::Heatmap;
use crate::report::cka::CkaReport;
use crate::report::{check_writable, write_atomically};

/// Checks that a picture can be written there, in a format that there is.
///
/// # Errors
/// The ending is neither `.png` nor `.svg`, or the folder cannot be written to.
pub fn check(path: &Path) -> Result<()> {
    if !is(path, "png") && !is(path, "svg") {
        let remedy = "end its name in .png or .svg";
        return Err(Error::file("draw", path, "its format cannot be told", remedy));
    }
    check_writable(path)
}

fn is(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending))
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
        scale_label: "CKA",
        marks: &marks,
        mark_label: "best match of each row",
    };
    let bytes = match is(path, "svg") {
        true => heatmap.to_svg().into_bytes(),
        false => heatmap
            .to_png()
            .map_err(|e| Error::file("draw", path, e, "try .svg, or fewer layers with --layers"))?,
    };
    write_atomically(path, &bytes)
}
