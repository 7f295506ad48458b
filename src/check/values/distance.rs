//! Values of `repsim distance`.

use super::{Content, Entry, Main};
use crate::check::comparable::{Condition, same_samples};
use crate::report::Number;
use crate::report::distance::{Aurocs, DistanceReport, DistanceResults};

const MAIN: Main = Main { measure: "auroc", diagonal: false };

pub(super) fn content(report: &DistanceReport) -> Content {
    let mut content = Content::new(MAIN, entries(&report.results));
    let sides = ["fingerprint of the reference", "fingerprint of the data"];
    let sets = sides.iter().zip(&report.inputs.sets);
    content.conditions.extend(sets.map(|(what, set)| Condition::of_data(*what, same_samples(set))));
    let layer = report.results.layer.as_ref().map(|name| Condition::new("layer", name));
    content.conditions.extend(layer);
    content
}

fn entries(results: &DistanceResults) -> Vec<Entry> {
    let distance = |name: &str, median: f64| Entry::new("median_distance", &[name], median.into());
    let beyond = results.mahalanobis.beyond_reference;
    let mut entries = vec![
        distance("mahalanobis", results.mahalanobis.samples.median),
        distance("neighbour", results.neighbour.samples.median),
        Entry::new("beyond_reference", &["mahalanobis"], beyond.into()),
    ];
    entries.extend(results.neighbour.in_class.map(|s| distance("neighbour_in_class", s.median)));
    entries.extend(of_predictions(results));
    entries
}

/// What the distances tell of predictions; without predictions `null`, with the reason.
fn of_predictions(results: &DistanceResults) -> Vec<Entry> {
    let found = results.prediction.as_ref();
    let why = results.nulls.first().map(|null| null.reason.as_str());
    let auroc = |pick: fn(&Aurocs) -> Number| found.map_or(None.into(), |f| pick(&f.auroc));
    let ranked = [
        ("mahalanobis", auroc(|a| a.mahalanobis)),
        ("neighbour", auroc(|a| a.neighbour)),
        ("neighbour_in_class", auroc(|a| a.neighbour_in_class)),
        ("confidence", auroc(|a| a.confidence)),
    ];
    let entry = |(name, value)| Entry::new("auroc", &[name], value).because(why);
    let mut entries: Vec<Entry> = ranked.map(entry).into();
    let accuracy = found.map(|f| f.accuracy).into();
    entries.push(Entry::new::<&str>("accuracy", &[], accuracy).because(why));
    entries
}
