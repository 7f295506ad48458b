//! The section of channels and perturbations.

use super::{Content, Place, View, subjects, words};
use crate::render::html::{self, Column, Entry, Markup, Plot, Point, Points, Table, html};
use crate::report::Number;
use crate::report::sensitivity::{ChannelResult, LayerResult, RobustnessResult, SensitivityReport};

impl View for SensitivityReport {
    /// A plot and a table of the channels of each layer, and how predictions hold.
    fn content(&self, _: Place<'_>) -> Content {
        let results = &self.results;
        let zero = self.settings.ablations.first().is_none_or(|a| a.to_string() == "zero");
        let body = html! {
            (html::words(words::SENSITIVITY))
            @for layer in &results.layers {
                h3 { "Channels of " span.code { (layer.name) } }
                (plot(layer, zero))
                (table(layer))
            }
            @if !results.robustness.is_empty() {
                h3 { "Under perturbation" }
                (robustness(&results.robustness))
            }
        };
        Content {
            kind: "Importance and sensitivity",
            title: subjects(self),
            lead: lead(self),
            body,
        }
    }
}

fn lead(report: &SensitivityReport) -> String {
    let results = &report.results;
    let accuracy = results.accuracy.get();
    let right =
        accuracy.map_or(String::new(), |a| format!(" {:.1} % are predicted rightly.", 100.0 * a));
    let target = match report.settings.target.as_str() {
        "predicted" => "the predicted class".to_owned(),
        "label" => "the image's own class".to_owned(),
        other => other.to_owned(),
    };
    let one = results.score_form.one();
    format!("{} images; looked at is the {one} of {target}.{right}", results.n)
}

/// The fall of the score under the ablation that ranks.
fn fall(channel: &ChannelResult, zero: bool) -> Number {
    if zero { channel.drop_zero } else { channel.drop_mean }
}

fn plot(layer: &LayerResult, zero: bool) -> Markup {
    let point = |channel: &ChannelResult| {
        let (x, y) = (channel.sensitivity.get()?, fall(channel, zero).get()?);
        Some(Point { x, y, label: format!("channel {}: {x:.4}, {y:.4}", channel.channel) })
    };
    let points: Vec<Point> = layer.channels.iter().filter_map(point).collect();
    if points.is_empty() {
        return html! {};
    }
    let plot = Plot {
        caption: "Each channel by how the score moves with it, to first order, and by how far the \
                  score falls without it.",
        x_label: "sensitivity",
        y_label: if zero { "fall of the score at 0" } else { "fall of the score at the mean" },
        x_names: &[],
        y_names: &[],
        series: &[Points { name: "channels", points, joined: false }],
        rules: &[],
    };
    plot.draw()
}

fn table(layer: &LayerResult) -> Markup {
    let names = [
        "channel",
        "sensitivity",
        "fall at 0",
        "fall at its mean",
        "accuracy in % at 0",
        "rank by sensitivity",
        "rank by importance",
    ];
    let mut columns: Vec<Column> = names.into_iter().map(Column::number).collect();
    columns.push(Column::text("stands out"));
    let rows = layer.channels.iter().map(|channel| row(layer, channel)).collect();
    Table { caption: &caption(layer), columns, rows }.draw()
}

fn caption(layer: &LayerResult) -> String {
    let correlation = |found: &crate::report::sensitivity::CorrelationResult| {
        let value = found.spearman.get().map_or("none".to_owned(), |r| format!("{r:.2}"));
        format!("; rank correlation with the channel at {}: {value}", found.ablation)
    };
    let correlations: String = layer.correlations.iter().map(correlation).collect();
    format!("{} channels, {} of them constant{correlations}", layer.channels.len(), layer.constant)
}

fn row(layer: &LayerResult, channel: &ChannelResult) -> Vec<Entry> {
    let mut row = vec![Entry::count(channel.channel)];
    let values = [channel.sensitivity, channel.drop_zero, channel.drop_mean];
    row.extend(values.map(|value| Entry::number(value.get(), 4)));
    row.push(Entry::number(channel.accuracy_zero.get().map(|share| 100.0 * share), 1));
    let ranks = [channel.rank_sensitivity, channel.rank_importance];
    row.extend(ranks.map(|rank| Entry::number(rank.get(), 0)));
    let is_in = |list: &[usize]| list.contains(&channel.channel);
    row.push(Entry::text(match () {
        () if is_in(&layer.important_not_sensitive) => "important, not sensitive",
        () if is_in(&layer.sensitive_not_important) => "sensitive, not important",
        () => "",
    }));
    row
}

fn robustness(found: &[RobustnessResult]) -> Markup {
    let row = |one: &RobustnessResult| {
        let flips = one.flip_rate.get().map(|share| 100.0 * share);
        let accuracy = one.accuracy.get().map(|share| 100.0 * share);
        vec![
            Entry::text(one.perturbation.to_string()),
            Entry::number(Some(one.strength), 4),
            Entry::number(flips, 1).bar(one.flip_rate.get()),
            Entry::number(one.logit_change.get(), 3),
            Entry::number(accuracy, 1),
        ]
    };
    let columns = vec![
        Column::text("perturbation"),
        Column::number("strength"),
        Column::number("flipped in %"),
        Column::number("change of the score"),
        Column::number("accuracy in %"),
    ];
    let caption = "Strength: σ of the noise, or ε, of pixels in 0…1";
    Table { caption, columns, rows: found.iter().map(row).collect() }.draw()
}
