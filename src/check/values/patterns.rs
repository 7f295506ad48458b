//! Values of `repsim patterns`.

use super::{Content, Entry, Main, Values, mean};
use crate::report::patterns::{PatternsComparison, PatternsLayer, PatternsReport};

const ALONE: Main = Main { measure: "active", diagonal: false };
const MATCHED: Main = Main { measure: "same-patterns", diagonal: false };

impl Values for PatternsReport {
    fn content(&self) -> Content {
        let results = &self.results;
        let main = if results.comparisons.is_empty() { ALONE } else { MATCHED };
        let layers = results.layers.iter().flat_map(layer);
        let entries = layers.chain(results.comparisons.iter().flat_map(comparison)).collect();
        let mut content = Content::new(main, entries);
        content.indifferent.extend(["output_index", "rows", "bottom", "class_patches"]);
        content
    }
}

/// Means over the channels of a layer.
fn layer(layer: &PatternsLayer) -> Vec<Entry> {
    let place = [&layer.layer];
    let channels = || layer.channels.iter();
    let figures = || channels().filter_map(|channel| channel.classes.as_ref());
    let mut entries =
        vec![Entry::new("active", &place, mean(channels().map(|channel| channel.active)))];
    if figures().next().is_some() {
        let selectivity = mean(figures().map(|figures| figures.selectivity));
        entries.push(Entry::new("class-selectivity", &place, selectivity));
        let entropy = mean(figures().map(|figures| figures.entropy));
        entries.push(Entry::new("class-entropy", &place, entropy));
    }
    entries
}

fn comparison(found: &PatternsComparison) -> [Entry; 3] {
    let place = [&found.layer_a, &found.layer_b];
    [
        Entry::new("same-patterns", &place, found.same_share),
        Entry::new("shared-top", &place, found.mean_shared),
        Entry::new("same-place-top", &place, found.mean_same_place),
    ]
}
