//! Where everything lies: computed from the widths of the texts, so that nothing is cut off and
//! nothing overlaps.

use super::{Sheet, cells, grid, legend, words};
use crate::render::style::{self, FRAME, GAP, Header, MARGIN, MUTED, NAME, SCALE, TEXT};
use crate::render::svg::{self, Anchor, Element, Rect};
use crate::render::text;

/// Font size of headings, and the height of a line.
const HEADING: (f64, f64) = (10.0, 12.5);
/// Font size of the note, and the height of a line.
const NOTE: (f64, f64) = (9.5, 13.5);
/// The widest a heading of a row may be, and the lines it and one of a column may have.
const ROW: (f64, usize, usize) = (112.0, 4, 3);
/// The least width title, legends and note may take before they are broken into lines.
const COLUMN: f64 = 320.0;
/// How far under a heading the line lies that joins its columns.
const RULE: f64 = 1.5;
/// White between cells side by side, between rows, and between headings and pictures.
const BETWEEN: (f64, f64, f64) = (8.0, 9.0, 5.0);

/// The positions of a sheet's parts.
pub(super) struct Layout {
    pub header: Header,
    pub rows: Vec<Band>,
    /// The side of a cell in pixels of the PNG.
    pub side: usize,
    pub width: f64,
    pub height: f64,
    /// The left edge of the first column.
    left: f64,
    /// The headings of groups of columns, and their lower edge.
    groups: (Vec<Heading>, f64),
    columns: Vec<Heading>,
    /// Whether these run upwards.
    is_turned: bool,
    /// The lower edge of these.
    columns_end: f64,
    /// The scales and where they lie.
    legends: Vec<(legend::Legend, (f64, f64))>,
    /// The note's lines, and where they begin.
    note: (Vec<String>, (f64, f64)),
}

/// A heading of columns side by side that are called the same.
struct Heading {
    lines: Vec<String>,
    /// The first of the columns, and how many they are.
    span: (usize, usize),
}

/// A row's place.
pub(super) struct Band {
    /// The upper edge.
    pub top: f64,
    /// The height of its pictures.
    pub height: f64,
    /// The captions of its cells, each in lines.
    pub captions: Vec<Vec<String>>,
    /// Its heading's lines.
    heading: Vec<String>,
}

impl Band {
    /// The height of pictures and captions, or of the heading where it is higher.
    fn full(&self) -> f64 {
        let lines = self.captions.iter().map(Vec::len).fold(0, usize::max) as f64;
        let captions = if lines > 0.0 { cells::LEAD + lines * cells::CAPTION.1 } else { 0.0 };
        (self.height + captions).max(self.heading.len() as f64 * HEADING.1)
    }
}

impl Layout {
    /// Lays out a sheet.
    pub fn new(sheet: &Sheet<'_>) -> Self {
        let side = grid::side(sheet);
        let cell = units(side);
        let (columns, is_turned) = columns(sheet, cell);
        let bands: Vec<_> = sheet.rows.iter().map(|row| band(row, side)).collect();
        let left = MARGIN + row_headings(&bands);
        let count = sheet.width() as f64;
        let right = left + (count * (cell + BETWEEN.0) - BETWEEN.0).max(0.0);
        let limit = (right - MARGIN).max(COLUMN);
        let header = Header::new(sheet.title, sheet.subtitle, limit);
        let groups = headings(sheet.groups, cell);
        let groups_end = MARGIN + header.height() + columns_height(&groups, false);
        let apart = if groups.is_empty() { 0.0 } else { BETWEEN.2 };
        let columns_end = groups_end + apart + columns_height(&columns, is_turned);
        let gap =
            if columns.iter().all(|heading| heading.lines.is_empty()) { 0.0 } else { BETWEEN.2 };
        let (rows, bottom) = stack(bands, (columns_end + gap).ceil());
        let below = if sheet.legends.is_empty() { bottom } else { bottom + GAP + 2.0 };
        let (places, height) = legend::place(sheet.legends, limit);
        let places = places.into_iter().map(|(x, y)| (MARGIN + x, below + y));
        let legends: Vec<_> = sheet.legends.iter().cloned().zip(places).collect();
        let note = text::wrap(sheet.note, NOTE.0, limit);
        let note_top = below + height + if note.is_empty() { 0.0 } else { GAP };
        let end = legends.iter().map(|(legend, (x, _))| x + legend.width());
        let note_end = note.iter().map(|line| MARGIN + text::width(line, NOTE.0));
        let end = end.chain(note_end).fold(right.max(header.right()), f64::max);
        Self {
            header,
            rows,
            side,
            width: (end + MARGIN).ceil(),
            height: (note_top + note.len() as f64 * NOTE.1 + MARGIN).ceil(),
            left,
            groups: (groups, groups_end),
            columns,
            is_turned,
            columns_end,
            legends,
            note: (note, (MARGIN, note_top)),
        }
    }

    /// The place of a cell's picture as large as can be.
    pub fn cell(&self, row: &Band, column: usize) -> Rect {
        let (x, width) = (self.column(column), units(self.side));
        Rect { x, y: row.top, width, height: row.height }
    }

    /// The left edge of a column.
    fn column(&self, column: usize) -> f64 {
        self.left + column as f64 * (units(self.side) + BETWEEN.0)
    }

    /// Draws the headings.
    pub fn headings(&self) -> Element {
        let groups = self.groups.0.iter().map(|group| self.heading(group, self.groups.1, false));
        let is_turned = self.is_turned;
        let columns = self.columns.iter();
        let columns = columns.map(|heading| self.heading(heading, self.columns_end, is_turned));
        let rows = self.rows.iter().map(|row| {
            let top = row.top + (row.height - row.heading.len() as f64 * HEADING.1) / 2.0;
            let at = (self.left - BETWEEN.0, top.max(row.top));
            svg::group().anchor(Anchor::End).children(style::lines(&row.heading, at, HEADING))
        });
        svg::group().fill(TEXT).children(groups).children(columns).children(rows)
    }

    /// Draws the heading of columns, with a line under it where they are several.
    fn heading(&self, heading: &Heading, bottom: f64, is_turned: bool) -> Element {
        let (first, count) = heading.span;
        let (left, right) = (self.column(first), self.column(first + count) - BETWEEN.0);
        let middle = (left + right) / 2.0;
        let line = svg::lines([[(left, bottom + RULE), (right, bottom + RULE)]]);
        let line = (count > 1).then(|| line.stroke(FRAME, 0.6));
        let lines: Vec<_> = if is_turned {
            let label = |line: &String| svg::vertical_label(middle, bottom, HEADING.0, line);
            heading.lines.iter().map(label).collect()
        } else {
            let top = bottom - heading.lines.len() as f64 * HEADING.1;
            let lines = style::lines(&heading.lines, (middle, top), HEADING);
            lines.map(|line| line.anchor(Anchor::Middle)).collect()
        };
        svg::group().children(lines).children(line)
    }

    /// Draws the scales and the note.
    pub fn below(&self) -> Element {
        let legends = self.legends.iter().map(|(legend, at)| legend.draw(*at));
        let note = style::lines(&self.note.0, self.note.1, NOTE).map(|line| line.fill(MUTED));
        svg::group().children(legends).children(note)
    }
}

/// Pixels of the PNG in units.
pub(super) fn units(pixels: usize) -> f64 {
    pixels as f64 / f64::from(SCALE)
}

/// The headings of the columns, and whether they run upwards.
fn columns(sheet: &Sheet<'_>, cell: f64) -> (Vec<Heading>, bool) {
    let lying = headings(sheet.columns, cell);
    if lying.iter().all(|heading| heading.lines.len() <= ROW.2) {
        return (lying, false);
    }
    let turned = |heading: Heading| {
        let name = text::shorten(&sheet.columns[heading.span.0], NAME);
        Heading { lines: vec![name], ..heading }
    };
    (lying.into_iter().map(turned).collect(), true)
}

/// Headings of columns of a width, in lines: one for those side by side that are called the same.
fn headings(names: &[String], cell: f64) -> Vec<Heading> {
    let limit = |count: usize| count as f64 * (cell + BETWEEN.0) - cells::APART;
    let mut first = 0;
    let heading = |span: &[String]| {
        first += span.len();
        let lines = words::wrap(&span[0], HEADING.0, limit(span.len()));
        Heading { lines, span: (first - span.len(), span.len()) }
    };
    names.chunk_by(|a, b| a == b && !a.is_empty()).map(heading).collect()
}

/// The room the columns' headings take.
fn columns_height(columns: &[Heading], is_turned: bool) -> f64 {
    let lines = columns.iter().flat_map(|heading| &heading.lines);
    let widest = lines.map(|line| text::width(line, HEADING.0)).fold(0.0, f64::max);
    let count = columns.iter().map(|heading| heading.lines.len()).max().unwrap_or(0);
    if is_turned { widest } else { count as f64 * HEADING.1 }
}

/// A row's sizes; it has no place yet.
fn band(row: &super::Row<'_>, side: usize) -> Band {
    let limit = units(side) + BETWEEN.0 - cells::APART;
    let captions = row
        .cells
        .iter()
        .map(|cell| words::fit(cell.caption(), cells::CAPTION.0, limit, cells::LINES));
    Band {
        top: 0.0,
        height: units(grid::height(row, side)),
        captions: captions.collect(),
        heading: words::fit(row.heading, HEADING.0, ROW.0, ROW.1),
    }
}

/// The room the rows' headings take, as a whole number of units.
fn row_headings(rows: &[Band]) -> f64 {
    let lines = rows.iter().flat_map(|row| &row.heading);
    let widest = lines.map(|line| text::width(line, HEADING.0)).fold(0.0, f64::max);
    if widest > 0.0 { (widest + BETWEEN.0).ceil() } else { 0.0 }
}

/// Puts rows one below the other, and tells where the last one ends. All begin at whole pixels.
fn stack(mut rows: Vec<Band>, top: f64) -> (Vec<Band>, f64) {
    let (mut y, mut bottom) = (top, top);
    for row in &mut rows {
        row.top = y;
        bottom = y + row.full();
        y = (bottom + BETWEEN.1).ceil();
    }
    (rows, bottom)
}
