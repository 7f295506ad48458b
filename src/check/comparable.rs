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
    /// Whether it identifies the data: allowed to differ where other data are meant.
    data: bool,
    /// Whether it counts only where both reports have it.
    shared: bool,
    /// Where it tells data apart, the settings that chose them and what is known of their files.
    details: Vec<Detail>,
}

/// A setting of the data, or a fact about their files, by its name.
type Detail = (String, String);

/// A condition that differs between two reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which: `fingerprint of the data`, `setting bias`, `preprocessing, resize`.
    pub what: String,
    /// In the report; `None` where it has none.
    pub report: Option<String>,
    /// In the baseline.
    pub baseline: Option<String>,
    /// Whether it identifies the data.
    pub data: bool,
    /// Where it does, the settings of the data that differ: which, in the report, in the baseline.
    pub settings: Vec<(String, String, String)>,
}

impl Condition {
    pub fn new(what: impl ToString, value: impl ToString) -> Self {
        let (what, value) = (what.to_string(), value.to_string());
        Self { what, value, data: false, shared: false, details: vec![] }
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
        let remedy = match self.data {
            true => " (--allow-different-data compares them all the same)",
            false => "",
        };
        format!("{}{remedy}", self.against("in the baseline"))
    }

    /// What differs, with words for the other report: of data first the settings, then the hash.
    pub fn against(&self, other: &str) -> String {
        let shown = |value: &Option<String>| value.clone().unwrap_or(NONE.to_owned());
        let own = (self.what.clone(), shown(&self.report), shown(&self.baseline));
        let all = self.settings.iter().chain([&own]);
        let parts = all.map(|(what, value, base)| {
            let the = if what.starts_with("--") { "" } else { "the " };
            format!("{the}{what} is {value}, {other} {base}")
        });
        let text = parts.collect::<Vec<_>>().join("; ");
        match self.data && self.settings.is_empty() && self.what.starts_with(FINGERPRINT) {
            true => format!("the settings of the data are the same, the samples are not: {text}"),
            false => text,
        }
    }
}

/// What stands for a value that there is none of.
const NONE: &str = "none";

/// How the names of conditions begin that compare hashes of samples.
const FINGERPRINT: &str = "fingerprint";

/// What identifies the samples of a set, in whichever form they were given.
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
            settings: vec![],
        }];
    }
    let (ours, theirs) = (report.conditions(), baseline.conditions());
    let only_ours = ours.iter().filter(|c| find(theirs, &c.what).is_none());
    let all = theirs.iter().chain(only_ours).filter(|c| !(c.data && other_data));
    let differs = |condition: &Condition| {
        let (our, their) = (find(ours, &condition.what), find(theirs, &condition.what));
        let value = |side: Option<&Condition>| side.map(|c| c.value.clone());
        let (report, baseline) = (value(our), value(their));
        let counts = !condition.shared || (report.is_some() && baseline.is_some());
        (counts && report != baseline).then(|| Difference {
            what: condition.what.clone(),
            report,
            baseline,
            data: condition.data,
            settings: our.zip(their).map_or(vec![], |(our, their)| differing(our, their)),
        })
    };
    let all: Vec<Difference> = all.filter_map(differs).collect();
    // The count of samples is among the settings of data whose fingerprint differs.
    let told = all.iter().any(|d| d.settings.iter().any(|(what, ..)| what == COUNT));
    all.into_iter().filter(|d| !(told && d.what == COUNT)).collect()
}

/// The settings of the data that differ.
fn differing(our: &Condition, their: &Condition) -> Vec<(String, String, String)> {
    let value = |side: &Condition, name: &str| {
        let found = side.details.iter().find(|(one, _)| one == name);
        found.map_or(NONE.to_owned(), |(_, value)| value.clone())
    };
    let only_theirs = their.details.iter().filter(|d| our.details.iter().all(|o| o.0 != d.0));
    let names = our.details.iter().chain(only_theirs).map(|(name, _)| name);
    let all = names.map(|name| (name.clone(), value(our, name), value(their, name)));
    all.filter(|(_, ours, theirs)| ours != theirs).collect()
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
    if !settings.iter().any(|(name, _)| *name == "precision") {
        // The exact one is not written.
        conditions.push(Condition::new("setting precision", "\"f32\""));
    }
    conditions.extend(content.conditions.iter().cloned());
    for condition in conditions.iter_mut().filter(|condition| condition.data) {
        condition.details = details(json, &condition.what);
    }
    conditions
}

/// The number of samples, of reports on one set of data.
const COUNT: &str = "number of samples";

/// Settings that choose samples, as the options that set them.
const OPTIONS: [(&str, &str); 4] = [
    ("limit", "--limit"),
    ("seed", "--seed"),
    ("layout", "--layout"),
    ("reference_layout", "--reference-layout"),
];

/// What is known of a set of samples by its place among the inputs.
const FACTS: [(&str, &str); 6] = [
    ("/path", "path"),
    ("/kind", "kind"),
    ("/count", COUNT),
    ("/n", COUNT),
    ("/tokens/tokenizer", "tokenizer"),
    ("/tokens/length", "number of tokens of a sample"),
];

/// What chose the data of a condition: the settings, and of fingerprints also facts about the files.
fn details(json: &Value, what: &str) -> Vec<Detail> {
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let options = OPTIONS.iter().map(|(key, option)| {
        let value = text(&json["settings"][*key]).unwrap_or(NONE.to_owned());
        ((*option).to_owned(), value)
    });
    let set = samples(json, what);
    let facts = FACTS
        .iter()
        .filter_map(|(place, name)| Some(((*name).to_owned(), text(set?.pointer(place)?)?)));
    let skipped = set.and_then(|set| set["skipped"].as_array()).map_or(0, Vec::len);
    let skipped =
        (skipped > 0).then(|| ("number of samples left out".to_owned(), skipped.to_string()));
    options.chain(facts).chain(skipped).collect()
}

/// The input whose fingerprint a condition is.
fn samples<'a>(json: &'a Value, what: &str) -> Option<&'a Value> {
    let inputs = &json["inputs"];
    let set = |i: usize| inputs["sets"].get(i)?.as_object()?.values().next();
    match what {
        "fingerprint of the reference" => set(0),
        "fingerprint of the data" => inputs.get("data").or_else(|| set(1)),
        _ => None,
    }
}

/// How much of each model is not of the checkpoint whose weights it was given, where that is not nothing.
fn of_weights(models: &Value) -> Vec<Condition> {
    let models = models.as_array().into_iter().flatten().enumerate();
    let kept = |(i, model): (usize, &Value)| {
        let missing = model["weights"]["missing"].as_u64().filter(|&missing| missing > 0)?;
        let what =
            format!("number of tensors of model {} that its checkpoint does not have", i + 1);
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
