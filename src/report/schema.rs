//! JSON Schemas by their names: of the kinds of reports, and of what is made of them.

use super::kinds::KINDS;
use crate::error::{Error, Result};

/// Schemas of what is not a report of a measurement.
const OTHERS: [(&str, &str); 3] = [
    ("check", include_str!("schemas/check.schema.json")),
    ("diff", include_str!("schemas/diff.schema.json")),
    ("policy", include_str!("schemas/policy.schema.json")),
];

fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    KINDS.iter().map(|kind| (kind.name, kind.schema)).chain(OTHERS)
}

/// The names of all schemas: the kinds of reports, then what is made of them.
pub fn schema_names() -> Vec<&'static str> {
    all().map(|(name, _)| name).collect()
}

/// The JSON Schema of a kind of report.
///
/// # Errors
/// There is no such kind; the message names those there are.
pub fn schema(name: &str) -> Result<&'static str> {
    all().find(|(known, _)| *known == name).map(|(_, text)| text).ok_or_else(|| {
        let problem = format!("there is no schema '{name}'");
        Error::usage(problem, format!("the schemas are {}", schema_names().join(", ")))
    })
}
