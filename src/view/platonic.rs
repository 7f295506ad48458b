//! The section of many models.

use ndarray::Array2;

use super::compare::{beside, chance, colour_range, summary};
use super::table::Cell;
use super::{Content, PictureFormat, Place, Plot, Screen, Tables, View, compare, table};
use crate::render::html::{self, Column, Entry, Markup, Matrix, Point, Points, Table, html};
use crate::render::{ColorMap, Heatmap, RenderError};
use crate::report::compare::LayerResult;
use crate::report::platonic::{ModelResult, PlatonicReport, PlatonicResults};

impl View for PlatonicReport {
    /// The matrix in the order of the clustering, alignment against accuracy, and the models.
    fn content(&self, place: Place<'_>) -> Content {
        let results = &self.results;
        let layers: Vec<LayerResult> = results.models.iter().map(|m| m.layer.clone()).collect();
        let body = html! {
            (matrix(self, &place.id("plat")))
            (compare::words(&results.measure.facts))
            (plot(self))
            h3 { "Model by model" }
            (models(self))
            h3 { "Their layers alone" }
            (compare::layers(&layers))
        };
        let name = &results.measure.name;
        let lead =
            format!("{} models over {} samples, by {name}.", results.models.len(), results.n);
        let lead = match correlation(results) {
            Some(line) => format!("{lead} R{}.", &line[1..]),
            None => lead,
        };
        let title = format!("{} models", results.models.len());
        Content { kind: "Alignment of models", title, lead, body }
    }

    fn main_picture(&self, format: PictureFormat) -> Option<Result<Vec<u8>, RenderError>> {
        Some(self.plot(format))
    }
}

impl Tables for PlatonicReport {
    /// The models in their order, with alignment and accuracy, and how these go together.
    fn tables(&self) -> Vec<table::Table> {
        let results = &self.results;
        let name = &results.measure.name;
        let arrow = if results.measure.facts.larger_is_more_alike { "" } else { " ↓" };
        let header = format!("mean {name}{arrow}");
        let held = beside(&results.measure, self.settings.chance.level);
        let mut names = vec!["model", "layer", "D", &header, "accuracy", "most alike", "value"];
        names.extend(held.iter().map(String::as_str));
        let mut table = table::new(&names);
        let all = results.names();
        for &i in &places(results) {
            let (model, best) = (&results.models[i], &results.measure.best_matches[i]);
            let number = |value: Option<f64>| Cell::number(value, 4);
            let at = results.measure.best_place(i, &all);
            let mut row = vec![
                model.name.clone().into(),
                model.layer.name.clone().into(),
                model.layer.width.into(),
                number(model.mean_alignment.get()),
                number(model.accuracy.get()),
                best.as_ref().map_or("-".into(), |best| best.layer_b.clone().into()),
                number(best.as_ref().map(|best| best.value)),
            ];
            row.extend(chance(&results.measure, at));
            table.add_row(row);
        }
        table.align_right(&[2, 3, 4, 6, 7, 8][..4 + held.len()]);
        vec![table]
    }

    fn text(&self, screen: &Screen) -> String {
        let line = correlation(&self.results).map_or(String::new(), |line| format!("\n{line}"));
        format!("{}{line}", screen.table(&self.tables()[0]))
    }
}

impl Plot for PlatonicReport {
    const SMALLER: &'static str = "try .svg, or fewer models";

    /// The matrix in the order of the clustering.
    fn plot(&self, format: PictureFormat) -> Result<Vec<u8>, RenderError> {
        let (results, found) = (&self.results, &self.results.measure);
        let line = summary(found, self.settings.reduce, self.settings.pca, results.n);
        format.heatmap(&Heatmap {
            title: &format!("{} between models", found.name),
            subtitle: &format!("{line} · alike models side by side"),
            row_axis: "model",
            column_axis: "model",
            rows: &results.order,
            columns: &results.order,
            values: ordered(results).view(),
            range: colour_range(found),
            reversed: !found.facts.larger_is_more_alike,
            scale_label: &found.name,
            marks: &[],
            mark_label: "",
        })
    }
}

fn matrix(report: &PlatonicReport, id: &str) -> Markup {
    let (results, found) = (&report.results, &report.results.measure);
    let values = ordered(results);
    let reasons: Vec<String> = found.without_value().into_iter().map(compare::said).collect();
    let line = summary(found, report.settings.reduce, report.settings.pca, results.n);
    let matrix = Matrix {
        id,
        caption: &format!("{} between models, alike ones side by side. {line}", found.name),
        row_axis: "model",
        column_axis: "model",
        rows: &results.order,
        columns: &results.order,
        values: values.view(),
        range: colour_range(found),
        colours: ColorMap::Viridis,
        reversed: !found.facts.larger_is_more_alike,
        label: &found.name,
        marks: &[],
        mark_label: "",
        reasons: &reasons,
        reason: &|i, j| found.place_without_value(&results.order[i], &results.order[j]),
    };
    matrix.draw()
}

fn plot(report: &PlatonicReport) -> Markup {
    let point = |model: &ModelResult| {
        let (x, y) = (100.0 * model.accuracy.get()?, model.mean_alignment.get()?);
        Some(Point { x, y, label: format!("{}: {x:.1} %, {y:.4}", model.name) })
    };
    let points: Vec<Point> = report.results.models.iter().filter_map(point).collect();
    if points.len() < 2 {
        return html! {};
    }
    let y_label = format!("mean {} with the others", report.results.measure.name);
    let plot = html::Plot {
        caption: "Each model by its accuracy, and by how it aligns with the others on average.",
        x_label: "accuracy in %",
        y_label: &y_label,
        x_names: &[],
        y_names: &[],
        series: &[Points { name: "models", points, joined: false, intervals: vec![] }],
        rules: &[],
    };
    html! {
        h3 { "Do the better ones agree?" }
        (plot.draw())
    }
}

fn models(report: &PlatonicReport) -> Markup {
    let results = &report.results;
    let found = &results.measure;
    let mut columns = vec![
        Column::text("model"),
        Column::text("layer"),
        Column::number("mean alignment"),
        Column::text("most alike"),
        Column::number("its value"),
        Column::number("accuracy in %"),
    ];
    columns.extend(beside(found, report.settings.chance.level).into_iter().map(Column::text));
    let all = results.names();
    let row = |i: usize| {
        let model = &results.models[i];
        let best = found.best_matches.get(i).and_then(Option::as_ref);
        let mut row = vec![
            Entry::text(&model.name),
            Entry::code(&model.layer.name),
            Entry::number(model.mean_alignment.get(), 4),
            best.map_or_else(|| Entry::text(""), |best| Entry::text(&best.layer_b)),
            Entry::number(best.map(|best| best.value), 4),
            Entry::number(model.accuracy.get().map(|share| 100.0 * share), 1),
        ];
        let at = found.best_place(i, &all);
        row.extend(chance(found, at).iter().map(|cell| Entry::text(cell.to_string())));
        row
    };
    let rows = places(results).into_iter().map(row).collect();
    Table { caption: "Models in the order of the clustering", columns, rows }.draw()
}

/// How alignment and accuracy go together, in a sentence.
pub fn correlation(results: &PlatonicResults) -> Option<String> {
    let r = results.rank_correlation.get()?;
    let p = results.rank_correlation_p.get().map_or(String::new(), |p| match p < 0.01 {
        true => format!(", p = {p:.4}"),
        false => format!(", p = {p:.2}"),
    });
    let count = results
        .models
        .iter()
        .filter(|m| m.accuracy.get().and(m.mean_alignment.get()).is_some())
        .count();
    Some(format!("rank correlation of mean alignment with accuracy: {r:.2} ({count} models{p})"))
}

/// The places of the models in the order of the clustering.
pub fn places(results: &PlatonicResults) -> Vec<usize> {
    let place = |name: &String| results.models.iter().position(|model| model.name == *name);
    results.order.iter().filter_map(place).collect()
}

/// The matrix in the order of the clustering, NaN for `null`.
pub fn ordered(results: &PlatonicResults) -> Array2<f64> {
    let places = places(results);
    let value = |i: usize, j: usize| results.measure.values[places[i]][places[j]].get();
    let count = places.len();
    Array2::from_shape_fn((count, count), |(i, j)| value(i, j).unwrap_or(f64::NAN))
}
