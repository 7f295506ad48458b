//! `repsim cka --features`: stored representations without any model.

use serde_json::Value;

use crate::support::{assert_near, matrix, path, report};
use crate::tolerances::STORED;

fn golden(name: &str) -> Value {
    let text = std::fs::read_to_string(path(&format!("measures/{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn options(entry: &Value) -> String {
    let text = |key: &str| entry[key].as_str().unwrap();
    let batch = entry["batch_size"].as_u64().map(|b| format!(" --batch-size {b}"));
    format!(
        "--estimator {} --bias {} --kernel {} --reduce {}{}",
        text("estimator"),
        text("bias"),
        text("kernel"),
        text("reduce"),
        batch.unwrap_or_default()
    )
}

/// Every golden entry of two files of layers, a sample of the maps'.
fn check(name: &str, every: usize) {
    let golden = golden(name);
    let entries = golden["results"].as_array().unwrap();
    let possible = |e: &&Value| e["reduce"] != "spatial" || e["kernel"] == "linear";
    for entry in entries.iter().filter(possible).step_by(every) {
        let line = format!(
            "cka --features {{measures/{name}_a.npz}} {{measures/{name}_b.npz}} {}",
            options(entry)
        );
        let report = report(&line);
        assert_eq!(report["results"]["layers_a"], golden["layers_a"]);
        assert_eq!(report["results"]["layers_b"], golden["layers_b"]);
        let wanted: Vec<Vec<f64>> = serde_json::from_value(entry["cka"].clone()).unwrap();
        assert_near(&matrix(&report, "cka"), &wanted, STORED);
    }
}

#[test]
fn of_layers_are_compared() {
    check("features", 1);
}

#[test]
fn of_feature_maps_are_compared() {
    check("maps", 3);
}

#[test]
fn of_one_file_are_compared_with_each_other() {
    let report = report("cka --features {measures/pair.npz}");
    assert_eq!(report["inputs"]["features"].as_array().unwrap().len(), 1);
    assert_eq!(report["results"]["layers_a"], report["results"]["layers_b"]);
    let values = matrix(&report, "cka");
    assert!((values[0][1] - 0.51346).abs() < 5e-6, "{values:?}");
    assert!((values[0][0] - 1.0).abs() < 1e-12);
    assert_eq!(report["results"]["n"], 100);
}
