//! Several pictures as one: maps and curves in rows.

use super::png::{self, RenderError};
use super::style::SCALE;
use super::svg::Element;
use super::{Chart, Heatmap, svg};

/// A picture among others, drawn.
#[derive(Debug, Clone)]
pub struct Tile {
    drawing: Element,
    size: (f64, f64),
}

/// Pictures in rows, each as large as it is alone; the rows begin at the left.
///
/// ```
/// # use repsim::render::{Chart, Series, Tile, Tiles};
/// let chart = Chart {
///     title: "Corresponding layers",
///     subtitle: "",
///     x_label: "layer",
///     y_label: "CKA",
///     x_ticks: &[],
///     y_range: Some((0.0, 1.0)),
///     percent: false,
///     series: &[Series { name: "b.pt", points: &[(0.0, 1.0), (1.0, 0.9)], ..Series::default() }],
///     lines: &[],
/// };
/// let rows = vec![vec![Tile::curves(&chart)], vec![Tile::curves(&chart); 2]];
/// assert!(Tiles { title: "two rows", rows }.to_svg().contains("two rows"));
/// ```
#[derive(Debug, Clone)]
pub struct Tiles<'a> {
    /// What the whole shows, for whoever cannot see it.
    pub title: &'a str,
    /// The pictures, row by row.
    pub rows: Vec<Vec<Tile>>,
}

impl Tile {
    /// A matrix.
    pub fn map(map: &Heatmap<'_>) -> Self {
        let (drawing, size) = map.drawing();
        Self { drawing, size }
    }

    /// Curves.
    pub fn curves(chart: &Chart<'_>) -> Self {
        let (drawing, size) = chart.drawing();
        Self { drawing, size }
    }

    /// Curves below this picture, as wide as it is where they are not wider.
    #[must_use]
    pub fn curves_below(&self, chart: &Chart<'_>) -> Self {
        let (drawing, size) = chart.drawing_across(self.size.0);
        Self { drawing, size }
    }
}

impl Tiles<'_> {
    /// The picture as SVG, complete in itself.
    pub fn to_svg(&self) -> String {
        let (mut placed, mut width, mut y) = (vec![], 0.0_f64, 0.0);
        for row in &self.rows {
            let (mut x, mut height) = (0.0, 0.0_f64);
            for Tile { drawing, size } in row {
                placed.push(drawing.clone().num("x", x).num("y", y));
                x += size.0;
                height = height.max(size.1);
            }
            width = width.max(x);
            y += height;
        }
        format!("{}\n", svg::document(width, y, self.title).children(placed))
    }

    /// The same picture as PNG, two pixels a unit.
    ///
    /// # Errors
    /// [`RenderError::TooLarge`] when a side would exceed 20,000 pixels.
    pub fn to_png(&self) -> Result<Vec<u8>, RenderError> {
        png::from_svg(&self.to_svg(), SCALE)
    }
}
