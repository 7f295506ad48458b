//! The grid, and the axes with their ticks.

use super::Chart;
use super::layout::Layout;
use crate::render::style::{AXIS, FRAME, GRID, MUTED, SMALL, TEXT, TICK, WHITE};
use crate::render::svg::{self, Anchor, Element, Rect};
use crate::render::text;

/// Length of a tick mark.
const MARK: f64 = 3.5;
/// What an empty plot says.
const NOTHING: &str = "no values";

/// Draws the grid, the axes, their ticks and their titles.
pub(in crate::render) fn draw(chart: &Chart<'_>, layout: &Layout) -> Element {
    let ((x, below), (left, y)) = (layout.x_title, layout.y_title);
    let titles = svg::group()
        .anchor(Anchor::Middle)
        .fill(TEXT)
        .child(svg::vertical_label(left, y, AXIS.0, chart.y_label))
        .child(svg::label(x, below, AXIS.0, chart.x_label));
    svg::group()
        .attr("pointer-events", "none")
        .child(grid(layout))
        .children(zero(layout))
        .child(frame(layout.plot))
        .child(rows(layout))
        .child(columns(layout))
        .child(titles)
        .children(nothing(chart, layout.plot))
}

/// A light line at every tick of y.
fn grid(layout: &Layout) -> Element {
    let heights = layout.y.ticks.iter().map(|tick| layout.at((0.0, tick.at)).1);
    svg::lines(heights.map(|y| across(layout.plot, y))).stroke(GRID, 1.0)
}

/// A darker line at 0 where values have either sign.
fn zero(layout: &Layout) -> Option<Element> {
    let (low, high) = layout.y.range;
    let line = svg::lines([across(layout.plot, layout.at((0.0, 0.0)).1)]);
    (low < 0.0 && high > 0.0).then(|| line.stroke(FRAME, 0.8))
}

/// The axes themselves, at the left and at the bottom.
fn frame(plot: Rect) -> Element {
    let corner = (plot.x, plot.bottom());
    svg::lines([[(plot.x, plot.y), corner], [corner, (plot.right(), plot.bottom())]])
        .stroke(FRAME, 0.8)
        .attr("stroke-linecap", "square")
}

/// Ticks of y, at the left.
fn rows(layout: &Layout) -> Element {
    let x = layout.plot.x;
    let ticks = || layout.y.ticks.iter().map(|tick| (layout.at((0.0, tick.at)).1, &tick.text));
    let marks = svg::lines(ticks().map(|(y, _)| [(x - MARK, y), (x, y)]));
    let labels = ticks().map(|(y, text)| svg::label(x - TICK, y, SMALL.0, text));
    axis(marks, labels, Anchor::End)
}

/// Ticks of x, at the bottom.
fn columns(layout: &Layout) -> Element {
    let y = layout.plot.bottom();
    let ticks = || layout.x.ticks.iter().map(|tick| (layout.at((tick.at, 0.0)).0, &tick.text));
    let marks = svg::lines(ticks().map(|(x, _)| [(x, y), (x, y + MARK)]));
    if layout.x.turned {
        let labels = ticks().map(|(x, text)| svg::vertical_label(x, y + TICK, SMALL.0, text));
        axis(marks, labels, Anchor::End)
    } else {
        let middle = y + TICK + SMALL.0 / 2.0;
        let labels = ticks().map(|(x, text)| svg::label(x, middle, SMALL.0, text));
        axis(marks, labels, Anchor::Middle)
    }
}

/// Tick marks and their labels.
fn axis(marks: Element, labels: impl Iterator<Item = Element>, anchor: Anchor) -> Element {
    let labels = svg::group().fill(TEXT).anchor(anchor).children(labels);
    svg::group().child(marks.stroke(FRAME, 0.8)).child(labels)
}

/// Says that there is nothing to see where no point is drawn.
fn nothing(chart: &Chart<'_>, plot: Rect) -> Option<Element> {
    let (x, y) = plot.centre();
    let width = text::width(NOTHING, AXIS.0) + TICK;
    let paper = Rect { x: x - width / 2.0, y: y - AXIS.1 / 2.0, width, height: AXIS.1 };
    let label = svg::label(x, y, AXIS.0, NOTHING).anchor(Anchor::Middle).fill(MUTED);
    let drawing = svg::group().child(svg::rect(paper).fill(WHITE)).child(label);
    chart.points().next().is_none().then_some(drawing)
}

/// A line from the left to the right of the plot.
pub(super) fn across(plot: Rect, y: f64) -> [(f64, f64); 2] {
    [(plot.x, y), (plot.right(), y)]
}
