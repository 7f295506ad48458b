//! The samples that lie farthest from the reference.

use crate::render::html::{Column, Entry, Markup, Table};
use crate::report::SetInput;
use crate::report::distance::{DistanceReport, SampleRow};
use crate::view::{Place, sights};

/// The farthest samples, the farthest first.
pub(super) fn table(report: &DistanceReport, place: Place<'_>) -> Markup {
    let results = &report.results;
    let all = &results.farthest;
    let mut columns = vec![
        Column::text("sample"),
        Column::number("Mahalanobis"),
        Column::number(format!("neighbour {}", results.neighbour.k)),
        Column::text("nearest class").choice(),
    ];
    let judged = results.prediction.is_some();
    if judged {
        columns.extend(["class", "predicted", "right"].map(|name| Column::text(name).choice()));
        columns.push(Column::number("confidence"));
    }
    let mut rows: Vec<Vec<Entry>> = all.iter().map(|sample| row(sample, judged)).collect();
    // The reference comes first.
    let data = report.inputs.sets.iter().rev().find_map(|set| match set {
        SetInput::Images(data) => Some(data),
        _ => None,
    });
    let samples = all.iter().map(|sample| sample.sample.as_str());
    sights::beside(&mut columns, &mut rows, samples, (place, data));
    let caption = match all.len() < results.n {
        true => format!(
            "The {} of {} samples that lie farthest, the farthest first",
            all.len(),
            results.n
        ),
        false => "All samples, the farthest first".to_owned(),
    };
    Table { caption: &caption, columns, rows }.draw()
}

fn row(sample: &SampleRow, judged: bool) -> Vec<Entry> {
    let mut row = vec![
        Entry::code(&sample.sample),
        Entry::number(Some(sample.mahalanobis), 3),
        Entry::number(Some(sample.neighbour), 4),
        Entry::text(sample.nearest_class.clone().unwrap_or_default()),
    ];
    if judged {
        row.push(Entry::text(sample.label.clone().unwrap_or_default()));
        row.push(Entry::text(sample.predicted.clone().unwrap_or_default()));
        row.push(Entry::text(
            sample.correct.map_or("", |right| if right { "right" } else { "wrong" }),
        ));
        row.push(Entry::number(sample.confidence, 3));
    }
    row
}
