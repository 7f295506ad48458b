//! The checked-in JSON Schemas are those of the types.
//!
//! `REPSIM_UPDATE_SCHEMAS=1 cargo test --release --test architecture` writes them anew.

use std::fs;

use repsim::check::{CheckReport, DiffReport, PolicyFile};
use repsim::report::{KINDS, schema, schema_names};
use schemars::{JsonSchema, Schema, schema_for};

use crate::sources::folder;

/// Holds the checked-in schema of this name against that of the type, indented and with a line break at
/// the end.
#[track_caller]
fn hold(name: &str, of_type: &Schema) {
    let path = folder().join(format!("report/schemas/{name}.schema.json"));
    let made = format!("{}\n", serde_json::to_string_pretty(of_type).unwrap());
    if std::env::var_os("REPSIM_UPDATE_SCHEMAS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap();
    assert!(
        found == made,
        "{} is not what the types give: set REPSIM_UPDATE_SCHEMAS=1 and run this test once, then \
         look at what changed",
        path.display()
    );
}

fn hold_type<T: JsonSchema>(name: &str) {
    hold(name, &schema_for!(T));
}

#[test]
fn reports_of_every_kind() {
    for kind in KINDS {
        hold(kind.name, &(kind.of_type)());
        let schema: serde_json::Value = serde_json::from_str(kind.schema).unwrap();
        assert_eq!(schema["title"], "Report", "{} is not a report", kind.name);
    }
}

#[test]
fn what_is_made_of_reports() {
    hold_type::<CheckReport>("check");
    hold_type::<DiffReport>("diff");
    hold_type::<PolicyFile>("policy");
}

#[test]
fn every_schema_that_is_checked_in_can_be_printed() {
    let files = fs::read_dir(folder().join("report/schemas")).unwrap();
    let ending = ".schema.json";
    let mut files: Vec<String> =
        files.map(|file| file.unwrap().file_name().to_str().unwrap().replace(ending, "")).collect();
    let mut names = schema_names();
    files.sort_unstable();
    names.sort_unstable();
    assert_eq!(files, names);
    assert!(names.iter().all(|name| schema(name).is_ok()));
    assert!(schema("cosine").unwrap_err().to_string().contains("layers, maps"));
}
