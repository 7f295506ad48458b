//! The colour bar.

use super::Heatmap;
use super::layout::{ARROW, Layout};
use super::scale::Scale;
use crate::render::colormap;
use crate::render::style::{AXIS, FRAME, MUTED, SMALL, TEXT, TICK};
use crate::render::svg::{self, Element, Rect};

/// Steps of colour from one end to the other.
const STEPS: usize = 128;

/// Draws the bar, its ticks, its title, and an arrow where values lie beyond an end.
pub(super) fn draw(map: &Heatmap<'_>, scale: &Scale, layout: &Layout) -> Element {
    let (x, y) = layout.scale_label;
    let frame = svg::rect(layout.bar).attr("fill", "none").stroke(FRAME, 0.8);
    let title = svg::vertical_label(x, y, AXIS.0, map.scale_label).anchor(svg::Anchor::Middle);
    svg::group()
        .child(steps(scale, layout.bar))
        .children(arrows(scale, layout.bar))
        .child(frame)
        .children(ticks(scale, layout.bar))
        .child(title.fill(TEXT))
}

/// The colours, the lowest at the bottom. Each step reaches to the top of the bar and is covered by
/// the next one, so that no seam shows.
fn steps(scale: &Scale, bar: Rect) -> Element {
    let steps = (0..STEPS).map(|step| {
        let height = bar.height * (1.0 - step as f64 / STEPS as f64);
        svg::rect(Rect { height, ..bar }).fill(scale.colour_at((step as f64 + 0.5) / STEPS as f64))
    });
    svg::group().children(steps)
}

/// Arrows in the end colours where values lie beyond them.
fn arrows(scale: &Scale, bar: Rect) -> Vec<Element> {
    let arrow = |base: f64, tip: f64, end: f64| {
        svg::polygon(&[(bar.x, base), (bar.right(), base), (bar.centre().0, tip)])
            .fill(scale.colour_at(end))
            .stroke(FRAME, 0.8)
    };
    let above = scale.is_above().then(|| arrow(bar.y, bar.y - ARROW, 1.0));
    let below = scale.is_below().then(|| arrow(bar.bottom(), bar.bottom() + ARROW, 0.0));
    above.into_iter().chain(below).collect()
}

/// Tick marks and their values.
fn ticks(scale: &Scale, bar: Rect) -> Vec<Element> {
    let height = |value| bar.bottom() - bar.height * colormap::fraction(value, scale.range);
    let ticks = scale.ticks();
    let marks = ticks.iter().map(|&(value, _)| {
        let y = height(value);
        [(bar.right(), y), (bar.right() + 3.5, y)]
    });
    let marks = svg::lines(marks).stroke(FRAME, 0.8);
    let labels = ticks.iter().map(|(value, text)| {
        svg::label(bar.right() + TICK, height(*value), SMALL.0, text).fill(MUTED)
    });
    std::iter::once(marks).chain(labels).collect()
}
