//! The section of stitching.

mod figures;
mod pictures;
mod terminal;

use ndarray::Array2;

use super::names::counted;
use super::{
    Content, PictureFormat, Place, Plot as _, Screen, Tables, View, subjects, table, words,
};
use crate::render::html::{self, Column, Entry, Markup, Matrix, Plot, Point, Points, Table, html};
use crate::render::{ColorMap, RenderError};
use crate::report::Number;
use crate::report::stitch::{AgainstResult, PairResult, StitchReport};

impl View for StitchReport {
    /// Heat map, controls beside each pair, and function against structure.
    fn content(&self, place: Place<'_>) -> Content {
        let results = &self.results;
        let (layers_a, layers_b) = (results.layers_a.len(), results.layers_b.len());
        let is_matrix = results.pairs.len() == layers_a * layers_b && layers_a.max(layers_b) > 1;
        let body = html! {
            @if is_matrix { (matrix(self, &place.id("stitch"))) }
            (html::words(words::STITCH))
            @if let [pair] = results.pairs.as_slice() { (figures::single(self, pair)) }
            h3 { "Pair by pair, beside the controls" }
            (table(self))
            (figures::losses(self))
            @if let Some(against) = &results.against {
                h3 { "Function against structure" }
                (plot(self, against))
                (figures::disagreements(against))
            }
        };
        Content { kind: "Stitching", title: subjects(self), lead: lead(self), body }
    }

    fn main_picture(&self, format: PictureFormat) -> Option<Result<Vec<u8>, RenderError>> {
        Some(self.plot(format))
    }
}

impl Tables for StitchReport {
    /// The pairs beside their controls, how the loss went, and where structure disagrees.
    fn tables(&self) -> Vec<table::Table> {
        terminal::tables(self)
    }

    fn text(&self, screen: &Screen) -> String {
        terminal::text(self, screen)
    }
}

fn labelled(report: &StitchReport) -> bool {
    report.results.accuracy_b.get().is_some()
}

/// What is looked at of a pair.
fn value(report: &StitchReport, pair: &PairResult) -> Number {
    if labelled(report) { pair.accuracy } else { pair.agreement }
}

fn name(report: &StitchReport) -> &'static str {
    if labelled(report) { "accuracy" } else { "agreement with B" }
}

fn lead(report: &StitchReport) -> String {
    let results = &report.results;
    let own = results.accuracy_a.get().zip(results.accuracy_b.get());
    let own = own.map_or(String::new(), |(a, b)| {
        format!(" Alone A is right in {:.1} % and B in {:.1} %.", 100.0 * a, 100.0 * b)
    });
    format!(
        "Stitches fitted on {} samples ({}), measured on {} others.{own} A pair that stitches well is \
         compatible: that does not make it the same.",
        results.n_fit, report.settings.fit, results.n
    )
}

fn matrix(report: &StitchReport, id: &str) -> Markup {
    let results = &report.results;
    let (rows, columns) = (&results.layers_a, &results.layers_b);
    let at = |i: usize, j: usize| results.pairs.get(i * columns.len() + j);
    let values = Array2::from_shape_fn((rows.len(), columns.len()), |(i, j)| {
        at(i, j).and_then(|pair| value(report, pair).get()).unwrap_or(f64::NAN)
    });
    let mut reasons: Vec<String> =
        results.pairs.iter().filter_map(|pair| pair.reason.clone()).collect();
    reasons.sort();
    reasons.dedup();
    let reason = |pair: &PairResult| reasons.iter().position(|r| Some(r) == pair.reason.as_ref());
    let names = report.inputs.names();
    let axis = |i: usize| names.get(i).or(names.first()).cloned().unwrap_or_default();
    let what = name(report);
    let matrix = Matrix {
        id,
        caption: &format!(
            "A up to the layer of the row, B behind the layer of the column: {what}."
        ),
        row_axis: &format!("A: {}", axis(0)),
        column_axis: &format!("B: {}", axis(1)),
        rows,
        columns,
        values: values.view(),
        range: (0.0, 1.0),
        reversed: false,
        colours: ColorMap::Viridis,
        label: what,
        marks: &[],
        mark_label: "",
        reasons: &reasons,
        reason: &|i, j| reason(at(i, j)?),
    };
    matrix.draw()
}

fn table(report: &StitchReport) -> Markup {
    let results = &report.results;
    let labelled = labelled(report);
    let mut columns = vec![Column::text("A up to"), Column::text("B behind")];
    if labelled {
        columns.extend([Column::number("accuracy in %"), Column::text("95 % interval")]);
    }
    let mut names = if labelled { vec!["penalty in points"] } else { vec![] };
    names.extend(["agreement with B in %", "KL in nats"]);
    names.extend(match labelled {
        true => ["accuracy of random A in %", "accuracy of the mean in %"],
        false => ["agreement of random A in %", "agreement of the mean in %"],
    });
    names.extend(["rank", "ridge", "explained in %"]);
    if results.against.is_some() {
        names.push("CKA");
    }
    columns.extend(names.into_iter().map(Column::number));
    if some_without(report) {
        columns.push(Column::text("why not"));
    }
    let rows = results.pairs.iter().map(|pair| row(report, pair)).collect();
    let pairs = counted(results.pairs.len(), "pair");
    let caption = format!("{pairs}, measured on {} samples", results.n);
    Table { caption: &caption, columns, rows }.draw()
}

/// Whether a pair says why it lacks a value.
fn some_without(report: &StitchReport) -> bool {
    report.results.pairs.iter().any(|pair| pair.reason.is_some())
}

fn row(report: &StitchReport, pair: &PairResult) -> Vec<Entry> {
    let labelled = labelled(report);
    let share = |value: Number| Entry::number(value.get().map(|v| 100.0 * v), 1);
    let mut row = vec![Entry::code(&pair.layer_a), Entry::code(&pair.layer_b)];
    if labelled {
        let ends = pair
            .interval
            .map(|(low, high)| format!("{:.1}\u{a0}to\u{a0}{:.1}", 100.0 * low, 100.0 * high));
        let interval = Entry::text(ends.unwrap_or_default());
        row.extend([share(pair.accuracy), interval, share(pair.penalty)]);
    }
    row.extend([share(pair.agreement), Entry::number(pair.kl.get(), 3)]);
    for control in [pair.controls.random_weights, pair.controls.mean] {
        row.push(share(if labelled { control.accuracy } else { control.agreement }));
    }
    let stitch = pair.stitch.as_ref();
    let rank = stitch.and_then(|stitch| Some(format!("{} of {}", stitch.rank?, stitch.channels_a)));
    let ridge = stitch.and_then(|stitch| stitch.ridge).map(|ridge| format!("{ridge}"));
    row.extend([rank, ridge].map(|text| Entry::text(text.unwrap_or_default())));
    row.push(share(stitch.map_or(None.into(), |stitch| stitch.explained)));
    if report.results.against.is_some() {
        row.push(Entry::number(pair.cka.and_then(Number::get), 4));
    }
    if some_without(report) {
        row.push(Entry::text(pair.reason.as_deref().unwrap_or_default()));
    }
    row
}

fn plot(report: &StitchReport, against: &AgainstResult) -> Markup {
    let what = name(report);
    let point = |pair: &PairResult| {
        let (x, y) = (pair.cka.and_then(Number::get)?, value(report, pair).get()?);
        let label = format!("{} → {}: CKA {x:.3}, {what} {y:.3}", pair.layer_a, pair.layer_b);
        Some(Point { x, y, label })
    };
    let points: Vec<Point> = report.results.pairs.iter().filter_map(point).collect();
    if points.is_empty() {
        return html! {};
    }
    let rank = against.spearman.get().map_or("not defined".to_owned(), |r| format!("{r:.2}"));
    let plot = Plot {
        caption: &format!(
            "Each pair by CKA and by {what} of the stitched network, on the same samples. Rank correlation \
             {rank}."
        ),
        x_label: "CKA",
        y_label: what,
        x_names: &[],
        y_names: &[],
        series: &[Points { name: "pairs", points, joined: false, intervals: vec![] }],
        rules: &[],
    };
    plot.draw()
}
