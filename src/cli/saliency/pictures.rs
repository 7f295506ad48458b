//! Overlays and the sheet of `repsim saliency`.

use std::path::Path;

use ndarray::ArrayView2;

use super::args::Args;
use super::{Found, npz};
use crate::cli::picture;
use crate::data::Batch;
use crate::error::{Error, Result};
use crate::render::sheet::{CELL, Legend, Row};
use crate::render::{Cell, ColorMap, Image, Sheet, encode_png, overlay};
use crate::report::saliency::{ColumnInfo, ImageResult, SaliencyReport};
use crate::report::write_atomically;

/// Pictures as they come about, kept until the run is over.
pub struct Pictures {
    colours: ColorMap,
    opacity: f64,
    rows: usize,
    wants_files: bool,
    /// Whether a column's maps have negative values.
    signed: Vec<bool>,
    /// The images of the batch at hand.
    batch: Vec<Image>,
    /// Rows of the sheet: heading and cells.
    sheet: Vec<(String, Vec<Cell>)>,
    /// Overlays: file name and PNG.
    files: Vec<(String, Vec<u8>)>,
}

impl Pictures {
    /// None yet.
    pub fn new(args: &Args) -> Self {
        let files = &args.files;
        Self {
            colours: files.colormap,
            opacity: files.opacity,
            rows: if files.sheet.is_some() { files.sheet_rows } else { 0 },
            wants_files: files.images.is_some(),
            signed: vec![],
            batch: vec![],
            sheet: vec![],
            files: vec![],
        }
    }

    /// Keeps the images of a batch to draw maps over: bytes, as the network sees them.
    pub fn take_images(&mut self, batch: &Batch) {
        self.batch = picture::images(&batch.inputs[batch.inputs.len() - 1]);
    }

    /// Draws the maps of image `i` of the batch where they are wanted.
    ///
    /// # Errors
    /// A picture cannot be encoded.
    pub fn take_maps(
        &mut self,
        i: usize,
        result: &ImageResult,
        maps: &[ArrayView2<'_, f32>],
        columns: &[ColumnInfo],
    ) -> Result<()> {
        let on_sheet = self.sheet.len() < self.rows;
        if !on_sheet && !self.wants_files {
            return Ok(());
        }
        let image = self.batch[i].clone();
        self.signed.resize(columns.len(), false);
        let mut cells = vec![Cell::new(image.enlarged(factor(&image)), label(result))];
        for (c, ((map, column), summary)) in maps.iter().zip(columns).zip(&result.maps).enumerate()
        {
            self.signed[c] |= is_signed(column, *map);
            let drawn = self.drawn(&image, *map, column);
            if self.wants_files {
                let name = format!("{}-{}.png", flat(&result.sample), flat(&column.name));
                let bytes = encode_png(&drawn).map_err(|e| {
                    Error::usage(format!("failed to draw {name}: {e}"), "leave --images out")
                })?;
                self.files.push((name, bytes));
            }
            let said = &result.predictions[column.model];
            let score = said.score.get().map_or(String::new(), |s| format!("{s:.2}"));
            let caption = format!("{} {score}", said.target);
            let flag = summary.degenerate.then(|| "degenerate".to_owned());
            cells.push(Cell::Picture { image: drawn, caption, flag });
        }
        if on_sheet {
            self.sheet.push((result.sample.clone(), cells));
        }
        Ok(())
    }

    /// A map over its image, or the image alone where nothing stands out.
    fn drawn(&self, image: &Image, map: ArrayView2<'_, f32>, column: &ColumnInfo) -> Image {
        let image = image.enlarged(factor(image));
        let most =
            map.iter().fold(0.0f32, |most, v| if v.is_finite() { most.max(v.abs()) } else { most });
        if most <= 0.0 {
            return image;
        }
        let (range, colours) = match is_signed(column, map) {
            true => ((-f64::from(most), f64::from(most)), ColorMap::Diverging),
            false => ((0.0, f64::from(most)), self.colours),
        };
        overlay(&image, map, range, colours, self.opacity)
    }
}

impl Found {
    /// Writes the maps and the pictures that were asked for.
    ///
    /// # Errors
    /// A file cannot be written; each is there whole or not at all.
    pub fn write(&self, args: &Args) -> Result<()> {
        if let Some(path) = &args.files.maps {
            write_atomically(path, &npz(&self.maps)?)?;
        }
        if let Some(folder) = &args.files.images {
            std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
            for (name, bytes) in &self.pictures.files {
                write_atomically(&folder.join(name), bytes)?;
            }
        }
        match &args.files.sheet {
            Some(path) => self.draw_sheet(args, path),
            None => Ok(()),
        }
    }

    fn draw_sheet(&self, args: &Args, path: &Path) -> Result<()> {
        let report = &self.report;
        let mut columns = vec!["input".to_owned()];
        columns.extend(report.results.columns.iter().map(|c| c.name.clone()));
        let rows: Vec<Row<'_>> =
            self.pictures.sheet.iter().map(|(heading, cells)| Row { heading, cells }).collect();
        let subtitle = subtitle(report, args);
        let signed = report.results.columns.iter().zip(&self.pictures.signed);
        let signed: Vec<&str> =
            signed.filter(|(_, signed)| **signed).map(|(c, _)| c.name.as_str()).collect();
        let legends = legends(args.files.colormap, &signed, report.results.columns.len());
        let sheet = Sheet {
            title: "What the prediction looks at",
            subtitle: &subtitle,
            columns: &columns,
            rows: &rows,
            legends: &legends,
            note: "",
            cell: CELL,
        };
        picture::sheet(&sheet, path, "use fewer images: --sheet-rows")
    }
}

fn subtitle(report: &SaliencyReport, args: &Args) -> String {
    let layers: Vec<&str> =
        report.results.columns.iter().filter_map(|c| c.layer.as_deref()).collect();
    let mut parts = vec![format!("explains: {}", report.settings.target)];
    if let (Some(first), true) = (layers.first(), layers.iter().all(|l| Some(l) == layers.first()))
    {
        parts.push((*first).to_owned());
    }
    parts.push(format!("opacity {}", args.files.opacity));
    parts.join(" · ")
}

/// A colour bar for maps from 0 up, and one for those with negative values.
fn legends(colours: ColorMap, signed: &[&str], columns: usize) -> Vec<Legend> {
    let mut legends = vec![];
    if signed.len() < columns {
        legends.push(Legend::ends("each map for itself", colours, "0", "its largest value"));
    }
    if !signed.is_empty() {
        let label = signed.join(", ");
        legends.push(Legend::ends(&label, ColorMap::Diverging, "speaks against", "speaks for"));
    }
    legends
}

/// Whole factor that brings a small picture to the size of a cell.
fn factor(image: &Image) -> usize {
    (2 * CELL as usize / image.width.max(image.height).max(1)).max(1)
}

fn is_signed(column: &ColumnInfo, map: ArrayView2<'_, f32>) -> bool {
    column.method.is_signed() || map.iter().any(|v| *v < 0.0)
}

fn label(result: &ImageResult) -> String {
    result.label.clone().unwrap_or_default()
}

/// A name as one part of a path.
fn flat(name: &str) -> String {
    name.replace(['/', '\\', ':'], "-")
}
