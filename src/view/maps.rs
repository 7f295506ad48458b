//! The section of feature maps.

pub mod sheet;

use super::table::Cell;
use super::{Content, Place, Screen, Tables, View, sights, subjects, table, words};
use crate::render::html::{self, Column, Entry, Markup, Table, html};
use crate::report::Number;
use crate::report::maps::{
    ChannelInfo, MapGrid, MapsImage, MapsLayer, MapsReport, Matching, Pairs, ShownChannel,
};

impl View for MapsReport {
    /// A table of the channels of each layer, with the channels of the other network.
    fn content(&self, place: Place<'_>) -> Content {
        let layers = &self.results.layers;
        let body = html! {
            (html::words(words::MAPS))
            @for layer in layers {
                h3 { "Channels of " span.code { (layer.layer) } }
                @if let Some(found) = &layer.matching { (summary(found)) }
                (channels(layer))
            }
            h3 { "The images" }
            (images(self, place))
        };
        Content { kind: "Feature maps", title: subjects(self), lead: lead(self), body }
    }

    fn has_sheets(&self) -> bool {
        true
    }
}

impl Tables for MapsReport {
    /// The channels shown, and how well the channels of two models correspond.
    fn tables(&self) -> Vec<table::Table> {
        let matched = self.inputs.models.len() > 1;
        let mut header = vec!["layer", "channel", "mean", "std", "max", "active"];
        header.extend(if matched { &["in B", "r"][..] } else { &[] });
        let mut table = table::new(&header);
        for layer in &self.results.layers {
            for shown in &layer.shown {
                table.add_row(cells(layer, shown, matched));
            }
        }
        table.align_right(&(1..header.len()).collect::<Vec<_>>());
        vec![table]
    }

    fn text(&self, screen: &Screen) -> String {
        let matchings: String = self.results.layers.iter().map(matching).collect();
        format!("{}\n{matchings}", screen.table(&self.tables()[0]))
    }
}

fn lead(report: &MapsReport) -> String {
    let layers: Vec<&str> = report.results.layers.iter().map(|l| l.layer.as_str()).collect();
    let matched = report.results.layers.iter().find_map(|layer| layer.matching.as_ref());
    let tail = matched.map_or("", |_| " Each channel of A stands beside that of B most like it.");
    format!("{} over {} images.{tail}", layers.join(", "), report.results.n)
}

fn summary(found: &Matching) -> Markup {
    let rows = [
        ("best, channels of B may repeat", &found.best),
        ("greedy, each at most once", &found.greedy),
        ("one to one, largest sum", &found.one_to_one),
    ];
    let row = |(name, pairs): (&str, &Pairs)| {
        let mean = pairs.mean_correlation.get();
        vec![Entry::text(name), Entry::count(pairs.pairs.len()), Entry::number(mean, 4).bar(mean)]
    };
    let columns =
        vec![Column::text("matching"), Column::number("pairs"), Column::number("mean correlation")];
    let caption = format!(
        "Held against {} channels of {}, at {}×{}; constant and in no pair: {} of A, {} of B",
        found.channels_b,
        found.layer_b,
        found.size.0,
        found.size.1,
        found.constant.0,
        found.constant.1
    );
    Table { caption: &caption, columns, rows: rows.into_iter().map(row).collect() }.draw()
}

fn images(report: &MapsReport, place: Place<'_>) -> Markup {
    let all = &report.results.images;
    let mut columns = vec![Column::text("image"), Column::text("class").choice()];
    let row = |image: &MapsImage| {
        vec![Entry::code(&image.sample), Entry::text(image.label.clone().unwrap_or_default())]
    };
    let mut rows: Vec<Vec<Entry>> = all.iter().map(row).collect();
    let samples = all.iter().map(|image| image.sample.as_str());
    sights::beside(&mut columns, &mut rows, samples, (place, report.inputs.data.as_ref()));
    Table { caption: "Images in the order of the report", columns, rows }.draw()
}

fn channels(layer: &MapsLayer) -> Markup {
    let names = ["channel", "mean", "std", "smallest", "largest", "active in %"];
    let mut columns: Vec<Column> = names.into_iter().map(Column::number).collect();
    if layer.matching.is_some() {
        let matched = ["best of B", "its correlation", "one to one in B", "its correlation"];
        columns.extend(matched.map(Column::number));
    }
    let rows = layer.channels.iter().map(|channel| row(channel, layer.matching.as_ref())).collect();
    let size = || format!("{}×{}", layer.size.0, layer.size.1);
    let size = layer.grid.as_ref().map_or_else(size, MapGrid::in_words);
    let caption = format!("{} maps of {size}", layer.channels.len());
    Table { caption: &caption, columns, rows }.draw()
}

fn row(channel: &ChannelInfo, matching: Option<&Matching>) -> Vec<Entry> {
    let active = channel.active.get();
    let mut row = vec![Entry::count(channel.channel)];
    let values = [channel.mean, channel.std, channel.min, channel.max];
    row.extend(values.map(|value| Entry::number(value.get(), 3)));
    row.push(Entry::number(active.map(|share| 100.0 * share), 1));
    if let Some(found) = matching {
        row.extend(partner(&found.best, channel.channel));
        row.extend(partner(&found.one_to_one, channel.channel));
    }
    row
}

/// The partner of a channel and their correlation.
fn partner(pairs: &Pairs, channel: usize) -> [Entry; 2] {
    match pairs.pairs.iter().find(|pair| pair.0 == channel) {
        Some((_, b, r)) => [Entry::count(*b), Entry::number(r.get(), 3).bar(r.get())],
        None => [Entry::gone("no partner"), Entry::gone("")],
    }
}

/// A channel in the table of a terminal.
fn cells(layer: &MapsLayer, shown: &ShownChannel, matched: bool) -> Vec<Cell> {
    let all = &layer.channels[shown.channel];
    let mut row = vec![layer.layer.clone().into(), shown.channel.into()];
    row.extend([all.mean, all.std, all.max].map(number));
    row.push(Cell::share(all.active.get(), 0));
    if matched {
        let partner = shown.partner.as_ref();
        row.push(partner.map_or("-".into(), |p| p.channel.into()));
        row.push(partner.map_or("-".into(), |p| number(p.correlation)));
    }
    row
}

fn number(value: Number) -> Cell {
    Cell::number(value.get(), 3)
}

/// How well the channels of a layer correspond.
fn matching(layer: &MapsLayer) -> String {
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
