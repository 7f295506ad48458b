//! Where everything lies: computed from the widths of the texts, so that nothing is cut off and
//! nothing overlaps.

use super::legend::Legend;
use super::scale::Scale;
use super::{Heatmap, legend};
use crate::render::stages::{Stage, stages};
use crate::render::style::{AXIS, GAP, Header, MARGIN, NAME, SMALL, TICK};
use crate::render::svg::Rect;
use crate::render::text;

/// How far the colour bar's arrows reach out.
pub(super) const ARROW: f64 = 9.0;

/// The strip beside the names that the stages stand in.
pub(super) const STAGE: f64 = 22.0;

/// The least height of the colour bar, and its width.
const BAR: (f64, f64) = (120.0, 14.0);
/// The least width titles and legend may take before they are broken into lines.
const COLUMN: f64 = 420.0;
/// The positions of a heat map's parts.
pub(super) struct Layout {
    pub grid: Grid,
    pub header: Header,
    /// The cells.
    pub plot: Rect,
    /// The colour bar without its arrows.
    pub bar: Rect,
    /// The middle of the row axis' title.
    pub row_axis: (f64, f64),
    /// The middle of the column axis' title.
    pub column_axis: (f64, f64),
    /// The middle of the colour bar's title.
    pub scale_label: (f64, f64),
    pub legend: Legend,
    pub width: f64,
    pub height: f64,
    /// The room of the names of rows and of columns, with that of their stages.
    labels: [f64; 2],
}

impl Layout {
    /// Lays out a heat map.
    pub fn new(map: &Heatmap<'_>, scale: &Scale) -> Self {
        let grid = Grid::new(map, scale);
        let across = Across::new(map, scale, &grid);
        let limit = (across.right - MARGIN).max(COLUMN);
        let header = Header::new(map.title, map.subtitle, limit);
        let down = Down::new(map, &grid, &across, header.height());
        let entries = legend::entries(map, scale, grid.value_size.is_some());
        let area = Rect { x: across.plot, y: down.legend, width: limit, height: 0.0 };
        let legend = Legend::new(entries, area);
        let texts = header.right().max(legend.right).max(down.column_axis.right());
        let (width, height) = (across.right.max(texts), legend.bottom.max(down.bottom));
        Self {
            plot: down.plot,
            bar: down.bar,
            row_axis: (MARGIN + AXIS.1 / 2.0, down.row_axis),
            column_axis: down.column_axis.centre(),
            scale_label: (across.right - AXIS.1 / 2.0, down.scale_label),
            header,
            legend,
            width: (width + MARGIN).ceil(),
            height: (height + MARGIN).ceil(),
            labels: [
                grid.labels(map.rows, map.values.nrows()),
                grid.labels(map.columns, map.values.ncols()),
            ],
            grid,
        }
    }

    /// The rectangle of a cell; row 0 is at the top.
    pub fn cell(&self, row: usize, column: usize) -> Rect {
        let side = self.grid.cell;
        let (x, y) = (column as f64 * side, row as f64 * side);
        Rect { x: self.plot.x + x, y: self.plot.y + y, width: side, height: side }
    }

    /// The middle of the strip with the stages of the rows, and of that with those of the columns.
    pub fn strips(&self) -> (f64, f64) {
        let [rows, columns] = self.labels;
        (self.plot.x - rows + STAGE / 2.0, self.plot.bottom() + columns - STAGE / 2.0)
    }
}

/// The sizes that follow from the number of layers.
pub(super) struct Grid {
    /// Side of a cell.
    pub cell: f64,
    /// Font size of layer names.
    pub label_size: f64,
    /// Every how many layers are labelled.
    pub label_step: usize,
    /// Font size of the values in the cells, none where they have no room.
    pub value_size: Option<f64>,
    /// Layers that belong together, of rows and of columns.
    pub stages: [Vec<Stage>; 2],
    /// The matrix' width and height.
    size: (f64, f64),
}

impl Grid {
    fn new(map: &Heatmap<'_>, scale: &Scale) -> Self {
        let (rows, columns) = map.values.dim();
        let cell = cell_side(rows.max(columns));
        Self {
            cell,
            label_size: (0.75 * cell).clamp(9.5, 11.0),
            label_step: (12.0 / cell).ceil().max(1.0) as usize,
            value_size: value_size(map, scale, cell),
            stages: [(map.rows, rows), (map.columns, columns)]
                .map(|(names, count)| stages(&names[..count.min(names.len())])),
            size: (columns.max(1) as f64 * cell, rows.max(1) as f64 * cell),
        }
    }

    /// Which of `count` layers are labelled.
    pub fn labelled(&self, count: usize) -> impl Iterator<Item = usize> {
        (0..count).step_by(self.label_step)
    }

    /// The name of a layer as its label shows it.
    pub fn label(&self, names: &[String], index: usize) -> String {
        text::shorten(super::name(names, index), NAME)
    }

    /// The room that `count` labels take, tick marks and the strip of their stages included.
    fn labels(&self, names: &[String], count: usize) -> f64 {
        let widths =
            self.labelled(count).map(|i| text::width(&self.label(names, i), self.label_size));
        let staged = !stages(&names[..count.min(names.len())]).is_empty();
        widths.fold(0.0, f64::max) + TICK + if staged { STAGE } else { 0.0 }
    }
}

/// The side of a cell where the longer axis has `count` layers.
fn cell_side(count: usize) -> f64 {
    let count = count.max(1) as f64;
    if count <= 160.0 {
        // Few layers get larger cells, so that the map fills the picture.
        let few = (300.0 / count).floor().min(110.0);
        (720.0 / count).floor().clamp(13.0, 44.0).max(few)
    } else {
        (2080.0 / count).max(1.0)
    }
}

/// The font size at which every value fits its cell, if that is legible.
fn value_size(map: &Heatmap<'_>, scale: &Scale, cell: f64) -> Option<f64> {
    if cell < 24.0 {
        return None;
    }
    let widths = map.values.iter().map(|value| text::width(&scale.short(*value), 1.0));
    let size = (cell - 5.0) / widths.fold(1.0, f64::max);
    Some(size.min(0.3 * cell).min(if cell > 44.0 { 14.0 } else { 11.0 }))
        .filter(|size| *size >= 7.0)
}

/// Horizontal positions.
struct Across {
    /// Left edge of the cells.
    plot: f64,
    /// Left edge of the colour bar.
    bar: f64,
    /// Where the colour bar and its texts end.
    right: f64,
}

impl Across {
    fn new(map: &Heatmap<'_>, scale: &Scale, grid: &Grid) -> Self {
        let labels = grid.labels(map.rows, map.values.nrows());
        let plot = MARGIN + axis_room(map.row_axis) + labels;
        let bar = plot + grid.size.0 + MARGIN;
        let ticks = scale.ticks();
        let widest = ticks.iter().map(|(_, text)| text::width(text, SMALL.0)).fold(0.0, f64::max);
        Self { plot, bar, right: bar + BAR.1 + TICK + widest + axis_room(map.scale_label) }
    }
}

/// Vertical positions.
struct Down {
    plot: Rect,
    bar: Rect,
    row_axis: f64,
    scale_label: f64,
    column_axis: Rect,
    legend: f64,
    bottom: f64,
}

impl Down {
    fn new(map: &Heatmap<'_>, grid: &Grid, across: &Across, header: f64) -> Self {
        let (width, height) = grid.size;
        let plot = Rect { x: across.plot, y: MARGIN + header, width, height };
        let bar = Rect { x: across.bar, y: plot.y, width: BAR.1, height: height.max(BAR.0) };
        let (row_axis, row_end) = upright(map.row_axis, plot);
        let (scale_label, scale_end) = upright(map.scale_label, bar);
        let bar_end = scale_end.max(bar.bottom() + ARROW);
        let column_axis = column_axis(map, grid, across, plot, bar_end);
        let legend = column_axis.bottom().max(bar_end) + GAP;
        let bottom = row_end.max(legend - GAP);
        Self { plot, bar, row_axis, scale_label, column_axis, legend, bottom }
    }
}

/// The column axis' title: below the labels, and below the colour bar too where it would run into
/// it. It leaves the row axis' title, which may be long, its own strip at the left.
fn column_axis(map: &Heatmap<'_>, grid: &Grid, across: &Across, plot: Rect, bar_end: f64) -> Rect {
    let width = text::width(map.column_axis, AXIS.0);
    let left = MARGIN + axis_room(map.row_axis);
    let x = (plot.centre().0 - width / 2.0).max(left);
    let labels = plot.bottom() + grid.labels(map.columns, map.values.ncols()) + GAP;
    let y = if x + width + GAP > across.bar { labels.max(bar_end + GAP) } else { labels };
    Rect { x, y, width, height: if map.column_axis.is_empty() { 0.0 } else { AXIS.1 } }
}

/// The middle and the lower end of an upright title beside `part`, which begins no higher than
/// `part` does.
fn upright(title: &str, part: Rect) -> (f64, f64) {
    let half = text::width(title, AXIS.0) / 2.0;
    let middle = part.centre().1.max(part.y + half);
    (middle, middle + half)
}

/// The room an upright title takes with the gap after it.
fn axis_room(title: &str) -> f64 {
    if title.is_empty() { 0.0 } else { AXIS.1 + GAP }
}
