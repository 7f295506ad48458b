//! Where everything lies: computed from the widths of the texts, so that nothing is cut off and
//! nothing overlaps.

use super::Chart;
use super::axis::{Axis, Tick};
use super::legend::{Entry, Legend};
use super::rules::{self, Label};
use crate::render::style::{AXIS, GAP, Header, MARGIN, SMALL, TICK};
use crate::render::svg::Rect;
use crate::render::text;

/// The positions of a chart's parts.
pub(in crate::render) struct Layout {
    pub x: Axis,
    pub y: Axis,
    pub header: Header,
    /// The area the axes span.
    pub plot: Rect,
    /// The middle of the x axis' title.
    pub x_title: (f64, f64),
    /// The middle of the y axis' title.
    pub y_title: (f64, f64),
    /// The reference lines and their names.
    pub(super) rules: Vec<Label>,
    pub legend: Legend,
    pub width: f64,
    pub height: f64,
}

impl Layout {
    /// Lays out a chart whose plot has a width and a least height, with a legend.
    pub fn new(chart: &Chart<'_>, size: (f64, f64), legend: Vec<Entry>) -> Self {
        let (x, y) = (Axis::x(chart, size.0), Axis::y(chart));
        let names = rules::names(chart, &y);
        let (left, right) = across(chart, (&x, &y), size.0, rules::width(&names));
        let header = Header::new(chart.title, chart.subtitle, right - MARGIN);
        let top = MARGIN + header_height(&header);
        let height = size.1.max(rules::height(&names));
        let plot = Rect { x: left, y: top, width: size.0, height };
        let x_title = x_title(chart, &x, plot);
        let (y_title, y_end) = upright(chart.y_label, plot);
        let area = Rect { x: left, y: x_title.bottom() + GAP, width: right - left, height: 0.0 };
        let legend = Legend::new(legend, area);
        let texts = header.right().max(legend.right).max(x_title.right());
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
fn across(chart: &Chart<'_>, (x, y): (&Axis, &Axis), width: f64, rules: f64) -> (f64, f64) {
    let half = |tick: &Tick| if x.turned { SMALL.0 / 2.0 } else { tick.width() / 2.0 };
    let before = x.ticks.iter().map(|tick| half(tick) - width * x.fraction(tick.at));
    let beyond = x.ticks.iter().map(|tick| half(tick) - width * (1.0 - x.fraction(tick.at)));
    let labels = y.ticks.iter().map(|tick| tick.width() + TICK);
    let left = MARGIN + axis_room(chart.y_label) + labels.chain(before).fold(0.0, f64::max);
    (left, left + width + beyond.fold(rules, f64::max))
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

/// The height of the header, and of the gap down to the label of the uppermost tick.
fn header_height(header: &Header) -> f64 {
    let height = header.height();
    if height > 0.0 { height + SMALL.0 / 2.0 } else { 0.0 }
}
