//! Values of `repsim platonic`.

use super::{Content, Entry, Main, Values};
use crate::check::comparable::Condition;
use crate::report::platonic::PlatonicReport;

const MAIN: Main = Main { measure: "alignment", diagonal: false };

impl Values for PlatonicReport {
    /// Each pair of models once, and the accuracy of each.
    fn content(&self) -> Content {
        let results = &self.results;
        let mut entries = vec![];
        for (i, a) in results.models.iter().enumerate() {
            for (j, b) in results.models.iter().enumerate().skip(i + 1) {
                let value = results.measure.values.get(i).and_then(|row| row.get(j));
                let entry = |value| Entry::new("alignment", &[&a.name, &b.name], value);
                let reason = results.measure.reason(&a.name, &b.name);
                entries.extend(value.map(|value| entry(*value).because(reason)));
            }
            let reason = a.nulls.iter().find(|null| null.field == "accuracy");
            if a.accuracy.get().is_some() || reason.is_none() {
                entries.push(Entry::new("accuracy", &[&a.name], a.accuracy));
            }
        }
        let mut content = Content::new(MAIN, entries);
        content.conditions.push(Condition::of_data("number of samples", results.n));
        content.indifferent.extend(["permutations", "bootstrap", "level", "random_seed"]);
        content
    }
}
