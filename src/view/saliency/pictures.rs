//! Saliency maps over their images, and a sheet of some of them.

use ndarray::ArrayView2;

use super::columns::{grouped, shared_method};
use super::scale::{self, Scale};
use crate::error::Result;
use crate::render::sheet::{CELL, Row};
use crate::render::text::decimal;
use crate::render::{Cell, ColorMap, Image, RenderError, Sheet, overlay};
use crate::report::saliency::{ColumnInfo, ImageResult, SaliencyReport};
use crate::view::PictureFormat;

/// What to do where a sheet is too large.
pub const SMALLER: &str = "show fewer images (--rows) or maps, or draw an .svg";

/// A caption as high as captions are at most.
const LINES: &str = "class\nscore";

/// How maps lie over images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// Colours of maps without negative values.
    pub colours: ColorMap,
    /// How much of an overlay is map, 0 to 1.
    pub opacity: f64,
}

/// What maps there will be.
#[derive(Clone, Copy)]
pub struct Planned<'a> {
    /// The maps that each image has.
    pub columns: &'a [ColumnInfo],
    /// How many images there are.
    pub count: usize,
    /// The name of each.
    pub name: &'a dyn Fn(usize) -> String,
    /// Height and width of each as the network sees it.
    pub size: (usize, usize),
    /// Whether a class is explained against another.
    pub contrast: bool,
}

/// An image with its maps.
#[derive(Clone, Copy)]
pub struct Mapped<'a> {
    /// Its place among all images.
    pub index: usize,
    /// How many those are.
    pub count: usize,
    /// The image as the network sees it.
    pub image: &'a Image,
    /// What was found of it.
    pub result: &'a ImageResult,
    /// Its maps at the size of the image, one a column.
    pub maps: &'a [ArrayView2<'a, f32>],
    /// The columns.
    pub columns: &'a [ColumnInfo],
}

/// Pictures as they come about; those on the sheet are kept.
pub struct Pictures {
    look: Look,
    rows: usize,
    /// The colours of each column's maps.
    scales: Vec<Option<Scale>>,
    /// Rows of the sheet: heading and cells.
    sheet: Vec<(String, Vec<Cell>)>,
}

impl Pictures {
    /// None yet, of which a sheet is to show `rows` images, spread evenly over all.
    pub fn new(look: Look, rows: usize) -> Self {
        Self { look, rows, scales: vec![], sheet: vec![] }
    }

    /// Whether an image stands on the sheet.
    pub fn shows(&self, mapped: &Mapped<'_>) -> bool {
        is_shown((mapped.index, mapped.count), self.rows)
    }

    /// Draws the maps of an image over it: each is handed to `each` with its column, and those of images on
    /// the sheet are kept.
    ///
    /// # Errors
    /// What `each` says.
    pub fn take(
        &mut self,
        mapped: &Mapped<'_>,
        mut each: impl FnMut(&Image, &ColumnInfo) -> Result<()>,
    ) -> Result<()> {
        let (image, result) = (mapped.image, mapped.result);
        self.scales.resize(mapped.columns.len(), None);
        let label = result.label.clone().unwrap_or_default();
        let mut cells = vec![Cell::new(image.enlarged(factor(image)), label)];
        for (c, (map, column)) in mapped.maps.iter().zip(mapped.columns).enumerate() {
            let scale = Scale::of(column.method, *map);
            self.scales[c] = Some(self.scales[c].map_or(scale, |other| other.or(scale)));
            let drawn = self.drawn(image, *map, scale);
            each(&drawn, column)?;
            let flag = result.maps[c].degenerate.then(|| "degenerate".to_owned());
            cells.push(Cell::Picture { image: drawn, caption: caption(result, column), flag });
        }
        if self.shows(mapped) {
            self.sheet.push((result.sample.clone(), cells));
        }
        Ok(())
    }

    /// A map over its image, or the image alone where nothing stands out.
    fn drawn(&self, image: &Image, map: ArrayView2<'_, f32>, scale: Scale) -> Image {
        let image = image.enlarged(factor(image));
        let colours = scale.colours(self.look.colours);
        match scale.range(map) {
            Some(range) => overlay(&image, map, range, colours, self.look.opacity),
            None => image,
        }
    }

    /// Refuses a sheet that would be too large.
    ///
    /// # Errors
    /// It is too large.
    pub fn check(&self, planned: &Planned<'_>, format: PictureFormat) -> Result<(), RenderError> {
        let Planned { columns, count, name, size: (height, width), contrast } = *planned;
        let names: Vec<String> =
            (0..count).filter(|&index| is_shown((index, count), self.rows)).map(name).collect();
        let blank = Cell::new(Image { height, width, pixels: vec![] }, LINES);
        let cells = vec![blank; columns.len() + 1];
        let rows: Vec<Row<'_>> =
            names.iter().map(|heading| Row { heading, cells: &cells }).collect();
        let (groups, headings) = headings(columns);
        format.check_sheet(&Sheet {
            subtitle: "explains a class",
            groups: &groups,
            columns: &headings,
            rows: &rows,
            legends: &scale::all_legends(columns, self.look.colours),
            ..frame(contrast)
        })
    }

    /// The sheet: a row an image, a column a map.
    ///
    /// # Errors
    /// It is too large.
    pub fn sheet(
        &self,
        report: &SaliencyReport,
        format: PictureFormat,
    ) -> Result<Vec<u8>, RenderError> {
        let columns = &report.results.columns;
        let rows: Vec<Row<'_>> =
            self.sheet.iter().map(|(heading, cells)| Row { heading, cells }).collect();
        let (groups, headings) = headings(columns);
        let said = report.results.images.iter().flat_map(|image| &image.predictions);
        format.sheet(&Sheet {
            subtitle: &subtitle(report, self.look.opacity),
            groups: &groups,
            columns: &headings,
            rows: &rows,
            legends: &scale::legends(columns, &self.scales, self.look.colours),
            ..frame(said.into_iter().any(|prediction| prediction.against.is_some()))
        })
    }
}

/// What stands under a map: the class explained and its score.
fn caption(result: &ImageResult, column: &ColumnInfo) -> String {
    let said = &result.predictions[column.model];
    let score = said.score.get().map_or(String::new(), |s| decimal(s, 2));
    let target = said.target.as_deref().unwrap_or("no prediction");
    match &said.against {
        Some(other) => format!("{target}\n− {other} {score}"),
        None => format!("{target} {score}"),
    }
}

/// What every sheet says.
fn frame(contrast: bool) -> Sheet<'static> {
    Sheet {
        title: "What the prediction looks at",
        subtitle: "",
        groups: &[],
        columns: &[],
        rows: &[],
        legends: &[],
        note: match contrast {
            true => {
                "Under each map: the classes held against each other, and the difference of their \
                 logits."
            }
            false => "Under each map: the class explained and its score.",
        },
        cell: CELL,
    }
}

/// The headings of groups and of columns, the input's first.
fn headings(columns: &[ColumnInfo]) -> (Vec<String>, Vec<String>) {
    let (mut groups, mut names) = grouped(columns);
    if !groups.is_empty() {
        groups.insert(0, String::new());
    }
    names.insert(0, "input".to_owned());
    (groups, names)
}

/// How all maps of a sheet were made.
fn subtitle(report: &SaliencyReport, opacity: f64) -> String {
    let columns = &report.results.columns;
    let mut parts = vec![];
    if let (Some(method), true) = (shared_method(columns), columns.len() > 1) {
        parts.push(method.to_string());
    }
    let layers: Vec<&str> = columns.iter().filter_map(|c| c.layer.as_deref()).collect();
    if let Some(first) = layers.first().filter(|first| layers.iter().all(|l| l == *first)) {
        parts.push(format!("at {first}"));
    }
    parts.push(match report.settings.target.as_str() {
        "predicted" => "explains the predicted class".to_owned(),
        "label" => "explains the image's true class".to_owned(),
        other => match report.results.images.first().and_then(|i| i.predictions.first()) {
            Some(said) => match &said.against {
                Some(against) => format!(
                    "explains {} against {against}",
                    said.target.as_deref().unwrap_or("nothing")
                ),
                None => format!("explains {}", said.target.as_deref().unwrap_or("nothing")),
            },
            None => format!("explains {other}"),
        },
    });
    parts.push(format!("opacity {opacity}"));
    parts.join(" · ")
}

/// Whether an image stands on a sheet of `rows` images that are spread evenly over all.
fn is_shown((index, count): (usize, usize), rows: usize) -> bool {
    let rows = rows.min(count);
    (index * rows).div_ceil(count.max(1)) < ((index + 1) * rows).div_ceil(count.max(1))
}

/// Whole factor that brings a small picture to the size of a cell.
fn factor(image: &Image) -> usize {
    (2 * CELL as usize / image.width.max(image.height).max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(count: usize, rows: usize) -> Vec<usize> {
        (0..count).filter(|&index| is_shown((index, count), rows)).collect()
    }

    #[test]
    fn images_of_a_sheet_are_spread_over_all() {
        assert_eq!(shown(500, 5), [0, 100, 200, 300, 400]);
        assert_eq!(shown(7, 3), [0, 2, 4]);
        assert_eq!(shown(3, 8), [0, 1, 2]);
        assert_eq!(shown(0, 8), [0; 0]);
        for (count, rows) in (1..40).flat_map(|count| (1..=count).map(move |rows| (count, rows))) {
            let shown = shown(count, rows);
            assert!(shown.len() == rows && shown[0] == 0, "{rows} of {count}: {shown:?}");
        }
    }
}
