//! Values of `repsim saliency`.

use super::{Content, Entry, Main, Values, mean};
use crate::check::comparable::Condition;
use crate::report::saliency::{
    FaithfulnessResult, Mean, PairResult, SaliencyReport, SaliencyResults, SanityResult,
};

const COMPARED: Main = Main { measure: "pearson", diagonal: false };
const ALONE: Main = Main { measure: "entropy", diagonal: false };

impl Values for SaliencyReport {
    fn content(&self) -> Content {
        let results = &self.results;
        let mut entries: Vec<Entry> = results.comparison.iter().flat_map(of_pair).collect();
        entries.extend(of_columns(results));
        entries.extend(results.faithfulness.iter().flat_map(of_faithfulness));
        entries.extend(results.sanity.iter().flat_map(of_sanity));
        let degenerate = (results.degenerate as f64).into();
        entries.push(Entry::new::<&str>("degenerate", &[], degenerate));
        let main = if results.comparison.is_empty() { ALONE } else { COMPARED };
        let mut content = Content::new(main, entries);
        content.indifferent.push("methods");
        let layers = results.columns.iter().filter_map(|c| Some((&c.name, c.layer.as_ref()?)));
        let layer = |(name, layer)| Condition::new(format!("layer of {name}"), layer);
        content.conditions.extend(layers.map(layer));
        // The test of random weights is of the first batch.
        if !results.sanity.is_empty() {
            content.indifferent.retain(|name| *name != "batch_size");
        }
        content
    }
}

/// Why a report that does not mention it has no value.
const CONSTANT: &str = "the maps of every image are constant or degenerate";

fn entry(measure: &'static str, place: &[&str], value: &Mean) -> Entry {
    let why = value.reason.as_deref().unwrap_or(CONSTANT);
    Entry::new(measure, place, value.mean).because(value.mean.get().is_none().then_some(why))
}

fn of_pair(pair: &PairResult) -> [Entry; 4] {
    let place = [pair.a.as_str(), &pair.b];
    [
        entry("pearson", &place, &pair.pearson),
        entry("spearman", &place, &pair.spearman),
        entry("ssim", &place, &pair.ssim),
        entry("overlap", &place, &pair.overlap),
    ]
}

/// How concentrated the maps of a column are, on average over images.
fn of_columns(results: &SaliencyResults) -> Vec<Entry> {
    let of = |(i, name): (usize, &str)| {
        let maps = || results.images.iter().filter_map(move |image| image.maps.get(i));
        [
            Entry::new("mass-in-top", &[name], mean(maps().map(|map| map.mass_in_top))),
            Entry::new("entropy", &[name], mean(maps().map(|map| map.entropy))),
        ]
    };
    let names = results.columns.iter().map(|column| column.name.as_str());
    names.enumerate().flat_map(of).collect()
}

fn of_faithfulness(found: &FaithfulnessResult) -> [Entry; 2] {
    let fill = format!("{:?}", found.fill).to_lowercase();
    let place = [found.column.as_str(), &fill];
    [entry("deletion", &place, &found.deletion), entry("insertion", &place, &found.insertion)]
}

fn of_sanity(found: &SanityResult) -> [Entry; 2] {
    let place = [found.column.as_str(), &found.redrawn_down_to];
    [entry("sanity-spearman", &place, &found.spearman), entry("sanity-ssim", &place, &found.ssim)]
}
