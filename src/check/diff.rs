//! What changed between two reports.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::comparable::differences;
use super::document::Document;
use super::judge::outcome;
use super::measures::Facts;
use super::values::Entry;
use super::verdict::Outcome;
use crate::report::{Number, SchemaId};

/// How a value changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Which value: `cka["layer4"]`.
    pub of: String,
    /// Before; `null` where there was none.
    pub old: Number,
    /// After; `null` where there is none.
    pub new: Number,
    /// New less old.
    pub change: Number,
    /// |change| in default tolerances of the measure; `null` where the measure allows none, or where
    /// a value is missing.
    pub tolerances: Number,
    /// Whether the new value is better; `null` where neither direction is, or a value is missing.
    pub better: Option<bool>,
    /// What `repsim check` says of it without a policy; `null` where only one of the reports has the value
    /// and that is not checked.
    #[serde(default)]
    pub outcome: Option<Outcome>,
}

/// What changed between two reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DiffReport {
    /// Name and version of this schema: `diff`.
    pub schema: SchemaId,
    /// Path of the report before.
    pub old: String,
    /// Path of the report after.
    pub new: String,
    /// Kind of both.
    pub kind: String,
    /// What else differs, so that values need not be comparable: data, preprocessing, settings.
    pub conditions: Vec<String>,
    /// What changed: first what appeared or went, then the largest first, in default tolerances of
    /// each measure.
    pub changes: Vec<Change>,
    /// Values that are the same to the last digit.
    pub unchanged: usize,
}

impl Change {
    /// From one value of a measure to another, in units of a tolerance; no direction is better where
    /// the measure is not known.
    pub(super) fn between(
        facts: Option<&Facts>,
        of: String,
        (old, new): (Option<f64>, Option<f64>),
        tolerance: f64,
    ) -> Self {
        let both = old.zip(new);
        let change = both.map(|(old, new)| new - old);
        let size = change.map(|change| change.abs() / tolerance);
        let worse = both.zip(facts).and_then(|((old, new), facts)| facts.worse_by(new, old));
        Self {
            of,
            old: old.into(),
            new: new.into(),
            change: change.into(),
            tolerances: size.into(),
            better: worse.filter(|w| *w != 0.0).map(|w| w < 0.0),
            outcome: None,
        }
    }

    /// What changes are sorted by.
    fn size(&self) -> (f64, f64) {
        let size = |number: Number| number.get().map_or(f64::INFINITY, f64::abs);
        (size(self.tolerances), size(self.change))
    }
}

/// What changed between two reports of a kind; `None` where they are of different kinds.
pub fn diff(old: (&Document, &Path), new: (&Document, &Path)) -> Option<DiffReport> {
    let ((before, old), (after, new)) = (old, new);
    if before.kind() != after.kind() {
        return None;
    }
    let pairs =
        before.entries().iter().map(|entry| (entry, Some(entry), after.counterpart(entry, before)));
    let appeared = after.beyond(before).map(|entry| (entry, None, Some(entry)));
    let pairs = pairs.chain(appeared);
    let (mut changes, mut unchanged) = (vec![], 0);
    for (entry, old, new) in pairs {
        let value = |side: Option<&Entry>| side.and_then(|entry| entry.value);
        match (value(old), value(new)) {
            (old, new) if old == new => unchanged += 1,
            values => changes.push(Change {
                outcome: old.and_then(|old| outcome_of((before, after), old, values)),
                ..change(entry, values)
            }),
        }
    }
    changes.sort_by(|a: &Change, b| {
        let ((at, ac), (bt, bc)) = (a.size(), b.size());
        bt.total_cmp(&at).then_with(|| bc.total_cmp(&ac))
    });
    let conditions = differences(after, before, false);
    Some(DiffReport {
        schema: SchemaId::current("diff"),
        old: old.display().to_string(),
        new: new.display().to_string(),
        kind: before.kind().to_owned(),
        conditions: conditions.iter().map(|d| d.against("before")).collect(),
        changes,
        unchanged,
    })
}

/// What a check without a policy says of a value of the old report.
fn outcome_of(
    (before, after): (&Document, &Document),
    entry: &Entry,
    values: (Option<f64>, Option<f64>),
) -> Option<Outcome> {
    let mut candidates = before.candidates().iter();
    let candidate = candidates.find(|names| entry.place.first() == Some(&names.name));
    if candidate.is_some_and(|names| !after.candidates().iter().any(|c| c.fits(names))) {
        return None;
    }
    let found = match (entry.facts(), values) {
        (Some(facts), (Some(old), Some(new))) => outcome(&facts, (old, new), facts.tolerance(old)),
        _ => Outcome::Unchecked,
    };
    match before.holds(entry, after) {
        false if found > Outcome::Passed => Some(Outcome::Moved),
        _ => Some(found),
    }
}

fn change(entry: &Entry, values: (Option<f64>, Option<f64>)) -> Change {
    let facts = entry.facts();
    let tolerance = facts.zip(values.0).map_or(f64::NAN, |(facts, old)| facts.tolerance(old));
    Change::between(facts.as_ref(), entry.to_string(), values, tolerance)
}
