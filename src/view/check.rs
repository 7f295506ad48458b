//! The outcome of a check, as tables and in words.

use super::table::{self, Cell, Table};
use super::{Screen, Tables};
use crate::check::{Finding, Outcome, Told, Verdict, told};
use crate::error::visible;
use crate::report::Number;

/// Failures that people are shown of each kind.
const ROWS: usize = 40;

impl Tables for Verdict {
    /// A row a value that did not pass, or that moved.
    fn tables(&self) -> Vec<Table> {
        let header = [
            "of",
            "outcome",
            "value",
            "expected",
            "baseline",
            "difference",
            "tolerances",
            "message",
        ];
        let mut table = table::new(&header);
        let rows = self.failures().into_iter().chain(self.moved());
        rows.for_each(|finding| table.add_row(row(finding)));
        table.align_right(&[2, 3, 4, 5, 6]);
        vec![table]
    }

    /// What did not pass: the values that drifted as a table, the rest in words.
    fn text(&self, screen: &Screen) -> String {
        let mut text = failures(self, screen);
        for note in self.notes() {
            text.push_str(&format!("{}\n", visible(&note)));
        }
        text.push_str(&closing(self));
        text
    }
}

/// Why something could not be checked, in one line.
pub fn reason(verdict: &Verdict) -> String {
    let told = told(verdict);
    let unchecked = told.iter().filter_map(Told::largest);
    let mut unchecked = unchecked.filter(|finding| finding.outcome == Outcome::Unchecked);
    let first = unchecked.next().map_or(String::new(), |finding| finding.message.clone());
    match unchecked.count() {
        0 => format!("could not be checked: {first}"),
        more => format!("could not be checked: {first} ({more} more)"),
    }
}

/// How it ended, in one line.
pub fn closing(verdict: &Verdict) -> String {
    format!("{}: {}", verdict.outcome().word(), verdict.summary())
}

fn failures(verdict: &Verdict, screen: &Screen) -> String {
    let outcome = |line: &Told<'_>| line.largest().map(|finding| finding.outcome);
    let (drifted, unchecked): (Vec<Told<'_>>, Vec<Told<'_>>) =
        told(verdict).into_iter().partition(|line| outcome(line) == Some(Outcome::Drifted));
    let mut text = String::new();
    for finding in unchecked.iter().filter_map(Told::largest).take(ROWS) {
        let rule = finding.rule.as_ref().map(|rule| format!("{rule}: ")).unwrap_or_default();
        let line = format!("could not be checked: {rule}{}", finding.message);
        text.push_str(&format!("{}\n", visible(&line)));
    }
    text.push_str(&more(unchecked.len()));
    if !drifted.is_empty() {
        let header = ["drifted", "value", "expected", "baseline", "difference", "tolerances"];
        let mut table = table::new(&header);
        drifted.iter().take(ROWS).for_each(|line| table.add_row(grouped(line)));
        table.align_right(&[1, 2, 3, 4, 5]);
        table.keep_first(&[0, 1, 3, 4]);
        text.push_str(&format!("{}\n{}", screen.table(&table), more(drifted.len())));
    }
    text
}

fn more(count: usize) -> String {
    match count.saturating_sub(ROWS) {
        0 => String::new(),
        more => format!("({more} more)\n"),
    }
}

fn row(finding: &Finding) -> [Cell; 8] {
    [
        finding.of.clone().into(),
        finding.outcome.word().into(),
        cell(finding.value, ""),
        finding.expected.clone().into(),
        cell(finding.baseline, ""),
        cell(finding.difference, "+"),
        Cell::number(finding.tolerances.get(), 1),
        finding.message.clone().into(),
    ]
}

/// A value, or the largest difference of several that are reported as one.
fn grouped(line: &Told<'_>) -> [Cell; 6] {
    let none = || Cell::from("-");
    let Some(finding) = line.largest() else { return [(); 6].map(|()| none()) };
    let one = |cell: Cell| if line.is_group() { none() } else { cell };
    [
        line.of.clone().into(),
        one(cell(finding.value, "")),
        one(finding.expected.clone().into()),
        one(cell(finding.baseline, "")),
        cell(finding.difference, "+"),
        Cell::number(finding.tolerances.get(), 1),
    ]
}

/// A number as tables of checks and differences show it; `sign` goes before those above zero.
pub(super) fn cell(number: Number, sign: &str) -> Cell {
    Cell::of(number.get(), |value| {
        let sign = if value > 0.0 { sign } else { "" };
        match value.abs() {
            size if size != 0.0 && !(1e-3..1e7).contains(&size) => format!("{sign}{value:.2e}"),
            _ if value.fract() == 0.0 => format!("{sign}{value}"),
            _ => format!("{sign}{value:.5}"),
        }
    })
}
