//! Values of `repsim cka`.

use super::{Content, Entry, Main, Values};
use crate::check::comparable::Condition;
use crate::report::cka::{CkaReport, CkaResults};

const MAIN: Main = Main { measure: "cka", diagonal: true };

impl Values for CkaReport {
    fn content(&self) -> Content {
        let results = &self.results;
        let rows = results.layers_a.iter().zip(&results.cka);
        let entries = rows.flat_map(|(a, row)| {
            let pairs = results.layers_b.iter().zip(row);
            pairs.map(move |(b, value)| {
                Entry::new("cka", &[a, b], *value).because(results.reason(a, b))
            })
        });
        let mut content = Content::new(MAIN, entries.collect());
        content.indifferent.extend(["output_index", "estimator_reason"]);
        content.conditions.push(Condition::of_data("number of samples", results.n));
        // Only this estimator's numbers depend on how the samples fall into batches.
        if self.settings.estimator.to_string() == "minibatch" {
            content.indifferent.retain(|name| *name != "batch_size");
        }
        content
    }

    /// What is wrong with the shape of the matrix.
    fn unsound(&self) -> Option<String> {
        let CkaResults { layers_a, layers_b, cka, .. } = &self.results;
        let fits = cka.len() == layers_a.len() && cka.iter().all(|row| row.len() == layers_b.len());
        let (rows, columns) = (layers_a.len(), layers_b.len());
        (!fits).then(|| format!("its matrix is not that of {rows} by {columns} layers"))
    }
}
