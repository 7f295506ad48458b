//! The section of scores of image sets.

mod rows;

use std::collections::BTreeSet;

use super::dots::{Charts, Dots};
use super::table::Cell;
use super::{Content, PictureFormat, Place, Screen, Tables, View, file_name, table, words};
use crate::render::RenderError;
use crate::render::html::{self, Column, Entry, Markup, Table, html};
use crate::report::fid::{Candidate, FidReport};

pub use rows::Rows;

/// The first columns, whoever reads them.
const CANDIDATE: &str = "candidate";
const COUNT: &str = "n";

/// The ending of the column of a standard deviation.
const SPREAD: &str = "_std";

impl View for FidReport {
    /// A table of the candidates with a bar a metric.
    fn content(&self, _: Place<'_>) -> Content {
        let results = &self.results;
        let body = html! {
            (candidates(self))
            @for why in without_spread(self) { p.small { "KID stands without ± where " (why) "." } }
            (classes(self))
            (html::words(words::FID))
        };
        let reference = file_name(&results.reference.path);
        let title = match results.candidates.as_slice() {
            [only] => format!("{} against {reference}", file_name(&only.path)),
            many => format!("{} sets against {reference}", many.len()),
        };
        Content { kind: "Distance of image sets", title, lead: lead(self), body }
    }

    /// Each candidate's scores, a chart a metric, with deviations over subsets and splits.
    fn main_picture(&self, format: PictureFormat) -> Option<Result<Vec<u8>, RenderError>> {
        let results = &self.results;
        let names: Vec<String> =
            results.candidates.iter().map(|c| short(&c.path, &results.candidates)).collect();
        let columns = Candidate::columns(&self.settings.metrics);
        let drawn =
            columns.iter().filter(|name| !name.ends_with("_term") && !name.ends_with("_std"));
        let headings: Vec<(&str, String)> = drawn.map(|name| (*name, axis(name))).collect();
        let layer = results.layer.as_deref().unwrap_or("stored features");
        let charts = Charts {
            title: &format!("Scores against {}", file_name(&results.reference.path)),
            subtitle: &format!("{layer} · D = {}{}", results.width, samples(self)),
            x_label: "set",
            names: &names,
            dots: headings.iter().map(|(name, heading)| dots(self, name, heading)).collect(),
        };
        Some(charts.draw(format))
    }
}

/// What stands at the axis of a column.
fn axis(column: &str) -> String {
    let deviation = match column {
        "kid" => " ± deviation over subsets",
        "isc" => " ± deviation over splits",
        _ => "",
    };
    heading(column) + deviation
}

/// How many samples there are of the reference.
fn samples(report: &FidReport) -> String {
    report.results.reference.n.map_or(String::new(), |n| format!(" · reference n = {n}"))
}

/// The values of a column.
fn dots<'a>(report: &FidReport, column: &str, label: &'a str) -> Dots<'a> {
    let value = |candidate: &Candidate| {
        let value = candidate.value(column).unwrap_or(f64::NAN);
        let deviation = candidate.value(&format!("{column}_std")).unwrap_or(f64::NAN);
        (value, (value - deviation, value + deviation))
    };
    let metric = Candidate::metric_of(column);
    let level = metric.filter(|metric| metric.is_distance()).map(|_| ("no difference", 0.0));
    Dots { label, values: report.results.candidates.iter().map(value).collect(), level }
}

impl Tables for FidReport {
    /// A row a candidate.
    fn tables(&self) -> Vec<table::Table> {
        let (header, rows) = (header(self), rows(self));
        let mut table = table::new(&header);
        rows.into_iter().for_each(|row| table.add_row(row));
        table.align_right(&(1..header.len()).collect::<Vec<_>>());
        vec![table]
    }

    fn text(&self, screen: &Screen) -> String {
        screen.table(&self.tables()[0])
    }

    /// As it is written while the scores come in.
    fn separated(&self, separator: u8) -> crate::error::Result<String> {
        match separator {
            b',' => Rows::Csv.all(self),
            _ => Rows::Tsv.all(self),
        }
    }
}

fn lead(report: &FidReport) -> String {
    let results = &report.results;
    let layer = results
        .layer
        .as_deref()
        .map_or_else(|| "stored features".to_owned(), |layer| format!("the features of {layer}"));
    let n = results.reference.n.map_or(String::new(), |n| format!(", {n} samples"));
    let first = format!("In {layer} (D = {}; reference{n}).", results.width);
    match nearest(report) {
        Some((path, name, value)) => {
            format!("{first} Nearest to the reference is {path}, with a {name} of {value:.4}.")
        }
        None => first,
    }
}

/// The candidate with the least of the first metric that is a distance, where there are several.
fn nearest(report: &FidReport) -> Option<(String, String, f64)> {
    let metrics = &report.settings.metrics;
    let metric = metrics.iter().find(|m| m.is_distance())?;
    let name = heading(Candidate::columns(&[*metric]).first()?);
    let scores = report.results.candidates.iter().filter_map(|c| Some((c, c.score(metrics)?)));
    let least = scores.min_by(|x, y| x.1.total_cmp(&y.1))?;
    (report.results.candidates.len() > 1).then(|| (file_name(&least.0.path), name, least.1))
}

fn candidates(report: &FidReport) -> Markup {
    let all = Candidate::columns(&report.settings.metrics);
    let names: Vec<&'static str> =
        all.iter().copied().filter(|name| !name.ends_with(SPREAD)).collect();
    let candidates = &report.results.candidates;
    let most: Vec<f64> = names.iter().map(|name| most(candidates, name)).collect();
    let column = |(name, most): (&&'static str, &f64)| {
        let spread = all.iter().find(|other| other.strip_suffix(SPREAD) == Some(*name));
        let column = Column::number(heading(name)).saved_as(name, spread.copied());
        if *most > 0.0 { column.whole(*most) } else { column }
    };
    let mut columns = vec![Column::text(CANDIDATE), Column::number(COUNT)];
    columns.extend(names.iter().zip(&most).map(column));
    let name = |candidate: &Candidate| short(&candidate.path, candidates);
    let row = |candidate: &Candidate| {
        let n = candidate.n.map_or_else(|| Entry::gone(""), Entry::count);
        let mut row = vec![Entry::code(name(candidate)), n];
        row.extend(names.iter().zip(&most).map(|(name, most)| entry(candidate, name, *most)));
        row
    };
    let caption = format!("Against {}", report.results.reference.path);
    Table { caption: &caption, columns, rows: candidates.iter().map(row).collect() }.draw()
}

/// A table of the classes, a column a candidate.
fn classes(report: &FidReport) -> Markup {
    let candidates = &report.results.candidates;
    let mut names: Vec<&str> = vec![];
    for class in candidates.iter().flat_map(|candidate| &candidate.classes) {
        if !names.contains(&class.class.as_str()) {
            names.push(&class.class);
        }
    }
    if names.is_empty() {
        return html! {};
    }
    let mut columns = vec![Column::text("class")];
    columns.extend(candidates.iter().map(|c| Column::number(short(&c.path, candidates))));
    let entry = |candidate: &Candidate, name: &str| {
        let own = candidate.classes.iter().find(|class| class.class == name);
        match own.and_then(|class| class.fid.get()) {
            Some(value) => Entry::number(Some(value), 4),
            None => Entry::gone(own.and_then(|class| class.null.as_deref()).unwrap_or_default()),
        }
    };
    let row = |name: &&str| {
        let mut row = vec![Entry::code((*name).to_owned())];
        row.extend(candidates.iter().map(|candidate| entry(candidate, name)));
        row
    };
    Table { caption: "FID by class", columns, rows: names.iter().map(row).collect() }.draw()
}

/// Why values of KID have no standard deviation, each reason once.
fn without_spread(report: &FidReport) -> BTreeSet<&str> {
    report.results.candidates.iter().filter_map(|c| c.kid_std_null.as_deref()).collect()
}

/// The last part of a path, where no other candidate has the same.
fn short(path: &str, candidates: &[Candidate]) -> String {
    let name = file_name(path);
    let same = candidates.iter().filter(|c| file_name(&c.path) == name).count();
    if same > 1 { path.to_owned() } else { name }
}

/// What a column of [`Candidate::columns`] is called where people read: on the page and at the terminal.
fn heading(column: &str) -> String {
    if let Some(of) = column.strip_suffix(SPREAD) {
        return format!("{} ±", heading(of));
    }
    match column {
        "fid" => "FID",
        "mean_term" => "mean term",
        "trace_term" => "trace term",
        "kid" => "KID",
        "fid_inf" => "FID∞",
        "sfid" => "sFID",
        "class_fid" => "FID by class",
        "cmmd" => "CMMD",
        "isc" => "IS",
        "vendi" => "Vendi",
        "authpct" => "AuthPct",
        "ct" => "C_T",
        other => other,
    }
    .to_owned()
}

/// The largest value of a column: the whole length of a bar. Shares have bars of their own length.
fn most(candidates: &[Candidate], column: &str) -> f64 {
    let values = || candidates.iter().filter_map(|c| c.value(column));
    match column {
        "precision" | "recall" | "coverage" => 1.0,
        "authpct" => 100.0,
        "ct" => 0.0,
        "mean_term" | "trace_term" => most(candidates, "fid"),
        _ => values().fold(0.0, f64::max),
    }
}

fn entry(candidate: &Candidate, column: &str, most: f64) -> Entry {
    let Some(value) = candidate.value(column) else {
        return Entry::gone(&why(candidate, column));
    };
    let share = (most > 0.0).then_some(value / most);
    let decimals = if column.starts_with("kid") { 6 } else { 4 };
    let entry = Entry::number(Some(value), decimals).bar(share);
    match candidate.value(&format!("{column}{SPREAD}")) {
        Some(std) => entry.plus_minus(std, decimals),
        None => entry,
    }
}

fn why(candidate: &Candidate, column: &str) -> String {
    let metric = Candidate::metric_of(column);
    let null = candidate.nulls.iter().find(|null| Some(null.metric) == metric);
    let reason = null.map(|null| &null.reason).or(candidate.error.as_ref());
    reason.cloned().unwrap_or_default()
}

fn header(report: &FidReport) -> Vec<String> {
    let columns = Candidate::columns(&report.settings.metrics);
    let mut header = vec![CANDIDATE.to_owned(), COUNT.to_owned()];
    header.extend(columns.iter().map(|column| heading(column)));
    header
}

fn rows(report: &FidReport) -> Vec<Vec<Cell>> {
    let columns = Candidate::columns(&report.settings.metrics);
    let mut rows = vec![];
    for row in &report.results.candidates {
        let mut cells = vec![row.path.clone().into(), row.n.map_or("-".into(), Cell::from)];
        match &row.error {
            Some(_) => cells.extend(columns.iter().map(|_| Cell::from("failed"))),
            None => cells.extend(columns.iter().map(|c| Cell::number(row.value(c), 4))),
        }
        rows.push(cells);
    }
    rows
}
