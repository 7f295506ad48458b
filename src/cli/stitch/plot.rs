//! Pictures of stitching.

use std::path::Path;

use ndarray::Array2;

use super::Args;
use crate::cli::picture;
use crate::error::Result;
use crate::render::text::decimal;
use crate::render::{Heatmap, Scatter};
use crate::report::Number;
use crate::report::stitch::{PairResult, StitchReport};

/// Points named in a scatter.
const NAMED: usize = 6;

/// Draws what was asked for; returns what each picture shows and where it is.
///
/// # Errors
/// One cannot be drawn or written.
pub fn draw<'a>(args: &'a Args, report: &StitchReport) -> Result<Vec<(&'static str, &'a Path)>> {
    let mut drawn: Vec<(&'static str, &'a Path)> = vec![];
    if let Some(path) = &args.heatmap {
        heatmap(report, path)?;
        drawn.push(("Stitching of all pairs of layers", path));
    }
    if let Some(path) = &args.scatter {
        scatter(report, path)?;
        drawn.push(("Stitching against CKA", path));
    }
    Ok(drawn)
}

/// What is drawn of a pair, and what it is called.
fn value(report: &StitchReport) -> (&'static str, fn(&PairResult) -> Number) {
    match report.results.accuracy_b.get() {
        Some(_) => ("accuracy", |pair| pair.accuracy),
        None => ("agreement with B", |pair| pair.agreement),
    }
}

fn subtitle(report: &StitchReport) -> String {
    let results = &report.results;
    let share = |n: Number| n.get().map(|a| format!("{:.1} %", 100.0 * a));
    let own = share(results.accuracy_a).zip(share(results.accuracy_b));
    let own = own.map_or(String::new(), |(a, b)| format!(" · alone A {a}, B {b}"));
    format!(
        "{} fit on {} samples · measured on {} others{own} · compatible, not the same",
        report.settings.fit, results.n_fit, results.n
    )
}

fn names(report: &StitchReport) -> [String; 2] {
    let names = report.inputs.names();
    let at = |i: usize| names.get(i).cloned().unwrap_or_default();
    [at(0), at(names.len().saturating_sub(1))]
}

fn heatmap(report: &StitchReport, path: &Path) -> Result<()> {
    let results = &report.results;
    let (label, value) = value(report);
    let (rows, columns) = (&results.layers_a, &results.layers_b);
    let mut values = Array2::from_elem((rows.len(), columns.len()), f64::NAN);
    for pair in &results.pairs {
        let row = rows.iter().position(|name| *name == pair.layer_a);
        let column = columns.iter().position(|name| *name == pair.layer_b);
        if let Some(place) = row.zip(column) {
            values[place] = value(pair).get().unwrap_or(f64::NAN);
        }
    }
    let names = names(report);
    let heatmap = Heatmap {
        title: "A up to a layer, stitched to B behind a layer",
        subtitle: &subtitle(report),
        row_axis: &names[0],
        column_axis: &names[1],
        rows,
        columns,
        values: values.view(),
        range: (0.0, 1.0),
        reversed: false,
        scale_label: label,
        marks: &[],
        mark_label: "",
    };
    let remedy = "try .svg, or fewer layers with --layers";
    picture::write(path, heatmap.to_svg(), || heatmap.to_png(), remedy)
}

fn scatter(report: &StitchReport, path: &Path) -> Result<()> {
    let (label, value) = value(report);
    let (mut points, mut labels) = (vec![], vec![]);
    for pair in &report.results.pairs {
        let cka = pair.cka.and_then(Number::get);
        if let Some((cka, own)) = cka.zip(value(pair).get()) {
            points.push((cka, own));
            labels.push(name(&pair.layer_a, &pair.layer_b));
        }
    }
    let against = report.results.against.as_ref();
    let named = against.map_or(&[][..], |found| &found.disagreements).iter().take(NAMED);
    let named: Vec<(usize, String)> = named
        .map(|one| name(&one.layer_a, &one.layer_b))
        .filter_map(|name| Some((labels.iter().position(|label| *label == name)?, name)))
        .collect();
    let rank = against.and_then(|found| found.spearman.get());
    let rank = rank.map_or("undefined".to_owned(), |value| decimal(value, 2));
    let subtitle = format!(
        "{} · rank correlation {rank} · ringed: where the two disagree most",
        subtitle(report)
    );
    let scatter = Scatter {
        title: "Function against structure",
        subtitle: &subtitle,
        x_label: "CKA of the two layers",
        y_label: &format!("{label} of the stitched network"),
        points: &points,
        labels: &labels,
        highlighted: &named,
        groups: &vec![0; points.len()],
        group_names: &[],
    };
    picture::write(path, scatter.to_svg(), || scatter.to_png(), "try .svg, or fewer layers")
}

fn name(a: &str, b: &str) -> String {
    if a == b { a.to_owned() } else { format!("{a} → {b}") }
}
