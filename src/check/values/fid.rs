//! Values of `repsim fid`.

use super::{Content, Entry, Main, Names, Values};
use crate::check::comparable::{Condition, same_samples};
use crate::check::measures;
use crate::report::fid::{Candidate, FidReport};

const MAIN: Main = Main { measure: "fid", diagonal: false };

impl Values for FidReport {
    fn content(&self) -> Content {
        let results = &self.results;
        let names = names(&results.candidates);
        let rows = names.iter().zip(&results.candidates);
        let entries = rows.clone().flat_map(|(name, row)| entries(self, name, row)).collect();
        let mut content = Content::new(MAIN, entries);
        content.candidates = candidates(&results.candidates, &names);
        content.indifferent.push("output_index");
        content.conditions.extend(conditions(self));
        let counts = rows.filter_map(|(name, row)| Some((name, row.n?)));
        let of_count =
            |(name, n)| Condition::of_shared_data(format!("number of samples of {name}"), n);
        content.conditions.extend(counts.map(of_count));
        content.indifferent.extend(["metrics", "fail_above"]);
        content.indifferent.extend(OF_METRICS);
        content.conditions.extend(of_metrics(self));
        content
    }
}

/// The metrics that were asked for; those of a candidate that failed have its reason.
fn entries(report: &FidReport, name: &str, row: &Candidate) -> Vec<Entry> {
    let columns = Candidate::columns(&report.settings.metrics);
    let measured = columns.into_iter().filter_map(|c| Some((c, measures::of(c)?.name)));
    let null = row.nulls.first().map(|null| null.reason.as_str());
    let why = row.error.as_deref().or(null);
    measured.map(|(c, of)| Entry::new(of, &[name], row.value(c).into()).because(why)).collect()
}

/// The features of both sides must be of one extractor.
fn conditions(report: &FidReport) -> Vec<Condition> {
    let models =
        report.inputs.models.iter().map(|m| Condition::new("feature extractor", m.identity()));
    let reference = report.inputs.sets.first().map(same_samples);
    let reference = reference.map(|set| Condition::of_data("fingerprint of the reference", set));
    let layer = report.results.layer.as_ref().map(|name| Condition::new("layer", name));
    let width = Condition::new("number of features", report.results.width);
    models.chain(reference).chain(layer).chain([width]).collect()
}

/// Settings that count for some metrics only.
const OF_METRICS: [&str; 8] = [
    "k",
    "kid_subsets",
    "kid_subset_size",
    "subset_seed",
    "isc_splits",
    "isc_shuffle",
    "sfid_layer",
    "sfid_channels",
];

/// Those of the metrics that were asked for.
fn of_metrics(report: &FidReport) -> Vec<Condition> {
    let settings = &report.settings;
    let named: Vec<String> = settings.metrics.iter().map(ToString::to_string).collect();
    let has = |name: &str| named.iter().any(|metric| metric == name);
    let mut used = vec![];
    let mut add = |name: &str, value: String| {
        used.push(Condition::shared(format!("setting {name}"), value));
    };
    if has("prdc") {
        add("k", settings.k.to_string());
    }
    if has("kid") {
        add("kid_subsets", settings.kid_subsets.to_string());
        add("kid_subset_size", settings.kid_subset_size.to_string());
    }
    if has("isc") {
        add("isc_splits", settings.isc_splits.to_string());
        add("isc_shuffle", settings.isc_shuffle.to_string());
    }
    if has("sfid") {
        let layer = settings.sfid_layer.clone().unwrap_or_default();
        let channels = settings.sfid_channels.unwrap_or_default();
        add("sfid_layer", format!("{layer}, {channels} channels"));
    }
    if has("kid") || has("fid-inf") || has("ct") {
        add("subset_seed", settings.subset_seed.to_string());
    }
    used
}

/// The candidates with their names, and the other form of each.
fn candidates(rows: &[Candidate], names: &[String]) -> Vec<Names> {
    let alone = |name: &String| rows.iter().filter(|row| last(row) == *name).count() == 1;
    let of = |(row, name): (&Candidate, &String)| {
        let (path, last) = (row.path.trim_end_matches('/').to_owned(), last(row));
        let other = if *name == last { path } else { last };
        let fits = other != *name && (other == row.path.trim_end_matches('/') || alone(&other));
        Names { name: name.clone(), other: fits.then_some(other) }
    };
    rows.iter().zip(names).map(of).collect()
}

/// The last part of a path.
fn last(row: &Candidate) -> String {
    let path = row.path.trim_end_matches('/');
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// The last part of each path where that tells the candidates apart, else the whole path.
fn names(candidates: &[Candidate]) -> Vec<String> {
    let short: Vec<String> = candidates.iter().map(last).collect();
    let alone = |name: &String| short.iter().filter(|other| *other == name).count() == 1;
    match short.iter().all(alone) {
        true => short,
        false => candidates.iter().map(|row| row.path.clone()).collect(),
    }
}
