//! Values of `repsim probe`.

use super::{Content, Entry, Main, Values};
use crate::check::comparable::Condition;
use crate::report::probe::{ProbeLayer, ProbeReport, Task};

impl Values for ProbeReport {
    /// Score and selectivity of each probe on each layer; with several models the name of the probe is followed by
    /// that of the model.
    fn content(&self) -> Content {
        let results = &self.results;
        let score = match results.task {
            Task::Classes => "probe-accuracy",
            Task::Numbers => "probe-r2",
        };
        let mut entries = vec![];
        let several = results.models.len() > 1;
        for model in &results.models {
            for layer in &model.layers {
                add(&mut entries, score, (layer, several.then_some(&model.name)));
            }
        }
        if let Some(pixels) = &results.pixels {
            add(&mut entries, score, (pixels, None));
        }
        let mut content = Content::new(Main { measure: score, diagonal: false }, entries);
        content.conditions.push(Condition::of_data("number of samples", results.n));
        let files = [
            ("the classes", results.classes_file.as_ref().map(|file| &file.sha256)),
            ("the targets", results.targets.as_ref().map(|told| &told.sha256)),
        ];
        let known = files.iter().filter_map(|(of, sha256)| Some((of, (*sha256)?)));
        let of_file = |(of, sha256)| Condition::of_shared_data(format!("SHA-256 of {of}"), sha256);
        content.conditions.extend(known.map(of_file));
        content.indifferent.extend(["probes", "control_seed"]);
        content
    }
}

fn add(
    entries: &mut Vec<Entry>,
    score: &'static str,
    (layer, model): (&ProbeLayer, Option<&String>),
) {
    for probe in &layer.probes {
        let name = model.map_or(probe.probe.clone(), |model| format!("{} of {model}", probe.probe));
        let place = [&layer.name, &name];
        let reason = probe.reason.as_deref();
        entries.push(Entry::new(score, &place, probe.score).because(reason));
        entries.push(Entry::new("probe-selectivity", &place, probe.selectivity).because(reason));
    }
}
