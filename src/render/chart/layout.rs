//! Where everything lies: computed from the widths of the texts, so that nothing is cut off and
//! nothing overlaps.

use super::Chart;
use super::axis::{Axis, Tick};
use super::legend::{self, Legend};
use super::rules::{self, Label};
use crate::render::svg::Rect;
use crate::render::text;

/// White around the picture, and between its parts.
pub(super) const MARGIN: f64 = 18.0;
/// Font size of the title, and the height of a line of it.
pub(super) const TITLE: (f64, f64) = (15.0, 20.0);
/// Font size of the settings line, and the height of a line of it.
pub(super) const SUBTITLE: (f64, f64) = (10.5, 15.0);
/// Font size of the axes' titles, and the height of a line of it.
pub(super) const AXIS: (f64, f64) = (12.0, 16.0);
/// Font size of ticks, reference lines and the legend, and the height of a line of it.
pub(super) const SMALL: (f64, f64) = (10.0, 17.0);
/// From an axis to a label: a tick mark and a little air.
pub(super) const TICK: f64 = 7.0;
/// Between parts that belong together.
pub(super) const GAP: f64 = 10.0;
/// The longest name in characters.
pub(super) const NAME: usize = 40;

/// The width of the plot, and its least height.
const PLOT: (f64, f64) = (580.0, 310.0);

/// The positions of a chart's parts.
pub(super) struct Layout {
    pub x: Axis,
    pub y: Axis,
    /// The lines of the title and of the settings.
    pub header: (Vec<String>, Vec<String>),
    /// The area the axes span.
    pub plot: Rect,
    /// The middle of the x axis' title.
    pub x_title: (f64, f64),
    /// The middle of the y axis' title.
    pub y_title: (f64, f64),
    /// The reference lines and their names.
    pub rules: Vec<Label>,
    pub legend: Legend,
    pub width: f64,
    pub height: f64,
}

impl Layout {
    /// Lays out a chart.
    pub fn new(chart: &Chart<'_>) -> Self {
        let (x, y) = (Axis::x(chart, PLOT.0), Axis::y(chart));
        let names = rules::names(chart, &y);
        let (left, right) = across(chart, &x, &y, rules::width(&names));
        let header = header(chart, right - MARGIN);
        let top = MARGIN + header_height(&header);
        let height = PLOT.1.max(rules::height(&names));
        let plot = Rect { x: left, y: top, width: PLOT.0, height };
        let x_title = x_title(chart, &x, plot);
        let (y_title, y_end) = upright(chart.y_label, plot);
        let area = Rect { x: left, y: x_title.bottom() + GAP, width: right - left, height: 0.0 };
        let legend = Legend::new(legend::entries(chart), area);
        let texts = header_width(&header).max(legend.right).max(x_title.right());
        Self {
            rules: rules::place(
                names,
                |value| plot.bottom() - plot.height * y.fraction(value),
                plot,
            ),
            x_title: x_title.centre(),
            y_title: (MARGIN + AXIS.1 / 2.0, y_title),
            width: (right.max(texts) + MARGIN).ceil(),
            height: (legend.bottom.max(y_end).max(area.y - GAP) + MARGIN).ceil(),
            x,
            y,
            header,
            plot,
            legend,
        }
    }

    /// Where a point lies.
    pub fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let (x, y) = (self.x.fraction(x), self.y.fraction(y));
        (self.plot.x + self.plot.width * x, self.plot.bottom() - self.plot.height * y)
    }
}

/// The left edge of the plot, and where all that lies beside it ends.
fn across(chart: &Chart<'_>, x: &Axis, y: &Axis, rules: f64) -> (f64, f64) {
    let half = |tick: &Tick| if x.turned { SMALL.0 / 2.0 } else { tick.width() / 2.0 };
    let before = x.ticks.iter().map(|tick| half(tick) - PLOT.0 * x.fraction(tick.at));
    let beyond = x.ticks.iter().map(|tick| half(tick) - PLOT.0 * (1.0 - x.fraction(tick.at)));
    let labels = y.ticks.iter().map(|tick| tick.width() + TICK);
    let left = MARGIN + axis_room(chart.y_label) + labels.chain(before).fold(0.0, f64::max);
    (left, left + PLOT.0 + beyond.fold(rules, f64::max))
}

/// The x axis' title, below the labels of the ticks. It leaves the y axis' title, which may be
/// long, its own strip at the left.
fn x_title(chart: &Chart<'_>, axis: &Axis, plot: Rect) -> Rect {
    let width = text::width(chart.x_label, AXIS.0);
    let x = (plot.centre().0 - width / 2.0).max(MARGIN + axis_room(chart.y_label));
    let widest = axis.ticks.iter().map(Tick::width).fold(0.0, f64::max);
    let labels = TICK + if axis.turned { widest } else { SMALL.0 };
    let (gap, height) = if chart.x_label.is_empty() { (0.0, 0.0) } else { (GAP, AXIS.1) };
    Rect { x, y: plot.bottom() + labels + gap, width, height }
}

/// The middle and the lower end of an upright title beside the plot, which begins no higher than
/// the plot does.
fn upright(title: &str, plot: Rect) -> (f64, f64) {
    let half = text::width(title, AXIS.0) / 2.0;
    let middle = plot.centre().1.max(plot.y + half);
    (middle, middle + half)
}

/// The room an upright title takes with the gap after it.
fn axis_room(title: &str) -> f64 {
    if title.is_empty() { 0.0 } else { AXIS.1 + GAP }
}

/// The title's and the settings' lines.
fn header(chart: &Chart<'_>, limit: f64) -> (Vec<String>, Vec<String>) {
    (text::wrap(chart.title, TITLE.0, limit), text::wrap(chart.subtitle, SUBTITLE.0, limit))
}

/// The height of the header, and of the gap down to the label of the uppermost tick.
fn header_height((title, subtitle): &(Vec<String>, Vec<String>)) -> f64 {
    let lines = title.len() as f64 * TITLE.1 + subtitle.len() as f64 * SUBTITLE.1;
    if lines > 0.0 { lines + GAP + SMALL.0 / 2.0 } else { 0.0 }
}

/// Where the longest line of the header ends.
fn header_width((title, subtitle): &(Vec<String>, Vec<String>)) -> f64 {
    let titles = title.iter().map(|line| text::width(line, TITLE.0));
    let subtitles = subtitle.iter().map(|line| text::width(line, SUBTITLE.0));
    MARGIN + titles.chain(subtitles).fold(0.0, f64::max)
}
