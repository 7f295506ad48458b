//! The example models on the example images against NumPy on what PyTorch's hooks saw.

use serde_json::Value;

use crate::support::{assert_near, report};
use crate::tolerances::GOLDEN;

/// The run of the goldens with these models and this number of images.
fn golden(model_b: &str, n: u64) -> (Value, String) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/cka/cka.json");
    let json: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let list = |key: &str| {
        let values = json["preprocessing"][key].as_array().unwrap();
        values.iter().map(Value::to_string).collect::<Vec<_>>().join(",")
    };
    let steps =
        format!("--preprocess raw --channels 3 --mean {} --std {}", list("mean"), list("std"));
    let runs = json["runs"].as_array().unwrap();
    let run = runs.iter().find(|r| r["model_b"] == model_b && r["n"] == n).unwrap();
    (run.clone(), steps)
}

/// The options for what an entry was made with.
fn options(entry: &Value) -> String {
    let text = |key: &str| entry[key].as_str().unwrap();
    let batch = match entry["batch_size"].as_u64() {
        Some(size) => format!(" --batch-size {size}"),
        None => String::new(),
    };
    format!(
        "--estimator {} --bias {} --kernel {} --reduce {}{batch}",
        text("estimator"),
        text("bias"),
        text("kernel"),
        text("reduce")
    )
}

fn matrix(value: &Value) -> Vec<Vec<f64>> {
    serde_json::from_value(value.clone()).unwrap()
}

/// Runs one entry and compares its report with it; HSIC as a share of √(HSIC(a,a)·HSIC(b,b)).
fn check_entry(run: &Value, steps: &str, entry: &Value) {
    let text = |key: &str| run[key].as_str().unwrap();
    let line = format!(
        "cka {{models/{}}} {{models/{}}} --data {{images}} --layers * --layers *.* --limit {} {steps} {}",
        text("model_a"),
        text("model_b"),
        run["n"],
        options(entry)
    );
    let report = report(&line);
    let results = &report["results"];
    assert_eq!(results["layers_a"], run["layers_a"], "{line}");
    assert_eq!(results["layers_b"], run["layers_b"], "{line}");
    assert_eq!(results["n"], run["n"], "{line}");
    assert_near(&matrix(&results["cka"]), &matrix(&entry["cka"]), GOLDEN);
    let scaled = |of: &Value| scaled(&matrix(&of["hsic_ab"]), entry);
    assert_near(&scaled(results), &scaled(entry), GOLDEN);
    let own = |of: &Value, key: &str| vec![numbers(&of[key]), numbers(&entry[key])];
    for key in ["hsic_aa", "hsic_bb"] {
        let both = own(results, key);
        let ratios: Vec<f64> = both[0].iter().zip(&both[1]).map(|(f, w)| f / w).collect();
        let ones = vec![1.0; ratios.len()];
        assert_near(&[ratios], &[ones], GOLDEN);
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

fn scaled(hsic: &[Vec<f64>], entry: &Value) -> Vec<Vec<f64>> {
    let (aa, bb) = (numbers(&entry["hsic_aa"]), numbers(&entry["hsic_bb"]));
    let row = |(row, a): (&Vec<f64>, &f64)| {
        row.iter().zip(&bb).map(|(v, b)| v / (a * b).sqrt()).collect()
    };
    hsic.iter().zip(&aa).map(row).collect()
}

fn check(model_b: &str, n: u64) {
    let (run, steps) = golden(model_b, n);
    let entries = run["results"].as_array().unwrap();
    assert!(!entries.is_empty());
    for entry in entries {
        check_entry(&run, &steps, entry);
    }
}

#[test]
fn every_estimate_of_two_trained_networks() {
    check("fashion-seed1-traced.pt", 60);
}

#[test]
fn two_trained_networks_on_all_images() {
    check("fashion-seed1-traced.pt", 500);
}

#[test]
fn a_trained_network_and_one_that_was_not() {
    check("fashion-untrained-scripted.pt", 500);
}
