//! Quantised networks, layers that are functions of weights, networks that count their batch, outputs of other
//! names.

use std::path::Path;

use ndarray::{ArrayD, IxDyn};
use ndarray_npy::write_npy;
use serde_json::Value;

use crate::support::{matrix, path, report, repsim, words};

/// Of inputs that float32 rounds.
const SINGLE: f64 = 1e-5;

fn cases() -> Value {
    serde_json::from_str(&std::fs::read_to_string(path("quantized/cases.json")).unwrap()).unwrap()
}

/// The input of a case in a file.
fn data(folder: &Path, case: &str) -> String {
    let given = cases()[case]["input"].clone();
    let numbers = |value: &Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    };
    let shape: Vec<usize> = numbers(&given["shape"]).into_iter().map(|v| v as usize).collect();
    let values = numbers(&given["values"]).into_iter().map(|v| v as f32).collect();
    let file = folder.join(format!("{case}.npy"));
    write_npy(&file, &ArrayD::from_shape_vec(IxDyn(&shape), values).unwrap()).unwrap();
    file.display().to_string()
}

#[test]
fn a_float_and_an_int8_network_are_compared_layer_by_layer() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(folder.path(), "float");
    let layers = "--layers conv --layers relu --layers fc";
    let line = format!("cka {{quantized/float.pt}} {{quantized/static.pt}} --data {data} {layers}");
    let found = matrix(&report(&line), "cka");
    let golden = &cases()["cka"];
    for (place, name) in ["conv", "relu", "fc"].into_iter().enumerate() {
        let (found, wanted) = (found[place][place], golden[name].as_f64().unwrap());
        assert!((found - wanted).abs() <= SINGLE, "{name}: {found}, not {wanted}");
    }
}

#[test]
fn functions_of_weights_are_left_out_of_globs() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(folder.path(), "normed");
    for archive in ["normed.pt", "normed.pt2"] {
        let found = report(&format!("cka {{quantized/{archive}}} --data {data} --layers **"));
        let warnings = found["warnings"].as_array().unwrap();
        assert!(warnings.iter().any(|w| w["code"] == "layer-left-out"), "{warnings:?}");
        let layers = found["inputs"]["models"][0]["layers"].as_array().unwrap();
        let names: Vec<&str> = layers.iter().map(|l| l["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["body", "fc"], "{archive}");
    }
}

#[test]
fn networks_that_count_their_batch_are_stitched() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(folder.path(), "memory");
    for archive in ["memory.pt", "memory.pt2"] {
        let line = format!(
            "stitch {{quantized/{archive}}} --data {data} --layer-a embed --layer-b embed --fit identity"
        );
        let found = report(&line);
        assert_eq!(found["results"]["pairs"][0]["agreement"], 1.0, "{found}");
    }
}

#[test]
fn both_states_of_a_recurrent_layer_are_layers() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(folder.path(), "memory");
    let line = format!("cka {{quantized/memory.pt}} --data {data} --layers rnn:1 --layers rnn:2");
    let found = matrix(&report(&line), "cka")[0][1];
    let wanted = cases()["states"].as_f64().unwrap();
    assert!((found - wanted).abs() <= SINGLE, "{found}, not {wanted}");
}

#[test]
fn each_model_has_an_output_of_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(folder.path(), "normed");
    let line = format!(
        "stitch {{quantized/logits.pt2}} {{quantized/scores.pt2}} --data {data} --layer-a body --layer-b body"
    );
    let keys = "--output-key-a logits --output-key-b scores";
    let found = report(&format!("{line} {keys} --fit identity"));
    assert_eq!(found["results"]["pairs"][0]["agreement"], 1.0, "{found}");
    let models = found["inputs"]["models"].as_array().unwrap();
    assert_eq!(
        (&models[0]["output_key"], &models[1]["output_key"]),
        (&"logits".into(), &"scores".into())
    );
    let alone = repsim(words(&format!("{line} --output-key logits")));
    assert!(alone.code == 2 && alone.stderr.contains("has no 'logits'"), "{}", alone.stderr);
    let one = "layers {quantized/logits.pt2} --output-key-b scores";
    let one = repsim(words(one));
    assert!(one.code == 2 && one.stderr.contains("--output-key"), "{}", one.stderr);
    let equal = repsim(words(&format!("{line} --output-key-a logits --output-key-b logits")));
    let said = "has no 'logits' (features, scores); give --output-key-b one of these";
    assert!(equal.code == 2 && equal.stderr.contains(said), "{}", equal.stderr);
}
