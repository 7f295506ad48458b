//! What is known of the measures, for help texts and the README.

use crate::similarity::{Facts, Invariance, MEASURES};

/// The names of all measures, in their order.
pub fn names() -> String {
    let names: Vec<&str> = MEASURES.iter().map(|measure| measure.facts().name).collect();
    names.join(", ")
}

/// A table of all measures in Markdown: what each compares, its range, and which changes of the features leave it
/// as it is.
pub fn table() -> String {
    let rows = MEASURES.iter().map(|measure| row(measure.facts()));
    let head = "| measure | what it says | alike | unchanged by |\n|---|---|---|---|\n";
    rows.fold(head.to_owned(), |table, row| table + &row)
}

fn row(facts: &Facts) -> String {
    let what = facts.what.trim_end_matches('.');
    let (alike, unchanged) = (alike(facts), unchanged(facts));
    format!("| `{}` | {what} | {alike} | {unchanged} |\n", facts.name)
}

/// The value of what is most alike, and whether it is a distance.
fn alike(facts: &Facts) -> String {
    match (facts.best.is_finite(), facts.larger_is_more_alike) {
        (true, _) => facts.best.to_string(),
        (false, true) => "larger".to_owned(),
        (false, false) => "smaller".to_owned(),
    }
}

/// Changes of the features of a layer, the widest of those that include each other.
fn unchanged(facts: &Facts) -> String {
    let has = |invariance: Invariance| facts.invariances.contains(&invariance);
    let maps = [
        (Invariance::Linear, "invertible linear maps"),
        (Invariance::Orthogonal, "rotations"),
        (Invariance::UnitOrder, "order of units"),
    ];
    let map = maps.iter().find(|(invariance, _)| has(*invariance)).map(|(_, name)| *name);
    let scale = has(Invariance::IsotropicScaling) && !has(Invariance::Linear);
    let words = map.into_iter().chain(scale.then_some("scale"));
    words.collect::<Vec<_>>().join(", ")
}
