//! What a person sees of many models.

use std::path::Path;

use super::Args;
use crate::cli::output::{self, Messages};
use crate::cli::picture;
use crate::error::Result;
use crate::render::Heatmap;
use crate::report::platonic::PlatonicReport;
use crate::view::compare::{beside, chance, colour_range, summary};
use crate::view::platonic::{correlation, ordered, places};

/// Writes the report where it was asked for, and a table where somebody looks.
///
/// # Errors
/// It cannot be written.
pub fn show(args: &Args, report: &PlatonicReport, messages: &Messages) -> Result<()> {
    output::show(report, args.output.as_deref(), messages, || text(report))
}

/// The models in their order, with alignment and accuracy, and how these go together.
fn text(report: &PlatonicReport) -> String {
    let results = &report.results;
    let name = &results.measure.name;
    let arrow = if results.measure.facts.larger_is_more_alike { "" } else { " ↓" };
    let header = format!("mean {name}{arrow}");
    let held = beside(&results.measure, report.settings.level);
    let mut names = vec!["model", "layer", "D", &header, "accuracy", "most alike", "value"];
    names.extend(held.iter().map(String::as_str));
    let mut table = output::table(&names);
    let models = results.names();
    for &i in &places(results) {
        let (model, best) = (&results.models[i], &results.measure.best_matches[i]);
        let number = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.4}"));
        let at = results.measure.best_place(i, &models);
        let mut row = vec![
            model.name.clone(),
            model.layer.name.clone(),
            model.layer.width.to_string(),
            number(model.mean_alignment.get()),
            number(model.accuracy.get()),
            best.as_ref().map_or("-".to_owned(), |best| best.layer_b.clone()),
            number(best.as_ref().map(|best| best.value)),
        ];
        row.extend(chance(&results.measure, at));
        table.add_row(row);
    }
    output::align_right(&mut table, &[2, 3, 4, 6, 7, 8][..4 + held.len()]);
    format!("{table}{}", correlation(results).map_or(String::new(), |line| format!("\n{line}")))
}

/// Draws the matrix in the order of the clustering.
///
/// # Errors
/// It cannot be drawn or written.
pub fn heatmap(report: &PlatonicReport, path: &Path) -> Result<()> {
    let (results, found) = (&report.results, &report.results.measure);
    let values = ordered(results);
    let title = format!("{} between models", found.name);
    let line = summary(found, report.settings.reduce, report.settings.pca, results.n);
    let heatmap = Heatmap {
        title: &title,
        subtitle: &format!("{line} · alike models side by side"),
        row_axis: "model",
        column_axis: "model",
        rows: &results.order,
        columns: &results.order,
        values: values.view(),
        range: colour_range(found),
        reversed: !found.facts.larger_is_more_alike,
        scale_label: &found.name,
        marks: &[],
        mark_label: "",
    };
    picture::write(path, heatmap.to_svg(), || heatmap.to_png(), "try .svg, or fewer models")
}
