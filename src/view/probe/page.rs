//! What the page shows of probes.

use ndarray::Array2;

use super::pictures::{depth, levels, lines, subtitle};
use super::{best, chosen, names, shown, together};
use crate::render::ColorMap;
use crate::render::html::{self, Column, Entry, Markup, Matrix, Point, Points, Rule, Table, html};
use crate::report::Number;
use crate::report::probe::{ProbeAgainst, ProbeLayer, ProbeReport, ProbeResults, ProbeScore, Task};
use crate::view::Place;

/// Lines that a plot tells apart.
const LINES: usize = 8;

/// The plot, the table, the best layer by its parts, and structure beside.
pub(super) fn body(report: &ProbeReport, place: Place<'_>) -> Markup {
    let results = &report.results;
    html! {
        (curves(report))
        p { (words(report)) }
        h3 { "Layer by layer" }
        (scores(report))
        @if let Some((model, layer, probe)) = best(results) {
            h3 { "The best layer: " (layer.name) " of " (model.name) ", by " (probe.probe) }
            (parts(results, probe))
            @if !probe.confusion.is_empty() {
                (confusion(results, probe, &place.id("prb")))
            }
        }
        @if let Some(against) = &results.against {
            h3 { "What is read out, beside structure" }
            p { (together(against)) "." }
            (disagreements(results, against))
        }
    }
}

/// How to read the figures.
fn words(report: &ProbeReport) -> String {
    let results = &report.results;
    let mut text = match results.task {
        Task::Classes => format!(
            "A probe is a simple classifier fitted on the features of a layer; its accuracy is that on samples that it \
             was not fitted on. The most frequent class alone gives {:.1} %.",
            100.0 * results.chance
        ),
        Task::Numbers => "A probe is a ridge regression on the features of a layer; R² is that on samples that it was \
                          not fitted on, 0 for the mean of a target."
            .to_owned(),
    };
    text.push_str(
        " Selectivity is what it loses where labels are shuffled: a probe that reads out shuffled labels as well says \
         nothing of the layer. A control without training shows what the architecture alone gives.",
    );
    let reasons = results.models.iter().filter_map(|model| {
        Some(format!(" No control of {}: {}.", model.name, model.without_control.as_ref()?))
    });
    text.extend(reasons);
    text.extend(results.without_pixels.as_ref().map(|why| format!(" No pixels: {why}.")));
    text
}

fn curves(report: &ProbeReport) -> Markup {
    let results = &report.results;
    let (depth, lines, levels) = (depth(report), lines(report), levels(report));
    let point = |name: &str, (x, y): (f64, f64)| {
        let place = depth.names.get(x as usize).filter(|_| !depth.names.is_empty());
        let place = place.cloned().unwrap_or_else(|| format!("{x:.2}"));
        Point { x, y, label: format!("{name}, {place}: {}", shown(results, y.into())) }
    };
    let series: Vec<Points<'_>> = lines
        .iter()
        .take(LINES)
        .map(|line| Points {
            name: &line.name,
            points: line.points.iter().map(|&at| point(&line.name, at)).collect(),
            joined: true,
            intervals: line.intervals.clone(),
        })
        .collect();
    let rules: Vec<Rule<'_>> =
        levels.iter().map(|(label, value)| Rule::Level(*value, label)).collect();
    let plot = html::Plot {
        caption: &format!("{} of probes over depth. {}", results.score_name(), subtitle(report)),
        x_label: depth.label,
        y_label: results.score_name(),
        x_names: &depth.names,
        y_names: &[],
        series: &series,
        rules: &rules,
    };
    plot.draw()
}

fn value(results: &ProbeResults, number: Number) -> Entry {
    match results.task {
        Task::Classes => Entry::number(number.get().map(|v| 100.0 * v), 1),
        Task::Numbers => Entry::number(number.get(), 3),
    }
}

fn scores(report: &ProbeReport) -> Markup {
    let results = &report.results;
    let several = results.models.len() > 1;
    let classes = results.task == Task::Classes;
    let name = if classes { "accuracy in %" } else { "R²" };
    let mut columns = vec![Column::text("layer"), Column::text("probe"), Column::number(name)];
    columns.extend(classes.then(|| Column::text("95 %")));
    let times = report.settings.shuffles > 1;
    columns.push(Column::number("shuffled"));
    columns.extend(times.then(|| Column::number("its deviation")));
    columns.extend(["selectivity", "control"].map(Column::number));
    columns.extend(several.then(|| Column::number("CKA")));
    columns.push(Column::text("strength"));
    let row = |layer: &ProbeLayer, model: &str, probe: &ProbeScore| {
        let place = if several && !model.is_empty() {
            format!("{} of {model}", layer.name)
        } else {
            layer.name.clone()
        };
        let mut row =
            vec![Entry::code(place), Entry::text(&probe.probe), value(results, probe.score)];
        let ends =
            probe.interval.map(|(low, high)| format!("{:.1} to {:.1}", 100.0 * low, 100.0 * high));
        row.extend(classes.then(|| Entry::text(ends.or(probe.reason.clone()).unwrap_or_default())));
        row.push(value(results, probe.shuffled));
        row.extend(times.then(|| value(results, probe.shuffled_sd)));
        row.extend([probe.selectivity, probe.control].map(|v| value(results, v)));
        row.extend(several.then(|| Entry::number(layer.cka.and_then(Number::get), 3)));
        row.push(Entry::text(chosen(probe)));
        row
    };
    let of_models = results
        .models
        .iter()
        .flat_map(|model| model.layers.iter().map(move |layer| (layer, model.name.as_str())));
    let all = of_models.chain(results.pixels.iter().map(|layer| (layer, "")));
    let rows =
        all.flat_map(|(layer, model)| layer.probes.iter().map(move |probe| (layer, model, probe)));
    let rows = rows.map(|(layer, model, probe)| row(layer, model, probe)).collect();
    let caption = "Probes on samples that they were not fitted on, the same on shuffled labels and on the control";
    Table { caption, columns, rows }.draw()
}

/// Class by class, or target by target.
fn parts(results: &ProbeResults, probe: &ProbeScore) -> Markup {
    let (what, name) = match results.task {
        Task::Classes => ("class", "accuracy in %"),
        Task::Numbers => ("target", "R²"),
    };
    let mut columns = vec![Column::text(what)];
    columns.extend((results.task == Task::Classes).then(|| Column::number("samples")));
    columns.push(Column::number(name));
    let values = if probe.per_class.is_empty() { &probe.r2 } else { &probe.per_class };
    let row = |(i, name): (usize, &String)| {
        let mut row = vec![Entry::text(name)];
        row.extend(results.classes.get(i).map(|class| Entry::count(class.count)));
        row.push(value(results, values.get(i).copied().unwrap_or_default()));
        row
    };
    let rows = names(results).iter().enumerate().map(row).collect();
    Table { caption: "By the samples that it was not fitted on", columns, rows }.draw()
}

fn confusion(results: &ProbeResults, probe: &ProbeScore, id: &str) -> Markup {
    let names = names(results);
    let count = names.len();
    let values = Array2::from_shape_fn((count, count), |(i, j)| {
        probe.confusion[i][j] as f64 / probe.confusion[i].iter().sum::<usize>() as f64
    });
    let matrix = Matrix {
        id,
        caption: "Which share of the samples of each class it takes for which",
        row_axis: "class",
        column_axis: "taken for",
        rows: &names,
        columns: &names,
        values: values.view(),
        range: (0.0, 1.0),
        colours: ColorMap::Viridis,
        reversed: false,
        label: "share",
        marks: &[],
        mark_label: "",
        reasons: &[],
        reason: &|_, _| None,
    };
    matrix.draw()
}

fn disagreements(results: &ProbeResults, against: &ProbeAgainst) -> Markup {
    let point = |(layer, model): (&ProbeLayer, &str)| {
        let (x, y) = (layer.cka?.get()?, layer.probes.first()?.score.get()?);
        Some(Point {
            x,
            y,
            label: format!("{} of {model}: {x:.3}, {}", layer.name, shown(results, y.into())),
        })
    };
    let series = |model: &'_ crate::report::probe::ProbeModel| -> Vec<Point> {
        model.layers.iter().filter_map(|layer| point((layer, &model.name))).collect()
    };
    let others = results.models.iter().skip(1).take(LINES);
    let series: Vec<Points<'_>> = others
        .map(|model| Points {
            name: &model.name,
            points: series(model),
            joined: false,
            intervals: vec![],
        })
        .collect();
    let x_label = format!("CKA with {}", against.reference);
    let plot = html::Plot {
        caption: "Each layer by how alike it is to that of the first model, and by what can be read out of it.",
        x_label: &x_label,
        y_label: results.score_name(),
        x_names: &[],
        y_names: &[],
        series: &series,
        rules: &[],
    };
    let columns = vec![
        Column::text("layer"),
        Column::number("CKA"),
        Column::number("its rank"),
        Column::number("difference"),
        Column::number("rank of the nearest"),
    ];
    let row = |one: &crate::report::probe::ProbeDisagreement| {
        vec![
            Entry::code(format!("{} of {}", one.layer, one.model)),
            Entry::number(Some(one.cka), 3),
            Entry::number(Some(one.rank_cka), 1),
            value(results, one.difference.into()),
            Entry::number(Some(one.rank_difference), 1),
        ]
    };
    let rows = against.disagreements.iter().map(row).collect();
    let caption = "Layers that structure and what is read out rank most differently";
    html! {
        (plot.draw())
        (Table { caption, columns, rows }.draw())
    }
}
