//! Values of `repsim stitch`.

use super::{Content, Entry, Main, Values};
use crate::report::stitch::{PairResult, StitchReport};

const ACCURACY: Main = Main { measure: "stitched-accuracy", diagonal: true };
const AGREEMENT: Main = Main { measure: "stitched-agreement", diagonal: true };

impl Values for StitchReport {
    fn content(&self) -> Content {
        let results = &self.results;
        let labelled = results.without_accuracy.is_none();
        let mut entries = vec![];
        if labelled {
            entries.push(Entry::new("accuracy", &["A"], results.accuracy_a));
            entries.push(Entry::new("accuracy", &["B"], results.accuracy_b));
        }
        entries.extend(results.pairs.iter().flat_map(|pair| of_pair(pair, labelled)));
        Content::new(if labelled { ACCURACY } else { AGREEMENT }, entries)
    }
}

fn of_pair(pair: &PairResult, labelled: bool) -> Vec<Entry> {
    let place = [&pair.layer_a, &pair.layer_b];
    let reason = pair.reason.as_deref();
    let mut entries = vec![];
    if labelled {
        entries.push(Entry::new("stitched-accuracy", &place, pair.accuracy));
        entries.push(Entry::new("penalty", &place, pair.penalty));
    }
    entries.push(Entry::new("stitched-agreement", &place, pair.agreement));
    entries.push(Entry::new("kl", &place, pair.kl));
    if let Some(cka) = pair.cka {
        entries.push(Entry::new("cka", &place, cka));
    }
    entries.into_iter().map(|entry| entry.because(reason)).collect()
}
