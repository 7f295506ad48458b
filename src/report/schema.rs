//! JSON Schemas by their names: of the kinds of reports, and of what is made of them.

use serde_json::{Map, Value};

use super::kinds::KINDS;
use crate::error::{Error, Result};

/// Schemas of what is not a report of a measurement, each with what it describes.
const OTHERS: [(&str, &str); 3] = [
    ("check", include_str!("schemas/check.schema.json")),
    ("diff", include_str!("schemas/diff.schema.json")),
    ("policy", include_str!("schemas/policy.schema.json")),
];

/// What a schema describes, in a line.
fn described(name: &str) -> &'static str {
    match name {
        "cka" => "CKA of all layers of two models, or of one with itself",
        "compare" => "Layers compared by several measures, and each layer by itself",
        "distance" => "How far each sample lies from a reference",
        "features" => "The index of a folder of stored features",
        "fid" => "How far image sets lie from a reference: FID, KID, precision and recall",
        "layers" => "The layers of a model",
        "maps" => "Feature maps, and the matching of the channels of two models",
        "pairs" => "CKA of every pair of several models",
        "patterns" => "The patches of the data that drive each channel most",
        "platonic" => "The alignment of many models on the same data",
        "probe" => "What linear probes read out of each layer, against controls",
        "saliency" => "Which pixels predictions rest on, and how alike the maps are",
        "sensitivity" => "Which channels predictions rest on, and how they hold under perturbation",
        "stitch" => "Whether one network can use the features of another, against controls",
        "track" => "The layers of a network over the checkpoints of its training",
        "check" => "What came of checking a report against a baseline and a policy",
        "diff" => "What changed between two reports",
        "policy" => "A policy of `repsim check`: which values may move how far",
        _ => "A report of repsim",
    }
}

fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    KINDS.iter().map(|kind| (kind.name, kind.schema)).chain(OTHERS)
}

/// The names of all schemas: the kinds of reports, then what is made of them.
pub fn schema_names() -> Vec<&'static str> {
    all().map(|(name, _)| name).collect()
}

/// The names of all schemas, each with what it describes.
pub fn schema_lines() -> Vec<(&'static str, &'static str)> {
    all().map(|(name, _)| (name, described(name))).collect()
}

/// The JSON Schema of a kind of report, with its identifier: `urn:repsim:schema:cka:1` is of reports whose `schema` is
/// `cka`, version 1.
///
/// # Errors
/// There is no such kind; the message names those there are.
pub fn schema(name: &str) -> Result<String> {
    let (_, text) = all().find(|(known, _)| *known == name).ok_or_else(|| {
        let problem = format!("there is no schema '{name}'");
        Error::usage(problem, format!("the schemas are {}", schema_names().join(", ")))
    })?;
    let wrong = |e: serde_json::Error| {
        Error::usage(format!("failed to read the schema {name}: {e}"), "please report this")
    };
    let stored: Map<String, Value> = serde_json::from_str(text).map_err(wrong)?;
    let version = KINDS.iter().find(|kind| kind.name == name).map_or(1, |kind| kind.version);
    let mut whole = Map::new();
    whole.extend(stored.get("$schema").map(|draft| ("$schema".to_owned(), draft.clone())));
    let mut note = |key: &str, text: String| whole.insert(key.to_owned(), text.into());
    note("$id", format!("urn:repsim:schema:{name}:{version}"));
    note("title", format!("repsim {name}, version {version}"));
    note("description", described(name).to_owned());
    stored.into_iter().for_each(|(key, value)| {
        whole.entry(key).or_insert(value);
    });
    Ok(format!("{}\n", serde_json::to_string_pretty(&Value::Object(whole)).map_err(wrong)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_says_what_it_is_of() -> Result<()> {
        for (name, line) in schema_lines() {
            assert_ne!(line, described("unknown"), "{name}");
            let value: Value = serde_json::from_str(&schema(name)?).unwrap_or_default();
            let id = value["$id"].as_str().unwrap_or_default();
            assert!(id.starts_with(&format!("urn:repsim:schema:{name}:")), "{id}");
            assert_eq!(value["description"], line);
            assert!(value["properties"].is_object(), "{name}");
        }
        Ok(())
    }
}
