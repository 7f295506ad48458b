//! What stands beside the table of pairs.

use super::{labelled, name, value};
use crate::render::html::{Column, Entry, Markup, Plot, Point, Points, Table, html};
use crate::report::Number;
use crate::report::stitch::{AgainstResult, PairResult, StitchReport};

/// Curves that a plot holds.
const CURVES: usize = 4;

/// One pair beside the networks alone and its controls.
pub fn single(report: &StitchReport, pair: &PairResult) -> Markup {
    let controls = pair.controls;
    let of =
        |accuracy: Number, agreement: Number| if labelled(report) { accuracy } else { agreement };
    let mut all = vec![];
    if labelled(report) {
        all.extend([("A alone", pair.accuracy_a), ("B alone", pair.accuracy_b)]);
    }
    all.push(("stitched", value(report, pair)));
    for (name, control) in [("random A", controls.random_weights), ("mean only", controls.mean)] {
        all.push((name, of(control.accuracy, control.agreement)));
    }
    let known: Vec<(&str, f64)> =
        all.into_iter().filter_map(|(name, value)| Some((name, 100.0 * value.get()?))).collect();
    let names: Vec<String> = known.iter().map(|(name, _)| (*name).to_owned()).collect();
    let point = |(place, (name, value)): (usize, &(&str, f64))| Point {
        x: place as f64,
        y: *value,
        label: format!("{name}: {value:.1} %"),
    };
    let points = known.iter().enumerate().map(point).collect();
    let y_label = format!("{} in %", name(report));
    let plot = Plot {
        caption: &format!(
            "A up to {} and B behind {}, beside the networks alone, A with random weights in the same place, \
             and a stitch that gives the mean whatever the image.",
            pair.layer_a, pair.layer_b
        ),
        x_label: "",
        y_label: &y_label,
        x_names: &names,
        y_names: &[],
        series: &[Points { name: "", points, joined: false, intervals: vec![] }],
        rules: &[],
    };
    plot.draw()
}

/// The loss by epoch of the pairs that stitch best, where stitches were trained.
pub fn losses(report: &StitchReport) -> Markup {
    let curve = |pair: &PairResult| -> Option<(String, Vec<f64>)> {
        let losses = pair.stitch.as_ref()?.losses.as_ref()?;
        let all: Option<Vec<f64>> = losses.iter().map(|loss| loss.get()).collect();
        Some((format!("{} → {}", pair.layer_a, pair.layer_b), all?))
    };
    let mut pairs: Vec<&PairResult> = report.results.pairs.iter().collect();
    let of = |pair: &PairResult| value(report, pair).get().unwrap_or(f64::NEG_INFINITY);
    pairs.sort_by(|a, b| of(b).total_cmp(&of(a)));
    let all: Vec<(String, Vec<f64>)> = pairs.into_iter().filter_map(curve).collect();
    if all.is_empty() {
        return html! {};
    }
    let shown = &all[..all.len().min(CURVES)];
    let points = |(name, losses): &(String, Vec<f64>)| -> Vec<Point> {
        let point = |(epoch, loss): (usize, &f64)| Point {
            x: epoch as f64,
            y: *loss,
            label: format!("{name}, epoch {}: {loss:.4}", epoch + 1),
        };
        losses.iter().enumerate().map(point).collect()
    };
    let series: Vec<Points<'_>> = shown
        .iter()
        .map(|one| Points { name: &one.0, points: points(one), joined: true, intervals: vec![] })
        .collect();
    let count = shown.iter().map(|(_, losses)| losses.len()).max().unwrap_or(0);
    let epochs: Vec<String> = (1..=count).map(|epoch| epoch.to_string()).collect();
    let which = match all.len() > shown.len() {
        true => format!(" of the {CURVES} of {} pairs that stitch best", all.len()),
        false => String::new(),
    };
    let plot = Plot {
        caption: &format!(
            "Mean cross entropy by epoch{which}, each batch before the step made on it; the first epoch begins \
             from least squares."
        ),
        x_label: "epoch",
        y_label: "loss in nats",
        x_names: &epochs,
        y_names: &[],
        series: &series,
        rules: &[],
    };
    html! {
        h3 { "Loss in training" }
        (plot.draw())
    }
}

/// The pairs that stitching and structure put farthest apart.
pub fn disagreements(against: &AgainstResult) -> Markup {
    if against.disagreements.is_empty() {
        return html! {};
    }
    let columns = vec![
        Column::text("A up to"),
        Column::text("B behind"),
        Column::number(format!("{} in %", against.value)),
        Column::number("its rank"),
        Column::number("CKA"),
        Column::number("its rank"),
    ];
    let rank = |rank: f64| Entry::number(Some(rank), usize::from(rank.fract() > 0.0));
    let row = |one: &crate::report::stitch::Disagreement| {
        vec![
            Entry::code(&one.layer_a),
            Entry::code(&one.layer_b),
            Entry::number(one.stitching.get().map(|v| 100.0 * v), 1),
            rank(one.rank_stitching),
            Entry::number(one.cka.get(), 4),
            rank(one.rank_cka),
        ]
    };
    let interval = against.interval.map_or(String::new(), |(low, high)| {
        format!(" (95 % interval over pairs {low:.2} to {high:.2})")
    });
    let caption = format!(
        "Where the two disagree most, of {} pairs{interval}; rank 1 is the largest",
        against.pairs
    );
    let rows = against.disagreements.iter().map(row).collect();
    Table { caption: &caption, columns, rows }.draw()
}
