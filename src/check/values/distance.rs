//! Values of `repsim distance`.

use super::{Content, Entry, Main, Values};
use crate::check::comparable::{Condition, same_samples};
use crate::report::distance::{DistanceReport, DistanceResults};

const MAIN: Main = Main { measure: "auroc", diagonal: false };

impl Values for DistanceReport {
    fn content(&self) -> Content {
        let mut content = Content::new(MAIN, entries(&self.results));
        let sides = ["fingerprint of the reference", "fingerprint of the data"];
        let sets = sides.iter().zip(&self.inputs.sets);
        content
            .conditions
            .extend(sets.map(|(what, set)| Condition::of_data(*what, same_samples(set))));
        let layer = self.results.layer.as_ref().map(|name| Condition::new("layer", name));
        content.conditions.extend(layer);
        content
    }
}

fn entries(results: &DistanceResults) -> Vec<Entry> {
    let distance = |name: &str, median: f64| Entry::new("median-distance", &[name], median.into());
    let beyond = results.mahalanobis.beyond_reference;
    let mut entries = vec![
        distance("mahalanobis", results.mahalanobis.samples.median),
        distance("neighbour", results.neighbour.samples.median),
        Entry::new("beyond-reference", &["mahalanobis"], beyond.into()),
    ];
    entries.extend(results.neighbour.in_class.map(|s| distance("neighbour_in_class", s.median)));
    entries.extend(of_predictions(results));
    entries
}

/// What the distances say about predictions; nothing without predictions.
fn of_predictions(results: &DistanceResults) -> Vec<Entry> {
    let Some(found) = &results.prediction else { return vec![] };
    let why = results.nulls.first().map(|null| null.reason.as_str());
    let ranked = [
        ("mahalanobis", found.auroc.mahalanobis),
        ("neighbour", found.auroc.neighbour),
        ("neighbour_in_class", found.auroc.neighbour_in_class),
        ("confidence", found.auroc.confidence),
    ];
    let ranked = ranked
        .into_iter()
        .filter(|(name, value)| *name != "neighbour_in_class" || value.get().is_some());
    let entry = |(name, value)| Entry::new("auroc", &[name], value).because(why);
    let mut entries: Vec<Entry> = ranked.map(entry).collect();
    entries.push(Entry::new::<&str>("accuracy", &[], found.accuracy.into()));
    entries
}
