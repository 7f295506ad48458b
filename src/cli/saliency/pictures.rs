//! Overlays and the sheet of `repsim saliency`.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use ndarray::ArrayView2;

use super::args::Args;
use super::scale::{self, Scale};
use super::{Found, show};
use crate::cli::{outputs, picture};
use crate::data::{Batch, Dataset};
use crate::error::{Error, Result};
use crate::render::sheet::{CELL, Row};
use crate::render::text::decimal;
use crate::render::{Cell, ColorMap, Image, Sheet, encode_png, overlay};
use crate::report::saliency::{ColumnInfo, ImageResult, SaliencyReport};

/// What to do where a sheet is too large.
const SMALLER: &str = "show fewer images (--sheet-rows) or maps, or draw an .svg";

/// A caption as high as captions are at most.
const LINES: &str = "class\nscore";

/// Pictures as they come about, kept until the run is over.
pub struct Pictures {
    colours: ColorMap,
    opacity: f64,
    rows: usize,
    /// The colours of each column's maps.
    scales: Vec<Option<Scale>>,
    /// The images of the batch at hand.
    batch: Vec<Image>,
    /// Rows of the sheet: heading and cells.
    sheet: Vec<(String, Vec<Cell>)>,
    /// The folder of overlays, where they are wanted.
    folder: Option<PathBuf>,
    /// The paths of the overlays.
    names: HashSet<PathBuf>,
}

impl Pictures {
    /// None yet.
    pub fn new(args: &Args) -> Self {
        let files = &args.files;
        Self {
            colours: files.colormap,
            opacity: files.opacity,
            rows: if files.sheet.is_some() { files.sheet_rows } else { 0 },
            scales: vec![],
            batch: vec![],
            sheet: vec![],
            folder: files.images.clone(),
            names: HashSet::new(),
        }
    }

    /// Keeps the images of a batch to draw maps over: bytes, as the network sees them.
    pub fn take_images(&mut self, batch: &Batch) {
        self.batch = picture::images(&batch.inputs[batch.inputs.len() - 1]);
    }

    /// Draws the maps of image `i` of the batch where they are wanted; `place` is its place among
    /// all images, and how many those are.
    ///
    /// # Errors
    /// A picture cannot be encoded or written.
    pub fn take_maps(
        &mut self,
        i: usize,
        place: (usize, usize),
        result: &ImageResult,
        maps: &[ArrayView2<'_, f32>],
        columns: &[ColumnInfo],
    ) -> Result<()> {
        let on_sheet = is_shown(place, self.rows);
        if !on_sheet && self.folder.is_none() {
            return Ok(());
        }
        let image = self.batch[i].clone();
        self.scales.resize(columns.len(), None);
        let mut cells = vec![Cell::new(image.enlarged(factor(&image)), label(result))];
        for (c, ((map, column), summary)) in maps.iter().zip(columns).zip(&result.maps).enumerate()
        {
            let scale = Scale::of(column.method, *map);
            self.scales[c] = Some(self.scales[c].map_or(scale, |other| other.or(scale)));
            let drawn = self.drawn(&image, *map, scale);
            self.write(&drawn, (&result.sample, &column.name))?;
            let said = &result.predictions[column.model];
            let score = said.score.get().map_or(String::new(), |s| decimal(s, 2));
            let target = said.target.as_deref().unwrap_or("no prediction");
            let caption = match &said.against {
                Some(other) => format!("{target}\n− {other} {score}"),
                None => format!("{target} {score}"),
            };
            let flag = summary.degenerate.then(|| "degenerate".to_owned());
            cells.push(Cell::Picture { image: drawn, caption, flag });
        }
        if on_sheet {
            self.sheet.push((result.sample.clone(), cells));
        }
        Ok(())
    }

    /// Writes the overlay of an image and a column, where that is wanted.
    fn write(&mut self, drawn: &Image, (sample, column): (&str, &str)) -> Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let name = self.file_name(sample, column);
        let bytes = encode_png(drawn).map_err(|e| {
            let problem = format!("failed to draw {}: {e}", name.display());
            Error::usage(problem, "leave --images out")
        })?;
        outputs::write_below(folder, &name, &bytes)?;
        self.names.insert(name);
        Ok(())
    }

    /// A path for an overlay unlike all before: that of the image, sub-folders kept, and the column.
    fn file_name(&self, sample: &str, column: &str) -> PathBuf {
        let whole = Path::new(sample).components();
        let place: PathBuf = whole.filter(|part| matches!(part, Component::Normal(_))).collect();
        let column = flat(column);
        let mut name = PathBuf::from(format!("{}-{column}.png", place.display()));
        let mut again = 2;
        while self.names.contains(&name) {
            name = PathBuf::from(format!("{}-{column}-{again}.png", place.display()));
            again += 1;
        }
        name
    }

    /// A map over its image, or the image alone where nothing stands out.
    fn drawn(&self, image: &Image, map: ArrayView2<'_, f32>, scale: Scale) -> Image {
        let image = image.enlarged(factor(image));
        let colours = scale.colours(self.colours);
        match scale.range(map) {
            Some(range) => overlay(&image, map, range, colours, self.opacity),
            None => image,
        }
    }
}

impl Found {
    /// Writes the maps and the pictures that were asked for; the report then names the sheet.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&mut self, args: &Args) -> Result<()> {
        if let Some((path, maps)) = args.files.maps.as_deref().zip(self.maps.take()) {
            outputs::fill(path, |file| maps.pack(file))?;
        }
        if let Some(path) = &args.files.sheet {
            self.draw_sheet(args, path)?;
            let shows = "Saliency maps over the images";
            let written = picture::written(shows, path, args.output.as_deref())?;
            self.report.pictures = vec![written];
        }
        Ok(())
    }

    fn draw_sheet(&self, args: &Args, path: &Path) -> Result<()> {
        let report = &self.report;
        let columns = &report.results.columns;
        let rows: Vec<Row<'_>> =
            self.pictures.sheet.iter().map(|(heading, cells)| Row { heading, cells }).collect();
        let (groups, names) = headings(columns);
        let sheet = Sheet {
            subtitle: &subtitle(report, args),
            groups: &groups,
            columns: &names,
            rows: &rows,
            legends: &scale::legends(columns, &self.pictures.scales, args.files.colormap),
            ..frame(args)
        };
        picture::sheet(&sheet, path, SMALLER)
    }
}

/// Refuses a sheet of these columns that would be too large, before anything is computed; images are
/// height × width.
///
/// # Errors
/// It is too large.
pub fn check(
    args: &Args,
    columns: &[ColumnInfo],
    dataset: &Dataset,
    (height, width): (usize, usize),
) -> Result<()> {
    let Some(path) = &args.files.sheet else { return Ok(()) };
    let count = dataset.len();
    let shown = (0..count).filter(|&index| is_shown((index, count), args.files.sheet_rows));
    let names: Vec<String> = shown.map(|index| dataset.name(index)).collect();
    let cells = vec![Cell::new(Image { height, width, pixels: vec![] }, LINES); columns.len() + 1];
    let rows: Vec<Row<'_>> = names.iter().map(|heading| Row { heading, cells: &cells }).collect();
    let (groups, columns_named) = headings(columns);
    let legends = scale::all_legends(columns, args.files.colormap);
    let sheet = Sheet {
        subtitle: "explains a class",
        groups: &groups,
        columns: &columns_named,
        rows: &rows,
        legends: &legends,
        ..frame(args)
    };
    picture::check_sheet(&sheet, path, SMALLER)
}

/// What every sheet says.
fn frame(args: &Args) -> Sheet<'static> {
    Sheet {
        title: "What the prediction looks at",
        subtitle: "",
        groups: &[],
        columns: &[],
        rows: &[],
        legends: &[],
        note: match args.target.contrast {
            Some(_) => {
                "Under each map: the classes held against each other, and the difference of their \
                 logits."
            }
            None => "Under each map: the class explained and its score.",
        },
        cell: CELL,
    }
}

/// The headings of groups and of columns, the input's first.
fn headings(columns: &[ColumnInfo]) -> (Vec<String>, Vec<String>) {
    let (mut groups, mut names) = show::grouped(columns);
    if !groups.is_empty() {
        groups.insert(0, String::new());
    }
    names.insert(0, "input".to_owned());
    (groups, names)
}

/// How all maps of a sheet were made.
fn subtitle(report: &SaliencyReport, args: &Args) -> String {
    let columns = &report.results.columns;
    let mut parts = vec![];
    if let (Some(method), true) = (show::shared_method(columns), columns.len() > 1) {
        parts.push(method.to_string());
    }
    let layers: Vec<&str> = columns.iter().filter_map(|c| c.layer.as_deref()).collect();
    if let Some(first) = layers.first().filter(|first| layers.iter().all(|l| l == *first)) {
        parts.push(format!("at {first}"));
    }
    parts.push(match report.settings.target.as_str() {
        "predicted" => "explains the predicted class".to_owned(),
        "label" => "explains the image's own class".to_owned(),
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
    parts.push(format!("opacity {}", args.files.opacity));
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

fn label(result: &ImageResult) -> String {
    result.label.clone().unwrap_or_default()
}

/// A name as one part of a path.
fn flat(name: &str) -> String {
    name.replace(['/', '\\', ':'], "-")
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
