//! The axes with their names.

use super::Heatmap;
use super::layout::Layout;
use crate::render::style::{AXIS, FRAME, MUTED, TEXT, TICK};
use crate::render::svg::{self, Anchor, Element};
use crate::render::text;

/// Length of a tick mark.
const MARK: f64 = 3.5;
/// Font size of the name of a stage.
const NAME: f64 = 9.5;
/// From the middle of the strip of the stages to the brackets, and the length of their feet.
const BRACKET: f64 = 5.0;
const FOOT: f64 = 3.0;

/// Draws the frame, tick marks, layer names and the axes' titles.
pub(super) fn draw(map: &Heatmap<'_>, layout: &Layout) -> Element {
    let frame = svg::rect(layout.plot).attr("fill", "none").stroke(FRAME, 0.8);
    let titles = svg::group().attr("text-anchor", "middle").fill(TEXT);
    let (row, column) = (layout.row_axis, layout.column_axis);
    let names = svg::group().child(rows(map, layout)).child(columns(map, layout));
    svg::group().child(frame).child(names).child(stages(layout)).child(
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

/// A bracket and a name for each stage: of the rows at the left of their names, of the columns below theirs.
fn stages(layout: &Layout) -> Element {
    let (plot, side) = (layout.plot, layout.grid.cell);
    let (x, y) = layout.strips();
    let [rows, columns] = &layout.grid.stages;
    let mut brackets = vec![];
    let mut names = svg::group().fill(MUTED).anchor(Anchor::Middle);
    for stage in rows {
        let ends = [stage.start, stage.end].map(|place| plot.y + place as f64 * side);
        let at = x + BRACKET;
        brackets.extend(bracket(ends).map(|line| line.map(|(along, across)| (at + across, along))));
        if let Some(name) = fitting(&stage.name, ends) {
            names = names.child(svg::vertical_label(x - 4.0, middle(ends), NAME, &name));
        }
    }
    for stage in columns {
        let ends = [stage.start, stage.end].map(|place| plot.x + place as f64 * side);
        let at = y - BRACKET;
        brackets.extend(bracket(ends).map(|line| line.map(|(along, across)| (along, at - across))));
        if let Some(name) = fitting(&stage.name, ends) {
            names = names.child(svg::label(middle(ends), y + 4.0, NAME, &name));
        }
    }
    svg::group().child(svg::lines(brackets).stroke(FRAME, 0.8)).child(names)
}

/// The lines of a bracket between two ends, as points along it and across: its feet point at the names.
fn bracket([from, to]: [f64; 2]) -> [[(f64, f64); 2]; 3] {
    let (from, to) = (from + 1.5, to - 1.5);
    [[(from, 0.0), (to, 0.0)], [(from, 0.0), (from, FOOT)], [(to, 0.0), (to, FOOT)]]
}

fn middle([from, to]: [f64; 2]) -> f64 {
    f64::midpoint(from, to)
}

/// A name as long as there is room for between two ends; none where hardly a letter has.
fn fitting(name: &str, [from, to]: [f64; 2]) -> Option<String> {
    let letters = (1..=name.chars().count()).rev().map(|count| text::shorten(name, count));
    letters
        .filter(|short| short.chars().count() > 2)
        .find(|short| text::width(short, NAME) < to - from - 4.0)
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
