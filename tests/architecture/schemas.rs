//! The checked-in JSON Schemas are those of the types.
//!
//! `REPSIM_UPDATE_SCHEMAS=1 cargo test --release --test architecture` writes them anew.

use std::fs;

use repsim::check::{CheckReport, DiffReport, PolicyFile};
use repsim::report::cka::CkaReport;
use repsim::report::compare::CompareReport;
use repsim::report::distance::DistanceReport;
use repsim::report::fid::FidReport;
use repsim::report::layers::LayersReport;
use repsim::report::maps::MapsReport;
use repsim::report::platonic::PlatonicReport;
use repsim::report::saliency::SaliencyReport;
use repsim::report::sensitivity::SensitivityReport;
use repsim::report::stitch::StitchReport;
use schemars::{JsonSchema, schema_for};

use crate::sources::folder;

/// The schema of a type as it is checked in: indented, with a line break at the end.
fn text_of<T: JsonSchema>() -> String {
    let schema = serde_json::to_string_pretty(&schema_for!(T)).unwrap();
    format!("{schema}\n")
}

#[track_caller]
fn hold<T: JsonSchema>(name: &str) {
    let path = folder().join(format!("report/schemas/{name}.schema.json"));
    let made = text_of::<T>();
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

#[test]
fn cka() {
    hold::<CkaReport>("cka");
}

#[test]
fn compare() {
    hold::<CompareReport>("compare");
}

#[test]
fn platonic() {
    hold::<PlatonicReport>("platonic");
}

#[test]
fn distance() {
    hold::<DistanceReport>("distance");
}

#[test]
fn fid() {
    hold::<FidReport>("fid");
}

#[test]
fn maps() {
    hold::<MapsReport>("maps");
}

#[test]
fn saliency() {
    hold::<SaliencyReport>("saliency");
}

#[test]
fn check() {
    hold::<CheckReport>("check");
}

#[test]
fn diff() {
    hold::<DiffReport>("diff");
}

#[test]
fn policy() {
    hold::<PolicyFile>("policy");
}

#[test]
fn sensitivity() {
    hold::<SensitivityReport>("sensitivity");
}

#[test]
fn stitch() {
    hold::<StitchReport>("stitch");
}

#[test]
fn layers() {
    hold::<LayersReport>("layers");
}

#[test]
fn every_schema_that_can_be_printed_is_held() {
    let (reports, others) = repsim::report::NAMES.split_at(10);
    let known = [
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
    ];
    assert_eq!(reports, known);
    assert_eq!(others, ["check", "diff", "policy"]);
    for name in reports {
        let text = repsim::report::schema(name).unwrap();
        let schema: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(schema["title"], "Report", "{name} is no schema of a report");
    }
}
