//! `repsim diff`: what changed between two reports.

use std::path::PathBuf;

use super::judging::{cell, read};
use super::output::{self, Messages};
use crate::check::{self, Change, DiffReport, Outcome};
use crate::error::{Error, Result};
use crate::view::table;

/// Changes in the table.
const ROWS: usize = 40;

/// Options of `repsim diff`.
#[derive(clap::Args)]
#[command(
    after_long_help = "Each change is named as `repsim check NEW --baseline OLD` without a policy names it: drifted, \
    improved, moved (pairs of layers of different names), could not be checked, or within the tolerance."
)]
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
        let header = ["changed", "old", "new", "difference", "tolerances", "check"];
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
    text.push_str(&format!(
        "{changed} values changed{}, {unchanged} are the same",
        by_outcome(report)
    ));
    text
}

/// How many of the changes are what to a check without a policy: ` (2 drifted, 1 improved)`.
fn by_outcome(report: &DiffReport) -> String {
    let all =
        [Outcome::Drifted, Outcome::Unchecked, Outcome::Improved, Outcome::Moved, Outcome::Passed];
    let counted = all.into_iter().filter_map(|outcome| {
        let count = report.changes.iter().filter(|c| c.outcome == Some(outcome)).count();
        (count > 0).then(|| format!("{count} {}", word(outcome)))
    });
    let counted: Vec<String> = counted.collect();
    if counted.is_empty() { String::new() } else { format!(" ({})", counted.join(", ")) }
}

/// The word of a check; what passes changed too, here.
fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "within the tolerance",
        other => other.word(),
    }
}

fn row(change: &Change) -> [String; 6] {
    let said = match change.outcome {
        Some(outcome) => word(outcome),
        None if change.old.get().is_none() => "new",
        None => "gone",
    };
    [
        change.of.clone(),
        cell(change.old.get(), ""),
        cell(change.new.get(), ""),
        cell(change.change.get(), "+"),
        change.tolerances.get().map_or("-".to_owned(), |t| format!("{t:.1}")),
        said.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_a_check_would_say() {
        let change = |of: &str, outcome| Change {
            of: of.to_owned(),
            old: 12.0.into(),
            new: 9.5.into(),
            change: (-2.5).into(),
            tolerances: 192.3.into(),
            better: Some(true),
            outcome,
        };
        let text = table(&DiffReport {
            schema: crate::report::SchemaId::current("diff"),
            old: "a.json".to_owned(),
            new: "b.json".to_owned(),
            kind: "fid".to_owned(),
            conditions: vec!["k: 5, now 3".to_owned()],
            changes: vec![
                change("fid[\"a\"]", Some(Outcome::Improved)),
                change("fid[\"b\"]", None),
            ],
            unchanged: 3,
        });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "k: 5, now 3");
        assert!(lines[2].contains("-2.5") && lines[2].trim_end().ends_with("improved"), "{text}");
        assert!(text.ends_with("2 values changed (1 improved), 3 are the same"), "{text}");
    }
}
