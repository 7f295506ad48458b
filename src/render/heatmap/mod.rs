//! A matrix of layers against layers as a heat map.
//!
//! Row 0 is at the top and column 0 at the left, as in a table and as in the pages of [`html`](super::html): depth
//! grows downwards and to the right, so a network compared with itself has its diagonal from the upper left to the
//! lower right. Layers that belong together by their names ([`stages`](super::stages)) have a bracket with their
//! name, and lines around their cells.
//!
//! Cells shrink from 44 to 13 units as layers grow in number, so that every layer keeps a legible
//! label up to 160 layers; beyond, labels are thinned and cells get smaller still. While a cell has
//! room for it, its value is printed in it. In a browser every cell tells its layers and its value
//! under the pointer.

mod axes;
mod bar;
mod cells;
mod layout;
mod legend;
mod scale;
#[cfg(test)]
mod tests;

use ndarray::ArrayView2;

use self::layout::Layout;
use self::scale::Scale;
use super::png::{self, RenderError};
use super::style::SCALE;
use super::svg::{self, Element};

/// A matrix as a picture: layers of A (rows) against layers of B (columns).
///
/// ```
/// # use repsim::render::Heatmap;
/// let layers = ["conv1".to_owned(), "layer1".to_owned()];
/// let values = ndarray::array![[1.0, 0.7], [0.7, 1.0]];
/// let map = Heatmap {
///     title: "CKA",
///     subtitle: "unbiased, linear · n = 500",
///     row_axis: "a.pt",
///     column_axis: "b.pt",
///     rows: &layers,
///     columns: &layers,
///     values: values.view(),
///     range: (0.0, 1.0),
///     reversed: false,
///     scale_label: "CKA",
///     marks: &[(0, 0), (1, 1)],
///     mark_label: "best match of each row",
/// };
/// assert!(map.to_svg().contains("layer1 × conv1: CKA 0.7000"));
/// ```
#[derive(Debug, Clone)]
pub struct Heatmap<'a> {
    /// What the picture shows; may be empty.
    pub title: &'a str,
    /// The settings that led to it; may be empty.
    pub subtitle: &'a str,
    /// What the rows are layers of.
    pub row_axis: &'a str,
    /// What the columns are layers of.
    pub column_axis: &'a str,
    /// A name for each row; names beyond 40 characters are shortened in the middle.
    pub rows: &'a [String],
    /// A name for each column.
    pub columns: &'a [String],
    /// One value a cell; those that are not finite are hatched, and the legend says so.
    pub values: ArrayView2<'a, f64>,
    /// The values at the ends of the colour bar. Values outside take the colour of the nearer end;
    /// the bar then ends in an arrow and the legend names the extremes.
    pub range: (f64, f64),
    /// Whether low values take the bright colours: distances, of which small ones are alike.
    pub reversed: bool,
    /// What the values are: `CKA`.
    pub scale_label: &'a str,
    /// Cells to mark, as (row, column); those outside the matrix are left out.
    pub marks: &'a [(usize, usize)],
    /// What the mark means.
    pub mark_label: &'a str,
}

impl Heatmap<'_> {
    /// The picture as SVG, complete in itself. Equal maps give equal bytes.
    pub fn to_svg(&self) -> String {
        format!("{}\n", self.drawing().0)
    }

    /// The picture, with its width and height.
    pub(super) fn drawing(&self) -> (Element, (f64, f64)) {
        let scale = Scale::new(self.range, self.values).reversed(self.reversed);
        let layout = Layout::new(self, &scale);
        let drawing = svg::document(layout.width, layout.height, self.title)
            .child(layout.header.draw())
            .child(cells::draw(self, &scale, &layout))
            .child(axes::draw(self, &layout))
            .child(bar::draw(self, &scale, &layout))
            .child(layout.legend.draw());
        (drawing, (layout.width, layout.height))
    }

    /// The same picture as PNG, two pixels a unit.
    ///
    /// # Errors
    ///
    /// [`RenderError::TooLarge`] when a side would exceed 20,000 pixels.
    pub fn to_png(&self) -> Result<Vec<u8>, RenderError> {
        png::from_svg(&self.to_svg(), SCALE)
    }

    /// The marks that lie in the matrix.
    fn marks(&self) -> impl Iterator<Item = (usize, usize)> {
        self.marks.iter().copied().filter(|&cell| self.values.get(cell).is_some())
    }
}

/// The name of a layer, empty where there is none.
fn name(names: &[String], index: usize) -> &str {
    names.get(index).map_or("", String::as_str)
}
