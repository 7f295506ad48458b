//! Saliency maps in a terminal: what each image gave, and how alike the maps are.

use super::columns::{headings, shared_method};
use super::tables;
use crate::report::saliency::{Measure, SaliencyReport, matrix};
use crate::view::Screen;
use crate::view::table::{self, Cell, Table};

/// The measures by which maps are compared.
pub(super) const MEASURES: [(&str, Measure); 4] = [
    ("Pearson", |p| &p.pearson),
    ("Spearman", |p| &p.spearman),
    ("SSIM", |p| &p.ssim),
    ("overlap of the top 10 %", |p| &p.overlap),
];

/// Characters that the headings of a matrix may take up side by side.
const WIDTH: usize = 80;

/// Images in the table.
const ROWS: usize = 20;

/// All tables.
pub fn all(report: &SaliencyReport, screen: &Screen) -> String {
    let alike = comparison(report, &MEASURES.map(|(name, _)| name), screen);
    format!("{}\n{alike}{}", images(report, screen), tables::all(report, screen))
}

/// Each image with what is explained of it; then how alike the maps are by each measure.
pub fn tables(report: &SaliencyReport) -> Vec<Table> {
    let alike = MEASURES.iter().filter(|_| !report.results.comparison.is_empty());
    let alike = alike.map(|(_, value)| one(report, *value));
    [image_table(report, usize::MAX)].into_iter().chain(alike).collect()
}

/// The first images.
fn images(report: &SaliencyReport, screen: &Screen) -> String {
    let more = report.results.images.len().saturating_sub(ROWS);
    let rest = if more > 0 { format!("\n({more} more)") } else { String::new() };
    format!("{}{rest}\n", screen.table(&image_table(report, ROWS)))
}

fn image_table(report: &SaliencyReport, most: usize) -> Table {
    let mut table =
        table::new(&["image", "map", "explains", "score", "mass in top 10 %", "entropy"]);
    let columns = &report.results.columns;
    for image in report.results.images.iter().take(most) {
        for (column, map) in columns.iter().zip(&image.maps) {
            let said = &image.predictions[column.model];
            let number = |value: Option<f64>| Cell::number(value, 3);
            let state =
                if map.degenerate { "degenerate".into() } else { number(map.entropy.get()) };
            table.add_row([
                image.sample.clone().into(),
                column.name.clone().into(),
                said.target.clone().unwrap_or_else(|| "-".to_owned()).into(),
                number(said.score.get()),
                number(map.mass_in_top.get()),
                state,
            ]);
        }
    }
    table.align_right(&[3, 4, 5]);
    table
}

/// How alike the maps are, as a matrix for each measure named: `Pearson`, `Spearman`, `SSIM`, `overlap
/// of the top 10 %`.
pub fn comparison(report: &SaliencyReport, wanted: &[&str], screen: &Screen) -> String {
    if report.results.comparison.is_empty() {
        return String::new();
    }
    let method = shared_method(&report.results.columns);
    let of = method.map_or_else(String::new, |method| format!(" of {method}"));
    let part = |(name, value): &(&str, Measure)| {
        format!("\n{name}{of}, mean over samples:\n{}\n", screen.table(&one(report, *value)))
    };
    MEASURES.iter().filter(|(name, _)| wanted.contains(name)).map(part).collect()
}

fn one(report: &SaliencyReport, value: Measure) -> Table {
    let (rows, columns) = labels(&headings(&report.results.columns));
    let header: Vec<&str> = [""].into_iter().chain(columns.iter().map(String::as_str)).collect();
    let mut table = table::new(&header);
    for (name, row) in
        rows.iter().zip(matrix(&report.results.columns, &report.results.comparison, value).rows())
    {
        let cells = row.iter().map(|v| if v.is_nan() { "-".to_owned() } else { format!("{v:.3}") });
        table.add_row([name.clone()].into_iter().chain(cells));
    }
    table.align_right(&(1..header.len()).collect::<Vec<_>>());
    table
}

/// What stands before the rows and above the columns of a square table: the names, or, where those are
/// too long to stand side by side, the names with numbers and the numbers.
fn labels(names: &[String]) -> (Vec<String>, Vec<String>) {
    let width: usize = names.iter().map(|name| name.chars().count() + 2).sum();
    if width <= WIDTH {
        return (names.to_vec(), names.to_vec());
    }
    let numbers: Vec<String> = (1..=names.len()).map(|i| i.to_string()).collect();
    let digits = numbers.last().map_or(0, String::len);
    let row = |(number, name): (&String, &String)| format!("{number:>digits$} {name}");
    (numbers.iter().zip(names).map(row).collect(), numbers)
}

#[cfg(test)]
mod tests {
    use super::labels;

    #[test]
    fn long_headings_become_numbers() {
        let short = ["a".to_owned(), "b".to_owned()];
        assert_eq!(labels(&short), (short.to_vec(), short.to_vec()));
        let long: Vec<String> = (0..10).map(|i| format!("network-{i}/gradcam")).collect();
        let (rows, columns) = labels(&long);
        assert_eq!(
            (rows[0].as_str(), rows[9].as_str()),
            (" 1 network-0/gradcam", "10 network-9/gradcam")
        );
        assert_eq!((columns[0].as_str(), columns[9].as_str()), ("1", "10"));
    }
}
