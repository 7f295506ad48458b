//! What a person sees of a comparison.

use std::path::Path;

use ndarray::Array2;

use super::Args;
use crate::capture::Reduce;
use crate::cli::output::{self, Messages};
use crate::cli::picture;
use crate::error::Result;
use crate::render::Heatmap;
use crate::report::Number;
use crate::report::compare::{CompareReport, LayerResult, MeasureResult};

/// Writes the report where it was asked for, and tables where somebody looks.
///
/// # Errors
/// It cannot be written.
pub fn show(args: &Args, report: &CompareReport, messages: &Messages) -> Result<()> {
    output::show(report, args.output.as_deref(), messages, || tables(report))
}

/// The best match of each layer by each measure, then each layer alone.
pub fn tables(report: &CompareReport) -> String {
    format!("{}\n\n{}", matches(report), layers(&report.results.layers))
}

fn matches(report: &CompareReport) -> String {
    let results = &report.results;
    let alone = report.inputs.names().len() < 2;
    let what = if alone { "most alike other layer" } else { "best match in B" };
    let mut header = vec![format!("layer of A: {what}")];
    for found in &results.measures {
        let arrow = if found.facts.larger_is_more_alike { "" } else { " ↓" };
        header.extend([format!("{}{arrow}", found.name), String::new()]);
    }
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut table = output::table(&header);
    for (i, name) in results.layers_a.iter().enumerate() {
        let mut row = vec![name.clone()];
        for found in &results.measures {
            row.extend(match &found.best_matches[i] {
                Some(best) => [format!("{:.4}", best.value), best.layer_b.clone()],
                None => ["-".to_owned(), String::new()],
            });
        }
        table.add_row(row);
    }
    let numbers: Vec<usize> = (0..results.measures.len()).map(|m| 2 * m + 1).collect();
    output::align_right(&mut table, &numbers);
    table.to_string()
}

fn layers(layers: &[LayerResult]) -> String {
    let header = [
        "layer",
        "",
        "D",
        "effective rank",
        "participation",
        "TwoNN",
        "zeros",
        "sparseness",
        "class separation",
    ];
    let mut table = output::table(&header);
    for layer in layers {
        let number = |value: Number, digits: usize| {
            value.get().map_or("-".to_owned(), |v| format!("{v:.digits$}"))
        };
        table.add_row([
            layer.name.clone(),
            layer.model.clone(),
            layer.width.to_string(),
            number(layer.effective_rank, 1),
            number(layer.participation_ratio, 1),
            number(layer.intrinsic_dimension, 1),
            number(layer.zeros, 3),
            number(layer.sparseness, 3),
            number(layer.class_separation, 3),
        ]);
    }
    output::align_right(&mut table, &[2, 3, 4, 5, 6, 7, 8]);
    table.to_string()
}

/// Values as an array, NaN for `null`.
pub fn values(found: &MeasureResult) -> Array2<f64> {
    let columns = found.values.first().map_or(0, Vec::len);
    Array2::from_shape_fn((found.values.len(), columns), |(i, j)| {
        found.values[i][j].get().unwrap_or(f64::NAN)
    })
}

/// The values at the ends of the colours: of the measure, where it has bounds, else of the data.
pub fn colour_range(found: &MeasureResult) -> (f64, f64) {
    let [low, high] = found.facts.range.map(Number::get);
    let most = values(found).iter().copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
    let low = low.filter(|low| *low > -1.0).unwrap_or(0.0);
    match (found.facts.larger_is_more_alike, high) {
        (true, Some(high)) => (low, high),
        (_, high) => (low, high.unwrap_or(most).min(most)),
    }
}

/// The settings in a line, for a picture of one measure.
pub fn summary(found: &MeasureResult, reduce: Reduce, pca: Option<usize>, n: usize) -> String {
    let alike = match found.facts.larger_is_more_alike {
        true => "larger is more alike",
        false => "smaller is more alike",
    };
    let pca = pca.map_or(String::new(), |k| format!(" · {k} components"));
    format!("{alike} · {reduce}{pca} · n = {n}")
}

/// Draws one measure.
///
/// # Errors
/// It cannot be drawn or written.
pub fn heatmap(report: &CompareReport, measure: usize, path: &Path) -> Result<()> {
    let results = &report.results;
    let found = &results.measures[measure];
    let names = report.inputs.names();
    let alone = names.len() < 2;
    let values = values(found);
    let subtitle = summary(found, report.settings.reduce, report.settings.pca, results.n);
    let title = format!("{} between layers", found.name);
    let marks = found.best_columns(&results.layers_b);
    let heatmap = Heatmap {
        title: &title,
        subtitle: &subtitle,
        row_axis: &names[0],
        column_axis: &names[names.len() - 1],
        rows: &results.layers_a,
        columns: &results.layers_b,
        values: values.view(),
        range: colour_range(found),
        reversed: !found.facts.larger_is_more_alike,
        scale_label: &found.name,
        marks: &marks,
        mark_label: if alone { "most alike other layer" } else { "best match of each row" },
    };
    let remedy = "try .svg, or fewer layers with --layers";
    picture::write(path, heatmap.to_svg(), || heatmap.to_png(), remedy)
}
