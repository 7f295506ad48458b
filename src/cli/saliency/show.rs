//! Tables of `repsim saliency`.

use super::Args;
use super::results::matrix;
use crate::cli::output::{self, Messages};
use crate::error::Result;
use crate::report::saliency::{Mean, PairResult, SaliencyReport};

/// Picks one measure of a pair.
type Measure = fn(&PairResult) -> &Mean;

/// Images in the table.
const ROWS: usize = 20;

/// Writes the report where it was asked for, and tables where somebody looks.
///
/// # Errors
/// It cannot be written.
pub fn show(args: &Args, report: &SaliencyReport, messages: &Messages) -> Result<()> {
    output::show(report, args.output.as_deref(), messages, || {
        format!("{}\n{}", images(report), comparison(report))
    })
}

/// Each image with what is explained of it.
fn images(report: &SaliencyReport) -> String {
    let mut table =
        output::table(&["image", "map", "explains", "score", "mass in top 10 %", "entropy"]);
    let columns = &report.results.columns;
    for image in report.results.images.iter().take(ROWS) {
        for (column, map) in columns.iter().zip(&image.maps) {
            let said = &image.predictions[column.model];
            let number = |v: Option<f64>| v.map_or("-".to_owned(), |v| format!("{v:.3}"));
            let state =
                if map.degenerate { "degenerate".to_owned() } else { number(map.entropy.get()) };
            table.add_row([
                image.sample.clone(),
                column.name.clone(),
                said.target.clone(),
                number(said.score.get()),
                number(map.mass_in_top.get()),
                state,
            ]);
        }
    }
    output::align_right(&mut table, &[3, 4, 5]);
    let more = report.results.images.len().saturating_sub(ROWS);
    let rest = if more > 0 { format!("\n({more} images more)") } else { String::new() };
    format!("{table}{rest}\n")
}

/// How alike the maps are, as a matrix a measure.
pub fn comparison(report: &SaliencyReport) -> String {
    if report.results.comparison.is_empty() {
        return String::new();
    }
    let measures: [(&str, Measure); 4] = [
        ("Pearson", |p| &p.pearson),
        ("Spearman", |p| &p.spearman),
        ("SSIM", |p| &p.ssim),
        ("overlap of the top 10 %", |p| &p.overlap),
    ];
    let part = |(name, value): &(&str, Measure)| {
        format!("\n{name}, mean over images:\n{}\n", one(report, *value))
    };
    measures.iter().map(part).collect()
}

fn one(report: &SaliencyReport, value: Measure) -> String {
    let names: Vec<&str> = report.results.columns.iter().map(|c| c.name.as_str()).collect();
    let header: Vec<&str> = [""].into_iter().chain(names.iter().copied()).collect();
    let mut table = output::table(&header);
    for (name, row) in names.iter().zip(matrix(report, value).rows()) {
        let cells = row.iter().map(|v| if v.is_nan() { "-".to_owned() } else { format!("{v:.3}") });
        table.add_row([(*name).to_owned()].into_iter().chain(cells));
    }
    output::align_right(&mut table, &(1..header.len()).collect::<Vec<_>>());
    table.to_string()
}
