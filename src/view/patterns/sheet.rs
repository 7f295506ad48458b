//! The patches that drive channels, to look at: a row a channel, a column a patch.

use crate::patterns::Window;
use crate::render::sheet::{CELL, Row};
use crate::render::text::decimal;
use crate::render::{Cell, Image, RenderError, Sheet};
use crate::report::patterns::{
    FieldInfo, FieldSource, MatchedChannel, PatternsChannel, PatternsReport,
};
use crate::view::PictureFormat;

/// What to do where a sheet is too large.
pub const SMALLER: &str =
    "show fewer channels (--rows, --pick), layers or patches (--top), or draw an .svg";

/// The side of a cell: patches are small, and there are many.
const SIDE: f64 = 0.75 * CELL;
/// What lies beyond the border of an image.
const BEYOND: [u8; 3] = [0xe4, 0xe7, 0xea];

/// What will be shown at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Rows.
    pub rows: usize,
    /// Groups of columns, and how many each has.
    pub columns: Vec<(String, usize)>,
    /// Rows and columns of the image as the network sees it.
    pub image: (usize, usize),
}

/// What is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Groups of columns, and how many each has.
    pub columns: Vec<(String, usize)>,
    /// The rows.
    pub rows: Vec<ShownRow>,
}

/// A row of the sheet.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownRow {
    /// What stands at its left.
    pub heading: String,
    /// Its patches.
    pub cells: Vec<Cell>,
}

/// A patch with what lies beyond the border of its image, so that all patches of a layer have one scale: `frame`
/// has the rows and columns of the largest.
pub fn patch(image: &Image, window: Window, frame: (usize, usize)) -> Image {
    let (rows, columns) = window.size();
    let frame = (frame.0.max(rows), frame.1.max(columns));
    let above = beyond((window.top, window.bottom + 1), image.height, frame.0 - rows);
    let before = beyond((window.left, window.right + 1), image.width, frame.1 - columns);
    Image::from_fn(frame.1, frame.0, |row, column| {
        let inside = |at: usize, first: usize, count: usize| (first..first + count).contains(&at);
        match inside(row, above, rows) && inside(column, before, columns) {
            true => image.pixel(window.top + row - above, window.left + column - before),
            false => BEYOND,
        }
    })
}

/// How much of what a patch lacks lies before it: all where it ends at the first edge of the image, nothing
/// where it ends at the last, else half.
fn beyond((first, end): (usize, usize), side: usize, lacking: usize) -> usize {
    match (first == 0, end >= side) {
        (true, false) => lacking,
        (false, true) => 0,
        _ => lacking / 2,
    }
}

/// What stands at the left of a channel.
pub fn heading(layer: &str, channel: &PatternsChannel) -> String {
    let active = channel
        .active
        .get()
        .map_or(String::new(), |share| format!("\nactive {} %", decimal(100.0 * share, 0)));
    let selectivity = channel.classes.as_ref().and_then(|classes| classes.selectivity.get());
    let selectivity =
        selectivity.map_or(String::new(), |index| format!("\nselectivity {}", decimal(index, 2)));
    format!("{layer} · {}{active}{selectivity}", channel.channel)
}

/// What stands at the left of the patches of a class.
pub fn class_heading(channel: usize, class: &str) -> String {
    format!("{channel} · {class}")
}

/// A line about the partner of a channel.
pub fn partner(pair: &MatchedChannel) -> String {
    let r = pair.correlation.get().map_or(String::new(), |r| decimal(r, 2));
    format!("B {}, r {r}, {} shared", pair.b, pair.shared)
}

/// What stands under a patch: the value, and the class of the image.
pub fn caption(value: f32, label: Option<String>) -> String {
    let value = decimal(f64::from(value), 2);
    label.map_or(value.clone(), |label| format!("{value}\n{label}"))
}

impl Shown {
    /// The patches as one picture.
    ///
    /// # Errors
    /// It is too large, or no channel has a patch.
    pub fn sheet(
        &self,
        report: &PatternsReport,
        format: PictureFormat,
    ) -> Result<Vec<u8>, RenderError> {
        if self.rows.is_empty() {
            return Err(RenderError::Nothing);
        }
        let rows: Vec<Row<'_>> =
            self.rows.iter().map(|row| Row { heading: &row.heading, cells: &row.cells }).collect();
        let (groups, columns) = headings(&self.columns);
        format.sheet(&Sheet {
            subtitle: &subtitle(report),
            groups: &groups,
            columns: &columns,
            rows: &rows,
            note: &note(report),
            ..frame()
        })
    }
}

impl Planned {
    /// Refuses a sheet that would be too large.
    ///
    /// # Errors
    /// It is too large.
    pub fn check(&self, format: PictureFormat) -> Result<(), RenderError> {
        let (height, width) = self.image;
        let (groups, columns) = headings(&self.columns);
        let blank = Cell::new(Image { height, width, pixels: vec![] }, "value\nclass");
        let cells = vec![blank; columns.len()];
        let rows = vec![Row { heading: "layer\nactive\nselectivity", cells: &cells }; self.rows];
        format.check_sheet(&Sheet { groups: &groups, columns: &columns, rows: &rows, ..frame() })
    }
}

/// What every sheet says.
fn frame() -> Sheet<'static> {
    Sheet {
        title: "What drives each channel most",
        subtitle: "",
        groups: &[],
        columns: &[],
        rows: &[],
        legends: &[],
        note: "Under each patch: the value of the channel, and the class of the image.",
        cell: SIDE,
    }
}

/// The headings of groups and of columns.
fn headings(columns: &[(String, usize)]) -> (Vec<String>, Vec<String>) {
    let groups = columns.iter().flat_map(|(name, count)| vec![name.clone(); *count]).collect();
    let numbers = columns.iter().flat_map(|(_, count)| (1..=*count).map(|n| n.to_string()));
    (groups, numbers.collect())
}

fn subtitle(report: &PatternsReport) -> String {
    let models = report.inputs.names();
    let names = match models.as_slice() {
        [a, b] => format!("A: {a} · B: {b}"),
        _ => models.join(", "),
    };
    format!("{names} · {} images", report.results.n)
}

fn note(report: &PatternsReport) -> String {
    let layers = report.results.layers.iter();
    let fields: Vec<String> =
        layers.map(|layer| format!("{}: {}", layer.layer, field_in_words(&layer.field))).collect();
    format!(
        "Each patch is what the unit depends on of the image as the network sees it; grey is padding, not image. \
         Under it: the value of the channel and the class of the image. {}.",
        fields.join("; ")
    )
}

/// A receptive field in words.
pub fn field_in_words(field: &FieldInfo) -> String {
    let ((rows, columns), (height, width)) = (field.size, field.image);
    let source = match field.source {
        FieldSource::Exact => "exact",
        FieldSource::Measured => "measured by gradients",
        FieldSource::Whole => {
            return format!("the whole image of {height}×{width}, for it is not known");
        }
    };
    let whole = if field.size == field.image { ", which is all of it" } else { "" };
    format!("at most {rows}×{columns} of {height}×{width} pixels{whole} ({source})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_at_a_border_keep_their_place() {
        let image = Image::from_fn(4, 4, |row, column| [(10 * row + column) as u8; 3]);
        let corner = Window { top: 0, left: 2, bottom: 1, right: 3 };
        let framed = patch(&image, corner, (3, 3));
        let values: Vec<u8> = framed.pixels.iter().map(|pixel| pixel[0]).collect();
        assert_eq!(values, [0xe4, 0xe4, 0xe4, 2, 3, 0xe4, 12, 13, 0xe4]);
        assert_eq!(patch(&image, Window::whole((4, 4)), (4, 4)), image);
    }
}
