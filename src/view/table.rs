//! Tables of the terminal.

use crate::error::visible;

/// A table whose cells each stay on their line.
pub struct Table(comfy_table::Table);

/// A table with a header.
pub fn new<T: ToString>(header: &[T]) -> Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(header.iter().map(|name| visible(&name.to_string()).into_owned()));
    Table(table)
}

impl Table {
    /// Aligns columns of numbers.
    pub fn align_right(&mut self, columns: &[usize]) {
        for &i in columns {
            if let Some(column) = self.0.column_mut(i) {
                column.set_cell_alignment(comfy_table::CellAlignment::Right);
            }
        }
    }

    /// Appends a row.
    pub fn add_row<T: ToString>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.0.add_row(cells.into_iter().map(|cell| visible(&cell.to_string()).into_owned()));
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A name in no more than so many characters: its end, which tells files apart, after `…`.
pub fn shortened(name: &str, room: usize) -> String {
    let count = name.chars().count();
    match count > room {
        true => {
            let end: String = name.chars().skip(count + 1 - room.max(1)).collect();
            format!("…{end}")
        }
        false => name.to_owned(),
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
    fn thousands_are_apart() {
        assert_eq!([0, 999, 1000, 11_689_512].map(thousands), ["0", "999", "1,000", "11,689,512"]);
    }

    #[test]
    fn names_keep_their_end() {
        assert_eq!(shortened("a/b/noise-0.1.npy", 10), "…e-0.1.npy");
        assert_eq!((shortened("abc", 3), shortened("abcd", 3)), ("abc".into(), "…cd".into()));
    }
}
