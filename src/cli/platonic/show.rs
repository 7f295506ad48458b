//! What a person sees of many models.

use std::path::Path;

use ndarray::Array2;

use super::Args;
use crate::cli::compare::{colour_range, summary};
use crate::cli::output::{self, Messages};
use crate::cli::picture;
use crate::error::Result;
use crate::render::Heatmap;
use crate::report::platonic::{PlatonicReport, PlatonicResults};

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
    let mut table =
        output::table(&["model", "layer", "D", &header, "most alike", "value", "accuracy"]);
    for &i in &places(results) {
        let (model, best) = (&results.models[i], &results.measure.best_matches[i]);
        let number = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.4}"));
        table.add_row([
            model.name.clone(),
            model.layer.name.clone(),
            model.layer.width.to_string(),
            number(model.mean_alignment.get()),
            best.as_ref().map_or("-".to_owned(), |best| best.layer_b.clone()),
            number(best.as_ref().map(|best| best.value)),
            number(model.accuracy.get()),
        ]);
    }
    output::align_right(&mut table, &[2, 3, 5, 6]);
    let correlation = results.rank_correlation.get().map_or(String::new(), |r| {
        format!(
            "\nrank correlation of mean alignment with accuracy: {r:.2} ({} models)",
            results.models.len()
        )
    });
    format!("{table}{correlation}")
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
