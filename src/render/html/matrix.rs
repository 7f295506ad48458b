//! A matrix as a table of coloured cells.

use maud::{Markup, html};
use ndarray::ArrayView2;

use super::legend;
use crate::render::stages::{self, Stage, borders};
use crate::render::{ColorMap, colormap, text};

/// A matrix of things against things: a heat map that is a table, so that it can be read by
/// whatever reads tables.
pub struct Matrix<'a> {
    /// A name for links, unlike that of any other on the page: letters and digits.
    pub id: &'a str,
    /// What it shows.
    pub caption: &'a str,
    /// What its rows are of.
    pub row_axis: &'a str,
    /// What its columns are of.
    pub column_axis: &'a str,
    /// Names of the rows.
    pub rows: &'a [String],
    /// Names of the columns.
    pub columns: &'a [String],
    /// Rows × columns; NaN where there is none.
    pub values: ArrayView2<'a, f64>,
    /// The values of the colours at the two ends.
    pub range: (f64, f64),
    /// The colours.
    pub colours: ColorMap,
    /// Whether the colours run the other way: of distances, where small ones are alike.
    pub reversed: bool,
    /// What a value is called.
    pub label: &'a str,
    /// Cells, row and column, that are marked.
    pub marks: &'a [(usize, usize)],
    /// What a mark means.
    pub mark_label: &'a str,
    /// Why values are missing.
    pub reasons: &'a [String],
    /// Which of the reasons that of a row and column is.
    pub reason: &'a dyn Fn(usize, usize) -> Option<usize>,
}

/// How small cells may get, and whether they show their value.
fn size(columns: usize) -> &'static str {
    match columns {
        0..=24 => "roomy",
        25..=60 => "medium",
        61..=120 => "dense",
        _ => "tiny",
    }
}

/// The most columns that the width of a page is shared among; with more a map scrolls.
pub(super) const SHARED: usize = 120;

/// How much room the names of the rows take.
fn room(names: &[String]) -> &'static str {
    match names.iter().map(|name| name.chars().count()).max() {
        None | Some(0..=9) => "short",
        Some(10..=17) => "middling",
        Some(_) => "wordy",
    }
}

/// The layers that belong together, of rows and of columns, with what follows from them.
struct Groups {
    rows: Vec<Stage>,
    columns: Vec<Stage>,
    row_borders: Vec<usize>,
    column_borders: Vec<usize>,
}

impl Groups {
    fn of(rows: &[String], columns: &[String]) -> Self {
        let (found, others) = (stages::stages(rows), stages::stages(columns));
        let (row_borders, column_borders) =
            (borders(&found, rows.len()), borders(&others, columns.len()));
        Self { rows: found, columns: others, row_borders, column_borders }
    }

    /// Names of runs of so many layers, from the first to the last; none between stages.
    fn runs(stages: &[Stage], count: usize) -> Vec<(Option<&str>, usize)> {
        let (mut runs, mut end) = (vec![], 0);
        for stage in stages {
            runs.extend((stage.start > end).then_some((None, stage.start - end)));
            runs.push((Some(stage.name.as_str()), stage.end - stage.start));
            end = stage.end;
        }
        runs.extend((count > end).then_some((None, count - end)));
        runs
    }

    /// The run that begins at a row, where one does.
    fn run_at(&self, row: usize, count: usize) -> Option<(Option<&str>, usize)> {
        let mut start = 0;
        for (name, length) in Self::runs(&self.rows, count) {
            if start == row {
                return Some((name, length));
            }
            start += length;
        }
        None
    }
}

impl Matrix<'_> {
    /// The table with its legend, and a line that says the value of a cell.
    pub fn draw(&self) -> Markup {
        let size = size(self.columns.len());
        let groups = Groups::of(self.rows, self.columns);
        let staged = if groups.rows.is_empty() { "" } else { " staged" };
        let shared = self.columns.len().clamp(1, SHARED);
        html! {
            figure.map {
                p.caption #{ (self.id) "-caption" } { (self.caption) }
                div.box {
                    table #(self.id) class={ "heat " (size) " " (room(self.rows)) (staged) " n" (shared) }
                        data-low=(self.range.0) data-high=(self.range.1) data-reversed[self.reversed]
                        data-colours=(legend::letter(self.colours)) data-rows=(self.row_axis)
                        data-columns=(self.column_axis) data-label=(self.label)
                        data-mark=(self.mark_label) aria-labelledby={ (self.id) "-caption" } {
                        (self.widths(&groups))
                        (self.head(&groups))
                        tbody { @for i in 0..self.rows.len() { (self.row(i, size == "roomy", &groups)) } }
                    }
                }
                output.readout #{ (self.id) "-read" } aria-live="polite" {}
                (self.legend())
                (self.reasons())
            }
        }
    }

    /// The columns: of stages and names, and of values, which all have one width.
    fn widths(&self, groups: &Groups) -> Markup {
        html! {
            colgroup {
                @if !groups.rows.is_empty() { col.runs; }
                col.names;
                @if !self.columns.is_empty() { col.values span=(self.columns.len()); }
            }
        }
    }

    fn head(&self, groups: &Groups) -> Markup {
        let left = if groups.rows.is_empty() { "1" } else { "2" };
        html! {
            thead {
                @if !groups.columns.is_empty() {
                    tr.stages {
                        td.blank colspan=(left) {}
                        @for (name, count) in Groups::runs(&groups.columns, self.columns.len()) {
                            @match name {
                                Some(name) => th scope="colgroup" colspan=(count) title=(name) { span { (name) } },
                                None => td.blank colspan=(count) {},
                            }
                        }
                    }
                }
                tr {
                    th.corner scope="row" colspan=(left) { "↓ " (self.row_axis) br; "→ " (self.column_axis) }
                    @for (j, name) in self.columns.iter().enumerate() {
                        th.g[groups.column_borders.contains(&j)] scope="col" title=[long(name)] { span { (name) } }
                    }
                }
            }
        }
    }

    fn row(&self, i: usize, roomy: bool, groups: &Groups) -> Markup {
        html! {
            tr.g[groups.row_borders.contains(&i)] {
                @if !groups.rows.is_empty() {
                    @match groups.run_at(i, self.rows.len()) {
                        Some((Some(name), count)) => {
                            th.stage scope="rowgroup" rowspan=(count) title=(name) { span { (name) } }
                        },
                        Some((None, count)) => td.blank rowspan=(count) {},
                        None => {},
                    }
                }
                th scope="row" title=[long(&self.rows[i])] { (self.rows[i]) }
                @for j in 0..self.columns.len() {
                    (self.cell((i, j), roomy, if groups.column_borders.contains(&j) { " g" } else { "" }))
                }
            }
        }
    }

    fn cell(&self, (i, j): (usize, usize), roomy: bool, border: &str) -> Markup {
        let value = self.values[(i, j)];
        if !value.is_finite() {
            return html! { td class={ "none" (border) } data-n=[(self.reason)(i, j)] { "–" } };
        }
        let fraction = colormap::fraction(value, self.range);
        let fraction = if self.reversed { 1.0 - fraction } else { fraction };
        let colour = legend::class(self.colours, fraction);
        let best = if self.marks.contains(&(i, j)) { " best" } else { "" };
        let said = text::decimal(value, 4);
        // All digits, for files that are saved from the page.
        let exact = Some(value.to_string()).filter(|exact| *exact != said);
        html! {
            @if roomy {
                td class={ (colour) (best) (border) } data-v=(said) data-s=[exact] { (text::decimal(value, 2)) }
            } @else {
                td class={ (colour) (best) (border) } data-s=[exact] { (said) }
            }
        }
    }

    fn legend(&self) -> Markup {
        let missing = self.values.iter().any(|v| !v.is_finite());
        let (low, high) = self.range;
        let ends = if self.reversed { (high, low) } else { (low, high) };
        html! {
            div.legend {
                (legend::scale(self.colours, ends, self.label))
                @if !self.marks.is_empty() {
                    span { span.key-best aria-hidden="true" {} (self.mark_label) }
                }
                @if missing { span { span.key-none aria-hidden="true" {} "no value" } }
            }
        }
    }

    fn reasons(&self) -> Markup {
        html! {
            @if !self.reasons.is_empty() {
                p.small { "Where there is no value:" }
                ul.small { @for (i, reason) in self.reasons.iter().enumerate() {
                    li #{ (self.id) "-n" (i) } { (reason) }
                } }
            }
        }
    }
}

/// A name that may be cut off.
fn long(name: &str) -> Option<&str> {
    (name.chars().count() > 24).then_some(name)
}
