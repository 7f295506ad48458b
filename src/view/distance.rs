//! The section of distances of single samples.

use super::{Content, Place, View, words};
use crate::render::html::{self, Column, Entry, Markup, Plot, Point, Points, Rule, Table, html};
use crate::report::Number;
use crate::report::distance::{Decile, DistanceReport, PredictionResult, Spread};

impl View for DistanceReport {
    /// Spreads of the distances, and whether they tell wrong predictions.
    fn content(&self, _: Place<'_>) -> Content {
        let results = &self.results;
        let body = html! {
            (spreads(self))
            (html::words(words::DISTANCE))
            @if let Some(found) = &results.prediction {
                h3 { "Does distance predict errors?" }
                (accuracy(self, found))
                (aurocs(self, found))
                (deciles(self, found))
            }
            @for null in &results.nulls {
                p.small { (null.field) " has no value: " (null.reason) "." }
            }
        };
        let layer = results.layer.as_deref().unwrap_or("stored features");
        let title = format!("{} samples against {} in {layer}", results.n, results.n_reference);
        Content { kind: "Distance from a reference", title, lead: lead(self), body }
    }
}

fn lead(report: &DistanceReport) -> String {
    let results = &report.results;
    let beyond = format!(
        "{:.1} % of the samples lie beyond 95 % of the reference's own, by the Mahalanobis distance \
         (D = {}).",
        100.0 * results.mahalanobis.beyond_reference,
        results.width
    );
    match &results.prediction {
        Some(found) => format!(
            "{beyond} Of the predictions {:.1} % are right, {} are wrong.",
            100.0 * found.accuracy,
            found.wrong
        ),
        None => beyond,
    }
}

fn neighbour(report: &DistanceReport) -> String {
    format!("distance of neighbour {}", report.results.neighbour.k)
}

fn spreads(report: &DistanceReport) -> Markup {
    let results = &report.results;
    let row = |name: String, spread: &Spread| {
        let mut row = vec![Entry::text(name)];
        let values = [spread.min, spread.median, spread.q95, spread.max];
        row.extend(values.map(|value| Entry::number(Some(value), 4)));
        row
    };
    let mut rows = vec![
        row("Mahalanobis distance".to_owned(), &results.mahalanobis.samples),
        row("the same, reference's own samples".to_owned(), &results.mahalanobis.reference),
        row(neighbour(report), &results.neighbour.samples),
    ];
    if let Some(spread) = &results.neighbour.in_class {
        rows.push(row("the same within the nearest class".to_owned(), spread));
    }
    let names = ["smallest", "median", "95 % are below", "largest"];
    let mut columns = vec![Column::text("distance")];
    columns.extend(names.map(Column::number));
    Table { caption: "How the distances are spread", columns, rows }.draw()
}

/// The scores that have tenths: name and groups.
fn scores<'a>(report: &DistanceReport, found: &'a PredictionResult) -> [(String, &'a [Decile]); 3] {
    let deciles = &found.deciles;
    [
        ("Mahalanobis distance".to_owned(), &deciles.mahalanobis),
        (neighbour(report), &deciles.neighbour),
        ("1 − softmax probability (baseline)".to_owned(), &deciles.confidence),
    ]
}

fn accuracy(report: &DistanceReport, found: &PredictionResult) -> Markup {
    let scores = scores(report, found);
    let point = |name: &str, i: usize, group: &Decile| Point {
        x: i as f64,
        y: 100.0 * group.accuracy,
        label: format!("{name}, tenth {}: {:.1} % right", i + 1, 100.0 * group.accuracy),
    };
    let series: Vec<Points<'_>> = scores
        .iter()
        .map(|(name, groups)| {
            let points =
                groups.iter().enumerate().map(|(i, group)| point(name, i, group)).collect();
            Points { name, points, joined: true }
        })
        .collect();
    let tenths = scores.iter().map(|(_, groups)| groups.len()).max().unwrap_or(0);
    let names: Vec<String> = (1..=tenths).map(|i| i.to_string()).collect();
    let overall = format!("all: {:.1} %", 100.0 * found.accuracy);
    let plot = Plot {
        caption: "Accuracy by tenths of the samples. A score that tells wrong predictions falls from \
                  left to right.",
        x_label: "tenths of the samples, from the nearest to the farthest",
        y_label: "accuracy in %",
        x_names: &names,
        y_names: &[],
        series: &series,
        rules: &[Rule::Level(100.0 * found.accuracy, &overall)],
    };
    plot.draw()
}

fn aurocs(report: &DistanceReport, found: &PredictionResult) -> Markup {
    let auroc = &found.auroc;
    let row = |name: String, value: Number| {
        let value = value.get();
        vec![Entry::text(name), Entry::number(value, 4).bar(value)]
    };
    let rows = vec![
        row("Mahalanobis distance".to_owned(), auroc.mahalanobis),
        row(neighbour(report), auroc.neighbour),
        row("the same within the nearest class".to_owned(), auroc.neighbour_in_class),
        row("1 − softmax probability (baseline)".to_owned(), auroc.confidence),
    ];
    let caption =
        "Probability that a wrong prediction lies farther than a right one; 0.5 says nothing";
    Table { caption, columns: vec![Column::text("score"), Column::number("AUROC")], rows }.draw()
}

fn deciles(report: &DistanceReport, found: &PredictionResult) -> Markup {
    let rows = scores(report, found).into_iter().flat_map(|(name, groups)| {
        groups
            .iter()
            .enumerate()
            .map(|(i, group)| {
                vec![
                    Entry::text(&name),
                    Entry::count(i + 1),
                    Entry::count(group.count),
                    Entry::number(Some(group.from), 4),
                    Entry::number(Some(group.to), 4),
                    Entry::number(Some(100.0 * group.accuracy), 1).bar(Some(group.accuracy)),
                ]
            })
            .collect::<Vec<_>>()
    });
    let columns = vec![
        Column::text("score"),
        Column::number("tenth"),
        Column::number("samples"),
        Column::number("from"),
        Column::number("to"),
        Column::number("accuracy in %"),
    ];
    let caption = "The same in numbers: tenths of the samples by each score";
    Table { caption, columns, rows: rows.collect() }.draw()
}
