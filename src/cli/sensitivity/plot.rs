//! Importance against sensitivity as a picture.

use std::path::Path;

use crate::cli::picture;
use crate::error::Result;
use crate::functional::Ablation;
use crate::render::Scatter;
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
    for (group, layer) in layers.iter().enumerate() {
        let start = points.len();
        for channel in &layer.channels {
            points.push(point(channel, ablation));
            labels.push(name(layer, channel.channel, several));
            groups.push(group);
        }
        let lists = [&layer.important_not_sensitive, &layer.sensitive_not_important];
        let first = lists.map(|list| list.iter().take(NAMED));
        named.extend(first.into_iter().flatten().map(|&c| (start + c, c.to_string())));
    }
    let names: Vec<String> = layers.iter().map(|layer| layer.name.clone()).collect();
    let scatter = Scatter {
        title: "Importance is not sensitivity",
        subtitle: &subtitle(report, ablation),
        x_label: "sensitivity: mean |gradient| · standard deviation",
        y_label: &format!("importance: fall of the logit with the channel at {}", at(ablation)),
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

fn subtitle(report: &SensitivityReport, ablation: Ablation) -> String {
    let results = &report.results;
    let model = report.inputs.names().first().cloned().unwrap_or_default();
    let of = |layer: &LayerResult| {
        let found = layer.correlations.iter().find(|c| c.ablation == ablation);
        let value = found.and_then(|c| c.spearman.get());
        let value = value.map_or("undefined".to_owned(), |value| format!("{value:.2}"));
        format!("{value} in {}", layer.name)
    };
    let ranks: Vec<String> = results.layers.iter().map(of).collect();
    format!("{model} · n = {} · rank correlation {}", results.n, ranks.join(", "))
}
