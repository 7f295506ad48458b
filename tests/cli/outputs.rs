//! What two models say of the same samples, held against each other by `repsim compare`.

use serde_json::{Value, json};

use crate::accuracy::{accuracies, run};
use crate::reports::assert_valid;
use crate::support::{path, repsim, words};

const LAYER: &str = "--measures cka --layers layer";

fn outputs(report: &Value) -> &Value {
    &report["results"]["outputs"]
}

/// The row of a measure.
fn measure<'v>(report: &'v Value, name: &str) -> &'v Value {
    let rows = outputs(report)["measures"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == name).unwrap()
}

fn value(report: &Value, name: &str) -> f64 {
    measure(report, name)["value"].as_f64().unwrap()
}

fn stored(line: &str) -> Value {
    run(&format!("compare --features {line}")).1
}

#[test]
fn of_stored_logits_the_values_of_resi() {
    let golden = std::fs::read_to_string(path("outputs/outputs.json")).unwrap();
    let golden: Value = serde_json::from_str(&golden).unwrap();
    let report = stored(&format!("{{outputs/a.npz}} {{outputs/b.npz}} {LAYER}"));
    assert_valid(&report, "compare");
    for name in ["disagreement", "jensen-shannon"] {
        let wanted = golden[name].as_f64().unwrap();
        assert!((value(&report, name) - wanted).abs() < 1e-12, "{name}");
    }
    assert_eq!(outputs(&report)["forms"], json!(["logits", "logits"]));
    let reason = measure(&report, "accuracy-difference")["reason"].as_str().unwrap();
    assert!(reason.contains("classes of the samples are not known"), "{reason}");
    // The same outputs behind a softmax.
    let softmax = stored(&format!("{{outputs/a.npz}} {{outputs/c.npz}} {LAYER}"));
    assert_eq!(outputs(&softmax)["forms"], json!(["logits", "probabilities"]));
    for name in ["disagreement", "jensen-shannon"] {
        assert!((value(&softmax, name) - value(&report, name)).abs() < 1e-12, "{name}");
    }
    let none = stored("{similarity/layers.npz} {similarity/layers.npz} --measures cka");
    assert!(none["results"].get("outputs").is_none());
}

/// Two models that run, folders of their features, and one of each.
#[test]
fn of_models_and_of_their_features_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let seeds = ["fashion-seed0-scripted.pt", "fashion-seed1-traced.pt"];
    let data =
        "--data {images} --limit 60 --preprocess raw --channels 3 --mean 0.2860 --std 0.3530";
    let mut models = vec![];
    for (i, seed) in seeds.iter().enumerate() {
        let kept = folder.path().join(i.to_string());
        let line = format!("features {{models/{seed}}} {data} --layers layer4 -o");
        let mut arguments = words(&line);
        arguments.push(kept.display().to_string());
        assert_eq!(repsim(arguments).code, 0);
        models.push([format!("{{models/{seed}}}"), kept.display().to_string()]);
    }
    let compare = |a: &str, b: &str, rest: &str| {
        run(&format!("compare {a} {b} --layers layer4 --measures cka {rest}")).1
    };
    let ran = compare(&models[0][0], &models[1][0], data);
    assert_valid(&ran, "compare");
    let shares: Vec<f64> =
        accuracies(&ran).iter().map(|found| found["accuracy"].as_f64().unwrap()).collect();
    assert_eq!(outputs(&ran)["accuracies"], json!(shares));
    let apart = (shares[0] - shares[1]).abs();
    assert!((value(&ran, "accuracy-difference") - apart).abs() < 1e-12);
    let disagreement = value(&ran, "disagreement");
    assert!(apart <= disagreement && disagreement > 0.0 && disagreement < 0.5, "{disagreement}");
    for row in outputs(&ran)["measures"].as_array().unwrap() {
        let ends: (f64, f64) = serde_json::from_value(row["interval"].clone()).unwrap();
        let value = row["value"].as_f64().unwrap();
        assert!(ends.0 <= value && value <= ends.1 && ends.0 < ends.1, "{row}");
    }
    let kept = compare(&models[0][1], &models[1][1], "");
    assert_eq!(outputs(&kept), outputs(&ran));
    let beside = compare(&models[0][1], &models[1][0], data);
    assert_eq!(outputs(&beside), outputs(&ran));
}

#[test]
fn a_policy_holds_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let [report, policy] = ["out.json", "policy.toml"].map(|name| folder.path().join(name));
    let report = report.display().to_string();
    let line =
        format!("compare --features {{outputs/a.npz}} {{outputs/b.npz}} {LAYER} -o {report}");
    assert_eq!(repsim(words(&line)).code, 0);
    for (rule, code) in [
        ("disagreement <= 0.5", 0),
        ("jensen-shannon <= 0.1", 1),
        ("accuracy-difference <= 0.1", 2),
        ("disagrement <= 0.1", 2),
    ] {
        std::fs::write(&policy, format!("version = 1\nrules = ['{rule}']\n")).unwrap();
        let run = repsim(["check", &report, "--policy", &policy.display().to_string()]);
        assert_eq!(run.code, code, "{rule}: {} {}", run.stdout, run.stderr);
    }
}

/// A model is its own copy, behind a softmax too; where the outputs differ in number, or are no classes, that is said.
#[test]
fn what_cannot_be_compared_says_why() {
    let data = "--data {careless/images.npz} --measures cka";
    let copy =
        run(&format!("compare {{careless/logits.pt}} {{careless/probabilities.pt}} {data}")).1;
    assert_eq!(value(&copy, "disagreement"), 0.0);
    assert!(value(&copy, "jensen-shannon") < 1e-9);
    let reason = measure(&copy, "min-max-disagreement")["reason"].clone();
    assert_eq!(reason, Value::Null, "two models that are wrong alike have bounds");
    assert_eq!(value(&copy, "min-max-disagreement"), 0.0);
    let other = run(&format!("compare {{careless/logits.pt}} {{careless/dictionary.pt}} {data}")).1;
    for row in outputs(&other)["measures"].as_array().unwrap() {
        assert!(row["reason"].as_str().unwrap().contains("--output-index"), "{row}");
    }
    let alone = run(&format!("compare {{careless/logits.pt}} {data}")).1;
    assert!(alone["results"].get("outputs").is_none());
}
