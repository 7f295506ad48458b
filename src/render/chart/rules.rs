//! Reference lines and their names, which stand at the right of the plot.

use super::axis::Axis;
use super::layout::Layout;
use super::{Chart, Rule, axes};
use crate::render::style::{MUTED, NAME, SMALL};
use crate::render::svg::{self, Element, Rect};
use crate::render::text;

/// From the plot to the names.
const LEAD: f64 = 10.0;
/// The least width a name may take before it is broken into lines.
const COLUMN: f64 = 120.0;
/// The height of a line, and white between names.
const STEP: (f64, f64) = (12.0, 3.0);

/// A name in lines.
pub(super) struct Name {
    value: f64,
    lines: Vec<String>,
    tooltip: String,
}

impl Name {
    /// The room it takes up and down.
    fn height(&self) -> f64 {
        self.lines.len() as f64 * STEP.0 + STEP.1
    }
}

/// A reference line with its name in its place.
pub(super) struct Label {
    name: Name,
    /// The height of the line.
    line: f64,
    /// The middle of the name.
    middle: f64,
}

/// The names of all reference lines, from the top down.
pub(super) fn names(chart: &Chart<'_>, axis: &Axis) -> Vec<Name> {
    let name = |rule: &Rule<'_>| Name {
        value: rule.value,
        lines: text::wrap(&text::shorten(rule.label, NAME), SMALL.0, COLUMN),
        tooltip: format!("{}: {}", rule.label, axis.long(rule.value)),
    };
    let mut names: Vec<_> = chart.rules().map(name).collect();
    names.sort_by(|a, b| b.value.total_cmp(&a.value));
    names
}

/// The room the names take beside the plot.
pub(super) fn width(names: &[Name]) -> f64 {
    let lines = names.iter().flat_map(|name| &name.lines);
    lines.map(|line| LEAD + text::width(line, SMALL.0)).fold(0.0, f64::max)
}

/// The room the names take one below the other.
pub(super) fn height(names: &[Name]) -> f64 {
    names.iter().map(Name::height).sum()
}

/// Names that touch each other and stand as one block.
struct Block {
    count: usize,
    height: f64,
    /// The sum of where each name would have the block's top.
    wanted: f64,
}

impl Block {
    /// The upper edge: the mean of what its names want, within the plot.
    fn top(&self, plot: Rect) -> f64 {
        (self.wanted / self.count as f64).min(plot.bottom() - self.height).max(plot.y)
    }

    /// This block with another one right below it.
    fn join(&self, below: &Self) -> Self {
        Self {
            count: self.count + below.count,
            height: self.height + below.height,
            wanted: self.wanted + below.wanted - below.count as f64 * self.height,
        }
    }
}

/// Puts each name as near to its line as those around it allow; `at` tells the height of a value.
pub(super) fn place(names: Vec<Name>, at: impl Fn(f64) -> f64, plot: Rect) -> Vec<Label> {
    let mut blocks: Vec<Block> = Vec::new();
    for name in &names {
        let height = name.height();
        let mut block = Block { count: 1, height, wanted: at(name.value) - height / 2.0 };
        while let Some(above) = blocks.pop_if(|b| b.top(plot) + b.height > block.top(plot)) {
            block = above.join(&block);
        }
        blocks.push(block);
    }
    let mut names = names.into_iter();
    blocks.iter().flat_map(|block| stack(block, &mut names, &at, plot)).collect()
}

/// Takes the names of a block and puts them one below the other.
fn stack(
    block: &Block,
    names: &mut impl Iterator<Item = Name>,
    at: impl Fn(f64) -> f64,
    plot: Rect,
) -> Vec<Label> {
    let mut top = block.top(plot);
    let mut label = |name: Name| {
        let middle = top + name.height() / 2.0;
        top += name.height();
        Label { line: at(name.value), middle, name }
    };
    names.take(block.count).map(&mut label).collect()
}

/// Draws the reference lines.
pub(super) fn draw(layout: &Layout) -> Element {
    let lines = layout.rules.iter().map(|label| draw_line(label, layout.plot));
    svg::group().children(lines)
}

/// A line, its name, and what joins them where the name had to move.
fn draw_line(label: &Label, plot: Rect) -> Element {
    let line = svg::lines([axes::across(plot, label.line)])
        .stroke(MUTED, 1.3)
        .attr("stroke-dasharray", "1.3 2.7");
    let (x, right) = (plot.right(), plot.right() + LEAD);
    let lead = svg::lines([[(x, label.line), (right - 3.0, label.middle)]]).stroke(MUTED, 0.6);
    let lead = ((label.line - label.middle).abs() > 2.0).then_some(lead);
    let top = label.middle - (label.name.lines.len() as f64 - 1.0) * STEP.0 / 2.0;
    let heights = (0..).map(|index| top + f64::from(index) * STEP.0);
    let texts = heights.zip(&label.name.lines);
    let texts = texts.map(|(y, text)| svg::label(right, y, SMALL.0, text).fill(MUTED));
    svg::group().tooltip(&label.name.tooltip).child(line).children(lead).children(texts)
}
