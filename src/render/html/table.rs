//! Tables with a row a thing.

use maud::{Markup, html};

use crate::render::text;

/// Rows from which on a table scrolls within a box of its own.
const LONG: usize = 24;

/// Columns from which on bars and notes stand under their numbers, to save width.
const WIDE: usize = 8;

/// A table: the first entry of a row is its heading.
pub struct Table<'a> {
    /// What it holds.
    pub caption: &'a str,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows, an entry a column.
    pub rows: Vec<Vec<Entry>>,
}

/// A column.
pub struct Column {
    name: String,
    number: bool,
}

/// What stands where a row and a column meet.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    text: String,
    note: String,
    sort: Option<f64>,
    share: Option<f64>,
    tone: Tone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Text,
    Code,
    Number,
    Gone,
}

impl Column {
    /// A column of words.
    pub fn text(name: impl Into<String>) -> Self {
        Self { name: name.into(), number: false }
    }

    /// A column of numbers, the largest first when it is sorted.
    pub fn number(name: impl Into<String>) -> Self {
        Self { name: name.into(), number: true }
    }
}

impl Entry {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        let (text, note) = (text.into(), String::new());
        Self { text, note, sort: None, share: None, tone: Tone::Text }
    }

    /// A name from a file: a layer, a path.
    pub fn code(text: impl Into<String>) -> Self {
        Self { tone: Tone::Code, ..Self::text(text) }
    }

    /// A number with so many decimals; `–` where there is none or it is not finite.
    pub fn number(value: Option<f64>, decimals: usize) -> Self {
        match value.filter(|v| v.is_finite()) {
            Some(value) => Self {
                sort: Some(value),
                tone: Tone::Number,
                ..Self::text(text::decimal(value, decimals))
            },
            None => Self::gone(""),
        }
    }

    /// A count, its thousands apart.
    pub fn count(value: usize) -> Self {
        let digits = value.to_string();
        let apart = |(i, digit): (usize, char)| {
            let comma = i > 0 && (digits.len() - i).is_multiple_of(3);
            comma.then_some(',').into_iter().chain([digit])
        };
        let text: String = digits.chars().enumerate().flat_map(apart).collect();
        Self { sort: Some(value as f64), tone: Tone::Number, ..Self::text(text) }
    }

    /// No value, and why.
    pub fn gone(reason: &str) -> Self {
        Self { tone: Tone::Gone, note: reason.to_owned(), ..Self::text("–") }
    }

    /// The same with a bar of this share, 0 to 1, of the column's width.
    pub fn bar(self, share: Option<f64>) -> Self {
        let share = share.filter(|s| s.is_finite()).map(|s| s.clamp(0.0, 1.0));
        Self { share, ..self }
    }

    /// The same with something beside it: an interval, a unit.
    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    fn draw(&self, number: bool) -> Markup {
        let gone = self.tone == Tone::Gone;
        html! {
            td.n[number].gone[gone] data-s=[self.sort] { (self.content()) }
        }
    }

    fn content(&self) -> Markup {
        html! {
            @if self.tone == Tone::Code { span.code { (self.text) } } @else { (self.text) }
            @if !self.note.is_empty() { span.note { (self.note) } }
            @if let Some(share) = self.share {
                svg.bar viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
                    rect width=(text::decimal(100.0 * share, 1)) height="10" {}
                }
            }
        }
    }
}

impl Table<'_> {
    /// The table as HTML, within a box that scrolls where it has not the room.
    pub fn draw(&self) -> Markup {
        let long = self.rows.len() > LONG;
        let wide = self.columns.len() >= WIDE;
        html! {
            figure {
                div.box.long[long] tabindex="0" role="region" aria-label=(self.caption) {
                    table.list.wide[wide].sortable[self.rows.len() > 1] {
                        caption { (self.caption) }
                        thead { tr { @for column in &self.columns {
                            th.n[column.number] scope="col" { (column.name) }
                        } } }
                        tbody { @for row in &self.rows { (self.row(row)) } }
                    }
                }
            }
        }
    }

    fn row(&self, row: &[Entry]) -> Markup {
        html! {
            tr {
                @if let Some((heading, rest)) = row.split_first() {
                    th.n[heading.tone == Tone::Number] scope="row" data-s=[heading.sort] {
                        (heading.content())
                    }
                    @for (entry, column) in rest.iter().zip(self.columns.iter().skip(1)) {
                        (entry.draw(column.number))
                    }
                }
            }
        }
    }
}
