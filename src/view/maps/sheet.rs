//! Feature maps to look at: a row an image, a column a channel.

use std::fmt;

use ndarray::{Array4, ArrayView2, ArrayView3, Axis};

use crate::render::sheet::{CELL, Legend, Row};
use crate::render::text::decimal;
use crate::render::{Cell, ColorMap, Image, RenderError, Sheet, paint};
use crate::report::maps::MapsReport;
use crate::view::PictureFormat;

/// What to do where a sheet is too large.
pub const SMALLER: &str = "show fewer images (--rows), layers or channels, or draw an .svg";

/// What the colours of a map are relative to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scale {
    /// The range of its channel over the images shown.
    #[default]
    Channel,
    /// Its own range.
    Map,
    /// The range of the channels shown of its layer.
    Layer,
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Channel => "channel",
            Self::Map => "map",
            Self::Layer => "layer",
        })
    }
}

/// How maps become colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// What they are relative to.
    pub scale: Scale,
    /// The colours.
    pub colours: ColorMap,
}

/// What will be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Names of the images.
    pub images: Vec<String>,
    /// Height and width of each image as the network sees it.
    pub image: (usize, usize),
    /// For each channel of each layer, in the order of the columns, the name of the layer and the height
    /// and width of its maps.
    pub columns: Vec<(String, (usize, usize))>,
}

/// What is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// The images as the network sees them.
    pub images: Vec<Image>,
    /// Their maps, in the order of the report: each layer of the first model, and beside it that of the
    /// second.
    pub columns: Vec<Columns>,
}

/// The channels of one layer that are shown.
#[derive(Debug, Clone, PartialEq)]
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
    fn cell(&self, image: usize, place: usize, look: Look) -> Cell {
        let Some((channel, correlation)) = self.channels[place] else { return Cell::Empty };
        let own = self.maps.index_axis(Axis(1), place);
        let map = own.index_axis(Axis(0), image);
        let range = match look.scale {
            Scale::Channel => range(own.iter()),
            Scale::Map => range(map.iter()),
            Scale::Layer => range(self.maps.iter()),
        };
        let (height, width) = map.dim();
        let (size, ends) = (format!("{height}×{width}"), extremes(map));
        let caption = match correlation {
            Some(r) => format!("ch {channel} · r {}\n{size} · {ends}", decimal(r, 2)),
            None => format!("ch {channel} · {size}\n{ends}"),
        };
        let picture = paint(map, range.unwrap_or((0.0, 1.0)), look.colours);
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

impl Shown {
    /// The maps over the images as one picture.
    ///
    /// # Errors
    /// It is too large.
    pub fn sheet(
        &self,
        report: &MapsReport,
        look: Look,
        format: PictureFormat,
    ) -> Result<Vec<u8>, RenderError> {
        let mut headings = vec!["input".to_owned()];
        headings.extend(places(&self.columns).map(|(columns, _)| columns.heading()));
        let all = &report.results.images;
        let cells: Vec<Vec<Cell>> = (0..all.len())
            .map(|image| self.row(image, all[image].label.as_deref(), look))
            .collect();
        let rows: Vec<Row<'_>> = all
            .iter()
            .zip(&cells)
            .map(|(image, cells)| Row { heading: &image.sample, cells })
            .collect();
        let label = match look.scale {
            Scale::Channel => "each channel over the images shown",
            Scale::Map => "each map for itself",
            Scale::Layer => "all channels shown of a layer",
        };
        format.sheet(&Sheet {
            title: "Feature maps",
            subtitle: &subtitle(report),
            groups: &[],
            columns: &headings,
            rows: &rows,
            legends: &[Legend::ends(label, look.colours, "smallest value", "largest value")],
            note: &note(report),
            cell: CELL,
        })
    }

    /// An image, and its maps.
    fn row(&self, image: usize, label: Option<&str>, look: Look) -> Vec<Cell> {
        let input = self.images.get(image);
        let input = input
            .map_or(Cell::Empty, |picture| Cell::new(picture.clone(), label.unwrap_or_default()));
        let maps = places(&self.columns).map(|(columns, place)| columns.cell(image, place, look));
        std::iter::once(input).chain(maps).collect()
    }
}

impl Planned {
    /// Refuses a sheet that would be too large.
    ///
    /// # Errors
    /// It is too large.
    pub fn check(&self, colours: ColorMap, format: PictureFormat) -> Result<(), RenderError> {
        let headings = self.columns.iter().map(|(name, _)| name.clone());
        let headings: Vec<String> = std::iter::once("input".to_owned()).chain(headings).collect();
        let sizes = self.columns.iter().map(|(_, size)| *size);
        let cells: Vec<Cell> = std::iter::once(self.image).chain(sizes).map(blank).collect();
        let rows: Vec<Row<'_>> =
            self.images.iter().map(|heading| Row { heading, cells: &cells }).collect();
        format.check_sheet(&Sheet {
            title: "Feature maps",
            subtitle: "channels",
            groups: &[],
            columns: &headings,
            rows: &rows,
            legends: &[Legend::ends("each channel", colours, "smallest", "largest")],
            note: "Under each map: its channel.",
            cell: CELL,
        })
    }
}

/// A cell as large as that of a map.
fn blank((height, width): (usize, usize)) -> Cell {
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
