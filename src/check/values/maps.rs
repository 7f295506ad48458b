//! Values of `repsim maps`.

use super::{Content, Entry, Main, Values, mean};
use crate::report::maps::{MapsLayer, MapsReport};

const ALONE: Main = Main { measure: "active", diagonal: false };
const MATCHED: Main = Main { measure: "best-correlation", diagonal: false };

impl Values for MapsReport {
    fn content(&self) -> Content {
        let matched = self.results.layers.iter().any(|layer| layer.matching.is_some());
        let main = if matched { MATCHED } else { ALONE };
        let mut content =
            Content::new(main, self.results.layers.iter().flat_map(entries).collect());
        content.indifferent.push("output_index");
        content.indifferent.extend(["channels", "rows", "scale"]);
        content
    }
}

/// The share of positions above zero, a mean over channels, and the means of the matchings.
fn entries(layer: &MapsLayer) -> Vec<Entry> {
    let active = mean(layer.channels.iter().map(|channel| channel.active));
    let mut entries = vec![Entry::new("active", &[&layer.layer], active)];
    if let Some(found) = &layer.matching {
        let ways = [
            ("best-correlation", &found.best),
            ("greedy-correlation", &found.greedy),
            ("one-to-one-correlation", &found.one_to_one),
        ];
        let place = [&layer.layer, &found.layer_b];
        let entry = |(name, pairs): (_, &crate::report::maps::Pairs)| {
            Entry::new(name, &place, pairs.mean_correlation)
        };
        entries.extend(ways.map(entry));
    }
    entries
}
