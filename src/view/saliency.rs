//! The section of saliency maps.

mod columns;
pub mod pictures;
mod scale;
mod tables;
mod text;

use super::names::right;
use super::{Content, Place, Screen, Tables, View, name_of, sights, subjects, table, words};
use crate::render::ColorMap;
use crate::render::html::{self, Column, Entry, Markup, Matrix, Table, html};
use crate::report::saliency::{
    ColumnInfo, ImageResult, Mean, Measure, PairResult, SaliencyReport, matrix,
};

pub use self::text::comparison;

/// How alike maps are: name, value, range and colours.
const MEASURES: [(&str, Measure, (f64, f64), ColorMap); 4] = [
    ("Pearson correlation", |p| &p.pearson, (-1.0, 1.0), ColorMap::Diverging),
    ("Spearman correlation", |p| &p.spearman, (-1.0, 1.0), ColorMap::Diverging),
    ("SSIM", |p| &p.ssim, (0.0, 1.0), ColorMap::Viridis),
    ("overlap of the highest tenths", |p| &p.overlap, (0.0, 1.0), ColorMap::Viridis),
];

impl View for SaliencyReport {
    /// How alike maps are, whether they can be trusted, and what each image gave.
    fn content(&self, place: Place<'_>) -> Content {
        let results = &self.results;
        let body = html! {
            @if !results.comparison.is_empty() {
                h3 { "Do they look at the same?" }
                div.beside { @for i in 0..MEASURES.len() { (agreement(self, i, place)) } }
                (pairs(self))
                @for line in left_out(&results.comparison) { p.small { (line) } }
            }
            (html::words(words::SALIENCY))
            @if !results.faithfulness.is_empty() {
                h3 { "Does the prediction rest on those pixels?" }
                (faithfulness(self))
            }
            @if !results.sanity.is_empty() {
                h3 { "Does the map depend on what was learned?" }
                (sanity(self))
            }
            h3 { "Sample by sample" }
            (images(self, place))
            @for line in grids(self) { p.small { (line) } }
        };
        Content { kind: "Saliency maps", title: subjects(self), lead: lead(self), body }
    }

    fn has_sheets(&self) -> bool {
        true
    }
}

impl Tables for SaliencyReport {
    /// Each image, how alike its maps are, and what else was measured of them.
    fn tables(&self) -> Vec<table::Table> {
        text::tables(self)
    }

    fn text(&self, screen: &Screen) -> String {
        text::all(self, screen)
    }
}

/// How the positions of each map of a layer lie in the image.
fn grids(report: &SaliencyReport) -> Vec<String> {
    let of = |column: &ColumnInfo| {
        let (layer, grid) = (column.layer.as_ref()?, column.grid.as_ref()?);
        Some(format!("{}: maps of {layer}, {}", column.name, grid.in_words()))
    };
    report.results.columns.iter().filter_map(of).collect()
}

fn lead(report: &SaliencyReport) -> String {
    let results = &report.results;
    let methods: Vec<String> = report.settings.methods.iter().map(ToString::to_string).collect();
    let degenerate = match results.degenerate {
        0 => String::new(),
        count => format!(" {count} maps say nothing and are left out."),
    };
    let input = report.settings.of.as_ref().map_or_else(String::new, |of| format!(", input {of}"));
    format!(
        "{} of {} samples{input}, for the {} class.{degenerate}",
        methods.join(", "),
        results.images.len(),
        report.settings.target
    )
}

fn agreement(report: &SaliencyReport, index: usize, place: Place<'_>) -> Markup {
    let (name, value, range, colours) = MEASURES[index];
    let names: Vec<String> = report.results.columns.iter().map(|c| c.name.clone()).collect();
    let values = matrix(&report.results.columns, &report.results.comparison, value);
    let nulls = nulls(&report.results.comparison, value);
    let reasons: Vec<String> =
        nulls.iter().map(|(pair, reason)| format!("{} × {}: {reason}", pair.a, pair.b)).collect();
    let of = |i: usize, j: usize| {
        let (a, b) = (&names[i], &names[j]);
        nulls.iter().position(|(p, _)| (&p.a, &p.b) == (a, b) || (&p.a, &p.b) == (b, a))
    };
    let matrix = Matrix {
        id: &place.id(&format!("sal{index}")),
        caption: &format!("{}{}, mean over samples", name[..1].to_uppercase(), &name[1..]),
        row_axis: "map",
        column_axis: "map",
        rows: &names,
        columns: &names,
        values: values.view(),
        range,
        colours,
        reversed: false,
        label: name,
        marks: &[],
        mark_label: "",
        reasons: &reasons,
        reason: &of,
    };
    matrix.draw()
}

/// The pairs that have no value, each with the reason that the report has.
fn nulls(pairs: &[PairResult], value: Measure) -> Vec<(&PairResult, &str)> {
    let null = |pair| {
        let Mean { mean, reason, .. } = value(pair);
        Some((pair, reason.as_deref()?)).filter(|_| mean.get().is_none())
    };
    pairs.iter().filter_map(null).collect()
}

/// What images are left out of means that there are, each once.
fn left_out(pairs: &[PairResult]) -> Vec<String> {
    let mut said = vec![];
    for pair in pairs {
        for found in MEASURES.map(|(_, value, ..)| value(pair)) {
            let Some(reason) = found.reason.as_ref().filter(|_| found.mean.get().is_some()) else {
                continue;
            };
            let line = format!("{} × {}: {reason}", pair.a, pair.b);
            if !said.contains(&line) {
                said.push(line);
            }
        }
    }
    said
}

/// A mean with its interval.
fn mean(mean: &Mean) -> Entry {
    if let (None, Some(reason)) = (mean.mean.get(), &mean.reason) {
        return Entry::gone(reason);
    }
    let entry = Entry::number(mean.mean.get(), 3);
    match mean.interval {
        Some((low, high)) if mean.mean.get().is_some() => {
            entry.note(format!("{low:.3} to {high:.3}").replace('-', "−"))
        }
        _ => entry,
    }
}

fn pairs(report: &SaliencyReport) -> Markup {
    let row = |pair: &PairResult| {
        let mut row = vec![Entry::code(&pair.a), Entry::code(&pair.b)];
        row.extend(MEASURES.map(|(_, value, _, _)| mean(value(pair))));
        row.push(Entry::count(pair.pearson.count));
        row
    };
    let mut columns = vec![Column::text("map"), Column::text("against")];
    columns.extend(MEASURES.map(|(name, ..)| Column::number(name)));
    columns.push(Column::number("samples"));
    Table {
        caption: "The same in numbers, with 95 % bootstrap intervals over samples",
        columns,
        rows: report.results.comparison.iter().map(row).collect(),
    }
    .draw()
}

fn faithfulness(report: &SaliencyReport) -> Markup {
    let rows = report.results.faithfulness.iter().map(|found| {
        vec![
            Entry::code(&found.column),
            Entry::text(name_of(&found.fill)),
            mean(&found.deletion),
            mean(&found.random_deletion),
            mean(&found.insertion),
            mean(&found.random_insertion),
        ]
    });
    let names = ["deletion", "in random order", "insertion", "in random order"];
    let mut columns = vec![Column::text("map"), Column::text("filled with")];
    columns.extend(names.map(Column::number));
    let caption = "Areas under the class's probability as pixels are taken away (smaller is better) and \
                   put in (larger is better), the highest of the map first";
    Table { caption, columns, rows: rows.collect() }.draw()
}

fn sanity(report: &SaliencyReport) -> Markup {
    let rows = report.results.sanity.iter().map(|found| {
        let place = Entry::code(&found.redrawn_down_to);
        vec![Entry::code(&found.column), place, mean(&found.spearman), mean(&found.ssim)]
    });
    let columns = vec![
        Column::text("map"),
        Column::text("weights re-initialised down to"),
        Column::number("Spearman"),
        Column::number("SSIM"),
    ];
    let caption = "How alike maps are before and after weights are re-initialised: near 0 for a map that \
                   depends on them";
    Table { caption, columns, rows: rows.collect() }.draw()
}

fn images(report: &SaliencyReport, place: Place<'_>) -> Markup {
    let all = &report.results.images;
    let mut rows: Vec<Vec<Entry>> = all.iter().flat_map(|image| of_image(report, image)).collect();
    let samples = all.iter().flat_map(|image| {
        std::iter::repeat_n(image.sample.as_str(), of_image(report, image).len())
    });
    let mut columns = vec![
        Column::text("sample"),
        Column::text("class").choice(),
        Column::text("map").choice(),
        Column::text("explained").choice(),
        Column::number("score"),
        Column::text("predicted").choice(),
        Column::text("right").choice(),
        Column::number("probability"),
        Column::number("mass in highest tenth"),
        Column::number("entropy"),
    ];
    sights::beside(&mut columns, &mut rows, samples, (place, report.inputs.data.as_ref()));
    let caption = "Each sample: what is explained of it, and how concentrated the map is";
    Table { caption, columns, rows }.draw()
}

fn of_image(report: &SaliencyReport, image: &ImageResult) -> Vec<Vec<Entry>> {
    let columns = report.results.columns.iter().zip(&image.maps);
    let row = |(column, map): (&crate::report::saliency::ColumnInfo, _)| {
        let map: &crate::report::saliency::MapSummary = map;
        let said = image.predictions.get(column.model)?;
        let top = said.top.first();
        let number = |value: crate::report::Number| match map.degenerate {
            true => Entry::gone("degenerate"),
            false => Entry::number(value.get(), 3),
        };
        Some(vec![
            Entry::code(&image.sample),
            Entry::text(image.label.clone().unwrap_or_else(|| "–".to_owned())),
            Entry::code(&column.name),
            Entry::text(said.target.as_deref().unwrap_or("–")),
            Entry::number(said.score.get(), 3),
            Entry::text(top.map_or("–", |top| top.class.as_str())),
            Entry::text(right(image.label.as_deref(), top.map(|top| top.class.as_str()))),
            Entry::number(top.and_then(|top| top.probability.get()), 3),
            number(map.mass_in_top),
            number(map.entropy),
        ])
    };
    columns.filter_map(row).collect()
}
