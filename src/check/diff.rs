//! What changed between two reports.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::comparable::differences;
use super::document::Document;
use super::measures::Facts;
use super::values::Entry;
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
    let pairs = before.entries().iter().map(|entry| (entry, Some(entry), after.like(entry)));
    let appeared = after.beyond(before).map(|entry| (entry, None, Some(entry)));
    let pairs = pairs.chain(appeared);
    let (mut changes, mut unchanged) = (vec![], 0);
    for (entry, old, new) in pairs {
        let value = |side: Option<&Entry>| side.and_then(|entry| entry.value);
        match (value(old), value(new)) {
            (old, new) if old == new => unchanged += 1,
            values => changes.push(change(entry, values)),
        }
    }
    changes.sort_by(|a: &Change, b| {
        let ((at, ac), (bt, bc)) = (a.size(), b.size());
        bt.total_cmp(&at).then_with(|| bc.total_cmp(&ac))
    });
    let conditions = differences(after, before, false);
    let told = |d: &super::Difference| {
        let shown = |value: &Option<String>| value.clone().unwrap_or("nothing".to_owned());
        format!("{}: {}, now {}", d.what, shown(&d.baseline), shown(&d.report))
    };
    Some(DiffReport {
        schema: SchemaId::current("diff"),
        old: old.display().to_string(),
        new: new.display().to_string(),
        kind: before.kind().to_owned(),
        conditions: conditions.iter().map(told).collect(),
        changes,
        unchanged,
    })
}

fn change(entry: &Entry, values: (Option<f64>, Option<f64>)) -> Change {
    let facts = entry.facts();
    let tolerance = facts.zip(values.0).map_or(f64::NAN, |(facts, old)| facts.tolerance(old));
    Change::between(facts.as_ref(), entry.to_string(), values, tolerance)
}
