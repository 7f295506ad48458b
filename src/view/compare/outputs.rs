//! What two models themselves say, held against each other.

use super::within;
use crate::render::html::{self, Column, Entry, Markup, Table, Words, html};
use crate::report::compare::{CompareReport, OutputMeasure, OutputResults};
use crate::view::table::{self, Cell};

/// A table of the measures with words; nothing without two models.
pub fn section(report: &CompareReport) -> Markup {
    let Some(found) = &report.results.outputs else { return html! {} };
    let columns = vec![
        Column::text("measure ↓"),
        Column::number("value"),
        Column::text("95 % interval"),
        Column::text("what it is"),
    ];
    let row = |measure: &OutputMeasure| {
        let value = match (measure.value.get(), &measure.reason) {
            (None, Some(why)) => Entry::gone(why),
            (value, _) => Entry::number(value, 4),
        };
        let ends = measure.interval.map_or_else(String::new, |ends| within(ends, "\u{a0}to\u{a0}"));
        vec![Entry::code(&measure.name), value, Entry::text(ends), Entry::text(&measure.what)]
    };
    let caption = caption(found, report.results.n);
    let rows = found.measures.iter().map(row).collect();
    let does_not = "It does not see whether the layers inside are alike: networks that agree can represent \
                    samples in different ways.";
    html! {
        h3 { "Outputs" }
        (Table { caption: &caption, columns, rows }.draw())
        (html::words(Words {
            says: "Smaller is more alike: 0 where the two models say the same of every sample.",
            does_not,
            pitfall: "Output i of A is taken for the same class as output i of B.",
        }))
    }
}

fn caption(found: &OutputResults, n: usize) -> String {
    let [a, b] = found.accuracies;
    let differing = match found.outputs {
        0 => "The outputs of the two models".to_owned(),
        1 => {
            format!("One output each; {} of {n} samples are predicted differently", found.differing)
        }
        k => format!(
            "{k} outputs each; {} of {n} samples are predicted differently",
            found.differing
        ),
    };
    match (a.get(), b.get()) {
        (Some(a), Some(b)) => format!("{differing}; accuracies {a:.4} of A and {b:.4} of B"),
        _ => differing,
    }
}

/// The same for a terminal.
pub fn table(found: &OutputResults) -> table::Table {
    let mut table = table::new(&["outputs of A and B ↓", "value", "95 % interval", ""]);
    table.name_columns(["measure", "value", "interval", "reason"].map(str::to_owned).into());
    for measure in &found.measures {
        table.add_row([
            measure.name.clone().into(),
            Cell::number(measure.value.get(), 4),
            Cell::interval(measure.interval, |ends| within(ends, "…")),
            measure.reason.clone().unwrap_or_default().into(),
        ]);
    }
    table.align_right(&[1]);
    table
}
