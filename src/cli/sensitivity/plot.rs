//! Importance against sensitivity as a picture.

use std::path::Path;

use crate::cli::picture;
use crate::error::Result;
use crate::functional::Ablation;
use crate::render::Scatter;
use crate::render::text::decimal;
use crate::report::sensitivity::{ChannelResult, LayerResult, SensitivityReport};

/// Channels named of each list of a layer.
const NAMED: usize = 6;

/// Draws a point a channel, a group a layer.
///
/// # Errors
/// It cannot be drawn or written.
pub fn draw(report: &SensitivityReport, path: &Path) -> Result<()> {
    let layers = &report.results.layers;
    let ablation = report.settings.ablations.first().copied().unwrap_or(Ablation::Zero);
    let several = layers.len() > 1;
    let (mut points, mut labels, mut groups, mut named) = (vec![], vec![], vec![], vec![]);
    // Where all falls are rounding, or a value is not finite, the ranks are null: nothing to draw.
    let (drawn, left): (Vec<&LayerResult>, Vec<&LayerResult>) =
        layers.iter().partition(|layer| has_falls(layer));
    for (group, layer) in drawn.iter().enumerate() {
        let start = points.len();
        for channel in &layer.channels {
            points.push(point(channel, ablation));
            labels.push(name(layer, channel.channel, several));
            groups.push(group);
        }
        let lists = [&layer.important_not_sensitive, &layer.sensitive_not_important];
        let first = lists.map(|list| list.iter().take(NAMED));
        named.extend(first.into_iter().flatten().map(|&c| (start + c, name(layer, c, several))));
    }
    let names: Vec<String> = drawn.iter().map(|layer| layer.name.clone()).collect();
    let one = report.results.score_form.one();
    let scatter = Scatter {
        title: "Importance against sensitivity",
        subtitle: &subtitle(report, ablation, &left),
        x_label: "sensitivity: mean |gradient| · standard deviation",
        y_label: &format!("importance: fall of the {one} with the channel at {}", at(ablation)),
        points: &points,
        labels: &labels,
        highlighted: &named,
        groups: &groups,
        group_names: if several { &names } else { &[] },
    };
    picture::write(path, scatter.to_svg(), || scatter.to_png(), "try .svg, or fewer layers")
}

/// What the fall is held against, in words.
pub fn at(ablation: Ablation) -> &'static str {
    match ablation {
        Ablation::Zero => "0",
        Ablation::Mean => "its mean",
    }
}

fn point(channel: &ChannelResult, ablation: Ablation) -> (f64, f64) {
    let number = |value: crate::report::Number| value.get().unwrap_or(f64::NAN);
    let drop = match ablation {
        Ablation::Zero => channel.drop_zero,
        Ablation::Mean => channel.drop_mean,
    };
    (number(channel.sensitivity), number(drop))
}

fn name(layer: &LayerResult, channel: usize, several: bool) -> String {
    match several {
        true => format!("{} · {channel}", layer.name),
        false => channel.to_string(),
    }
}

/// Whether the falls of a layer order its channels.
fn has_falls(layer: &LayerResult) -> bool {
    layer.channels.iter().any(|channel| channel.rank_importance.get().is_some())
}

fn subtitle(report: &SensitivityReport, ablation: Ablation, left: &[&LayerResult]) -> String {
    let results = &report.results;
    let model = report.inputs.names().first().cloned().unwrap_or_default();
    let of = |layer: &LayerResult| {
        let found = layer.correlations.iter().find(|c| c.ablation == ablation);
        let value = found.and_then(|c| c.spearman.get());
        let value = value.map_or("undefined".to_owned(), |value| decimal(value, 2));
        format!("{value} in {}", layer.name)
    };
    let ranks: Vec<String> = results.layers.iter().map(of).collect();
    let left: Vec<&str> = left.iter().map(|layer| layer.name.as_str()).collect();
    let left = match left.is_empty() {
        true => String::new(),
        false => {
            format!(" · not drawn, for the falls are rounding or not finite: {}", left.join(", "))
        }
    };
    format!(
        "{model} · n = {} · rank correlation {}{left} · ringed: high by one, low by the other \
         (upper left important, lower right sensitive)",
        results.n,
        ranks.join(", ")
    )
}
