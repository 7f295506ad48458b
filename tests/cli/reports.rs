//! Reports: they validate against their schema, and say what they were made from.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{done, path, pictures, report, repsim};

fn schema(name: &str) -> Value {
    serde_json::from_str(&done(&format!("schema {name}")).stdout).unwrap()
}

/// Asserts that a report validates against its schema.
#[track_caller]
pub fn assert_valid(report: &Value, name: &str) {
    let schema = schema(name);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(report).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(report["schema"], json!({"name": name, "version": 1}));
    if !["check", "diff"].contains(&name) {
        assert_tells_its_run(report);
    }
}

/// Asserts that a report says when it was made, just now in UTC to the second, and by what command line.
#[track_caller]
fn assert_tells_its_run(report: &Value) {
    let started = report["timing"]["started"].as_str().unwrap();
    assert_eq!(started.len(), "2026-11-29T13:20:05Z".len(), "{started}");
    let ago = Timestamp::now().duration_since(started.parse().unwrap()).as_secs();
    assert!((-1..3600).contains(&ago), "{started}");
    assert!(report["command"].as_str().unwrap().starts_with("repsim "), "{}", report["command"]);
}

#[test]
fn of_comparisons_validate() {
    let lines = [
        "cka {tiny_resnet_scripted.pt} {tiny_resnet_traced.pt} --data {tiny_resnet.npy}",
        "cka {mlp.pt} --data {mlp.npz} --kernel rbf:0.4 --bias biased --estimator minibatch",
        "cka {nan_layer.pt} --data {nan_layer.npy}",
        "cka {tiny_resnet_scripted.pt} --data {tiny_resnet.npy} --reduce spatial",
        "cka {frozen.pt} --data {tiny_resnet.npy} --limit 4 --seed 1",
        "cka --features {measures/features_a.npz} {measures/features_b.npz}",
    ];
    for line in lines {
        assert_valid(&report(line), "cka");
    }
}

#[test]
fn of_layers_validate() {
    assert_valid(&report("layers {tiny_resnet_traced.pt} --input-size 3x16x16 --json"), "layers");
    assert_valid(&report("layers {control_flow.pt} --input-size 8 --json"), "layers");
}

#[test]
fn of_kept_features_validate() {
    let kept = tempfile::tempdir().unwrap();
    let folder = kept.path().display();
    done(&format!(
        "features {{tiny_resnet_scripted.pt}} --data {{tiny_resnet.npy}} -o {folder}/kept"
    ));
    let index = std::fs::read_to_string(kept.path().join("kept/features.json")).unwrap();
    assert_valid(&serde_json::from_str(&index).unwrap(), "features");
}

/// A schema that would take anything is none.
#[test]
fn of_another_shape_do_not_validate() {
    let validator = jsonschema::validator_for(&schema("cka")).unwrap();
    let mut wrong = report("cka {mlp.pt} --data {mlp.npy}");
    assert!(validator.is_valid(&wrong));
    wrong["results"]["cka"] = json!("none");
    assert!(!validator.is_valid(&wrong));
    assert!(!validator.is_valid(&json!({})));
}

#[test]
fn say_what_they_were_made_from() {
    let folder = pictures(6);
    let data = folder.path().display();
    let report = report(&format!(
        "cka {{tiny_resnet_scripted.pt}} {{tiny_resnet_traced.pt}} --data {data} --preprocess raw"
    ));
    let models = report["inputs"]["models"].as_array().unwrap();
    for (model, name) in models.iter().zip(["tiny_resnet_scripted.pt", "tiny_resnet_traced.pt"]) {
        let file = path(name);
        assert_eq!(model["path"], file.display().to_string());
        assert_eq!(model["sha256"], repsim::report::sha256_of_file(&file).unwrap());
        assert_eq!(model["frozen"], false);
        assert_eq!(model["layers"].as_array().unwrap().len(), 10);
        let bn1 = &model["layers"][1];
        assert_eq!((&bn1["name"], &bn1["type"]), (&json!("bn1"), &json!("BatchNorm2d")));
        assert_eq!((&bn1["shape"], &bn1["parameters"]), (&json!([4, 16, 16]), &json!(8)));
    }
    let input = &report["inputs"]["data"];
    assert_eq!((&input["kind"], &input["count"]), (&json!("image_folder"), &json!(6)));
    assert_eq!(input["fingerprint"].as_str().unwrap().len(), 64);
    assert_eq!(input["preprocess"].as_array().unwrap().len(), 1);
    assert_eq!(report["tool"]["name"], "repsim");
    assert!(report["tool"]["libtorch"].as_str().unwrap().starts_with("2."));
}

#[test]
fn say_what_was_found_and_how() {
    let line = "cka {tiny_resnet_scripted.pt} {tiny_resnet_traced.pt} --data {tiny_resnet.npy} \
                --layers layer? --layers-b fc --layers-b layer? --bias biased --kernel rbf:0.3";
    let report = report(line);
    let results = &report["results"];
    assert_eq!(results["layers_a"], json!(["layer1", "layer2", "layer3", "layer4"]));
    let settings = &report["settings"];
    assert_eq!((&settings["bias"], &settings["estimator"]), (&json!("biased"), &json!("full")));
    assert_eq!(settings["kernel"], json!({"name": "rbf", "fraction": 0.3}));
    assert_eq!(settings["layers"], json!(["layer?"]));
    assert_eq!(settings["layers_b"], json!(["fc", "layer?"]));
    assert_eq!(results["layers_b"], json!(["layer1", "layer2", "layer3", "layer4", "fc"]));
    assert_eq!(results["width_a"], json!([256, 96, 128, 40]));
    assert_eq!(results["width_b"], json!([256, 96, 128, 40, 6]));
    assert_eq!(results["n"], 5);
    for key in ["hsic_ab", "hsic_aa", "hsic_bb", "best_matches", "nulls", "width_b"] {
        assert!(results[key].is_array(), "{key}");
    }
    for key in ["total", "load", "decode", "wait", "forward", "measure"] {
        assert!(report["timing"][key].as_f64().unwrap() >= 0.0, "{key}");
    }
}

/// CKA is HSIC(a,b)/√(HSIC(a,a)·HSIC(b,b)) of the same report.
#[test]
fn hold_the_hsic_that_the_ratio_is_made_of() {
    let report =
        report("cka {tiny_resnet_scripted.pt} {tiny_resnet_traced.pt} --data {tiny_resnet.npy}");
    let results = &report["results"];
    let (aa, bb) = (&results["hsic_aa"], &results["hsic_bb"]);
    for i in 0..10 {
        for j in 0..10 {
            let of = |v: &Value| v.as_f64().unwrap();
            let ratio = of(&results["hsic_ab"][i][j]) / (of(&aa[i]) * of(&bb[j])).sqrt();
            assert!((ratio - of(&results["cka"][i][j])).abs() < 1e-12);
        }
    }
}

#[test]
fn name_the_best_match_of_each_layer() {
    let report = report(
        "cka {tiny_resnet_scripted.pt} {tiny_resnet_traced.pt} --data {tiny_resnet.npy} \
         --layers layer? --layers fc",
    );
    for best in report["results"]["best_matches"].as_array().unwrap() {
        assert_eq!(best["layer_a"], best["layer_b"]);
        assert!((best["cka"].as_f64().unwrap() - 1.0).abs() < 1e-6);
    }
}

#[test]
fn of_other_kinds_are_not_known() {
    let run = repsim(["schema", "fed"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("cka, compare, distance, features, fid, layers"), "{}", run.stderr);
    assert_eq!(run.stdout, "");
}
