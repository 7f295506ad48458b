//! Tables of `repsim saliency`.

use super::Args;
use super::tables;
use crate::cli::output::{self, Messages};
use crate::error::Result;
use crate::report::saliency::{ColumnInfo, SaliencyReport};
use crate::report::saliency::{Measure, matrix};
use crate::saliency::Method;

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

/// Writes the report where it was asked for, and tables where somebody looks.
///
/// # Errors
/// It cannot be written.
pub fn show(args: &Args, report: &SaliencyReport, messages: &Messages) -> Result<()> {
    output::show(report, args.output.as_deref(), messages, || {
        let alike = comparison(report, &MEASURES.map(|(name, _)| name));
        format!("{}\n{alike}{}", images(report), tables::all(report))
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
                said.target.clone().unwrap_or_else(|| "-".to_owned()),
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

/// How alike the maps are, as a matrix for each measure named: `Pearson`, `Spearman`, `SSIM`, `overlap
/// of the top 10 %`.
pub fn comparison(report: &SaliencyReport, wanted: &[&str]) -> String {
    if report.results.comparison.is_empty() {
        return String::new();
    }
    let method = shared_method(&report.results.columns);
    let of = method.map_or_else(String::new, |method| format!(" of {method}"));
    let part = |(name, value): &(&str, Measure)| {
        format!("\n{name}{of}, mean over images:\n{}\n", one(report, *value))
    };
    MEASURES.iter().filter(|(name, _)| wanted.contains(name)).map(part).collect()
}

/// The method of all columns, where it is the same.
pub fn shared_method(columns: &[ColumnInfo]) -> Option<Method> {
    let first = columns.first()?.method;
    columns.iter().all(|column| column.method == first).then_some(first)
}

/// Headings of a picture's columns: the model of each, and what the map is called beside that. No
/// models where there is one, or one map each, which is called after the model then.
pub fn grouped(columns: &[ColumnInfo]) -> (Vec<String>, Vec<String>) {
    let models = columns.last().map_or(0, |column| column.model + 1);
    if models < 2 || columns.len() == models {
        return (vec![], headings(columns));
    }
    let part = |column: &ColumnInfo| {
        let (model, map) = column.name.split_once('/').unwrap_or(("", &column.name));
        (model.to_owned(), map.to_owned())
    };
    columns.iter().map(part).unzip()
}

/// Names of the columns, without the method where the columns of several models share it.
pub fn headings(columns: &[ColumnInfo]) -> Vec<String> {
    let shared = shared_method(columns).map(|method| method.to_string());
    let heading = |column: &ColumnInfo| {
        let mut parts: Vec<&str> = column.name.split('/').collect();
        let method = parts.iter().rposition(|part| Some(*part) == shared.as_deref());
        if let (Some(place), true) = (method, parts.len() > 1) {
            parts.remove(place);
        }
        parts.join("/")
    };
    columns.iter().map(heading).collect()
}

fn one(report: &SaliencyReport, value: Measure) -> String {
    let (rows, columns) = labels(&headings(&report.results.columns));
    let header: Vec<&str> = [""].into_iter().chain(columns.iter().map(String::as_str)).collect();
    let mut table = output::table(&header);
    for (name, row) in
        rows.iter().zip(matrix(&report.results.columns, &report.results.comparison, value).rows())
    {
        let cells = row.iter().map(|v| if v.is_nan() { "-".to_owned() } else { format!("{v:.3}") });
        table.add_row([name.clone()].into_iter().chain(cells));
    }
    output::align_right(&mut table, &(1..header.len()).collect::<Vec<_>>());
    table.to_string()
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
    use super::*;

    fn columns(names: &[(&str, usize, Method)]) -> Vec<ColumnInfo> {
        let column = |&(name, model, method): &(&str, usize, Method)| ColumnInfo {
            name: name.to_owned(),
            model,
            method,
            layer: None,
            grid: None,
        };
        names.iter().map(column).collect()
    }

    #[test]
    fn columns_of_several_models_are_grouped() {
        let (cam, gradient) = (Method::GradCam, Method::Gradient);
        let one = columns(&[("gradcam", 0, cam), ("gradient", 0, gradient)]);
        let none: [&str; 0] = [];
        let (groups, names) = grouped(&one);
        assert_eq!(
            (groups.as_slice(), names.as_slice()),
            (&[][..], &["gradcam".to_owned(), "gradient".to_owned()][..])
        );
        let (groups, names) = grouped(&columns(&[("a/gradcam", 0, cam), ("b/gradcam", 1, cam)]));
        assert_eq!(groups, none);
        assert_eq!(names, ["a", "b"]);
        let both = [
            ("a/gradcam", 0, cam),
            ("a/gradient", 0, gradient),
            ("b/gradcam", 1, cam),
            ("b/gradient", 1, gradient),
        ];
        let (groups, names) = grouped(&columns(&both));
        assert_eq!(groups, ["a", "a", "b", "b"]);
        assert_eq!(names, ["gradcam", "gradient", "gradcam", "gradient"]);
    }

    #[test]
    fn headings_leave_out_what_all_share() {
        let (cam, gradient) = (Method::GradCam, Method::Gradient);
        let layers = [("gradcam/layer3", 0, cam), ("gradcam/layer4", 0, cam)];
        assert_eq!(headings(&columns(&layers)), ["layer3", "layer4"]);
        assert_eq!(
            headings(&columns(&[("a/gradcam/x", 0, cam), ("b/gradcam/y", 1, cam)])),
            ["a/x", "b/y"]
        );
        assert_eq!(
            headings(&columns(&[("gradcam", 0, cam), ("gradient", 0, gradient)])),
            ["gradcam", "gradient"]
        );
        assert_eq!(headings(&columns(&[("gradcam", 0, cam)])), ["gradcam"]);
    }

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
