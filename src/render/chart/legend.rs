//! Which line is which series.

use super::{Chart, is_drawn, marker};
use crate::render::style::{GAP, MUTED, NAME, SMALL};
use crate::render::svg::{self, Element, Rect};
use crate::render::text;

/// Length of an entry's line, and from its beginning to the text.
const SIGN: (f64, f64) = (26.0, 33.0);
/// The same of an entry without a line.
const MARKER: (f64, f64) = (10.0, 15.0);

/// A series in the legend.
pub(in crate::render) struct Entry {
    /// Which series it is.
    pub series: usize,
    /// Whether its line is dashed; none where points have no line.
    pub line: Option<bool>,
    pub text: String,
}

impl Entry {
    /// The width of sign and text.
    fn width(&self) -> f64 {
        self.sign().1 + text::width(&self.text, SMALL.0)
    }

    /// Sign and text, from `x` to the right and with `y` as their middle.
    fn draw(&self, x: f64, y: f64) -> Element {
        let sign = self.sign();
        let line = svg::lines([[(x, y), (x + sign.0, y)]]);
        let line = self.line.map(|dashed| marker::stroke(line, self.series, dashed));
        svg::group()
            .children(line)
            .child(marker::draw(self.series, (x + sign.0 / 2.0, y)))
            .child(svg::label(x + sign.1, y, SMALL.0, &self.text).fill(MUTED))
    }

    /// The width of the sign, and from its beginning to the text.
    fn sign(&self) -> (f64, f64) {
        if self.line.is_some() { SIGN } else { MARKER }
    }
}

/// The entries of all series that have a name.
pub(super) fn entries(chart: &Chart<'_>) -> Vec<Entry> {
    let named = chart.series.iter().enumerate().filter(|(_, series)| !series.name.is_empty());
    let entry = named.map(|(index, series)| {
        let name = text::shorten(series.name, NAME);
        let is_empty = !series.points.iter().any(is_drawn);
        let text = if is_empty { format!("{name} (no values)") } else { name };
        Entry { series: index, line: Some(series.dashed), text }
    });
    entry.collect()
}

/// Entries in their places.
pub(in crate::render) struct Legend {
    /// The entries, each with the middle of its left edge.
    placed: Vec<(Entry, f64, f64)>,
    /// Where the longest line ends.
    pub right: f64,
    /// Where the last line ends.
    pub bottom: f64,
}

impl Legend {
    /// Places entries in columns, in as few lines as the width of `area` allows.
    pub fn new(entries: Vec<Entry>, area: Rect) -> Self {
        let columns = columns(&entries, area.width);
        let mut legend = Self { placed: Vec::new(), right: area.x, bottom: area.y };
        for (index, entry) in entries.into_iter().enumerate() {
            let (line, column) = (index / columns.len(), index % columns.len());
            let (x, y) = (area.x + columns[column], area.y + line as f64 * SMALL.1);
            legend.right = legend.right.max(x + entry.width());
            legend.bottom = y + SMALL.1;
            legend.placed.push((entry, x, y + SMALL.1 / 2.0));
        }
        legend
    }

    /// Draws the entries.
    pub fn draw(&self) -> Element {
        svg::group().children(self.placed.iter().map(|(entry, x, y)| entry.draw(*x, *y)))
    }
}

/// Where columns begin: no more than give the fewest lines within `width`, one at least.
fn columns(entries: &[Entry], width: f64) -> Vec<f64> {
    let fits = |count: &usize| edges(entries, *count)[*count] - 2.0 * GAP <= width;
    let fitting = (1..=entries.len()).filter(fits);
    let count = fitting.min_by_key(|count| (entries.len().div_ceil(*count), *count)).unwrap_or(1);
    let mut edges = edges(entries, count);
    edges.truncate(count);
    edges
}

/// Where `count` columns begin, and where another one would.
fn edges(entries: &[Entry], count: usize) -> Vec<f64> {
    let mut edges = vec![0.0];
    for column in 0..count {
        let widths = entries.iter().skip(column).step_by(count).map(Entry::width);
        edges.push(edges[column] + widths.fold(0.0, f64::max) + 2.0 * GAP);
    }
    edges
}
