//! The sheet of `repsim maps`: a row an image, a column a channel.

use std::path::Path;

use ndarray::{Array4, ArrayView2, ArrayView3, Axis};
use tch::Tensor;

use super::Found;
use super::args::{Args, Scale};
use crate::capture::Subject;
use crate::capture::maps::Wanted;
use crate::cli::picture;
use crate::data::Dataset;
use crate::error::Result;
use crate::render::sheet::{CELL, Legend, Row};
use crate::render::{Cell, Image, Sheet, paint};
use crate::report::maps::MapsReport;
use crate::torchscript::{Folding, Grid};

/// What to do where a sheet is too large.
const SMALLER: &str = "show fewer images (--rows), layers or channels, or draw an .svg";

/// The channels of one layer that are shown.
pub struct Columns {
    /// The layer.
    pub name: String,
    /// Whether it is one of the second model: its columns stand beside those before.
    pub of_b: bool,
    /// Number of each channel, with its correlation where it is matched; `None` where nothing is.
    pub channels: Vec<Option<(usize, Option<f64>)>>,
    /// Their maps, N×K×H×W.
    pub maps: Array4<f32>,
}

impl Columns {
    /// The maps with the name they are stored under.
    pub fn stored(&self) -> (String, &Array4<f32>) {
        let side = if self.of_b { "b/" } else { "" };
        (format!("{side}{}", self.name), &self.maps)
    }

    fn heading(&self) -> String {
        let side = if self.of_b { "B · " } else { "" };
        format!("{side}{}", self.name)
    }

    /// The cell of an image and a channel.
    fn cell(&self, image: usize, place: usize, args: &Args) -> Cell {
        let Some((channel, correlation)) = self.channels[place] else { return Cell::Empty };
        let own = self.maps.index_axis(Axis(1), place);
        let map = own.index_axis(Axis(0), image);
        let range = match args.files.scale {
            Scale::Channel => range(own.iter()),
            Scale::Map => range(map.iter()),
            Scale::Layer => range(self.maps.iter()),
        };
        let (height, width) = map.dim();
        let matched = correlation.map(|r| format!("r {r:.2}").replace('-', "−"));
        let matched = matched.map_or(String::new(), |r| format!(" · {r}"));
        let caption = format!("ch {channel} · {height}×{width}{matched}\n{}", extremes(map));
        let picture = paint(map, range.unwrap_or((0.0, 1.0)), args.files.colormap);
        Cell::Picture { image: picture, caption, flag: flag(own) }
    }
}

/// What is wrong with a channel over all images shown.
fn flag(maps: ArrayView3<'_, f32>) -> Option<String> {
    match range(maps.iter()) {
        None => Some("not finite".to_owned()),
        Some((0.0, 0.0)) => Some("zero".to_owned()),
        Some((low, high)) if low == high => Some("constant".to_owned()),
        Some(_) => None,
    }
}

/// Smallest and largest value; `None` where one is not finite.
fn range<'a>(values: impl Iterator<Item = &'a f32>) -> Option<(f64, f64)> {
    let mut range = (f64::INFINITY, f64::NEG_INFINITY);
    for &value in values {
        if !value.is_finite() {
            return None;
        }
        range = (range.0.min(f64::from(value)), range.1.max(f64::from(value)));
    }
    (range.0 <= range.1).then_some(range)
}

/// The smallest and the largest value of a map.
fn extremes(map: ArrayView2<'_, f32>) -> String {
    range(map.iter())
        .map_or(String::new(), |(low, high)| format!("{} … {}", number(low), number(high)))
}

fn number(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        0.0 => "0".to_owned(),
        _ if !(1e-4..1e5).contains(&size) => format!("{value:.1e}"),
        _ if size >= 100.0 => format!("{value:.0}"),
        _ if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.*}", (1.0 - size.log10().floor()) as usize),
    };
    text.replace('-', "−")
}

/// Draws the sheet.
///
/// # Errors
/// It cannot be drawn or written.
pub fn draw(found: &Found, args: &Args, path: &Path) -> Result<()> {
    let report = &found.report;
    let mut headings = vec!["input".to_owned()];
    headings.extend(places(&found.columns).map(|(columns, _)| columns.heading()));
    let cells = (0..report.results.images.len()).map(|image| {
        let input = found.images.get(image).map_or(Cell::Empty, |picture| {
            let label = report.results.images[image].label.clone().unwrap_or_default();
            Cell::new(picture.clone(), label)
        });
        let maps = places(&found.columns).map(|(columns, place)| columns.cell(image, place, args));
        std::iter::once(input).chain(maps).collect::<Vec<Cell>>()
    });
    let cells: Vec<Vec<Cell>> = cells.collect();
    let images = report.results.images.iter().zip(&cells);
    let rows: Vec<Row<'_>> =
        images.map(|(image, cells)| Row { heading: &image.sample, cells }).collect();
    let (subtitle, note) = (subtitle(report), note(report));
    let label = match args.files.scale {
        Scale::Channel => "each channel over the images shown",
        Scale::Map => "each map for itself",
        Scale::Layer => "all channels shown of a layer",
    };
    let legends = [Legend::ends(label, args.files.colormap, "smallest value", "largest value")];
    let sheet = Sheet {
        title: "Feature maps",
        subtitle: &subtitle,
        groups: &[],
        columns: &headings,
        rows: &rows,
        legends: &legends,
        note: &note,
        cell: CELL,
    };
    picture::sheet(&sheet, path, SMALLER)
}

/// Refuses a sheet that would be too large, before anything is computed.
///
/// # Errors
/// It is too large.
pub fn check(
    args: &Args,
    (dataset, wanted): (&Dataset, &Wanted),
    (subjects, orders): (&[Subject], &[Vec<usize>]),
    sample: &Tensor,
) -> Result<()> {
    let Some(path) = &args.files.sheet else { return Ok(()) };
    let mut headings = vec!["input".to_owned()];
    let image = Folding::of(sample, None).image;
    let mut cells = vec![blank(image.rows, image.columns)];
    for (place, &a) in orders[0].iter().enumerate() {
        let own = &subjects[0].layers[a];
        let other = wanted.pairs.get(place).map(|&(_, b)| (1, b));
        let channels = own.canonical_shape().get(1).map_or(0, |&k| k as usize);
        for _ in 0..args.choice().count(channels) {
            for (model, layer) in std::iter::once((0, a)).chain(other) {
                headings.push(subjects[model].layers[layer].name.clone());
                let Grid { rows, columns } = wanted.views[model][layer].grid;
                cells.push(blank(rows, columns));
            }
        }
    }
    let names: Vec<String> = wanted.samples.iter().map(|&i| dataset.name(i)).collect();
    let rows: Vec<Row<'_>> = names.iter().map(|heading| Row { heading, cells: &cells }).collect();
    let legends = [Legend::ends("each channel", args.files.colormap, "smallest", "largest")];
    let sheet = Sheet {
        title: "Feature maps",
        subtitle: "channels",
        groups: &[],
        columns: &headings,
        rows: &rows,
        legends: &legends,
        note: "Under each map: its channel.",
        cell: CELL,
    };
    picture::check_sheet(&sheet, path, SMALLER)
}

/// A cell as large as that of a map.
fn blank(height: i64, width: i64) -> Cell {
    let (height, width) = (height as usize, width as usize);
    Cell::new(Image { height, width, pixels: vec![] }, "channel\nrange")
}

/// The columns in the order of the sheet: each channel, and beside it its partner.
fn places(columns: &[Columns]) -> impl Iterator<Item = (&Columns, usize)> {
    columns.iter().enumerate().filter(|(_, c)| !c.of_b).flat_map(move |(i, own)| {
        let partner = columns.get(i + 1).filter(|next| next.of_b);
        (0..own.channels.len()).flat_map(move |place| {
            std::iter::once((own, place)).chain(partner.map(|partner| (partner, place)))
        })
    })
}

fn subtitle(report: &MapsReport) -> String {
    let models = report.inputs.names();
    let names = match models.as_slice() {
        [a, b] => format!("{a}, beside it B: {b}"),
        _ => models.join(", "),
    };
    format!("{names} · channels: {}", report.settings.channels)
}

fn note(report: &MapsReport) -> String {
    let range = "Under each map: channel, size, and its smallest and largest value";
    match report.inputs.models.len() {
        2 => format!(
            "{range}; under those of B also the correlation r with the channel at their left, over all \
             positions of {} images.",
            report.results.n
        ),
        _ => format!("{range}."),
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn small_values_keep_two_digits() {
        let cases = [
            (0.0, "0"),
            (-0.0004, "−0.00040"),
            (0.0123, "0.012"),
            (-0.512, "−0.51"),
            (3.456, "3.46"),
            (123.4, "123"),
            (2e-7, "2.0e−7"),
            (1.5e6, "1.5e6"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }
}
