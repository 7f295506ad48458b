//! `repsim diff`: what changed between two reports.

use std::path::PathBuf;

use super::judging::{cell, read};
use super::output::{self, Messages};
use crate::check::{self, Change, DiffReport};
use crate::error::{Error, Result};
use crate::view::table;

/// Changes in the table.
const ROWS: usize = 40;

/// Options of `repsim diff`.
#[derive(clap::Args)]
pub struct Args {
    /// The report before
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The report after
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Write the differences as JSON to a file, - for standard output [default: standard output, or
    /// a table on a terminal]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What standard output gets: table or json [default: table on a terminal, else json, nothing with
    /// --output]
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Format>,
}

/// How differences are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// For scripts.
    Json,
}

/// Lists what changed, the largest first.
///
/// # Errors
/// A report cannot be read, they are of different kinds, or the output cannot be written.
pub fn run(args: &Args, messages: &Messages) -> Result<()> {
    let (old, new) = (read(&args.old)?, read(&args.new)?);
    let report = check::diff((&old, &args.old), (&new, &args.new)).ok_or_else(|| {
        let problem = format!("it is a report of {}, the other one of {}", new.kind(), old.kind());
        Error::file("compare", &args.new, problem, "give two reports of one kind")
    })?;
    let Some(format) = args.format else {
        return output::show_as(&report, args.output.as_deref(), messages, || table(&report));
    };
    args.output.as_deref().map_or(Ok(()), |path| output::write_report(&report, path))?;
    match format {
        Format::Table => output::print(&format!("{}\n", table(&report))),
        Format::Json => output::write_report(&report, "-".as_ref()),
    }
}

/// What changed, for people.
fn table(report: &DiffReport) -> String {
    let mut text: String = report.conditions.iter().map(|c| format!("{c}\n")).collect();
    if !report.changes.is_empty() {
        let header = ["changed", "old", "new", "difference", "tolerances", ""];
        let mut table = table::new(&header);
        for change in report.changes.iter().take(ROWS) {
            table.add_row(row(change));
        }
        table.align_right(&[1, 2, 3, 4]);
        text.push_str(&format!("{table}\n"));
    }
    let more = report.changes.len().saturating_sub(ROWS);
    if more > 0 {
        text.push_str(&format!("({more} more)\n"));
    }
    let (changed, unchanged) = (report.changes.len(), report.unchanged);
    text.push_str(&format!("{changed} values changed, {unchanged} are the same"));
    text
}

fn row(change: &Change) -> [String; 6] {
    let better = match change.better {
        Some(true) => "better",
        Some(false) => "worse",
        None => "",
    };
    [
        change.of.clone(),
        cell(change.old.get(), ""),
        cell(change.new.get(), ""),
        cell(change.change.get(), "+"),
        change.tolerances.get().map_or("-".to_owned(), |t| format!("{t:.1}")),
        better.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_tells_better_from_worse() {
        let change = |of: &str, better| Change {
            of: of.to_owned(),
            old: 12.0.into(),
            new: 9.5.into(),
            change: (-2.5).into(),
            tolerances: 192.3.into(),
            better,
        };
        let text = table(&DiffReport {
            schema: crate::report::SchemaId::current("diff"),
            old: "a.json".to_owned(),
            new: "b.json".to_owned(),
            kind: "fid".to_owned(),
            conditions: vec!["k: 5, now 3".to_owned()],
            changes: vec![change("fid[\"a\"]", Some(true)), change("fid[\"b\"]", None)],
            unchanged: 3,
        });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "k: 5, now 3");
        assert!(lines[2].contains("-2.5") && lines[2].trim_end().ends_with("better"), "{text}");
        assert!(text.ends_with("2 values changed, 3 are the same"), "{text}");
    }
}
