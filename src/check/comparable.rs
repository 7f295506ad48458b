//! Whether two reports were made under the same conditions.

use serde_json::Value;

use super::document::Document;
use super::values::Content;
use crate::report::SetInput;

/// Something that has to be the same in both reports.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition {
    what: String,
    value: String,
    /// Whether it tells the data apart: forgiven where other data are meant.
    data: bool,
    /// Whether it counts only where both reports have it.
    shared: bool,
}

/// A condition that differs between two reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which: `fingerprint of the data`, `setting bias`, `preprocessing, resize`.
    pub what: String,
    /// In the report; `None` where it has none.
    pub report: Option<String>,
    /// In the baseline.
    pub baseline: Option<String>,
    /// Whether it tells the data apart.
    pub data: bool,
}

impl Condition {
    pub fn new(what: impl ToString, value: impl ToString) -> Self {
        Self { what: what.to_string(), value: value.to_string(), data: false, shared: false }
    }

    pub fn of_data(what: impl ToString, value: impl ToString) -> Self {
        Self { data: true, ..Self::new(what, value) }
    }

    /// A setting that counts only where both reports used it.
    pub fn shared(what: impl ToString, value: impl ToString) -> Self {
        Self { shared: true, ..Self::new(what, value) }
    }

    /// Of something that may be in one of the reports only, such as a candidate.
    pub fn of_shared_data(what: impl ToString, value: impl ToString) -> Self {
        Self { shared: true, ..Self::of_data(what, value) }
    }
}

impl Difference {
    /// What differs, and what to do about it.
    pub fn message(&self) -> String {
        let shown = |value: &Option<String>| value.clone().unwrap_or("nothing".to_owned());
        let (report, baseline) = (shown(&self.report), shown(&self.baseline));
        let remedy = match self.data {
            true => " (--allow-different-data compares nevertheless)",
            false => "",
        };
        format!("the {} is {report}, in the baseline {baseline}{remedy}", self.what)
    }
}

/// What tells the samples of a set apart, in whichever form they were given.
pub(super) fn same_samples(set: &SetInput) -> &str {
    match set {
        SetInput::Statistics(file) => match &file.origin {
            Some(origin) if !origin.fingerprint.is_empty() => &origin.fingerprint,
            _ => set.fingerprint(),
        },
        _ => set.fingerprint(),
    }
}

/// The conditions that differ, in the order of the baseline; those of the data only where they must
/// be the same.
pub fn differences(report: &Document, baseline: &Document, other_data: bool) -> Vec<Difference> {
    if report.kind() != baseline.kind() {
        return vec![Difference {
            what: "kind of report".to_owned(),
            report: Some(report.kind().to_owned()),
            baseline: Some(baseline.kind().to_owned()),
            data: false,
        }];
    }
    let (ours, theirs) = (report.conditions(), baseline.conditions());
    let only_ours = ours.iter().filter(|c| find(theirs, &c.what).is_none());
    let all = theirs.iter().chain(only_ours).filter(|c| !(c.data && other_data));
    let differs = |condition: &Condition| {
        let value = |side| find(side, &condition.what).map(|c: &Condition| c.value.clone());
        let (report, baseline) = (value(ours), value(theirs));
        let what = condition.what.clone();
        let counts = !condition.shared || (report.is_some() && baseline.is_some());
        (counts && report != baseline).then_some(Difference {
            what,
            report,
            baseline,
            data: condition.data,
        })
    };
    all.filter_map(differs).collect()
}

fn find<'a>(side: &'a [Condition], what: &str) -> Option<&'a Condition> {
    side.iter().find(|condition| condition.what == what)
}

/// All conditions of a report.
pub(super) fn conditions(json: &Value, content: &Content) -> Vec<Condition> {
    let inputs = &json["inputs"];
    let count = |name: &str| inputs[name].as_array().map_or(0, Vec::len);
    let mut conditions =
        vec![Condition::new("number of models", count("models") + count("features"))];
    if let Some(fingerprint) = inputs["data"]["fingerprint"].as_str() {
        conditions.push(Condition::of_data("fingerprint of the data", fingerprint));
    }
    conditions.extend(of_weights(&inputs["models"]));
    let settings = json["settings"].as_object();
    let settings: Vec<_> = settings.into_iter().flatten().collect();
    let preprocess = settings.iter().find(|(name, _)| *name == "preprocess");
    let preprocess = preprocess.map_or(&inputs["data"]["preprocess"], |(_, value)| value);
    conditions.extend(of_preprocessing(preprocess));
    let counts = |name: &str| name != "preprocess" && !content.indifferent.contains(&name);
    let of_settings = settings.iter().filter(|(name, _)| counts(name));
    conditions
        .extend(of_settings.map(|(name, value)| Condition::new(format!("setting {name}"), value)));
    conditions.extend(content.conditions.iter().cloned());
    conditions
}

/// How much of each model is not of the checkpoint whose weights it was given, where that is not nothing.
fn of_weights(models: &Value) -> Vec<Condition> {
    let models = models.as_array().into_iter().flatten().enumerate();
    let kept = |(i, model): (usize, &Value)| {
        let missing = model["weights"]["missing"].as_u64().filter(|&missing| missing > 0)?;
        let what = format!("number of tensors that model {} has not from its checkpoint", i + 1);
        Some(Condition::new(what, missing))
    };
    models.filter_map(kept).collect()
}

/// A condition a step: one list of steps for both models, or one each.
fn of_preprocessing(preprocess: &Value) -> Vec<Condition> {
    let of = |(name, steps): (&str, &Value)| {
        let steps = steps.as_object().into_iter().flatten();
        // The preset only says where the steps began.
        let steps = steps.filter(|(step, _)| *step != "preset");
        steps.map(|(step, value)| Condition::new(format!("{name}, {step}"), value)).collect()
    };
    let lists: Vec<(&str, &Value)> = match preprocess.as_array().map(Vec::as_slice) {
        Some([a, b]) => vec![("preprocessing", a), ("preprocessing of B", b)],
        Some(all) => all.iter().map(|steps| ("preprocessing", steps)).collect(),
        None => vec![("preprocessing", preprocess)],
    };
    lists.into_iter().flat_map(of as fn((&str, &Value)) -> Vec<Condition>).collect()
}
