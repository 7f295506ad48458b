//! The section of channels and perturbations.

mod images;

use super::table::Cell;
use super::{Content, PictureFormat, Place, Plot, Screen, Tables, View, subjects, table, words};
use crate::functional::Ablation;
use crate::render::html::{self, Column, Entry, Markup, Point, Points, Table, html};
use crate::render::text::decimal;
use crate::render::{RenderError, Scatter};
use crate::report::Number;
use crate::report::sensitivity::{
    ChannelResult, CorrelationResult, LayerResult, RobustnessResult, SensitivityReport,
};

/// Channels in a table or a list of the terminal.
const ROWS: usize = 10;

/// Channels named in the picture, of each list of a layer.
const NAMED: usize = 6;

impl View for SensitivityReport {
    /// A plot and a table of the channels of each layer, and how predictions hold.
    fn content(&self, place: Place<'_>) -> Content {
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
            h3 { "Image by image" }
            (images::table(self, place))
        };
        Content {
            kind: "Importance and sensitivity",
            title: subjects(self),
            lead: lead(self),
            body,
        }
    }

    fn main_picture(&self, format: PictureFormat) -> Option<Result<Vec<u8>, RenderError>> {
        Some(self.plot(format))
    }
}

impl Tables for SensitivityReport {
    /// The channels of all layers, and how predictions hold.
    fn tables(&self) -> Vec<table::Table> {
        let held = (!self.results.robustness.is_empty()).then(|| robustness_table(self));
        [channels_table(self)].into_iter().chain(held).collect()
    }

    /// The most important channels of each layer, how the two orders agree, and how predictions hold.
    fn text(&self, screen: &Screen) -> String {
        let ablations = &self.settings.ablations;
        let layers = self.results.layers.iter().map(|layer| layer_text(layer, ablations, screen));
        let robustness = robustness_text(self, screen);
        format!("{}\n{}{robustness}", intact(self), layers.collect::<String>())
    }
}

impl Plot for SensitivityReport {
    const SMALLER: &'static str = "try .svg, or fewer layers";

    /// Importance against sensitivity: a point a channel, a group a layer.
    fn plot(&self, format: PictureFormat) -> Result<Vec<u8>, RenderError> {
        let ablation = self.settings.ablations.first().copied().unwrap_or(Ablation::Zero);
        // Where all falls are rounding, or a value is not finite, the ranks are null: nothing to draw.
        let (drawn, left): (Vec<&LayerResult>, Vec<&LayerResult>) =
            self.results.layers.iter().partition(|layer| has_falls(layer));
        let several = self.results.layers.len() > 1;
        let Channels { points, labels, groups, named } = Channels::of(&drawn, (ablation, several));
        let names: Vec<String> = drawn.iter().map(|layer| layer.name.clone()).collect();
        let one = self.results.score_form.one();
        let scatter = Scatter {
            title: "Importance against sensitivity",
            subtitle: &subtitle(self, ablation, &left),
            x_label: "sensitivity: mean |gradient| · standard deviation",
            y_label: &format!("importance: fall of the {one} with the channel at {}", at(ablation)),
            points: &points,
            labels: &labels,
            highlighted: &named,
            groups: &groups,
            group_names: if several { &names } else { &[] },
        };
        format.draw(|| scatter.to_svg(), || scatter.to_png())
    }
}

/// The channels of layers as points.
#[derive(Default)]
struct Channels {
    /// Sensitivity and importance.
    points: Vec<(f64, f64)>,
    labels: Vec<String>,
    /// The layer of each.
    groups: Vec<usize>,
    /// Those that are named beside their points.
    named: Vec<(usize, String)>,
}

impl Channels {
    fn of(layers: &[&LayerResult], (ablation, several): (Ablation, bool)) -> Self {
        let mut all = Self::default();
        for (group, layer) in layers.iter().enumerate() {
            let start = all.points.len();
            for channel in &layer.channels {
                all.points.push(point(channel, ablation));
                all.labels.push(channel_name(layer, channel.channel, several));
                all.groups.push(group);
            }
            let lists = [&layer.important_not_sensitive, &layer.sensitive_not_important];
            let first = lists.into_iter().flat_map(|list| list.iter().take(NAMED));
            all.named.extend(first.map(|&c| (start + c, channel_name(layer, c, several))));
        }
        all
    }
}

fn lead(report: &SensitivityReport) -> String {
    let results = &report.results;
    let accuracy = results.accuracy.get();
    let right =
        accuracy.map_or(String::new(), |a| format!(" {:.1} % are predicted rightly.", 100.0 * a));
    let target = match report.settings.target.as_str() {
        "predicted" => "the predicted class".to_owned(),
        "label" => "the image's true class".to_owned(),
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
    let plot = html::Plot {
        caption: "Each channel by how the score moves with it, to first order, and by how far the \
                  score falls without it.",
        x_label: "sensitivity",
        y_label: if zero { "fall of the score at 0" } else { "fall of the score at the mean" },
        x_names: &[],
        y_names: &[],
        series: &[Points { name: "channels", points, joined: false, intervals: vec![] }],
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
    let correlation = |found: &CorrelationResult| {
        let within = found.interval.map_or(String::new(), |(low, high)| {
            format!(" (95 % interval {} to {})", decimal(low, 2), decimal(high, 2))
        });
        let value = found.spearman.get().map_or("none".to_owned(), |r| format!("{r:.2}{within}"));
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

/// What the fall is held against, in words.
fn at(ablation: Ablation) -> &'static str {
    match ablation {
        Ablation::Zero => "0",
        Ablation::Mean => "its mean",
    }
}

fn point(channel: &ChannelResult, ablation: Ablation) -> (f64, f64) {
    let number = |value: Number| value.get().unwrap_or(f64::NAN);
    let drop = match ablation {
        Ablation::Zero => channel.drop_zero,
        Ablation::Mean => channel.drop_mean,
    };
    (number(channel.sensitivity), number(drop))
}

fn channel_name(layer: &LayerResult, channel: usize, several: bool) -> String {
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
        let within = found.and_then(|c| c.interval).map_or(String::new(), |(low, high)| {
            format!(" (95 % interval {} to {})", decimal(low, 2), decimal(high, 2))
        });
        let value = value.map_or("undefined".to_owned(), |value| decimal(value, 2) + &within);
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

fn intact(report: &SensitivityReport) -> String {
    let results = &report.results;
    let logit = number(results.mean_logit);
    let right = results.accuracy.get().map(|a| format!(", accuracy {:.1} %", 100.0 * a));
    let one = results.score_form.one();
    format!("{} images, mean {one} {logit}{}", results.n, right.unwrap_or_default())
}

/// The headings of what is known of channels.
fn channel_header(ablations: &[Ablation]) -> Vec<String> {
    let mut header = ["channel", "sensitivity", "rank"].map(str::to_owned).to_vec();
    for (i, how) in ablations.iter().enumerate() {
        header.push(format!("fall at {}", at(*how)));
        let after = if i == 0 { &["rank", "accuracy"][..] } else { &[] };
        header.extend(after.iter().map(|name| (*name).to_owned()));
    }
    header
}

/// The headings with what each rank is of, which stands before it.
fn names_for_programs(header: &[String]) -> Vec<String> {
    let of = |(i, name): (usize, &String)| match name.as_str() {
        "rank" => format!("rank of {}", header[i - 1]),
        _ => name.clone(),
    };
    header.iter().enumerate().map(of).collect()
}

/// All channels of all layers, in their order.
fn channels_table(report: &SensitivityReport) -> table::Table {
    let ablations = &report.settings.ablations;
    let header = [vec!["layer".to_owned()], channel_header(ablations)].concat();
    let mut table = table::new(&header);
    table.name_columns(names_for_programs(&header));
    for layer in &report.results.layers {
        for channel in &layer.channels {
            let name = [Cell::from(layer.name.clone())].into_iter();
            table.add_row(name.chain(row_text(channel, ablations)));
        }
    }
    table.align_right(&(1..header.len()).collect::<Vec<_>>());
    table
}

/// The most important channels of a layer, and how the two orders agree.
fn layer_text(layer: &LayerResult, ablations: &[Ablation], screen: &Screen) -> String {
    let header = channel_header(ablations);
    let mut table = table::new(&header);
    let mut order: Vec<&ChannelResult> = layer.channels.iter().collect();
    let rank = |c: &ChannelResult| match ablations.is_empty() {
        true => c.rank_sensitivity.get().unwrap_or(f64::INFINITY),
        false => c.rank_importance.get().unwrap_or(f64::INFINITY),
    };
    order.sort_by(|a, b| rank(a).total_cmp(&rank(b)));
    for channel in order.into_iter().take(ROWS) {
        table.add_row(row_text(channel, ablations));
    }
    table.align_right(&(0..header.len()).collect::<Vec<_>>());
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
    format!(
        "\n{}: {title} of {count}\n{table}\n{correlations}{lists}",
        layer.name,
        table = screen.table(&table)
    )
}

fn row_text(channel: &ChannelResult, ablations: &[Ablation]) -> Vec<Cell> {
    let place = |rank: Number| Cell::of(rank.get(), |rank| rank.to_string());
    let mut cells =
        vec![channel.channel.into(), number(channel.sensitivity), place(channel.rank_sensitivity)];
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

fn robustness_text(report: &SensitivityReport, screen: &Screen) -> String {
    if report.results.robustness.is_empty() {
        return String::new();
    }
    let table = screen.table(&robustness_table(report));
    format!("\npredictions under perturbation of pixels in 0…1\n{table}\n")
}

fn robustness_table(report: &SensitivityReport) -> table::Table {
    let change = format!("change of the {}", report.results.score_form.one());
    let header = ["perturbation", "strength", "flips", "95 %", &change, "accuracy"];
    let mut table = table::new(&header);
    for row in &report.results.robustness {
        table.add_row([
            row.perturbation.to_string().into(),
            Cell::of(Some(row.strength), fraction),
            share(row.flip_rate),
            range(row),
            number(row.logit_change),
            share(row.accuracy),
        ]);
    }
    table.align_right(&[1, 2, 3, 4, 5]);
    table
}

fn range(row: &RobustnessResult) -> Cell {
    let percent = |(low, high): (f64, f64)| format!("{:.0}–{:.0} %", 100.0 * low, 100.0 * high);
    row.flip_interval.map_or("-".to_owned(), percent).into()
}

fn number(value: Number) -> Cell {
    Cell::number(value.get(), 4)
}

fn share(value: Number) -> Cell {
    Cell::share(value.get(), 1)
}

/// A strength as people give it: `8/255`, or a plain number.
fn fraction(strength: f64) -> String {
    let bytes = 255.0 * strength;
    match (bytes - bytes.round()).abs() < 1e-9 {
        true => format!("{}/255", bytes.round()),
        false => strength.to_string(),
    }
}
