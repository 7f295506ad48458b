//! What the page shows of a training.

use ndarray::Array2;

use super::pictures::bounded;
use super::{evenly, is_judged, matrix, order, pairs, summary};
use crate::render::ColorMap;
use crate::render::html::{self, Column, Entry, Markup, Matrix, Point, Points, Table, html};
use crate::report::Number;
use crate::report::track::{LayerTrack, TrackNull, TrackReport};
use crate::view::Place;
use crate::view::compare::{range_of, words};

/// Lines that a plot tells apart, that of the accuracy included.
const LINES: usize = 8;

/// Which values of a layer are drawn: the field, what it is called, and how they are had.
struct Field {
    name: &'static str,
    told: &'static str,
    of: fn(&LayerTrack) -> &[Number],
}

const LAST: Field =
    Field { name: "with_last", told: "the last checkpoint", of: |layer| &layer.with_last };
const PREVIOUS: Field =
    Field { name: "with_previous", told: "the one before", of: |layer| &layer.with_previous };
const REFERENCE: Field = Field {
    name: "with_reference",
    told: "the reference",
    of: |layer| layer.with_reference.as_deref().unwrap_or_default(),
};

/// Maps, lines and tables.
pub(super) fn body(report: &TrackReport, place: Place<'_>) -> Markup {
    let results = &report.results;
    html! {
        (map(report, &LAST, &place.id("trk")))
        (lines(report, &LAST))
        (words(&results.facts))
        h3 { "When layers settle" }
        p { (order(results)) }
        (settling(report))
        h3 { "Each with the one before" }
        (lines(report, &PREVIOUS))
        @if results.reference.is_some() {
            h3 { "Each with the reference" }
            (map(report, &REFERENCE, &place.id("trkref")))
            (lines(report, &REFERENCE))
        }
        h3 { "Checkpoints against each other at " (results.pairwise.layer) }
        (pairwise(report, &place.id("trkpair")))
        h3 { "Checkpoint by checkpoint" }
        (checkpoints(report))
        h3 { "Layer by layer" }
        (layers(report))
    }
}

fn said(null: &TrackNull) -> String {
    let places: Vec<&str> =
        [&null.layer, &null.checkpoint].into_iter().flatten().map(String::as_str).collect();
    match places.is_empty() {
        true => null.reason.clone(),
        false => format!("{}: {}", places.join(" of "), null.reason),
    }
}

fn map(report: &TrackReport, field: &Field, id: &str) -> Markup {
    let results = &report.results;
    let values = matrix(results, field.of);
    let rows: Vec<String> = results.layers.iter().map(|layer| layer.name.clone()).collect();
    let columns = results.names();
    let nulls: Vec<&TrackNull> = results.nulls.iter().filter(|n| n.field == field.name).collect();
    let reasons: Vec<String> = nulls.iter().map(|null| said(null)).collect();
    let settled = results.layers.iter().enumerate();
    let marks: Vec<(usize, usize)> = match field.name == LAST.name {
        true => settled.filter_map(|(l, layer)| Some((l, layer.settled?))).collect(),
        false => vec![],
    };
    let reason = |l: usize, c: usize| {
        let found = results.place_of_null(field.name, &rows[l], &columns[c])?;
        nulls.iter().position(|null| std::ptr::eq(*null, &raw const results.nulls[found]))
    };
    let caption =
        format!("{} of each layer with {}. {}", results.measure, field.told, summary(report));
    grid(report, (id, &caption), (&rows, &columns), &values, (&marks, &reasons, &reason))
}

type Reason<'a> = &'a dyn Fn(usize, usize) -> Option<usize>;

fn grid(
    report: &TrackReport,
    (id, caption): (&str, &str),
    (rows, columns): (&[String], &[String]),
    values: &Array2<f64>,
    (marks, reasons, reason): (&[(usize, usize)], &[String], Reason<'_>),
) -> Markup {
    let results = &report.results;
    let layers = rows.len() == results.layers.len() && rows != columns;
    let matrix = Matrix {
        id,
        caption,
        row_axis: if layers { "layer" } else { "checkpoint" },
        column_axis: "checkpoint",
        rows,
        columns,
        values: values.view(),
        range: range_of(&results.facts, values),
        colours: ColorMap::Viridis,
        reversed: !results.facts.larger_is_more_alike,
        label: &results.measure,
        marks,
        mark_label: "settles here",
        reasons,
        reason,
    };
    matrix.draw()
}

fn pairwise(report: &TrackReport, id: &str) -> Markup {
    let results = &report.results;
    let (names, values) = (results.names(), pairs(results));
    let nulls: Vec<&TrackNull> = results.nulls.iter().filter(|n| n.field == "pairwise").collect();
    let reasons: Vec<String> = nulls.iter().map(|null| said(null)).collect();
    let reason = |i: usize, j: usize| {
        let is =
            |null: &&TrackNull| [i, j].iter().any(|&k| null.checkpoint.as_ref() == Some(&names[k]));
        nulls.iter().position(is)
    };
    let caption = format!("{} between checkpoints at {}", results.measure, results.pairwise.layer);
    grid(report, (id, &caption), (&names, &names), &values, (&[], &reasons, &reason))
}

/// Some layers as lines, evenly by depth where there are many.
fn lines(report: &TrackReport, field: &Field) -> Markup {
    let results = &report.results;
    let accuracy = accuracy(report).filter(|_| field.name == LAST.name && bounded(report));
    let room = LINES - usize::from(accuracy.is_some());
    let shown = evenly(results.layers.len(), room);
    let names = results.names();
    let point = |layer: &str, i: usize, value: Option<f64>| Point {
        x: i as f64,
        y: value.unwrap_or(f64::NAN),
        label: format!("{layer}, {}: {:.4}", names[i], value.unwrap_or(f64::NAN)),
    };
    let mut series: Vec<Points<'_>> = vec![];
    for &l in &shown {
        let layer = &results.layers[l];
        let values = (field.of)(layer).iter().enumerate();
        let points = values.map(|(i, v)| point(&layer.name, i, v.get())).collect();
        series.push(Points { name: &layer.name, points, joined: true, intervals: vec![] });
    }
    series.extend(accuracy.map(|points| Points {
        name: "accuracy",
        points,
        joined: true,
        intervals: vec![],
    }));
    let many = match shown.len() < results.layers.len() {
        true => format!(" {} of {} layers, evenly by depth.", shown.len(), results.layers.len()),
        false => String::new(),
    };
    let plot = html::Plot {
        caption: &format!("{} of each layer with {}.{many}", results.measure, field.told),
        x_label: "checkpoint",
        y_label: &results.measure,
        x_names: &names,
        y_names: &[],
        series: &series,
        rules: &[],
    };
    plot.draw()
}

fn accuracy(report: &TrackReport) -> Option<Vec<Point>> {
    let all = report.results.checkpoints.iter().enumerate();
    let point = |(i, one): (usize, &crate::report::track::CheckpointResult)| {
        let y = one.accuracy.get()?;
        Some(Point { x: i as f64, y, label: format!("accuracy, {}: {:.2} %", one.name, 100.0 * y) })
    };
    let points: Vec<Point> = all.filter_map(point).collect();
    (!points.is_empty()).then_some(points)
}

fn settling(report: &TrackReport) -> Markup {
    let results = &report.results;
    let rows: Vec<String> = results.layers.iter().map(|layer| layer.name.clone()).collect();
    let point = |(l, layer): (usize, &LayerTrack)| {
        let place = layer.settled?;
        let label =
            format!("{} settles at {}", layer.name, layer.settled_at.as_deref().unwrap_or(""));
        Some(Point { x: l as f64, y: place as f64, label })
    };
    let points = results.layers.iter().enumerate().filter_map(point).collect();
    let caption = format!(
        "The first checkpoint from which on a layer stays within {} of the last one. Layers lie from the input \
         to the output; one at the top settles only with the last checkpoint.",
        report.settings.tolerance
    );
    let plot = html::Plot {
        caption: &caption,
        x_label: "layer",
        y_label: "settles at",
        x_names: &rows,
        y_names: &results.names(),
        series: &[Points { name: "layers", points, joined: true, intervals: vec![] }],
        rules: &[],
    };
    plot.draw()
}

fn checkpoints(report: &TrackReport) -> Markup {
    let mut columns =
        vec![Column::text("checkpoint"), Column::number("largest drop"), Column::text("at layer")];
    let judged = is_judged(&report.results);
    if judged {
        columns.extend(["accuracy in %", "its drop in %"].map(Column::number));
    }
    let row = |one: &crate::report::track::CheckpointResult| {
        let percent = |value: Number| value.get().map(|share| 100.0 * share);
        let mut row = vec![
            Entry::text(&one.name),
            Entry::number(one.drop.get(), 4).bar(one.drop.get()),
            one.drop_layer.as_ref().map_or_else(|| Entry::text(""), Entry::code),
        ];
        let shares = [one.accuracy, one.accuracy_drop].into_iter().filter(|_| judged);
        row.extend(shares.map(|share| Entry::number(percent(share), 1)));
        row
    };
    let caption = "Drop: how much less alike a layer is to that of the checkpoint before than equal layers are";
    let rows = report.results.checkpoints.iter().map(row).collect();
    Table { caption, columns, rows }.draw()
}

fn layers(report: &TrackReport) -> Markup {
    let columns = vec![
        Column::text("layer"),
        Column::number("features D"),
        Column::number("first with last"),
        Column::text("settles at"),
    ];
    let row = |layer: &LayerTrack| {
        let first = layer.with_last.first().and_then(|v| v.get());
        vec![
            Entry::code(&layer.name),
            Entry::count(layer.width),
            Entry::number(first, 4).bar(first.filter(|_| bounded(report))),
            Entry::text(layer.settled_at.as_deref().unwrap_or("no value")),
        ]
    };
    let rows = report.results.layers.iter().map(row).collect();
    Table { caption: "Layers in the order in which they finish", columns, rows }.draw()
}
