//! A matrix as a table of coloured cells.

use maud::{Markup, html};
use ndarray::ArrayView2;

use super::legend;
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

/// How large cells are, and whether they show their value.
fn size(columns: usize) -> &'static str {
    match columns {
        0..=12 => "roomy",
        13..=32 => "medium",
        33..=90 => "dense",
        _ => "tiny",
    }
}

impl Matrix<'_> {
    /// The table with its legend, and a line that says the value of a cell.
    pub fn draw(&self) -> Markup {
        let size = size(self.columns.len());
        html! {
            figure {
                p.caption #{ (self.id) "-caption" } { (self.caption) }
                div.box {
                    table #(self.id) class={ "heat " (size) } data-rows=(self.row_axis)
                        data-columns=(self.column_axis) data-label=(self.label)
                        data-mark=(self.mark_label) aria-labelledby={ (self.id) "-caption" } {
                        (self.head())
                        tbody { @for i in 0..self.rows.len() { (self.row(i, size == "roomy")) } }
                    }
                }
                output.readout #{ (self.id) "-read" } aria-live="polite" {}
                (self.legend())
                (self.reasons())
            }
        }
    }

    fn head(&self) -> Markup {
        html! {
            thead { tr {
                th.corner scope="row" { "↓ " (self.row_axis) br; "→ " (self.column_axis) }
                @for name in self.columns { th scope="col" title=[long(name)] { span { (name) } } }
            } }
        }
    }

    fn row(&self, i: usize, roomy: bool) -> Markup {
        html! {
            tr {
                th scope="row" title=[long(&self.rows[i])] { (self.rows[i]) }
                @for j in 0..self.columns.len() { (self.cell(i, j, roomy)) }
            }
        }
    }

    fn cell(&self, i: usize, j: usize, roomy: bool) -> Markup {
        let value = self.values[(i, j)];
        if !value.is_finite() {
            return html! { td.none data-n=[(self.reason)(i, j)] { "–" } };
        }
        let fraction = colormap::fraction(value, self.range);
        let fraction = if self.reversed { 1.0 - fraction } else { fraction };
        let colour = legend::class(self.colours, fraction);
        let best = if self.marks.contains(&(i, j)) { " best" } else { "" };
        let exact = text::decimal(value, 4);
        html! {
            @if roomy {
                td class={ (colour) (best) } data-v=(exact) { (text::decimal(value, 2)) }
            } @else {
                td class={ (colour) (best) } { (exact) }
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
