//! Weights of checkpoints over exported architectures.

use std::fs;

use serde_json::{Value, json};

use crate::support::{assert_near, matrix, path, report, repsim, words};
use crate::tolerances::{GOLDEN, SAME};

fn golden(name: &str) -> Value {
    let text = fs::read_to_string(path("weights/weights.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()[name].clone()
}

fn numbers(table: &Value) -> Vec<Vec<f64>> {
    serde_json::from_value(table.clone()).unwrap()
}

/// CKA of the architecture with itself, with weights for both.
fn cka(weights: &str) -> String {
    let layers = golden("layers");
    let layers: Vec<String> = layers
        .as_array()
        .unwrap()
        .iter()
        .map(|l| format!("--layers {}", l.as_str().unwrap()))
        .collect();
    format!(
        "cka {{weights/arch.pt}} {{weights/arch.pt}} --data {{weights/images.npy}} --preprocess raw {} {weights}",
        layers.join(" ")
    )
}

/// A line that is refused in a line of its own with these parts.
#[track_caller]
fn refused(line: &str, parts: &[&str]) {
    let run = repsim(words(line));
    assert_eq!(run.code, 2, "{line}: {}", run.stdout);
    assert_eq!(run.stderr.trim_end().lines().count(), 1, "{}", run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "{part:?} is not in {:?}", run.stderr);
    }
}

fn codes(report: &Value) -> Vec<&str> {
    report["warnings"].as_array().unwrap().iter().map(|w| w["code"].as_str().unwrap()).collect()
}

#[test]
fn checkpoints_are_compared_as_by_pytorch() {
    let wanted = numbers(&golden("e1_e9"));
    for more in ["", "--no-optimize --batch-size 5"] {
        let found = report(&cka(&format!(
            "--weights-a {{weights/e1.pth}} --weights-b {{weights/e9.pth}} {more}"
        )));
        assert_eq!(found["results"]["layers_a"], golden("layers"));
        assert_near(&matrix(&found, "cka"), &wanted, GOLDEN);
        assert_eq!(found["warnings"], json!([]));
        let models = &found["inputs"]["models"];
        assert_eq!(models[0]["sha256"], models[1]["sha256"]);
        let (a, b) = (&models[0]["weights"], &models[1]["weights"]);
        assert_ne!(a["sha256"], b["sha256"]);
        assert!(b["path"].as_str().unwrap().ends_with("weights/e9.pth"));
        assert_eq!((&b["format"], &b["key"]), (&json!("torch-zip"), &json!(".")));
        assert_eq!((&b["tensors"], &b["files"]), (&json!(38), &json!(1)));
    }
}

/// What torch.export wrote takes the same weights.
#[test]
fn exported_programs_take_weights() {
    let line = cka("--weights-a {weights/e1.pth} --weights-b {weights/nested.ckpt}");
    let found = report(&line.replace("arch.pt}", "arch.pt2}"));
    assert_near(&matrix(&found, "cka"), &numbers(&golden("e1_e9")), GOLDEN);
    assert_eq!(found["warnings"], json!([]));
    let tied = "{weights/tied.pt2} --data {weights/sequences.npy} --preprocess raw --layers encoder \
                --layers decoder --layers fc --weights-b {weights/tied_once.safetensors}";
    let found = report(&format!("cka {{weights/tied.pt2}} {tied}"));
    assert_near(&matrix(&found, "cka"), &numbers(&golden("tied_0_9")), GOLDEN);
}

#[test]
fn every_form_gives_the_same_network() {
    let first = "--weights-a {weights/e1.pth} --weights-b";
    let wanted = report(&cka(&format!("{first} {{weights/e9.pth}}")));
    let cases = [
        ("legacy.pth", "torch-legacy", ".", Value::Null),
        ("e9.safetensors", "safetensors", ".", Value::Null),
        ("sharded", "sharded", ".", Value::Null),
        ("protocol4.bin", "torch-zip", ".", Value::Null),
        ("views.pth", "torch-zip", ".", Value::Null),
        ("untracked.pth", "torch-legacy", ".", Value::Null),
        ("compiled.pth", "torch-zip", ".", json!("without '_orig_mod.module.'")),
        ("nested.ckpt", "torch-zip", "state_dict", json!("without 'module.'")),
        ("nested_legacy.ckpt", "torch-legacy", "state_dict", json!("without 'module.'")),
    ];
    for (file, format, key, renamed) in cases {
        let found = report(&cka(&format!("{first} {{weights/{file}}}")));
        assert_eq!(found["results"], wanted["results"], "{file}");
        assert_eq!(found["warnings"], json!([]), "{file}");
        let weights = &found["inputs"]["models"][1]["weights"];
        assert_eq!((&weights["format"], &weights["key"]), (&json!(format), &json!(key)), "{file}");
        assert_eq!(weights["renamed"], renamed, "{file}");
    }
}

#[test]
fn half_precision_is_taken_as_pytorch_takes_it() {
    let found = report(&cka("--weights-a {weights/e1.pth} --weights-b {weights/half.pth}"));
    assert_near(&matrix(&found, "cka"), &numbers(&golden("e1_half")), GOLDEN);
    assert_eq!(found["warnings"], json!([]));
}

#[test]
fn one_of_two_may_keep_its_own() {
    let both = report(&cka("--weights-a {weights/e1.pth} --weights-b {weights/e1.pth}"));
    let found = matrix(&both, "cka");
    (0..found.len()).for_each(|i| assert!((found[i][i] - 1.0).abs() < SAME, "{}", found[i][i]));
    let one = report(&cka("--weights-b {weights/e1.pth}"));
    assert!(one["inputs"]["models"][0].get("weights").is_none());
    assert_ne!(matrix(&one, "cka"), found);
}

#[test]
fn a_key_says_which_of_two() {
    let first = "--weights-a {weights/e1.pth} --weights-b {weights/two.pth}";
    refused(&cka(first), &["'model', 'ema'", "--weights-key model"]);
    let two = "--weights-a {weights/two.pth} --weights-b {weights/two.pth}";
    let found = report(&cka(&format!("{two} --weights-key model --weights-key ema")));
    assert_near(&matrix(&found, "cka"), &numbers(&golden("e1_e9")), GOLDEN);
    assert_eq!(found["inputs"]["models"][1]["weights"]["key"], "ema");
    // The names of a state dict that begin alike are one too.
    let part = "--weights-a {weights/two.pth} --weights-b {weights/nested.ckpt} --weights-key model \
                --weights-key state_dict.module";
    let by_prefix = report(&cka(part));
    assert_eq!(by_prefix["results"], found["results"]);
    refused(
        &cka(&format!("{two} --weights-key teacher")),
        &["no tensors at 'teacher'", "model; ema"],
    );
}

#[test]
fn what_does_not_fit_is_listed() {
    let of = |file: &str| cka(&format!("--weights-b {{weights/{file}}}"));
    refused(
        &of("missing.pth"),
        &["2 are missing (layer1.bn1.weight; fc.bias)", "--partial-weights", "arch.pt"],
    );
    refused(
        &of("misshapen.pth"),
        &["fc.weight is 7×24, in the model 5×24", "1 is not in the model (aux.weight)"],
    );
    refused(
        &of("tied_both.pth"),
        &["are missing (conv1.weight; ", "; …)", "of this very architecture"],
    );
    refused(&format!("{} --partial-weights", of("tied_apart.pth")), &["no tensor it fits"]);
}

#[test]
fn part_of_the_weights_is_told_of() {
    let found = report(&cka(
        "--weights-a {weights/e1.pth} --weights-b {weights/misshapen.pth} --partial-weights",
    ));
    assert_eq!(codes(&found), ["partial-weights"]);
    let text = found["warnings"][0]["text"].as_str().unwrap();
    assert!(text.contains("37 tensors") && text.contains("aux.weight"), "{text}");
    let weights = &found["inputs"]["models"][1]["weights"];
    assert_eq!((&weights["tensors"], &weights["missing"]), (&json!(37), &json!(1)));
    assert_eq!(weights["unused"], 2);
    // All layers but the last, whose weight the checkpoint has not, are those of the checkpoint.
    let (found, wanted) = (matrix(&found, "cka"), numbers(&golden("e1_e9")));
    let but_last =
        |table: &[Vec<f64>]| table.iter().map(|row| row[..5].to_vec()).collect::<Vec<_>>();
    assert_near(&but_last(&found), &but_last(&wanted), GOLDEN);
    assert!((found[5][5] - wanted[5][5]).abs() > 100.0 * GOLDEN);
}

#[test]
fn numbers_that_are_not_finite_are_told_of() {
    let line = cka("--weights-b {weights/nan.pth} --layers-b layer1");
    assert_eq!(codes(&report(&line))[0], "weights-not-finite");
}

/// The weight of two layers is one tensor; so is, beside their names, what the LSTM runs on.
#[test]
fn tied_and_flattened_weights_follow() {
    let layers = "--layers encoder --layers decoder --layers fc";
    let line = format!(
        "cka {{weights/tied.pt}} {{weights/tied.pt}} --data {{weights/sequences.npy}} --preprocess raw {layers} \
         --weights-b"
    );
    for file in ["tied_both.pth", "tied_once.safetensors"] {
        let found = report(&format!("{line} {{weights/{file}}}"));
        assert_near(&matrix(&found, "cka"), &numbers(&golden("tied_0_9")), GOLDEN);
        assert_eq!(codes(&found), ["kept-buffers"]);
        let text = found["warnings"][0]["text"].as_str().unwrap();
        assert!(text.contains("1 buffer") && text.contains(": scale"), "{text}");
    }
    refused(
        &format!("{line} {{weights/tied_apart.pth}}"),
        &["encoder.weight and decoder.weight are one tensor", "two different ones"],
    );
}

#[test]
fn frozen_archives_say_why_not() {
    refused(
        "layers {weights/arch_frozen.pt} --input-size 3x16x16 --weights {weights/e9.pth}",
        &["torch.jit.freeze", "constants of its code", "without freezing"],
    );
}

#[test]
fn a_model_in_the_place_of_weights_and_the_other_way_round() {
    refused(
        "layers {weights/arch.pt} --input-size 3x16x16 --weights {weights/arch.pt}",
        &["it is a TorchScript archive"],
    );
    refused(
        "layers {weights/e9.pth} --input-size 3x16x16",
        &["it holds weights", "--weights FILE", "--weights-a"],
    );
    refused(
        "layers {weights/e9.safetensors} --input-size 3x16x16",
        &["safetensors file", "--weights FILE"],
    );
}

#[test]
fn options_that_do_not_go_together() {
    let one = "layers {weights/arch.pt} --input-size 3x16x16";
    refused(&format!("{one} --weights-b {{weights/e9.pth}}"), &["--weights-b is for the second"]);
    refused(&format!("{one} --partial-weights"), &["none were given", "--weights"]);
    refused(
        &cka("--weights {weights/e9.pth}"),
        &["2 models were given", "--weights-a or --weights-b"],
    );
    refused(
        "cka --features {mlp.npz} --weights {weights/e9.pth}",
        &["weights were given, but --features takes no model"],
    );
    refused(
        "fid {fid/features.npz} {fid/features.npz} --weights {weights/e9.pth}",
        &["weights were given, but a run without --model"],
    );
    refused(&format!("{one} --weights nowhere.pth"), &["nowhere.pth", "no such file"]);
}

#[test]
fn layers_of_one_model_take_weights() {
    let line =
        "layers {weights/arch.pt} --input-size 3x16x16 --weights {weights/nested.ckpt} --json";
    let found = report(line);
    assert_eq!(found["inputs"]["models"][0]["weights"]["key"], "state_dict");
    assert_eq!(found["warnings"], json!([]));
}

/// Statistics that were kept of one set of weights are not taken for another.
#[test]
fn kept_statistics_know_the_weights() {
    let folder = tempfile::tempdir().unwrap();
    let line = |file: &str| {
        format!(
            "fid {{weights/images.npy}} {{axes/others.npy}} --model {{weights/arch.pt}} --layer avgpool \
             --preprocess raw --stats-cache {} --weights {{weights/{file}}}",
            folder.path().display()
        )
    };
    let fid = |report: &Value| report["results"]["candidates"][0]["fid"].as_f64().unwrap();
    let [e1, e9, again] = ["e1.pth", "e9.pth", "e1.pth"].map(|file| fid(&report(&line(file))));
    assert!((e1 - e9).abs() > 1e-3 * e1, "{e1} {e9}");
    assert_eq!(e1, again);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
}

#[test]
fn statistics_of_other_weights_are_not_compared() {
    let folder = tempfile::tempdir().unwrap();
    let stats = |file: &str| {
        let to = folder.path().join(format!("{file}.npz")).display().to_string();
        let line = format!(
            "stats {{weights/images.npy}} --output {to} --model {{weights/arch.pt}} --layer avgpool --preprocess raw \
             --weights {{weights/{file}}}"
        );
        assert_eq!(repsim(words(&line)).code, 0);
        to
    };
    let (a, b) = (stats("e1.pth"), stats("e9.pth"));
    let run = repsim(["fid", &a, &b]);
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(run.stderr.contains("with weights"), "{}", run.stderr);
}

/// Scores by other weights are scores by another extractor.
#[test]
fn a_check_tells_weights_apart() {
    let folder = tempfile::tempdir().unwrap();
    let scored = |file: &str| {
        let to = folder.path().join(format!("{file}.json")).display().to_string();
        let line = format!(
            "fid {{weights/images.npy}} {{axes/others.npy}} --model {{weights/arch.pt}} --layer avgpool \
             --preprocess raw --weights {{weights/{file}}} --output {to}"
        );
        assert_eq!(repsim(words(&line)).code, 0);
        to
    };
    let [e1, e9] = ["e1.pth", "e9.pth"].map(scored);
    assert_eq!(repsim(["check", &e1, "--baseline", &e1]).code, 0);
    let run = repsim(["check", &e9, "--baseline", &e1]);
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(
        format!("{}{}", run.stdout, run.stderr).contains("feature extractor"),
        "{}",
        run.stdout
    );
}

/// Commands that load a model again, or several times, take the same weights each time.
#[test]
fn models_that_are_loaded_again_get_their_weights_again() {
    let line = |file: &str| {
        format!(
            "saliency {{weights/arch.pt}} --data {{weights/images.npy}} --preprocess raw --limit 2 --sanity \
             --method gradient --weights {{weights/{file}}} --output -"
        )
    };
    let [one, other] = ["e9.pth", "legacy.pth"].map(|file| report(&line(file)));
    assert_eq!(one["results"]["sanity"], other["results"]["sanity"]);
    assert_ne!(one["results"]["sanity"], report(&line("e1.pth"))["results"]["sanity"]);
}

#[test]
fn many_models_get_theirs_in_turn() {
    let model = "{weights/arch.pt}";
    let found = report(&format!(
        "platonic {model} {model} {model} --data {{weights/images.npy}} --preprocess raw --layer avgpool \
         --weights {{weights/e1.pth}} --weights none --weights {{weights/nested.ckpt}} --output -"
    ));
    let models = found["inputs"]["models"].as_array().unwrap();
    let keys: Vec<_> = models.iter().map(|model| model["weights"]["key"].as_str()).collect();
    assert_eq!(keys, [Some("."), None, Some("state_dict")]);
    let text = found["results"].to_string();
    assert!(["e1.pth", "arch.pt", "nested.ckpt"].iter().all(|name| text.contains(name)), "{text}");
}

#[test]
fn a_network_is_stitched_to_itself_with_its_weights() {
    let found = report(
        "stitch {weights/arch.pt} {weights/arch.pt} --data {weights/images.npy} --preprocess raw \
         --layers layer1 --fit identity --weights-a {weights/e9.pth} --weights-b {weights/legacy.pth} --output -",
    );
    let text = found["inputs"]["models"].to_string();
    assert!(text.contains("legacy.pth") && text.contains("e9.pth"), "{text}");
}
