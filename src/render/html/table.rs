//! Tables with a row a thing.

use maud::{Markup, html};

use crate::render::{style, text};

/// Rows from which a table scrolls within a box of its own.
const LONG: usize = 24;

/// Columns from which bars and notes stand under their numbers, to save width.
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
    /// Whether rows are chosen by its values.
    choice: bool,
    /// Whether it holds pictures.
    sight: bool,
    /// What it is called in a file, where that is another name.
    id: Option<&'static str>,
    /// The same of the number that stands beside its own behind ±.
    beside: Option<&'static str>,
    /// The value of a whole bar.
    whole: f64,
}

/// What stands where a row and a column meet.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    text: String,
    note: String,
    /// The number that the note tells, with all its digits.
    noted: Option<f64>,
    sort: Option<f64>,
    share: Option<f64>,
    picture: Option<String>,
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
        let (number, choice, sight) = (false, false, false);
        Self { name: name.into(), number, choice, sight, id: None, beside: None, whole: 1.0 }
    }

    /// A column of numbers, the largest first when it is sorted.
    pub fn number(name: impl Into<String>) -> Self {
        Self { number: true, ..Self::text(name) }
    }

    /// The same, with rows chosen by its values: classes, right or wrong.
    pub fn choice(self) -> Self {
        Self { choice: true, ..self }
    }

    /// The same, called so in files that are saved from the page, and what stands behind ± so.
    pub fn saved_as(self, id: &'static str, beside: Option<&'static str>) -> Self {
        Self { id: Some(id), beside, ..self }
    }

    /// The same, with bars whose whole length is this value, where that is not 1.
    pub fn whole(self, whole: f64) -> Self {
        Self { whole, ..self }
    }

    /// A column of small pictures.
    pub fn sight(name: impl Into<String>) -> Self {
        Self { sight: true, ..Self::text(name) }
    }
}

impl Column {
    /// The heading; where bars begin elsewhere than at 0 it says so.
    fn heading(&self, (low, high): (f64, f64)) -> Markup {
        let value = |share: f64| short(share * self.whole);
        let said = (low > 0.0).then(|| format!("bars from {} to {}", value(low), value(high)));
        html! {
            th.n[self.number].choice[self.choice].sight[self.sight] scope="col" data-name=[said.as_ref().map(|_| &self.name)]
                data-id=[self.id] data-beside=[self.beside] {
                (self.name)
                @if let Some(said) = said { span.from { (said) } }
            }
        }
    }
}

/// A round number without zeros behind it.
fn short(value: f64) -> String {
    text::decimal(value, 6).trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Entry {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        let (text, note) = (text.into(), String::new());
        let (noted, sort, share, picture) = (None, None, None, None);
        Self { text, note, noted, sort, share, picture, tone: Tone::Text }
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

    /// A small picture as an address of its data, or nothing.
    pub fn picture(address: Option<String>) -> Self {
        Self { picture: address, ..Self::text("") }
    }

    /// The same with a bar for this value, 0 to 1. The bars of a column begin at 0, or nearer to its values where
    /// these lie close together; its heading says so then.
    pub fn bar(self, share: Option<f64>) -> Self {
        let share = share.filter(|s| s.is_finite()).map(|s| s.clamp(0.0, 1.0));
        Self { share, ..self }
    }

    /// The same with something beside it: an interval, a unit.
    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// The same with a number beside it behind ±.
    pub fn plus_minus(self, deviation: f64, decimals: usize) -> Self {
        Self { noted: Some(deviation), ..self.note(format!("± {deviation:.decimals$}")) }
    }

    fn draw(&self, number: bool, ends: (f64, f64)) -> Markup {
        let gone = self.tone == Tone::Gone;
        html! {
            td.n[number].gone[gone] data-s=[self.sort] { (self.content(ends)) }
        }
    }

    fn content(&self, (low, high): (f64, f64)) -> Markup {
        html! {
            @if let Some(address) = &self.picture { img.thumb src=(address) alt=""; }
            @if self.tone == Tone::Code { span.code { (self.text) } } @else { (self.text) }
            @if !self.note.is_empty() { span.note data-s=[self.noted] { (self.note) } }
            @if let Some(share) = self.share {
                svg.bar viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
                    rect width=(text::decimal(100.0 * (share - low) / (high - low), 1)) height="10" {}
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
        let ends: Vec<(f64, f64)> =
            (0..self.columns.len()).map(|column| self.ends(column)).collect();
        html! {
            figure {
                div.box.long[long] tabindex="0" role="region" aria-label=(self.caption) {
                    table.list.wide[wide].sortable[self.rows.len() > 1] {
                        caption { span { (self.caption) } }
                        thead { tr { @for (column, ends) in self.columns.iter().zip(&ends) {
                            (column.heading(*ends))
                        } } }
                        tbody { @for row in &self.rows { (self.row(row, &ends)) } }
                    }
                }
            }
        }
    }

    /// From where to where the bars of a column run: 0 to 1, or two round numbers around values that lie close
    /// together and far from 0.
    fn ends(&self, column: usize) -> (f64, f64) {
        let whole = self.columns[column].whole;
        let values = || self.rows.iter().filter_map(|row| Some(row.get(column)?.share? * whole));
        let Some((low, high)) = values().reduce(f64::min).zip(values().reduce(f64::max)) else {
            return (0.0, 1.0);
        };
        let spread = high - low;
        if spread <= 0.0 || low < 2.0 * spread {
            return (0.0, 1.0);
        }
        let step = style::round_step(spread / 4.0);
        let below = ((low - spread / 8.0) / step).floor() * step;
        // A value that is round stays so, whatever dividing by the whole did to its last digit.
        let above = (high / step - 1e-9).ceil() * step;
        (below.max(0.0) / whole, above / whole)
    }

    fn row(&self, row: &[Entry], ends: &[(f64, f64)]) -> Markup {
        html! {
            tr {
                @if let Some((heading, rest)) = row.split_first() {
                    th.n[heading.tone == Tone::Number] scope="row" data-s=[heading.sort] {
                        (heading.content(ends[0]))
                    }
                    @for (entry, (column, ends)) in rest.iter().zip(self.columns.iter().zip(ends).skip(1)) {
                        (entry.draw(column.number, *ends))
                    }
                }
            }
        }
    }
}
