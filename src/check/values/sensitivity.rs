//! Values of `repsim sensitivity`.

use super::{Content, Entry, Main, Values};
use crate::report::sensitivity::{LayerResult, RobustnessResult, SensitivityReport};

const ROBUSTNESS: Main = Main { measure: "flip-rate", diagonal: false };
const CHANNELS: Main = Main { measure: "rank-correlation", diagonal: false };

impl Values for SensitivityReport {
    fn content(&self) -> Content {
        let results = &self.results;
        let why = |field: &str| {
            let null = results.nulls.iter().find(|null| null.field == field);
            null.map(|null| null.reason.as_str())
        };
        let mut entries = vec![Entry::new("mean-logit", NOWHERE, results.mean_logit)];
        if results.accuracy.get().is_some() || why("accuracy").is_none() {
            entries.push(Entry::new("accuracy", NOWHERE, results.accuracy));
        }
        entries.extend(results.layers.iter().flat_map(of_layer));
        entries.extend(results.robustness.iter().flat_map(of_perturbation));
        let main = if results.robustness.is_empty() { CHANNELS } else { ROBUSTNESS };
        let mut content = Content::new(main, entries);
        content.indifferent.extend(["ablations", "perturbations", "epsilon", "noise"]);
        content
    }
}

const NOWHERE: &[&str] = &[];

/// How sensitivity and importance agree, under each ablation.
fn of_layer(layer: &LayerResult) -> Vec<Entry> {
    let entry = |found: &crate::report::sensitivity::CorrelationResult| {
        let place = [layer.name.clone(), found.ablation.to_string()];
        Entry::new("rank-correlation", &place, found.spearman)
    };
    layer.correlations.iter().map(entry).collect()
}

/// How predictions hold under each kind and strength.
fn of_perturbation(found: &RobustnessResult) -> Vec<Entry> {
    let place = [format!("{} {}", found.perturbation, found.strength)];
    vec![
        Entry::new("flip-rate", &place, found.flip_rate),
        Entry::new("logit-change", &place, found.logit_change),
    ]
}
