//! What changed between two reports, as tables.

use super::check::cell;
use super::table::{self, Cell, Table};
use super::{Screen, Tables};
use crate::check::{Change, DiffReport, Outcome};

/// Changes that people are shown.
const ROWS: usize = 40;

impl Tables for DiffReport {
    /// A row a change, the largest first.
    fn tables(&self) -> Vec<Table> {
        vec![table(&self.changes)]
    }

    /// What the changes may come from, the largest of them, and how many there are.
    fn text(&self, screen: &Screen) -> String {
        let mut text: String = self.conditions.iter().map(|c| format!("{c}\n")).collect();
        let (changed, shown) = (self.changes.len(), self.changes.len().min(ROWS));
        if changed > 0 {
            text.push_str(&format!("{}\n", screen.table(&table(&self.changes[..shown]))));
        }
        if changed > shown {
            text.push_str(&format!("({} more)\n", changed - shown));
        }
        let (outcomes, unchanged) = (by_outcome(self), self.unchanged);
        text.push_str(&format!("{changed} values changed{outcomes}, {unchanged} are the same"));
        text
    }
}

fn table(changes: &[Change]) -> Table {
    let mut table = table::new(&["changed", "old", "new", "difference", "tolerances", "check"]);
    changes.iter().for_each(|change| table.add_row(row(change)));
    table.align_right(&[1, 2, 3, 4]);
    table
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

fn row(change: &Change) -> [Cell; 6] {
    let said = match change.outcome {
        Some(outcome) => word(outcome),
        None if change.old.get().is_none() => "new",
        None => "gone",
    };
    [
        change.of.clone().into(),
        cell(change.old, ""),
        cell(change.new, ""),
        cell(change.change, "+"),
        Cell::number(change.tolerances.get(), 1),
        said.into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::SchemaId;

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
        let text = (DiffReport {
            schema: SchemaId::current("diff"),
            old: "a.json".to_owned(),
            new: "b.json".to_owned(),
            kind: "fid".to_owned(),
            conditions: vec!["k: 5, now 3".to_owned()],
            changes: vec![
                change("fid[\"a\"]", Some(Outcome::Improved)),
                change("fid[\"b\"]", None),
            ],
            unchanged: 3,
        })
        .text(&Screen::default());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "k: 5, now 3");
        assert!(lines[2].contains("-2.5") && lines[2].trim_end().ends_with("improved"), "{text}");
        assert!(text.ends_with("2 values changed (1 improved), 3 are the same"), "{text}");
    }
}
