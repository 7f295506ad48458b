//! Tables of `repsim maps`.

use super::Args;
use crate::cli::output::{self, Messages};
use crate::error::Result;
use crate::report::Number;
use crate::report::maps::{MapsLayer, MapsReport, ShownChannel};

/// Writes the report where it was asked for, and a table where somebody looks.
///
/// # Errors
/// It cannot be written.
pub fn show(args: &Args, report: &MapsReport, messages: &Messages) -> Result<()> {
    output::show(report, args.output.as_deref(), messages, || table(report))
}

/// The channels shown, and how well the channels of two models correspond.
pub fn table(report: &MapsReport) -> String {
    let matched = report.inputs.models.len() > 1;
    let mut header = vec!["layer", "channel", "mean", "std", "max", "active"];
    header.extend(if matched { &["in B", "r"][..] } else { &[] });
    let mut table = output::table(&header);
    for layer in &report.results.layers {
        for shown in &layer.shown {
            table.add_row(row(layer, shown, matched));
        }
    }
    output::align_right(&mut table, &(1..header.len()).collect::<Vec<_>>());
    let summary: String = report.results.layers.iter().map(summary).collect();
    format!("{table}\n{summary}")
}

fn row(layer: &MapsLayer, shown: &ShownChannel, matched: bool) -> Vec<String> {
    let all = &layer.channels[shown.channel];
    let mut row = vec![layer.layer.clone(), shown.channel.to_string()];
    row.extend([all.mean, all.std, all.max].map(number));
    row.push(all.active.get().map_or("-".to_owned(), |v| format!("{:.0} %", 100.0 * v)));
    if matched {
        let partner = shown.partner.as_ref();
        row.push(partner.map_or("-".to_owned(), |p| p.channel.to_string()));
        row.push(partner.map_or("-".to_owned(), |p| number(p.correlation)));
    }
    row
}

fn number(value: Number) -> String {
    value.get().map_or("-".to_owned(), |v| format!("{v:.3}"))
}

/// How well the channels of a layer correspond.
fn summary(layer: &MapsLayer) -> String {
    let Some(found) = &layer.matching else { return String::new() };
    format!(
        "\n{} with {}: mean correlation {} with the best channel, {} one to one ({} pairs), {} greedily",
        layer.layer,
        found.layer_b,
        number(found.best.mean_correlation),
        number(found.one_to_one.mean_correlation),
        found.one_to_one.pairs.len(),
        number(found.greedy.mean_correlation)
    )
}
