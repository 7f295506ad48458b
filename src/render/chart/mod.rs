//! Curves over a common axis as a line chart.
//!
//! Every series has a colour of the palette by Okabe and Ito (2008), which colour-blind people tell
//! apart, and a marker of its own, which can be distinguished in grey. Points that are not finite
//! break the line; a point with no neighbour keeps its marker. Where points are dense, only some
//! carry a marker. In a browser every point tells its series, its place and its value under the
//! pointer.
//!
//! The legend lies under the plot and the names of reference lines at its right, so that no text
//! lies on a curve.

pub(super) mod axes;
mod axis;
mod curves;
pub(super) mod layout;
pub(super) mod legend;
pub(super) mod marker;
mod rules;
#[cfg(test)]
mod tests;

use self::layout::Layout;
use super::png::{self, RenderError};
use super::style::SCALE;
use super::svg::{self, Element};

/// The width of the plot, and its least height.
const PLOT: (f64, f64) = (580.0, 310.0);

/// Curves as a picture.
///
/// ```
/// # use repsim::render::{Chart, chart::Rule, Series};
/// let deciles = ["1", "2", "3"].map(str::to_owned);
/// let chart = Chart {
///     title: "Accuracy by novelty",
///     subtitle: "Mahalanobis distance · n = 10,000",
///     x_label: "decile of novelty",
///     y_label: "accuracy",
///     x_ticks: &deciles,
///     y_range: None,
///     percent: true,
///     series: &[Series { name: "a.pt", points: &[(0.0, 0.98), (2.0, 0.91)], ..Series::default() }],
///     lines: &[Rule { label: "overall", value: 0.95 }],
/// };
/// assert!(chart.to_svg().contains("a.pt · 3: 91.00 %"));
/// ```
#[derive(Debug, Clone)]
pub struct Chart<'a> {
    /// What the picture shows; may be empty.
    pub title: &'a str,
    /// The settings that led to it; may be empty.
    pub subtitle: &'a str,
    /// What is shown along x; may be empty.
    pub x_label: &'a str,
    /// What is shown along y; may be empty.
    pub y_label: &'a str,
    /// Names of x = 0, 1, 2, …, shortened in the middle beyond 40 characters and turned or thinned
    /// where they would touch; where there are none, the ticks are round numbers.
    pub x_ticks: &'a [String],
    /// The values at the lower and the upper end of y. It grows where values lie beyond, so that
    /// none is cut off; none, or one that is empty, reversed or not finite, follows the values.
    pub y_range: Option<(f64, f64)>,
    /// Whether values are written as percentages: 0.8 as 80 %.
    pub percent: bool,
    /// The curves; beyond eight, colours recur with other markers.
    pub series: &'a [Series<'a>],
    /// Horizontal reference lines.
    pub lines: &'a [Rule<'a>],
}

/// A curve of a [`Chart`].
///
/// ```
/// # use repsim::render::Series;
/// let chance = Series { name: "chance", points: &[(0.0, 0.1), (9.0, 0.1)], dashed: true, ..Series::default() };
/// assert!(chance.dashed);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Series<'a> {
    /// What the legend calls it, shortened in the middle beyond 40 characters; a series with an
    /// empty name is not in the legend.
    pub name: &'a str,
    /// The points (x, y) in the order in which the line runs through them; one that is not finite
    /// breaks the line.
    pub points: &'a [(f64, f64)],
    /// Whether the line is dashed, as a baseline's is.
    pub dashed: bool,
    /// The interval of each point, its lower and its upper end, drawn as a bar; fewer than points, or one that is not
    /// finite, where there is none.
    pub intervals: &'a [(f64, f64)],
}

impl<'a> Series<'a> {
    /// The intervals that are drawn, each with its place along x.
    fn bars(&self) -> impl Iterator<Item = (f64, (f64, f64))> + use<'a> {
        let bars = self.points.iter().zip(self.intervals).filter(|(point, _)| is_drawn(point));
        bars.map(|(point, interval)| (point.0, *interval)).filter(|(_, ends)| is_drawn(ends))
    }
}

/// A horizontal reference line of a [`Chart`], dotted and named at its right end.
///
/// ```
/// # use repsim::render::chart::Rule;
/// let overall = Rule { label: "overall accuracy", value: 0.92 };
/// assert_eq!(overall.value, 0.92);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Rule<'a> {
    /// What it is called, shortened in the middle beyond 40 characters.
    pub label: &'a str,
    /// Where it lies; it is left out if this is not finite.
    pub value: f64,
}

impl Chart<'_> {
    /// The picture as SVG, complete in itself. Equal charts give equal bytes.
    pub fn to_svg(&self) -> String {
        format!("{}\n", self.drawing().0)
    }

    /// The picture, with its width and height.
    pub(super) fn drawing(&self) -> (Element, (f64, f64)) {
        self.drawn(Layout::new(self, PLOT, legend::entries(self)))
    }

    /// The same as wide as this, where it is not wider by itself.
    pub(super) fn drawing_across(&self, width: f64) -> (Element, (f64, f64)) {
        let laid = |plot: f64| Layout::new(self, (plot, PLOT.1), legend::entries(self));
        let more = (width - laid(PLOT.0).width).max(0.0);
        // Names that have more room may stand level, and reach over the end of the plot.
        let over = (laid(PLOT.0 + more).width - width).max(0.0);
        self.drawn(laid(PLOT.0 + (more - over).max(0.0)))
    }

    fn drawn(&self, layout: Layout) -> (Element, (f64, f64)) {
        let drawing = svg::document(layout.width, layout.height, self.title)
            .child(layout.header.draw())
            .child(axes::draw(self, &layout))
            .child(rules::draw(&layout))
            .child(curves::draw(self, &layout))
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

    /// The points of all series that are drawn.
    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        self.series.iter().flat_map(|series| series.points).copied().filter(is_drawn)
    }

    /// The reference lines that are drawn.
    fn rules(&self) -> impl Iterator<Item = &Rule<'_>> {
        self.lines.iter().filter(|rule| rule.value.is_finite())
    }
}

/// Whether a point is finite.
pub(super) fn is_drawn(point: &(f64, f64)) -> bool {
    point.0.is_finite() && point.1.is_finite()
}
