//! The axes with their names.

use super::Heatmap;
use super::layout::Layout;
use crate::render::style::{AXIS, FRAME, TEXT, TICK};
use crate::render::svg::{self, Anchor, Element};

/// Length of a tick mark.
const MARK: f64 = 3.5;

/// Draws the frame, tick marks, layer names and the axes' titles.
pub(super) fn draw(map: &Heatmap<'_>, layout: &Layout) -> Element {
    let frame = svg::rect(layout.plot).attr("fill", "none").stroke(FRAME, 0.8);
    let titles = svg::group().attr("text-anchor", "middle").fill(TEXT);
    let (row, column) = (layout.row_axis, layout.column_axis);
    svg::group().child(frame).child(rows(map, layout)).child(columns(map, layout)).child(
        titles.child(svg::vertical_label(row.0, row.1, AXIS.0, map.row_axis)).child(svg::label(
            column.0,
            column.1,
            AXIS.0,
            map.column_axis,
        )),
    )
}

/// Names and tick marks of the rows, at the left.
fn rows(map: &Heatmap<'_>, layout: &Layout) -> Element {
    let (x, grid) = (layout.plot.x, &layout.grid);
    let middles: Vec<_> = grid
        .labelled(map.values.nrows())
        .map(|row| (layout.cell(row, 0).centre().1, grid.label(map.rows, row)))
        .collect();
    let marks = svg::lines(middles.iter().map(|&(y, _)| [(x - MARK, y), (x, y)]));
    let labels =
        middles.iter().map(|(y, name)| svg::label(x - TICK, *y, layout.grid.label_size, name));
    axis(marks, labels)
}

/// Names and tick marks of the columns, at the bottom; the names run upwards.
fn columns(map: &Heatmap<'_>, layout: &Layout) -> Element {
    let (y, grid) = (layout.plot.bottom(), &layout.grid);
    let middles: Vec<_> = grid
        .labelled(map.values.ncols())
        .map(|column| (layout.cell(0, column).centre().0, grid.label(map.columns, column)))
        .collect();
    let marks = svg::lines(middles.iter().map(|&(x, _)| [(x, y), (x, y + MARK)]));
    let labels = middles
        .iter()
        .map(|(x, name)| svg::vertical_label(*x, y + TICK, layout.grid.label_size, name));
    axis(marks, labels)
}

/// Tick marks and the names that end at them.
fn axis(marks: Element, labels: impl Iterator<Item = Element>) -> Element {
    let labels = svg::group().fill(TEXT).anchor(Anchor::End).children(labels);
    svg::group().child(marks.stroke(FRAME, 0.8)).child(labels)
}
