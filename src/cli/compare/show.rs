//! What a person sees of a comparison.

use std::path::Path;

use super::Args;
use crate::cli::output::{self, Messages};
use crate::cli::picture;
use crate::error::Result;
use crate::render::Heatmap;
use crate::report::Number;
use crate::report::compare::{CompareReport, LayerResult};
use crate::view::compare::{beside, chance, colour_range, summary, values};

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
        header.extend(beside(found, report.settings.level));
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
            row.extend(chance(found, found.best_place(i, &results.layers_b)));
        }
        table.add_row(row);
    }
    let each = 2 + beside(&results.measures[0], report.settings.level).len();
    let texts = |column: &usize| (column - 1) % each != 1;
    let numbers: Vec<usize> = (1..=each * results.measures.len()).filter(texts).collect();
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
