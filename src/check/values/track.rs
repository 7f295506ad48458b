//! Values of `repsim track`.

use super::{Content, Entry, Main, Values};
use crate::check::comparable::Condition;
use crate::report::Number;
use crate::report::track::{CheckpointResult, LayerTrack, TrackReport, TrackResults};

const MAIN: Main = Main { measure: "with-last", diagonal: false };

impl Values for TrackReport {
    /// Each layer of each checkpoint against the last, the one before and the reference; each checkpoint's
    /// falls and accuracy; when each layer settles.
    fn content(&self) -> Content {
        let results = &self.results;
        let mut entries = vec![];
        for layer in &results.layers {
            entries.extend(of_layer(results, layer));
        }
        entries.extend(
            results.checkpoints.iter().enumerate().flat_map(|at| of_checkpoint(results, at)),
        );
        let reason = results.reason("bottom_up", "", "");
        let order = Entry::new::<&str>("bottom-up", &[], results.bottom_up);
        entries.push(order.because(reason));
        let mut content = Content::new(MAIN, entries);
        content.conditions.push(Condition::of_data("number of samples", results.n));
        content.indifferent.extend(["output_index", "at"]);
        content
    }

    /// A list that is not one value a checkpoint.
    fn unsound(&self) -> Option<String> {
        let count = self.results.checkpoints.len();
        let fits = |layer: &&LayerTrack| {
            layer.with_last.len() == count && layer.with_previous.len() == count
        };
        let bad = self.results.layers.iter().find(|layer| !fits(layer))?;
        Some(format!("layer {} has not one value for each of {count} checkpoints", bad.name))
    }
}

/// The values of a layer.
fn of_layer(results: &TrackResults, layer: &LayerTrack) -> Vec<Entry> {
    let lists = [
        ("with-last", "with_last", Some(&layer.with_last), 0),
        ("with-previous", "with_previous", Some(&layer.with_previous), 1),
        ("with-reference", "with_reference", layer.with_reference.as_ref(), 0),
    ];
    let mut entries = vec![];
    for (measure, field, values, first) in lists {
        let all = results.checkpoints.iter().zip(values.into_iter().flatten()).skip(first);
        entries.extend(all.map(|(one, value)| {
            let reason = results.reason(field, &layer.name, &one.name);
            Entry::new(measure, &[&layer.name, &one.name], *value).because(reason)
        }));
    }
    let place = Number::from(layer.settled.map(|place| place as f64));
    let reason = results.reason("settled", &layer.name, "");
    entries.push(Entry::new("settles", &[&layer.name], place).because(reason));
    entries
}

/// The values of a checkpoint as a whole; what is not known of any for want of labels is left out.
fn of_checkpoint(results: &TrackResults, (i, one): (usize, &CheckpointResult)) -> Vec<Entry> {
    let entry = |measure, field, value: Number| {
        let reason = results.reason(field, "", &one.name);
        Entry::new(measure, &[&one.name], value).because(reason)
    };
    let all = [
        entry("accuracy", "accuracy", one.accuracy),
        entry("accuracy-drop", "accuracy", one.accuracy_drop),
        entry("checkpoint-drop", "drop", one.drop),
    ];
    let count = if i > 0 { all.len() } else { 1 };
    let known = |entry: &Entry| entry.value.is_some() || entry.measure == "checkpoint-drop";
    all.into_iter().take(count).filter(known).collect()
}
