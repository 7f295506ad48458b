//! What the signs in the picture mean.

use super::scale::Scale;
use super::{Heatmap, cells};
use crate::render::style::{FRAME, GAP, MUTED, SMALL};
use crate::render::svg::{self, Element, Rect};
use crate::render::text;

/// Side of an entry's sign, and from its left edge to the text.
const SIGN: (f64, f64) = (13.0, 19.0);

/// Entries in their places.
pub(super) struct Legend {
    /// The entries, each with the middle of its left edge.
    placed: Vec<(Entry, f64, f64)>,
    /// Where the longest line ends.
    pub right: f64,
    /// Where the last line ends.
    pub bottom: f64,
}

impl Legend {
    /// Places entries from the left to the right of `area`, in as many lines as it takes.
    pub fn new(entries: Vec<Entry>, area: Rect) -> Self {
        let mut legend = Self { placed: Vec::new(), right: area.x, bottom: area.y };
        let (mut x, mut y) = (area.x, area.y);
        for entry in entries {
            let width = entry.width();
            if x > area.x && x + width > area.right() {
                (x, y) = (area.x, y + SMALL.1);
            }
            (legend.right, legend.bottom) = (legend.right.max(x + width), y + SMALL.1);
            legend.placed.push((entry, x, y + SMALL.1 / 2.0));
            x += width + 2.0 * GAP;
        }
        legend
    }

    /// Draws the entries.
    pub fn draw(&self) -> Element {
        svg::group().children(self.placed.iter().map(|(entry, x, y)| entry.draw(*x, *y)))
    }
}

/// An entry of the legend.
pub(super) struct Entry {
    sign: Sign,
    text: String,
}

/// What an entry explains.
enum Sign {
    /// The mark in small cells.
    Dot,
    /// The mark in cells that show their value.
    Frame,
    /// A cell without a value.
    Missing,
    /// The arrow on top of the colour bar.
    Above,
    /// The arrow below the colour bar.
    Below,
}

impl Entry {
    /// The width of sign and text.
    fn width(&self) -> f64 {
        SIGN.1 + text::width(&self.text, SMALL.0)
    }

    /// Sign and text, from `x` to the right and with `y` as their middle.
    fn draw(&self, x: f64, y: f64) -> Element {
        let text = svg::label(x + SIGN.1, y, SMALL.0, &self.text).fill(MUTED);
        svg::group().child(self.sign.draw(Rect::square(x + SIGN.0 / 2.0, y, SIGN.0))).child(text)
    }
}

impl Sign {
    fn draw(&self, at: Rect) -> Element {
        match self {
            Self::Dot => cells::dot(at),
            Self::Frame => cells::frame(at.inset(-1.0)),
            Self::Missing => cells::missing(at),
            Self::Above => arrow(at.bottom() - 2.0, at.y + 2.0, at),
            Self::Below => arrow(at.y + 2.0, at.bottom() - 2.0, at),
        }
    }
}

/// An arrow as wide as `at` from the height of its base to that of its tip.
fn arrow(base: f64, tip: f64, at: Rect) -> Element {
    svg::polygon(&[(at.x + 1.0, base), (at.right() - 1.0, base), (at.centre().0, tip)]).fill(FRAME)
}

/// The entries of those signs that occur.
pub(super) fn entries(map: &Heatmap<'_>, scale: &Scale, has_values: bool) -> Vec<Entry> {
    let mark = if has_values { Sign::Frame } else { Sign::Dot };
    let marks = map.marks().next().map(|_| Entry { sign: mark, text: map.mark_label.into() });
    let missing = scale.has_missing.then(|| Entry { sign: Sign::Missing, text: "no value".into() });
    marks.into_iter().chain(missing).chain(outside(scale)).collect()
}

/// Names the values outside the colour bar, if there are any.
fn outside(scale: &Scale) -> Option<Entry> {
    let (low, high) = scale.extremes?;
    let (low, high) = (scale.long(low), scale.long(high));
    let (sign, text) = match (scale.is_below(), scale.is_above()) {
        (false, false) => return None,
        (true, false) => (Sign::Below, format!("below the colour bar: down to {low}")),
        (false, true) => (Sign::Above, format!("above the colour bar: up to {high}")),
        (true, true) => (Sign::Above, format!("outside the colour bar: {low} to {high}")),
    };
    Some(Entry { sign, text })
}
