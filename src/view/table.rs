//! Tables, for a terminal ([`Display`](std::fmt::Display)), for spreadsheets and scripts, and for Markdown.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use super::letters::Letters;
use crate::error::visible;

/// A table whose cells each stay on their line.
#[derive(Debug, Clone)]
pub struct Table {
    header: Vec<String>,
    /// The header for programs, where it says more than that for people.
    names: Option<Vec<String>>,
    rows: Vec<Vec<Cell>>,
    /// Columns of numbers.
    right: Vec<usize>,
    /// Columns that are kept where there is no room for all, the most important first.
    first: Vec<usize>,
}

/// A cell as people see it, and of numbers what files for programs hold: all their digits.
#[derive(Debug, Clone)]
pub struct Cell {
    shown: String,
    exact: Option<String>,
}

/// `0.00` of `-0.00`.
fn without_sign_of_zero(text: String) -> String {
    match text.strip_prefix('-') {
        Some(zero) if zero.chars().all(|digit| matches!(digit, '0' | '.')) => zero.to_owned(),
        _ => text,
    }
}

impl Cell {
    /// A number with so many digits behind the point; `-` where there is none.
    pub fn number(value: Option<f64>, digits: usize) -> Self {
        Self::of(value, |value| without_sign_of_zero(format!("{value:.digits$}")))
    }

    /// A share from 0 to 1, shown in percent with so many digits behind the point.
    pub fn share(value: Option<f64>, digits: usize) -> Self {
        Self::of(value, |value| format!("{:.digits$} %", 100.0 * value))
    }

    /// A number that is shown otherwise; `-` where there is none.
    pub fn of(value: Option<f64>, shown: impl FnOnce(f64) -> String) -> Self {
        let exact = value.map(|value| value.to_string());
        Self { shown: value.map_or("-".to_owned(), shown), exact }
    }

    /// The ends of an interval, for programs `low…high`; `-` where there is none.
    pub fn interval(ends: Option<(f64, f64)>, shown: impl FnOnce((f64, f64)) -> String) -> Self {
        let exact = ends.map(|(low, high)| format!("{low}…{high}"));
        Self { shown: ends.map_or("-".to_owned(), shown), exact }
    }

    /// For programs: all digits, and nothing where there is no value.
    fn exact(&self) -> String {
        match (&self.exact, self.shown.as_str()) {
            (Some(exact), _) => exact.clone(),
            (None, "-") => String::new(),
            (None, text) => text.to_owned(),
        }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { shown: visible(&text).into_owned(), exact: None }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Self {
        count.to_string().into()
    }
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.shown)
    }
}

/// A table with a header.
pub fn new<T: ToString>(header: &[T]) -> Table {
    let header = header.iter().map(|name| visible(&name.to_string()).into_owned()).collect();
    Table { header, names: None, rows: vec![], right: vec![], first: vec![] }
}

impl Table {
    /// Aligns columns of numbers.
    pub fn align_right(&mut self, columns: &[usize]) {
        self.right.extend(columns);
    }

    /// States which columns are the most important, the most important first: the others are left out before them where
    /// a screen has no room for all. Without it they are so in their order.
    pub fn keep_first(&mut self, columns: &[usize]) {
        self.first = columns.to_vec();
    }

    /// The columns, the most important first.
    pub(super) fn by_importance(&self) -> Vec<usize> {
        let rest = (0..self.header.len()).filter(|i| !self.first.contains(i));
        self.first.iter().copied().filter(|&i| i < self.header.len()).chain(rest).collect()
    }

    /// The least room for a column whose names, or above numbers whose heading, may be cut to so many letters.
    pub(super) fn least(&self, column: usize, name: usize, heading: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| Some(row.get(column)?.shown.width()));
        let (cells, title) = (cells.max().unwrap_or(0), self.header[column].width());
        match self.right.contains(&column) {
            true => cells.max(title.min(heading)),
            false => cells.max(title).min(name),
        }
    }

    /// What a column is called, in words that tell it from the others.
    pub(super) fn title(&self, column: usize) -> &str {
        self.names.as_ref().map_or(&self.header[column], |names| &names[column])
    }

    /// The same in the letters of a screen.
    pub(super) fn in_letters(&self, letters: &Letters) -> Self {
        let words = |all: &[String]| all.iter().map(|word| letters.of(word).into_owned()).collect();
        let cell = |cell: &Cell| Cell { shown: letters.of(&cell.shown).into_owned(), exact: None };
        let row = |row: &Vec<Cell>| row.iter().map(cell).collect();
        Self {
            header: words(&self.header),
            names: self.names.as_deref().map(words),
            rows: self.rows.iter().map(row).collect(),
            ..self.clone()
        }
    }

    /// The room that each column takes.
    pub(super) fn widths(&self) -> Vec<usize> {
        let cells =
            |i: usize| self.rows.iter().filter_map(move |row| Some(row.get(i)?.shown.width()));
        let width =
            |(i, title): (usize, &String)| cells(i).chain([title.width()]).max().unwrap_or(0);
        self.header.iter().enumerate().map(width).collect()
    }

    /// Some of the columns, with text cut by `cut`, which gets the column and the text.
    pub(super) fn part(&self, columns: &[usize], cut: impl Fn(usize, &str) -> String) -> Self {
        let cell = |(k, &i): (usize, &usize), row: &[Cell]| Cell::from(cut(k, &row[i].shown));
        let row = |row: &Vec<Cell>| columns.iter().enumerate().map(|at| cell(at, row)).collect();
        let right = columns.iter().enumerate().filter(|(_, i)| self.right.contains(i));
        Self {
            header: columns.iter().enumerate().map(|(k, &i)| cut(k, &self.header[i])).collect(),
            names: None,
            rows: self.rows.iter().map(row).collect(),
            right: right.map(|(k, _)| k).collect(),
            first: vec![],
        }
    }

    /// Names of the columns for programs, each another one.
    pub fn name_columns(&mut self, names: Vec<String>) {
        self.names = Some(names.iter().map(|name| visible(name).into_owned()).collect());
    }

    /// Appends a row.
    pub fn add_row<T: Into<Cell>>(&mut self, row: impl IntoIterator<Item = T>) {
        self.rows.push(row.into_iter().map(Into::into).collect());
    }

    /// Values separated by a comma or a tab, one row per line under a header (RFC 4180), numbers with all their
    /// digits; a cell without a value, shown as `-`, is empty.
    pub fn separated(&self, separator: u8) -> String {
        let rows = self.rows.iter().map(|row| row.iter().map(Cell::exact).collect());
        separated(
            [self.names.as_ref().unwrap_or(&self.header).clone()].into_iter().chain(rows),
            separator,
        )
    }

    /// A table of Markdown.
    pub fn markdown(&self) -> String {
        let line = |row: &mut dyn Iterator<Item = &String>| {
            let cells: Vec<String> = row.map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule = |i| if self.right.contains(&i) { "---:" } else { "---" }.to_owned();
        let rule: Vec<String> = (0..self.header.len()).map(rule).collect();
        let mut text = line(&mut self.header.iter());
        let _ = writeln!(text, "| {} |", rule.join(" | "));
        text.extend(self.rows.iter().map(|row| line(&mut row.iter().map(|cell| &cell.shown))));
        text
    }
}

/// Rows of values separated by a comma or a tab, quoted where they hold one (RFC 4180).
pub fn separated(rows: impl IntoIterator<Item = Vec<String>>, separator: u8) -> String {
    let mut text = csv::WriterBuilder::new().delimiter(separator).from_writer(vec![]);
    for row in rows {
        // Memory takes all that is written to it.
        let _ = text.write_record(&row);
    }
    String::from_utf8(text.into_inner().unwrap_or_default()).unwrap_or_default()
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header(&self.header);
        for row in &self.rows {
            table.add_row(row.iter().map(|cell| &cell.shown));
        }
        for &i in &self.right {
            if let Some(column) = table.column_mut(i) {
                column.set_cell_alignment(comfy_table::CellAlignment::Right);
            }
        }
        table.fmt(f)
    }
}

/// A number with its thousands apart: `11,689,512`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_table_has_many_forms() {
        let mut table = new(&["layer", "CKA"]);
        table.align_right(&[1]);
        table.add_row(["a|b, c", "0.5"]);
        table.add_row(["d", "-"]);
        let mut exact = new(&["a share", "a number"]);
        exact.add_row([Cell::share(Some(0.123_456_789), 1), Cell::number(None, 3)]);
        assert_eq!(exact.separated(b','), "a share,a number\n0.123456789,\n");
        assert!(exact.to_string().contains("12.3 %"));
        assert_eq!(table.separated(b','), "layer,CKA\n\"a|b, c\",0.5\nd,\n");
        assert_eq!(table.separated(b'\t'), "layer\tCKA\na|b, c\t0.5\nd\t\n");
        let markdown = "| layer | CKA |\n| --- | ---: |\n| a\\|b, c | 0.5 |\n| d | - |\n";
        assert_eq!(table.markdown(), markdown);
    }

    #[test]
    fn thousands_are_apart() {
        assert_eq!([0, 999, 1000, 11_689_512].map(thousands), ["0", "999", "1,000", "11,689,512"]);
    }
}
