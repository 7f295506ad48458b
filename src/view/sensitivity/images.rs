//! What was found of each image.

use crate::render::html::{Column, Entry, Markup, Table};
use crate::report::sensitivity::{ImageResult, SensitivityReport};
use crate::view::names::right;
use crate::view::{Place, sights};

/// The score of each image, and the strength from which a perturbation changes its prediction.
pub(super) fn table(report: &SensitivityReport, place: Place<'_>) -> Markup {
    let all = &report.results.images;
    let mut columns = vec![
        Column::text("image"),
        Column::text("class").choice(),
        Column::text("predicted").choice(),
        Column::text("right").choice(),
        Column::number("score"),
        Column::number("margin"),
    ];
    let perturbed = all.first().map_or(&[][..], |image| &image.perturbed);
    columns.extend(
        perturbed.iter().map(|one| Column::number(format!("flipped by {} from", one.perturbation))),
    );
    let mut rows: Vec<Vec<Entry>> = all.iter().map(row).collect();
    let samples = all.iter().map(|image| image.sample.as_str());
    sights::beside(&mut columns, &mut rows, samples, (place, report.inputs.data.as_ref()));
    let caption = "Margin: from the class's score to the next one; flipped: the least strength that changes the prediction";
    Table { caption, columns, rows }.draw()
}

fn row(image: &ImageResult) -> Vec<Entry> {
    let mut row = vec![
        Entry::code(&image.sample),
        Entry::text(image.label.clone().unwrap_or_default()),
        Entry::text(image.prediction.clone().unwrap_or_default()),
        Entry::text(right(image.label.as_deref(), image.prediction.as_deref())),
        Entry::number(image.logit.get(), 3),
        Entry::number(image.margin.get(), 3),
    ];
    row.extend(image.perturbed.iter().map(|one| Entry::number(one.flips_at, 4)));
    row
}
