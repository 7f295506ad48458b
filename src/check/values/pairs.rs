//! Values of `repsim cka` of more than two models.

use super::{Content, Entry, Main, Values};
use crate::check::comparable::Condition;
use crate::report::pairs::PairsReport;

const MAIN: Main = Main { measure: "mean-diagonal", diagonal: false };

impl Values for PairsReport {
    /// The mean of the diagonal of each pair of models.
    fn content(&self) -> Content {
        let results = &self.results;
        let mut entries = vec![];
        for (i, a) in results.models.iter().enumerate() {
            for (j, b) in results.models.iter().enumerate().skip(i + 1) {
                let value = results.mean_diagonal.get(i).and_then(|row| row.get(j));
                let entry = |value| Entry::new("mean-diagonal", &[a, b], value);
                let reason = "no layers of the two correspond, or none of them has a value";
                entries.extend(value.map(|value| entry(*value).because(Some(reason))));
            }
        }
        let mut content = Content::new(MAIN, entries);
        content.indifferent.extend(["output_index", "estimator_reason"]);
        content.conditions.push(Condition::of_data("number of samples", results.n));
        // Only this estimator's numbers depend on how the samples fall into batches.
        if self.settings.estimator.to_string() == "minibatch" {
            content.indifferent.retain(|name| *name != "batch_size");
        }
        content
    }
}
