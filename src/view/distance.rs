//! The section of distances of single samples.

mod samples;

use super::table::Cell;
use super::{Content, PictureFormat, Place, Plot, Screen, Tables, View, table, words};
use crate::functional::wilson;
use crate::render::html::{self, Column, Entry, Markup, Point, Points, Table, html};
use crate::render::{Chart, RenderError, Rule, Series};
use crate::report::Number;
use crate::report::distance::{Decile, DistanceReport, PredictionResult, Spread};

impl View for DistanceReport {
    /// Spreads of the distances, and whether they tell wrong predictions.
    fn content(&self, place: Place<'_>) -> Content {
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
            @if !results.farthest.is_empty() {
                h3 { "The farthest samples" }
                (samples::table(self, place))
            }
            @for null in &results.nulls {
                p.small { (null.field) " has no value: " (null.reason) "." }
            }
        };
        let layer = results.layer.as_deref().unwrap_or("stored features");
        let title = format!("{} samples against {} in {layer}", results.n, results.n_reference);
        Content { kind: "Distance from a reference", title, lead: lead(self), body }
    }

    fn main_picture(&self, format: PictureFormat) -> Option<Result<Vec<u8>, RenderError>> {
        Some(self.plot(format))
    }
}

impl Tables for DistanceReport {
    /// The distances, and how well each tells right predictions from wrong ones.
    fn tables(&self) -> Vec<table::Table> {
        let results = &self.results;
        let auroc = results.prediction.as_ref().map(|p| &p.auroc);
        let (m, n) = (&results.mahalanobis, &results.neighbour);
        let mut table = table::new(&["score", "median", "95 %", "largest", "AUROC of wrong"]);
        let spread = |s: &Spread| [s.median, s.q95, s.max].map(|v| Cell::number(Some(v), 3));
        let mut add = |name: String, [median, most, largest]: [Cell; 3], value: Option<f64>| {
            table.add_row([name.into(), median, most, largest, Cell::number(value, 4)]);
        };
        add("Mahalanobis".to_owned(), spread(&m.samples), auroc.and_then(|a| a.mahalanobis.get()));
        add("  of the reference".to_owned(), spread(&m.reference), None);
        let name = format!("neighbour {}", n.k);
        add(name, spread(&n.samples), auroc.and_then(|a| a.neighbour.get()));
        if let Some(found) = &n.in_class {
            let value = auroc.and_then(|a| a.neighbour_in_class.get());
            add("  within a class".to_owned(), spread(found), value);
        }
        let nothing = ["-", "-", "-"].map(Cell::from);
        let baseline = "1 − softmax (baseline)".to_owned();
        add(baseline, nothing, auroc.and_then(|a| a.confidence.get()));
        table.align_right(&[1, 2, 3, 4]);
        vec![table]
    }

    fn text(&self, screen: &Screen) -> String {
        let results = &self.results;
        let accuracy = results.prediction.as_ref();
        let accuracy = accuracy.map_or_else(String::new, |p| {
            format!("\naccuracy {:.2} %, {} of {} wrong", 100.0 * p.accuracy, p.wrong, results.n)
        });
        format!(
            "{}\n{:.1} % of the samples lie beyond 95 % of the reference's own{accuracy}",
            screen.table(&self.tables()[0]),
            100.0 * results.mahalanobis.beyond_reference
        )
    }
}

impl Plot for DistanceReport {
    const SMALLER: &'static str = "try .svg";

    /// Accuracy in ten groups of samples by each score, from the nearest to the farthest; nothing to draw
    /// where nothing is known of predictions.
    fn plot(&self, format: PictureFormat) -> Result<Vec<u8>, RenderError> {
        let results = &self.results;
        let Some(found) = &results.prediction else { return Err(RenderError::Nothing) };
        let groups =
            [&found.deciles.mahalanobis, &found.deciles.neighbour, &found.deciles.confidence];
        let points = groups.map(|group| heights(group));
        let intervals = groups.map(|group| intervals(group));
        let neighbour = format!("distance of neighbour {}", results.neighbour.k);
        let names =
            ["Mahalanobis distance", neighbour.as_str(), "1 − softmax probability (baseline)"];
        let series: Vec<Series<'_>> = points
            .iter()
            .zip(names)
            .enumerate()
            .map(|(i, (points, name))| Series {
                name,
                points,
                dashed: i == 2,
                intervals: &intervals[i],
            })
            .collect();
        let ticks: Vec<String> = (1..=points[0].len()).map(|i| i.to_string()).collect();
        let layer = results.layer.as_deref().unwrap_or("stored features");
        let subtitle = format!(
            "{layer} · D = {} · {} samples against {} of the reference · {}",
            results.width,
            results.n,
            results.n_reference,
            uncertainty(found)
        );
        let overall = format!("all: {:.1} %", 100.0 * found.accuracy);
        let rules = [Rule { value: found.accuracy, label: &overall }];
        let chart = Chart {
            title: "Accuracy against distance from the reference",
            subtitle: &subtitle,
            x_label: "tenths of the samples, from the nearest to the farthest",
            y_label: "accuracy",
            x_ticks: &ticks,
            y_range: None,
            percent: true,
            series: &series,
            lines: &rules,
        };
        format.draw(|| chart.to_svg(), || chart.to_png())
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

/// What the bars are.
fn uncertainty(found: &PredictionResult) -> String {
    let least = found.deciles.mahalanobis.iter().map(|group| group.count).min().unwrap_or(0);
    format!("each point {least} samples or more, with its 95 % interval")
}

/// The 95 % interval of the accuracy of each group, by Wilson's score.
fn intervals(groups: &[Decile]) -> Vec<(f64, f64)> {
    let right = |group: &Decile| (group.accuracy * group.count as f64).round() as usize;
    let interval =
        |group: &Decile| wilson(right(group), group.count).unwrap_or((f64::NAN, f64::NAN));
    groups.iter().map(interval).collect()
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
            let scaled = |(low, high): (f64, f64)| (100.0 * low, 100.0 * high);
            let intervals = intervals(groups).into_iter().map(scaled).collect();
            Points { name, points, joined: true, intervals }
        })
        .collect();
    let tenths = scores.iter().map(|(_, groups)| groups.len()).max().unwrap_or(0);
    let names: Vec<String> = (1..=tenths).map(|i| i.to_string()).collect();
    let overall = format!("all: {:.1} %", 100.0 * found.accuracy);
    let plot = html::Plot {
        caption: &format!(
            "Accuracy by tenths of the samples. A score that predicts errors falls from left to right; {}.",
            uncertainty(found)
        ),
        x_label: "tenths of the samples, from the nearest to the farthest",
        y_label: "accuracy in %",
        x_names: &names,
        y_names: &[],
        series: &series,
        rules: &[html::Rule::Level(100.0 * found.accuracy, &overall)],
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
        Column::number("accuracy in %").whole(100.0),
    ];
    let caption = "The same in numbers: tenths of the samples by each score";
    Table { caption, columns, rows: rows.collect() }.draw()
}

fn heights(groups: &[Decile]) -> Vec<(f64, f64)> {
    groups.iter().enumerate().map(|(i, group)| (i as f64, group.accuracy)).collect()
}
