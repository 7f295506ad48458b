//! Pictures in a grid: images and what was made of them, a row an image.
//!
//! All cells have one size. Small pictures are enlarged so that their pixels stay visible as
//! squares, large ones are averaged; where the pictures' sizes allow it the cells are made a little
//! smaller, so that every pixel is enlarged by the same whole factor. Texts keep to their own cell:
//! they are broken into lines there, and shortened where that does not help.
//!
//! In a browser every picture tells its row, its column and its caption under the pointer.

mod cells;
mod grid;
mod layout;
mod legend;
#[cfg(test)]
mod tests;
mod words;

use self::layout::Layout;
pub use self::legend::Legend;
use super::pixels::Image;
use super::png::{self, RenderError};
use super::style::SCALE;
use super::svg;

/// The usual side of a cell.
pub const CELL: f64 = 96.0;

/// Pictures in a grid as one picture.
///
/// ```
/// # use repsim::render::{Cell, ColorMap, Image, Sheet, sheet};
/// let image = Image::from_fn(8, 8, |row, column| [(16 * (row + column)) as u8; 3]);
/// let cells = [Cell::new(image, "ankle boot 9.42")];
/// let sheet = Sheet {
///     title: "Where the prediction comes from",
///     subtitle: "Grad-CAM at layer4",
///     groups: &[],
///     columns: &["input".to_owned()],
///     rows: &[sheet::Row { heading: "00011.png", cells: &cells }],
///     legends: &[sheet::Legend::ends("Grad-CAM", ColorMap::Viridis, "0", "largest")],
///     note: "",
///     cell: sheet::CELL,
/// };
/// assert!(sheet.to_svg()?.contains("<title>00011.png · input: ankle boot 9.42</title>"));
/// # Ok::<_, repsim::render::RenderError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sheet<'a> {
    /// What the picture shows; may be empty.
    pub title: &'a str,
    /// The settings that led to it; may be empty.
    pub subtitle: &'a str,
    /// What stands above the headings of the columns, one for each: once over those side by side
    /// that are called the same; may be empty.
    pub groups: &'a [String],
    /// What stands above the columns: once over those side by side that are called the same, in up
    /// to three lines, or running upwards where three are not enough.
    pub columns: &'a [String],
    /// The rows, from the top down; a row that is shorter than others ends in empty cells.
    pub rows: &'a [Row<'a>],
    /// The colour scales, under the grid.
    pub legends: &'a [Legend],
    /// What else a reader has to know, under everything; may be empty.
    pub note: &'a str,
    /// The greatest side of a cell in units, two pixels of a PNG each; [`CELL`] is usual. What is
    /// not within 16 to 2,000 is brought there.
    pub cell: f64,
}

/// A row of a [`Sheet`].
///
/// ```
/// # use repsim::render::{Cell, sheet::Row};
/// let row = Row { heading: "layer4", cells: &[Cell::Empty] };
/// assert_eq!(row.cells.len(), 1);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// What stands at its left, in up to four lines; may be empty.
    pub heading: &'a str,
    /// Its cells, from the left to the right.
    pub cells: &'a [Cell],
}

/// What a place in a [`Sheet`] holds.
///
/// ```
/// # use repsim::render::{Cell, Image};
/// let image = Image::from_fn(4, 4, |_, _| [0; 3]);
/// let cell = Cell::Picture { image, caption: "bag 3.10".into(), flag: Some("degenerate".into()) };
/// assert_ne!(cell, Cell::Empty);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// A picture.
    Picture {
        /// Its pixels; it is as large as the cell allows and keeps its proportions.
        image: Image,
        /// What stands under it, in up to two lines as wide as the cell. A `\n` begins a line.
        caption: String,
        /// What is wrong with it, in a word: the picture is then faded and hatched, and the word
        /// stands on it.
        flag: Option<String>,
    },
    /// Nothing.
    Empty,
}

impl Cell {
    /// A picture with nothing wrong about it.
    ///
    /// ```
    /// # use repsim::render::{Cell, Image};
    /// let cell = Cell::new(Image::from_fn(4, 4, |_, _| [0; 3]), "ch 12 · 4×4");
    /// assert!(matches!(cell, Cell::Picture { flag: None, .. }));
    /// ```
    pub fn new(image: Image, caption: impl Into<String>) -> Self {
        Self::Picture { image, caption: caption.into(), flag: None }
    }

    /// The picture, unless it has no pixels.
    fn image(&self) -> Option<&Image> {
        match self {
            Self::Picture { image, .. } if !image.is_empty() => Some(image),
            _ => None,
        }
    }

    fn caption(&self) -> &str {
        match self {
            Self::Picture { caption, .. } => caption,
            Self::Empty => "",
        }
    }
}

impl Sheet<'_> {
    /// The picture as SVG, complete in itself: the pictures in it are PNG. Equal sheets give equal
    /// bytes.
    ///
    /// # Errors
    ///
    /// [`RenderError::Encode`] when an image has not as many pixels as it says.
    pub fn to_svg(&self) -> Result<String, RenderError> {
        let layout = Layout::new(self);
        let drawing = svg::document(layout.width, layout.height, self.title)
            .child(layout.header.draw())
            .child(layout.headings())
            .child(cells::draw(self, &layout)?)
            .child(layout.below());
        Ok(format!("{drawing}\n"))
    }

    /// The same picture as PNG, two pixels a unit.
    ///
    /// # Errors
    ///
    /// [`RenderError::TooLarge`] when a side would exceed 20,000 pixels, and those of
    /// [`Sheet::to_svg`].
    pub fn to_png(&self) -> Result<Vec<u8>, RenderError> {
        png::from_svg(&self.to_svg()?, SCALE)
    }

    /// Whether its size is that of a PNG, which follows from the sizes of the pictures alone: their
    /// pixels are not looked at.
    ///
    /// # Errors
    ///
    /// [`RenderError::TooLarge`] when a side would exceed 20,000 pixels.
    pub fn check_size(&self) -> Result<(), RenderError> {
        let layout = Layout::new(self);
        let pixels = |length: f64| (length as f32 * SCALE).ceil();
        png::check_size(pixels(layout.width), pixels(layout.height))
    }

    /// How many columns there are.
    fn width(&self) -> usize {
        self.rows.iter().map(|row| row.cells.len()).fold(self.columns.len(), usize::max)
    }

    /// All pictures.
    fn images(&self) -> impl Iterator<Item = &Image> {
        self.rows.iter().flat_map(|row| row.cells).filter_map(Cell::image)
    }
}
