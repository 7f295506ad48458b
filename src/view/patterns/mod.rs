//! The section of input patterns.

pub mod sheet;

use super::table::Cell;
use super::{Content, Place, Screen, Tables, View, names, sights, subjects, table, words};
use crate::render::html::{self, Column, Entry, Markup, Table, html};
use crate::report::patterns::{
    Counterpart, MatchedChannel, NearestChannel, PatternsChannel, PatternsComparison,
    PatternsLayer, PatternsReport,
};

/// Rows of a table in a terminal.
const ROWS: usize = 40;

impl View for PatternsReport {
    /// The channels of each layer, what they share with those of the other network, and which layers correspond.
    fn content(&self, place: Place<'_>) -> Content {
        let results = &self.results;
        let body = html! {
            @for found in &results.comparisons {
                h3 { span.code { (found.layer_a) } " beside " span.code { (found.layer_b) } " of B" }
                p { (summary(found)) }
                (matched(found))
                @for (model, other, all) in [("A", "B", &found.unmatched_a), ("B", "A", &found.unmatched_b)] {
                    @if !all.is_empty() { (unmatched(model, other, all)) }
                }
            }
            @if !results.counterparts.is_empty() { (counterparts(&results.counterparts)) }
            (html::words(words::PATTERNS))
            @for layer in results.layers.iter() {
                h3 { "Channels of " span.code { (layer.layer) } }
                p.small { "A unit depends on " (sheet::field_in_words(&layer.field)) "." }
                (channels(layer, self, place))
            }
        };
        Content { kind: "Input patterns", title: subjects(self), lead: lead(self), body }
    }

    fn has_sheets(&self) -> bool {
        true
    }
}

impl Tables for PatternsReport {
    /// The channels of both networks; with another one those that are matched, and the layers that correspond.
    fn tables(&self) -> Vec<table::Table> {
        let mut tables = vec![all_channels(self, usize::MAX)];
        if !self.results.comparisons.is_empty() {
            tables.push(all_matched(self, usize::MAX));
        }
        if !self.results.counterparts.is_empty() {
            tables.push(all_counterparts(&self.results.counterparts));
        }
        tables
    }

    fn text(&self, screen: &Screen) -> String {
        let layers = self.results.layers.iter().chain(&self.results.layers_b);
        let count: usize = layers.map(|layer| layer.channels.len()).sum();
        let more = count.saturating_sub(ROWS);
        let mut text = screen.table(&all_channels(self, ROWS));
        if more > 0 {
            text += &format!("\n… and {more} more channels in the report");
        }
        if !self.results.comparisons.is_empty() {
            text += &format!("\n\n{}", screen.table(&all_matched(self, ROWS)));
        }
        for found in &self.results.comparisons {
            text += &format!("\n{} with {}: {}", found.layer_a, found.layer_b, summary(found));
        }
        if !self.results.counterparts.is_empty() {
            text += &format!("\n\n{}", all_counterparts(&self.results.counterparts));
        }
        text
    }
}

fn lead(report: &PatternsReport) -> String {
    let results = &report.results;
    let layers: Vec<&str> = results.layers.iter().map(|l| l.layer.as_str()).collect();
    format!(
        "{} over {} images: the {} images that drive each channel most.",
        layers.join(", "),
        results.n,
        report.settings.top
    )
}

/// How far matched channels answer to the same patterns.
fn summary(found: &PatternsComparison) -> String {
    let same = found.matched.iter().filter(|one| one.same).count();
    let share = |value: crate::report::Number| Cell::share(value.get(), 0).to_string();
    let differ: Vec<String> = found.correlated_but_different.iter().map(usize::to_string).collect();
    let differ: Vec<&str> = differ.iter().map(String::as_str).collect();
    let differ = match differ.len() {
        0 => String::new(),
        count => format!(
            "; {} with different patterns: {}",
            names::counted(count, "highly correlated channel"),
            names::listed(&differ)
        ),
    };
    format!(
        "{same} of {} matched channels answer to the same patterns; they share {} of their top images on \
         average, {} at the same place{differ}; unmatched: {} of A, {} of B",
        found.matched.len(),
        share(found.mean_shared),
        share(found.mean_same_place),
        found.unmatched_a.len(),
        found.unmatched_b.len()
    )
}

fn matched(found: &PatternsComparison) -> Markup {
    let columns = vec![
        Column::number("channel"),
        Column::number("of B"),
        Column::number("correlation"),
        Column::number("shared images"),
        Column::number("same place"),
        Column::number("overlap"),
        Column::number("p, corrected"),
        Column::text("same patterns"),
    ];
    let row = |one: &MatchedChannel| {
        vec![
            Entry::count(one.a),
            Entry::count(one.b),
            Entry::number(one.correlation.get(), 3).bar(one.correlation.get()),
            Entry::count(one.shared),
            Entry::count(one.same_place),
            Entry::number(one.overlap.get(), 2).bar(one.overlap.get()),
            Entry::number(one.p_place_adjusted.get(), 4),
            Entry::text(verdict(one, found)),
        ]
    };
    let caption = format!(
        "By chance two lists share {} images; p: that of sharing so many at the same place, at most",
        Cell::number(found.shared_by_chance.get(), 2)
    );
    Table { caption: &caption, columns, rows: found.matched.iter().map(row).collect() }.draw()
}

fn unmatched(model: &str, other: &str, all: &[NearestChannel]) -> Markup {
    let nearest = format!("nearest of {other}");
    let columns = vec![
        Column::number("channel"),
        Column::number(&nearest),
        Column::number("shared images"),
        Column::number("same place"),
        Column::text("why"),
    ];
    let row = |one: &NearestChannel| {
        vec![
            Entry::count(one.channel),
            Entry::number(one.nearest.map(|channel| channel as f64), 0),
            Entry::count(one.shared),
            Entry::count(one.same_place),
            Entry::text(&one.why),
        ]
    };
    let caption =
        format!("Unmatched channels of {model}, and those that share most of their top images");
    Table { caption: &caption, columns, rows: all.iter().map(row).collect() }.draw()
}

fn verdict(one: &MatchedChannel, found: &PatternsComparison) -> &'static str {
    match one.same {
        true => "yes",
        false if found.correlated_but_different.contains(&one.a) => "no, though correlated",
        false => "no",
    }
}

fn counterparts(all: &[Counterpart]) -> Markup {
    let columns = vec![
        Column::text("layer"),
        Column::text("nearest of the other"),
        Column::number("channels answered in %"),
        Column::text("counterpart"),
    ];
    let row = |one: &Counterpart| {
        vec![
            Entry::text(format!("{} · {}", one.model.to_uppercase(), one.layer)),
            Entry::text(one.nearest.clone().unwrap_or_default()),
            Entry::number(one.answered.get().map(|share| 100.0 * share), 0),
            Entry::text(if one.is_counterpart { "yes" } else { "none" }),
        ]
    };
    let rows = all.iter().map(row).collect();
    Table { caption: "Which layers answer to the same patterns", columns, rows }.draw()
}

fn channels(layer: &PatternsLayer, report: &PatternsReport, place: Place<'_>) -> Markup {
    let names = ["channel", "active in %", "in images in %", "largest"];
    let mut columns: Vec<Column> = names.into_iter().map(Column::number).collect();
    if report.results.no_classes.is_none() {
        columns.extend(["selectivity", "entropy in bits"].map(Column::number));
        columns
            .extend([Column::text("prefers").choice(), Column::text("classes of the top images")]);
    }
    columns.push(Column::text("top image"));
    let percent = |value: crate::report::Number| value.get().map(|share| 100.0 * share);
    let row = |channel: &PatternsChannel| {
        let mut row = vec![
            Entry::count(channel.channel),
            Entry::number(percent(channel.active), 1),
            Entry::number(percent(channel.active_images), 1),
            Entry::number(channel.max.get(), 3),
        ];
        if let Some(classes) = &channel.classes {
            let index = classes.selectivity.get();
            row.push(match &classes.reason {
                Some(reason) => Entry::gone(reason),
                None => Entry::number(index, 2).bar(index),
            });
            row.push(Entry::number(classes.entropy.get(), 2));
            row.push(Entry::text(classes.preferred.clone().unwrap_or_default()));
            row.push(Entry::text(histogram(channel, report)));
        }
        row.push(Entry::code(top(channel)));
        row
    };
    let caption = format!("{} of {} channels", layer.layer, layer.channels.len());
    let mut rows: Vec<Vec<Entry>> = layer.channels.iter().map(row).collect();
    let data = (place, report.inputs.data.as_ref());
    sights::beside(&mut columns, &mut rows, layer.channels.iter().map(top), data);
    Table { caption: &caption, columns, rows }.draw()
}

/// The image that drives a channel most.
fn top(channel: &PatternsChannel) -> &str {
    channel.top.first().map_or("", |patch| patch.sample.as_str())
}

/// The classes of the top images, the most frequent first.
fn histogram(channel: &PatternsChannel, report: &PatternsReport) -> String {
    let Some(classes) = &channel.classes else { return String::new() };
    let mut counts: Vec<(usize, usize)> = classes.histogram.iter().copied().enumerate().collect();
    counts.retain(|(_, count)| *count > 0);
    counts.sort_by_key(|(class, count)| (usize::MAX - count, *class));
    let named = counts
        .iter()
        .map(|(class, count)| format!("{} {count}", report.results.classes[*class].name));
    let named: Vec<String> = named.collect();
    names::listed(&named.iter().map(String::as_str).collect::<Vec<_>>())
}

fn all_channels(report: &PatternsReport, most: usize) -> table::Table {
    let several = !report.results.layers_b.is_empty();
    let mut header = if several { vec!["model"] } else { vec![] };
    header.extend(["layer", "channel", "active", "active images", "max"]);
    let classes = report.results.no_classes.is_none();
    header.extend(if classes { &["selectivity", "entropy", "prefers"][..] } else { &[] });
    header.push("top image");
    let mut table = table::new(&header);
    let results = &report.results;
    let sides = [("A", &results.layers), ("B", &results.layers_b)].into_iter();
    let layers = sides.flat_map(|(model, layers)| layers.iter().map(move |layer| (model, layer)));
    let all =
        layers.flat_map(|(model, layer)| layer.channels.iter().map(move |c| (model, layer, c)));
    for (model, layer, channel) in all.take(most) {
        let mut row: Vec<Cell> = if several { vec![model.into()] } else { vec![] };
        row.extend([
            layer.layer.clone().into(),
            channel.channel.into(),
            Cell::share(channel.active.get(), 0),
            Cell::share(channel.active_images.get(), 0),
            Cell::number(channel.max.get(), 3),
        ]);
        if classes {
            let figures = channel.classes.as_ref();
            row.push(Cell::number(figures.and_then(|f| f.selectivity.get()), 2));
            row.push(Cell::number(figures.and_then(|f| f.entropy.get()), 2));
            let preferred = figures.and_then(|f| f.preferred.clone());
            row.push(preferred.unwrap_or("-".to_owned()).into());
        }
        row.push(channel.top.first().map_or("-".into(), |patch| patch.sample.clone().into()));
        table.add_row(row);
    }
    let first = 1 + usize::from(several);
    table.align_right(&(first..first + if classes { 6 } else { 4 }).collect::<Vec<_>>());
    table
}

fn all_matched(report: &PatternsReport, most: usize) -> table::Table {
    let header =
        ["layer", "of B", "channel", "in B", "r", "shared", "same place", "overlap", "p", "same"];
    let mut table = table::new(&header);
    let all = report
        .results
        .comparisons
        .iter()
        .flat_map(|found| found.matched.iter().map(move |one| (found, one)));
    for (found, one) in all.take(most) {
        let row: Vec<Cell> = vec![
            found.layer_a.clone().into(),
            found.layer_b.clone().into(),
            one.a.into(),
            one.b.into(),
            Cell::number(one.correlation.get(), 3),
            one.shared.into(),
            one.same_place.into(),
            Cell::number(one.overlap.get(), 2),
            Cell::number(one.p_place_adjusted.get(), 4),
            verdict(one, found).into(),
        ];
        table.add_row(row);
    }
    table.align_right(&(2..9).collect::<Vec<_>>());
    table
}

fn all_counterparts(all: &[Counterpart]) -> table::Table {
    let mut table = table::new(&["model", "layer", "nearest", "answered", "counterpart"]);
    for one in all {
        let row: Vec<Cell> = vec![
            one.model.to_uppercase().into(),
            one.layer.clone().into(),
            one.nearest.clone().unwrap_or("-".to_owned()).into(),
            Cell::share(one.answered.get(), 0),
            (if one.is_counterpart { "yes" } else { "none" }).into(),
        ];
        table.add_row(row);
    }
    table.align_right(&[3]);
    table
}
