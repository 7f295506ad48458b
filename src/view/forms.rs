//! The forms of results: for programs, for spreadsheets, for pages and for people.

use std::path::Path;

use serde::Serialize;

use super::table::Table;
use super::{Screen, Tables};
use crate::error::{Error, Result, visible_json};

/// A form of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// All of it.
    Json,
    /// The main table, values separated by commas.
    Csv,
    /// The main table, values separated by tabs.
    Tsv,
    /// All tables, as Markdown.
    Md,
    /// All tables, for people.
    Table,
}

impl Form {
    /// The form that the name of a file asks for; JSON where it asks for no other.
    pub fn of_file(path: &Path) -> Self {
        let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
        match ending.to_str() {
            Some("csv") => Self::Csv,
            Some("tsv") => Self::Tsv,
            Some("md") => Self::Md,
            _ => Self::Json,
        }
    }

    /// A report in this form; `screen` counts where people read it.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn write<T: Serialize + Tables>(self, report: &T, screen: &Screen) -> Result<String> {
        Ok(match self {
            Self::Json => format!("{}\n", to_json(report)?),
            Self::Csv => report.separated(b',')?,
            Self::Tsv => report.separated(b'\t')?,
            Self::Md => {
                let tables: Vec<String> = report.tables().iter().map(Table::markdown).collect();
                tables.join("\n")
            }
            Self::Table => format!("{}\n", screen.lines(&report.text(screen))),
        })
    }
}

/// Indented JSON, with arrays of numbers on one line.
///
/// # Errors
/// It cannot be written as JSON.
pub fn to_json<T: Serialize>(report: &T) -> Result<String> {
    let value = serde_json::to_value(report)
        .map_err(|e| Error::usage(format!("failed to write JSON: {e}"), "please report this"))?;
    let mut text = String::new();
    write_value(&value, 0, &mut text);
    Ok(visible_json(&text).into_owned())
}

fn write_value(value: &serde_json::Value, depth: usize, out: &mut String) {
    use serde_json::Value;
    match value {
        Value::Object(map) if !map.is_empty() => {
            let items = map.iter().map(|(key, value)| {
                let mut item = format!("{}: ", Value::String(key.clone()));
                write_value(value, depth + 1, &mut item);
                item
            });
            write_items(('{', '}'), items, depth, out);
        }
        Value::Array(items) if items.iter().any(|v| v.is_object() || v.is_array()) => {
            let items = items.iter().map(|value| {
                let mut item = String::new();
                write_value(value, depth + 1, &mut item);
                item
            });
            write_items(('[', ']'), items, depth, out);
        }
        flat => out.push_str(&flat.to_string()),
    }
}

fn write_items(
    (open, close): (char, char),
    items: impl Iterator<Item = String>,
    depth: usize,
    out: &mut String,
) {
    let indent = "  ".repeat(depth + 1);
    let lines: Vec<String> = items.map(|item| format!("{indent}{item}")).collect();
    out.push(open);
    out.push('\n');
    out.push_str(&lines.join(",\n"));
    out.push('\n');
    out.push_str(&"  ".repeat(depth));
    out.push(close);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_rows_on_a_line() {
        let json = to_json(&serde_json::json!({"a": [[1, 2], [3, null]], "b": {}, "c": []}));
        let expected =
            "{\n  \"a\": [\n    [1,2],\n    [3,null]\n  ],\n  \"b\": {},\n  \"c\": []\n}";
        assert_eq!(json.ok().as_deref(), Some(expected));
    }
}
