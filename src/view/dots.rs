//! Values of named things as dots, a chart for each kind of value.

use crate::render::{Chart, RenderError, Rule, Series, Tile, Tiles};
use crate::view::PictureFormat;

/// A kind of value.
pub struct Dots<'a> {
    /// What they are, at the axis.
    pub label: &'a str,
    /// One for each name, and the interval around it; not finite where there is none.
    pub values: Vec<(f64, (f64, f64))>,
    /// A level to read them against: its name and its value.
    pub level: Option<(&'a str, f64)>,
}

/// The same names in several charts, one below the other.
pub struct Charts<'a> {
    /// What all show.
    pub title: &'a str,
    /// How the values came about.
    pub subtitle: &'a str,
    /// What the names are.
    pub x_label: &'a str,
    /// The names.
    pub names: &'a [String],
    /// The kinds of values.
    pub dots: Vec<Dots<'a>>,
}

/// What stands between two points that no line joins.
const BREAK: (f64, f64) = (f64::NAN, f64::NAN);

impl Charts<'_> {
    /// The picture.
    ///
    /// # Errors
    /// There is no value, or it is too large.
    pub fn draw(&self, format: PictureFormat) -> Result<Vec<u8>, RenderError> {
        let is_there = |dots: &&Dots<'_>| dots.values.iter().any(|(value, _)| value.is_finite());
        let shown = self.dots.iter().filter(is_there).enumerate();
        let rows: Vec<Vec<Tile>> = shown.map(|(i, dots)| vec![self.tile(dots, i == 0)]).collect();
        if rows.is_empty() {
            return Err(RenderError::Nothing);
        }
        let picture = Tiles { title: self.title, rows };
        format.draw(|| picture.to_svg(), || picture.to_png())
    }

    /// A chart; the first one carries the title.
    fn tile(&self, dots: &Dots<'_>, is_first: bool) -> Tile {
        let all = || dots.values.iter().enumerate();
        let points: Vec<_> = all().flat_map(|(i, (y, _))| [(i as f64, *y), BREAK]).collect();
        let intervals: Vec<_> = all().flat_map(|(_, (_, ends))| [*ends, BREAK]).collect();
        let level = dots.level.map(|(label, value)| Rule { label, value });
        Tile::curves(&Chart {
            title: if is_first { self.title } else { "" },
            subtitle: if is_first { self.subtitle } else { "" },
            x_label: self.x_label,
            y_label: dots.label,
            x_ticks: self.names,
            y_range: None,
            percent: false,
            series: &[Series { points: &points, intervals: &intervals, ..Series::default() }],
            lines: level.as_slice(),
        })
    }
}
