//! Rows of scores for programs, each written as soon as it is there.

use crate::error::{Error, Result, visible, visible_json};
use crate::frechet::Metric;
use crate::report::fid::{Candidate, FidReport};
use crate::view::table::separated;

/// A form with a line a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// JSON.
    Jsonl,
    /// Values separated by commas, under a header.
    Csv,
    /// Values separated by tabs, under a header.
    Tsv,
}

impl Rows {
    /// A line; before the first the header.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn row(self, row: &Candidate, metrics: &[Metric], first: bool) -> Result<String> {
        let rows = || first.then(|| header(metrics)).into_iter().chain([cells(row, metrics)]);
        Ok(match self {
            Self::Jsonl => format!("{}\n", line(row)?),
            Self::Tsv => rows().map(|cells| format!("{}\n", cells.join("\t"))).collect(),
            Self::Csv => separated(rows(), b','),
        })
    }

    /// All candidates of a report.
    ///
    /// # Errors
    /// As [`Rows::row`].
    pub fn all(self, report: &FidReport) -> Result<String> {
        let rows = report.results.candidates.iter().enumerate();
        rows.map(|(i, row)| self.row(row, &report.settings.metrics, i == 0)).collect()
    }
}

/// The first row of the table for scripts.
fn header(metrics: &[Metric]) -> Vec<String> {
    let mut columns = vec![super::CANDIDATE, super::COUNT];
    columns.extend(Candidate::columns(metrics));
    columns.push("error");
    columns.into_iter().map(str::to_owned).collect()
}

fn cells(row: &Candidate, metrics: &[Metric]) -> Vec<String> {
    let clean = |text: &str| visible(text).into_owned();
    let number = |value: Option<f64>| value.map_or_else(String::new, |v| v.to_string());
    let mut cells = vec![clean(&row.path), row.n.map_or_else(String::new, |n| n.to_string())];
    cells.extend(Candidate::columns(metrics).iter().map(|column| number(row.value(column))));
    cells.push(row.error.as_deref().map(clean).unwrap_or_default());
    cells
}

fn line(row: &Candidate) -> Result<String> {
    serde_json::to_string(row)
        .map(|line| visible_json(&line).into_owned())
        .map_err(|e| Error::usage(format!("failed to write JSON: {e}"), "please report this"))
}
