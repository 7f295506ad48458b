//! Where the numbers of a report come from.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::names::counted;
use crate::render::html::{Column, Entry, Markup, Table, facts, html};
use crate::report::{
    ClassCount, DataInput, FedInput, ModelAccuracy, ModelInput, Report, SetInput, Timing,
};
use crate::torchscript::shape_text;

/// All settings, those within others by their path.
pub fn settings(settings: &impl Serialize) -> Markup {
    let mut found = vec![];
    if let Ok(value) = serde_json::to_value(settings) {
        flatten("", &value, &mut found);
    }
    facts(&found)
}

/// Takes in the leaves of a JSON value under names such as `preprocess › resize`.
fn flatten(name: &str, value: &Value, found: &mut Vec<(String, String)>) {
    let below =
        |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name} › {key}") };
    match value {
        Value::Object(map) if !map.is_empty() => {
            map.iter().for_each(|(key, value)| flatten(&below(key), value, found));
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (i, item) in items.iter().enumerate() {
                flatten(&below(&(i + 1).to_string()), item, found);
            }
        }
        leaf => found.push((name.replace('_', " "), shown(leaf))),
    }
}

/// A leaf in words.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "–".to_owned(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Models, data, versions and timing.
pub fn inputs<S, R>(report: &Report<S, R>, path: &Path) -> Markup {
    let inputs = &report.inputs;
    let mut found = vec![("report".to_owned(), path.display().to_string())];
    for (i, model) in inputs.models.iter().enumerate() {
        found.extend(of_model(&numbered("model", i, inputs.models.len()), model));
    }
    for (i, file) in inputs.features.iter().enumerate() {
        let name = numbered("features", i, inputs.features.len());
        found.push((name.clone(), file.path.clone()));
        found.push((format!("{name} SHA-256"), file.sha256.clone()));
    }
    if let Some(data) = &inputs.data {
        found.extend(of_data("data", data));
    }
    if let Some(defaults) = &inputs.defaults {
        let options = defaults.options.join(" ");
        found.push(("defaults".to_owned(), format!("{options} of {}", defaults.path)));
    }
    let tool = &report.tool;
    found.push(("made by".to_owned(), format!("{} {}", tool.name, tool.version)));
    found.push(("libtorch".to_owned(), tool.libtorch.clone()));
    found.push(("time".to_owned(), time(&report.timing)));
    html! { (facts(&found)) (sets(&inputs.sets)) }
}

fn numbered(name: &str, index: usize, count: usize) -> String {
    match (name, count) {
        (_, 1) => name.to_owned(),
        ("model" | "features", 2) => format!("{name} {}", ["A", "B"][index.min(1)]),
        _ => format!("{name} {}", index + 1),
    }
}

fn of_model(name: &str, model: &ModelInput) -> Vec<(String, String)> {
    let mut found = vec![
        (name.to_owned(), model.path.clone()),
        (format!("{name} SHA-256"), model.sha256.clone()),
    ];
    if let Some(folder) = &model.features {
        let by = format!("{}, written by {} on {}", folder.path, folder.tool, folder.device);
        found.push((format!("{name}, features in"), by));
        found.push((format!("{name}, features.json SHA-256"), folder.sha256.clone()));
    }
    if let Some(weights) = &model.weights {
        let at = if weights.key == "." { String::new() } else { format!(", at {}", weights.key) };
        let renamed =
            weights.renamed.as_ref().map_or(String::new(), |how| format!(", names {how}"));
        let part = match weights.missing {
            0 => String::new(),
            missing => format!(", {missing} of the model's own kept"),
        };
        let count = format!("{} tensors", weights.tensors);
        found.push((
            format!("{name}, weights"),
            format!("{} ({count}{at}{renamed}{part})", weights.path),
        ));
        found.push((format!("{name}, weights SHA-256"), weights.sha256.clone()));
    }
    if !model.untrusted_operators.is_empty() {
        let trusted = model.untrusted_operators.join(", ");
        found.push((format!("{name} was trusted with"), trusted));
    }
    if !model.inputs.is_empty() {
        found.push((format!("{name} is given"), in_words(&model.inputs)));
    }
    found.extend(model.output.map(|form| (format!("{name} gives"), form.to_string())));
    let words = |a: &ModelAccuracy| {
        a.in_words().or_else(|| Some(format!("not known: {}", a.reason.as_ref()?)))
    };
    let accuracy = model.accuracy.iter().filter_map(words);
    found.extend(accuracy.map(|words| (format!("{name}, accuracy"), words)));
    found
}

fn of_data(name: &str, data: &DataInput) -> Vec<(String, String)> {
    let mut found = vec![
        (name.to_owned(), data.path.clone()),
        (format!("{name}, samples"), data.count.to_string()),
        (format!("{name}, fingerprint"), data.fingerprint.clone()),
    ];
    if !data.skipped.is_empty() {
        found.push((format!("{name}, unreadable"), data.skipped.len().to_string()));
    }
    if !data.unread.is_empty() {
        found.push((format!("{name}, of kinds that are not read"), data.unread.len().to_string()));
    }
    if !data.classes.is_empty() {
        found.push((format!("{name}, classes"), classes(&data.classes)));
    }
    found
}

/// How many classes there are, and how many samples they have.
fn classes(classes: &[ClassCount]) -> String {
    let counts = classes.iter().map(|class| class.count);
    match (counts.clone().min(), counts.max()) {
        (Some(least), Some(most)) if least < most => {
            format!("{}, of {least} to {most} samples", classes.len())
        }
        (_, most) => format!("{}, of {} samples", classes.len(), most.unwrap_or(0)),
    }
}

fn time(timing: &Timing) -> String {
    let began = timing.started.map(|at| format!("{} UTC; ", at.strftime("%F %T")));
    format!(
        "{}{:.1} s in all; networks {:.1} s, measure {:.1} s, decoding {:.1} s over all threads",
        began.unwrap_or_default(),
        timing.total,
        timing.forward,
        timing.measure,
        timing.decode
    )
}

fn sets(sets: &[SetInput]) -> Markup {
    let row = |set: &SetInput| {
        let (path, kind, n) = match set {
            SetInput::Images(data) => (&data.path, "images", Some(data.count)),
            SetInput::Features(file) => (&file.path, "features", None),
            SetInput::Statistics(file) => (&file.path, "mean and covariance", file.n),
        };
        vec![
            Entry::code(path.clone()),
            Entry::text(kind),
            n.map_or_else(|| Entry::gone(""), Entry::count),
            Entry::code(set.fingerprint()),
        ]
    };
    let table = Table {
        caption: "Sets, the reference first",
        columns: vec![
            Column::text("set"),
            Column::text("holds"),
            Column::number("n"),
            Column::text("SHA-256 or fingerprint"),
        ],
        rows: sets.iter().map(row).collect(),
    };
    html! { @if !sets.is_empty() { (table.draw()) } }
}

/// How many inputs, and what goes into them.
fn in_words(inputs: &[FedInput]) -> String {
    let one = |input: &FedInput| {
        let shape: Vec<i64> = input.shape.iter().map(|&size| size as i64).collect();
        let from = match input.array.as_str() {
            array if array.is_empty() || array == input.name => String::new(),
            array => format!(" from {array}"),
        };
        format!("{} ({} N×{}){from}", input.name, input.dtype, shape_text(&shape))
    };
    let all: Vec<String> = inputs.iter().map(one).collect();
    format!("{}: {}", counted(inputs.len(), "input"), all.join(", "))
}
