//! The cells: colours, hatches, lines between them, values and marks.

use super::layout::Layout;
use super::scale::Scale;
use super::{Heatmap, name};
use crate::render::colormap::Rgb;
use crate::render::stages::borders;
use crate::render::style::{MISSING, WHITE, hatch};
use crate::render::svg::{self, Anchor, Element, Rect};

/// The dark part of a mark; the other part is white, so one of the two shows on any colour.
const DARK: Rgb = Rgb::new(0x11_11_11);
/// The smallest cell between which lines are drawn.
const LINED: f64 = 10.0;

/// Draws all cells.
pub(super) fn draw(map: &Heatmap<'_>, scale: &Scale, layout: &Layout) -> Element {
    let coloured = map.values.indexed_iter().map(|((row, column), &value)| {
        let paper = scale.colour(value).unwrap_or(MISSING.0);
        let cell = svg::rect(layout.cell(row, column)).fill(paper);
        cell.tooltip(&tooltip(map, scale, (row, column), value))
    });
    let coloured = svg::group().attr("shape-rendering", "crispEdges").children(coloured);
    // What lies over the cells must not keep the pointer from them.
    let over = svg::group()
        .attr("pointer-events", "none")
        .children(hatches(map, layout))
        .children(grid(map, layout))
        .children(stages(map, layout))
        .children(values(map, scale, layout))
        .child(marks(map, layout));
    svg::group().child(coloured).child(over)
}

/// What a browser shows at a cell.
fn tooltip(map: &Heatmap<'_>, scale: &Scale, cell: (usize, usize), value: f64) -> String {
    let layers = format!("{} × {}", name(map.rows, cell.0), name(map.columns, cell.1));
    if value.is_finite() {
        format!("{layers}: {} {}", map.scale_label, scale.long(value))
    } else {
        format!("{layers}: no value")
    }
}

/// The hatch of all cells without a value, none where there are none.
fn hatches(map: &Heatmap<'_>, layout: &Layout) -> Option<Element> {
    let missing = map.values.indexed_iter().filter(|(_, value)| !value.is_finite());
    let mut lines =
        missing.flat_map(|((row, column), _)| hatch(layout.cell(row, column))).peekable();
    lines.peek()?;
    Some(svg::lines(lines).stroke(MISSING.1, 0.8))
}

/// Faint lines between cells, none where cells are small.
fn grid(map: &Heatmap<'_>, layout: &Layout) -> Option<Element> {
    let (plot, side) = (layout.plot, layout.grid.cell);
    let rows = (1..map.values.nrows()).map(|row| plot.y + row as f64 * side);
    let columns = (1..map.values.ncols()).map(|column| plot.x + column as f64 * side);
    let lines = rows
        .map(|y| [(plot.x, y), (plot.right(), y)])
        .chain(columns.map(|x| [(x, plot.y), (x, plot.bottom())]));
    let lines = svg::lines(lines).stroke(WHITE, 0.6).attr("stroke-opacity", "0.45");
    (side >= LINED).then_some(lines)
}

/// Lines around the stages, white with a dark rim so that they show on any colour.
fn stages(map: &Heatmap<'_>, layout: &Layout) -> Option<Element> {
    let (plot, side) = (layout.plot, layout.grid.cell);
    let [rows, columns] = &layout.grid.stages;
    let rows = borders(rows, map.values.nrows()).into_iter().map(|row| plot.y + row as f64 * side);
    let columns = borders(columns, map.values.ncols())
        .into_iter()
        .map(|column| plot.x + column as f64 * side);
    let lines: Vec<_> = rows
        .map(|y| [(plot.x, y), (plot.right(), y)])
        .chain(columns.map(|x| [(x, plot.y), (x, plot.bottom())]))
        .collect();
    let width = (0.12 * side).clamp(0.4, 1.2);
    let drawn = |colour, width| svg::lines(lines.iter().copied()).stroke(colour, width);
    let both = svg::group().child(drawn(DARK, 1.8 * width)).child(drawn(WHITE, width));
    (!lines.is_empty()).then_some(both)
}

/// The values in the cells, none where they have no room.
fn values(map: &Heatmap<'_>, scale: &Scale, layout: &Layout) -> Option<Element> {
    let size = layout.grid.value_size?;
    let values = map.values.indexed_iter().filter_map(|((row, column), &value)| {
        let ink = scale.colour(value)?.ink();
        let (x, y) = layout.cell(row, column).centre();
        Some(svg::label(x, y, size, &scale.short(value)).fill(ink))
    });
    Some(svg::group().anchor(Anchor::Middle).children(values))
}

/// The marks: dots, or frames where a dot would cover a value.
fn marks(map: &Heatmap<'_>, layout: &Layout) -> Element {
    let mark = if layout.grid.value_size.is_some() { frame } else { dot };
    svg::group().children(map.marks().map(|(row, column)| mark(layout.cell(row, column))))
}

/// A white dot with a dark rim.
pub(super) fn dot(at: Rect) -> Element {
    let (x, y) = at.centre();
    svg::circle(x, y, (0.22 * at.width).min(5.0))
        .fill(WHITE)
        .stroke(DARK, (0.08 * at.width).min(1.1))
}

/// A white frame with a dark rim.
pub(super) fn frame(at: Rect) -> Element {
    let line = |colour, width| svg::rect(at.inset(1.9)).attr("rx", "1.5").stroke(colour, width);
    svg::group().attr("fill", "none").child(line(DARK, 3.4)).child(line(WHITE, 1.7))
}

/// A cell without a value.
pub(super) fn missing(at: Rect) -> Element {
    let lines = svg::lines(hatch(at)).stroke(MISSING.1, 0.8);
    svg::group().child(svg::rect(at).fill(MISSING.0)).child(lines)
}
