//! Tables of `repsim sensitivity`.

use super::Args;
use super::plot::at;
use crate::cli::output::{self, Messages};
use crate::error::Result;
use crate::functional::Ablation;
use crate::report::Number;
use crate::report::sensitivity::{
    ChannelResult, CorrelationResult, LayerResult, RobustnessResult, SensitivityReport,
};

/// Channels in a table or a list.
const ROWS: usize = 10;

/// Writes the report where it was asked for, and tables where somebody looks.
///
/// # Errors
/// It cannot be written.
pub fn show(args: &Args, report: &SensitivityReport, messages: &Messages) -> Result<()> {
    output::show(report, args.output.as_deref(), messages, || {
        let ablations = &report.settings.ablations;
        let layers = report.results.layers.iter().map(|one| layer(one, ablations));
        format!("{}\n{}{}", intact(report), layers.collect::<String>(), robustness(report))
    })
}

fn intact(report: &SensitivityReport) -> String {
    let results = &report.results;
    let logit = number(results.mean_logit);
    let right = results.accuracy.get().map(|a| format!(", accuracy {:.1} %", 100.0 * a));
    let one = results.score_form.one();
    format!("{} images, mean {one} {logit}{}", results.n, right.unwrap_or_default())
}

/// The most important channels of a layer, and how the two orders agree.
fn layer(layer: &LayerResult, ablations: &[Ablation]) -> String {
    let mut header = vec!["channel", "sensitivity", "rank"];
    let falls: Vec<String> = ablations.iter().map(|how| format!("fall at {}", at(*how))).collect();
    for (i, fall) in falls.iter().enumerate() {
        header.push(fall);
        header.extend(if i == 0 { vec!["rank", "accuracy"] } else { vec![] });
    }
    let mut table = output::table(&header);
    let mut order: Vec<&ChannelResult> = layer.channels.iter().collect();
    let rank = |c: &ChannelResult| match ablations.is_empty() {
        true => c.rank_sensitivity.get().unwrap_or(f64::INFINITY),
        false => c.rank_importance.get().unwrap_or(f64::INFINITY),
    };
    order.sort_by(|a, b| rank(a).total_cmp(&rank(b)));
    for channel in order.into_iter().take(ROWS) {
        table.add_row(row(channel, ablations));
    }
    output::align_right(&mut table, &(0..header.len()).collect::<Vec<_>>());
    let title = match ablations.is_empty() {
        true => "the most sensitive channels",
        false => "the most important channels",
    };
    let count = layer.channels.len();
    let correlations: String = layer.correlations.iter().map(correlation).collect();
    let lists = match ablations.is_empty() {
        true => String::new(),
        false => lists(layer),
    };
    format!("\n{}: {title} of {count}\n{table}\n{correlations}{lists}", layer.name)
}

fn row(channel: &ChannelResult, ablations: &[Ablation]) -> Vec<String> {
    let place = |rank: Number| rank.get().map_or("-".to_owned(), |rank| rank.to_string());
    let mut cells = vec![
        channel.channel.to_string(),
        number(channel.sensitivity),
        place(channel.rank_sensitivity),
    ];
    for (i, how) in ablations.iter().enumerate() {
        let (drop, accuracy) = match how {
            Ablation::Zero => (channel.drop_zero, channel.accuracy_zero),
            Ablation::Mean => (channel.drop_mean, channel.accuracy_mean),
        };
        cells.push(number(drop));
        if i == 0 {
            cells.extend([place(channel.rank_importance), share(accuracy)]);
        }
    }
    cells
}

fn correlation(found: &CorrelationResult) -> String {
    let ends = found.interval.map(|(low, high)| format!(" [{low:.2}, {high:.2}]"));
    let value = found.spearman.get().map_or("-".to_owned(), |value| format!("{value:.2}"));
    let (at, ends) = (at(found.ablation), ends.unwrap_or_default());
    format!("rank correlation of sensitivity and fall at {at}: {value}{ends}\n")
}

fn lists(layer: &LayerResult) -> String {
    let of = |list: &[usize]| match list.len() {
        0 => "none".to_owned(),
        count => {
            let shown: Vec<String> = list.iter().take(ROWS).map(usize::to_string).collect();
            let more =
                if count > ROWS { format!(" and {} more", count - ROWS) } else { String::new() };
            format!("{}{more}", shown.join(", "))
        }
    };
    format!(
        "important but not sensitive: {}\nsensitive but not important: {}\n",
        of(&layer.important_not_sensitive),
        of(&layer.sensitive_not_important)
    )
}

fn robustness(report: &SensitivityReport) -> String {
    let rows = &report.results.robustness;
    if rows.is_empty() {
        return String::new();
    }
    let change = format!("change of the {}", report.results.score_form.one());
    let header = ["perturbation", "strength", "flips", "95 %", &change, "accuracy"];
    let mut table = output::table(&header);
    for row in rows {
        table.add_row([
            row.perturbation.to_string(),
            fraction(row.strength),
            share(row.flip_rate),
            range(row),
            number(row.logit_change),
            share(row.accuracy),
        ]);
    }
    output::align_right(&mut table, &[1, 2, 3, 4, 5]);
    format!("\npredictions under perturbation of pixels in 0…1\n{table}\n")
}

fn range(row: &RobustnessResult) -> String {
    let percent = |(low, high): (f64, f64)| format!("{:.0}–{:.0} %", 100.0 * low, 100.0 * high);
    row.flip_interval.map_or("-".to_owned(), percent)
}

fn number(value: Number) -> String {
    // Rounded first, and 0 added, that no −0 is shown.
    let rounded = |value: f64| (1e4 * value).round() / 1e4 + 0.0;
    value.get().map_or("-".to_owned(), |value| format!("{:.4}", rounded(value)))
}

fn share(value: Number) -> String {
    value.get().map_or("-".to_owned(), |value| format!("{:.1} %", 100.0 * value))
}

/// A strength as people give it: `8/255`, or a plain number.
fn fraction(strength: f64) -> String {
    let bytes = 255.0 * strength;
    match (bytes - bytes.round()).abs() < 1e-9 {
        true => format!("{}/255", bytes.round()),
        false => strength.to_string(),
    }
}
