//! Values of `repsim compare`.

use std::borrow::Cow;

use super::{Content, Entry, Main, Values};
use crate::check::comparable::Condition;
use crate::check::measures;
use crate::report::compare::{CompareReport, MeasureResult, OutputResults};

impl Values for CompareReport {
    fn content(&self) -> Content {
        let results = &self.results;
        let entries = results.measures.iter().flat_map(|found| {
            let name = name_of(found);
            let rows = results.layers_a.iter().zip(&found.values);
            let entry = |(a, row): (&String, &Vec<_>)| -> Vec<Entry> {
                let pairs = results.layers_b.iter().zip(row);
                pairs
                    .map(|(b, v)| Entry::new(name.clone(), &[a, b], *v).because(found.reason(a, b)))
                    .collect()
            };
            rows.flat_map(entry).collect::<Vec<_>>()
        });
        let entries = entries.chain(results.outputs.iter().flat_map(of_outputs)).collect();
        let known = results.measures.iter().find_map(|found| measures::of(&found.name));
        let measure = known.map_or("cka", |facts| facts.name);
        let mut content = Content::new(Main { measure, diagonal: true }, entries);
        content.indifferent.push("output_index");
        content.conditions.push(Condition::of_data("number of samples", results.n));
        content.indifferent.extend([
            "measures",
            "permutations",
            "bootstrap",
            "level",
            "random_seed",
        ]);
        content
    }

    /// What is wrong with the shape of a matrix.
    fn unsound(&self) -> Option<String> {
        let results = &self.results;
        let (rows, columns) = (results.layers_a.len(), results.layers_b.len());
        let fits = |found: &&MeasureResult| {
            found.values.len() == rows && found.values.iter().all(|row| row.len() == columns)
        };
        let wrong = results.measures.iter().find(|found| !fits(found))?;
        Some(format!("its matrix of {} is not that of {rows} by {columns} layers", wrong.name))
    }
}

/// What rules call a measure; one that is not known here keeps the name that the report gives it.
fn name_of(found: &MeasureResult) -> Cow<'static, str> {
    match measures::of(&found.name) {
        Some(facts) => facts.name.into(),
        None => found.name.clone().into(),
    }
}

/// What two models say of the same samples, as far as it is known: without labels there are no accuracies to hold.
fn of_outputs(outputs: &OutputResults) -> impl Iterator<Item = Entry> {
    let known = outputs.measures.iter().filter(|found| found.value.get().is_some());
    known.map(|found| Entry::new::<&str>(found.name.clone(), &[], found.value))
}
