//! The JSON Schemas of the reports, as checked in beside this file.

use crate::error::{Error, Result};

const SCHEMAS: &[(&str, &str)] = &[
    ("cka", include_str!("schemas/cka.schema.json")),
    ("compare", include_str!("schemas/compare.schema.json")),
    ("distance", include_str!("schemas/distance.schema.json")),
    ("fid", include_str!("schemas/fid.schema.json")),
    ("layers", include_str!("schemas/layers.schema.json")),
    ("maps", include_str!("schemas/maps.schema.json")),
    ("platonic", include_str!("schemas/platonic.schema.json")),
    ("saliency", include_str!("schemas/saliency.schema.json")),
    ("sensitivity", include_str!("schemas/sensitivity.schema.json")),
    ("stitch", include_str!("schemas/stitch.schema.json")),
    ("check", include_str!("schemas/check.schema.json")),
    ("diff", include_str!("schemas/diff.schema.json")),
    ("policy", include_str!("schemas/policy.schema.json")),
];

/// The kinds of reports, then what is made of them.
pub const NAMES: [&str; 13] = [
    "cka",
    "compare",
    "distance",
    "fid",
    "layers",
    "maps",
    "platonic",
    "saliency",
    "sensitivity",
    "stitch",
    "check",
    "diff",
    "policy",
];

/// The JSON Schema of a kind of report.
///
/// # Errors
/// There is no such kind; the message names those there are.
pub fn schema(name: &str) -> Result<&'static str> {
    let found = SCHEMAS.iter().find(|(n, _)| *n == name).map(|(_, text)| *text);
    found.ok_or_else(|| {
        let problem = format!("there is no schema '{name}'");
        Error::usage(problem, format!("the schemas are {}", NAMES.join(", ")))
    })
}
