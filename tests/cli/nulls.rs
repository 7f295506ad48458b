//! Values that there are not: `null`, a reason, a warning, and a run that is done all the same.

use serde_json::{Value, json};

use crate::support::{done, matrix, pictures, report, repsim, words};
use crate::tolerances::SAME;

fn null_count(report: &Value) -> usize {
    matrix(report, "cka").iter().flatten().filter(|v| v.is_nan()).count()
}

/// Warnings of the report with this code.
fn warnings<'a>(report: &'a Value, code: &str) -> Vec<&'a Value> {
    report["warnings"].as_array().unwrap().iter().filter(|w| w["code"] == code).collect()
}

#[test]
fn a_nan_names_layer_and_sample() {
    for options in
        ["", "--estimator minibatch", "--bias biased", "--reduce spatial", "--kernel rbf"]
    {
        let line = format!("cka {{nan_layer.pt}} --data {{nan_layer.npy}} {options}");
        let run = done(&line);
        let report: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(report["results"]["layers_a"], json!(["scale", "root", "head"]));
        assert_eq!(null_count(&report), 5, "{options}: row and column of root");
        assert_eq!(report["results"]["cka"][1], json!([null, null, null]));
        assert_eq!(report["results"]["best_matches"][1], Value::Null);
        let nulls = report["results"]["nulls"].as_array().unwrap();
        assert_eq!(nulls.len(), 1);
        assert_eq!(nulls[0]["layer_a"], "root");
        assert_eq!(nulls[0]["reason"], "NaN or infinite for sample 5");
        assert_eq!(warnings(&report, "null-layer").len(), 1);
        let said = "warning: layer root of A has no values: NaN or infinite for sample 5";
        assert!(run.stderr.contains(said), "{}", run.stderr);
    }
}

/// CKA is one measure, whichever command takes it.
#[test]
fn both_commands_say_the_same_of_a_layer_without_values() {
    let of = |line: &str| -> Value { serde_json::from_str(&done(line).stdout).unwrap() };
    let whole = "{nan_layer.pt} --data {nan_layer.npy}";
    let (cka, compare) =
        (of(&format!("cka {whole}")), of(&format!("compare {whole} --measures cka")));
    let said = |report: &Value| {
        let found = warnings(report, "null-layer");
        found.iter().map(|w| w["text"].clone()).collect::<Vec<_>>()
    };
    assert_eq!((said(&cka).len(), said(&cka)), (1, said(&compare)));
    let (one, other) = (&cka["results"], &compare["results"]["measures"][0]);
    assert_eq!(one["nulls"][0]["reason"], other["nulls"][0]["reason"]);
    for (a, row) in other["values"].as_array().unwrap().iter().enumerate() {
        for (b, value) in row.as_array().unwrap().iter().enumerate() {
            let expected = one["cka"][a][b].as_f64();
            let near = expected.zip(value.as_f64()).is_some_and(|(x, y)| (x - y).abs() < SAME);
            assert!(
                near || (expected.is_none() && value.is_null()),
                "{a}, {b}: {expected:?} {value}"
            );
        }
    }
}

#[test]
fn a_nan_in_b_names_b() {
    let line = "cka {constant_layer.pt} {nan_layer.pt} --data {nan_layer.npy} --layers head";
    let run = done(&format!("{line} --layers-b root --layers-b head"));
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let null = &report["results"]["nulls"][0];
    assert_eq!((&null["layer_a"], &null["layer_b"]), (&Value::Null, &json!("root")));
    assert!(run.stderr.contains("layer root of B"), "{}", run.stderr);
    let nothing = repsim(words(&format!("{line} --layers-b root")));
    let why = "no pair of layers has a value: layer root of B, NaN or infinite for sample 5";
    assert!(nothing.code == 2 && nothing.stderr.contains(why), "{}", nothing.stderr);
}

#[test]
fn a_constant_layer_is_told() {
    let run = done("cka {constant_layer.pt} --data {constant_layer.npy}");
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(null_count(&report), 5);
    let null = &report["results"]["nulls"][0];
    assert_eq!(null["layer_a"], "constant");
    assert!(null["reason"].as_str().unwrap().starts_with("constant"), "{null}");
    assert!(run.stderr.contains("warning: layer constant of A"), "{}", run.stderr);
}

/// A matrix without a value is not a comparison: nothing is written.
#[test]
fn too_few_samples_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.json");
    for n in 1..=3 {
        let line =
            format!("cka {{mlp.pt}} --data {{mlp.npy}} --limit {n} -q -o {}", output.display());
        let run = repsim(words(&line));
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "n = {n}");
        let why = format!("{n} samples, and the measure needs at least 4");
        assert!(run.stderr.contains("no pair of layers has a value"), "{}", run.stderr);
        assert!(run.stderr.contains(&why) && run.stderr.lines().count() == 1, "{}", run.stderr);
        assert!(!output.exists());
    }
    assert_eq!(null_count(&report("cka {mlp.pt} --data {mlp.npy} --limit 4")), 0);
}

#[test]
fn too_few_samples_for_the_biased_estimator() {
    let run = repsim(words("cka {mlp.pt} --data {mlp.npy} --limit 1 --bias biased"));
    assert!(
        run.code == 2 && run.stderr.contains("no pair of layers has a value"),
        "{}",
        run.stderr
    );
    assert_eq!(null_count(&report("cka {mlp.pt} --data {mlp.npy} --limit 2 --bias biased")), 0);
}

#[test]
fn few_samples_against_many_features_warn_of_the_bias() {
    let line = "cka {tiny_resnet_scripted.pt} --data {tiny_resnet.npy}";
    let run = done(&format!("{line} --bias biased"));
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let found = warnings(&report, "biased");
    assert_eq!(found.len(), 1);
    let text = found[0]["text"].as_str().unwrap();
    assert!(text.contains("n = 5") && text.contains("D = 1024"), "{text}");
    // 1024/(5 + 1024)
    assert!(text.contains("1.00") || text.contains("0.995"), "{text}");
    assert!(run.stderr.contains("warning: biased CKA"), "{}", run.stderr);
    let unbiased: Value = serde_json::from_str(&done(line).stdout).unwrap();
    assert!(warnings(&unbiased, "biased").is_empty());
}

#[test]
fn unequal_numbers_of_positions_have_no_value() {
    let report = report(
        "cka {tiny_resnet_scripted.pt} --data {tiny_resnet.npy} --reduce spatial \
                         --layers layer1 --layers layer2 --layers layer3",
    );
    let expected = [[false, true, true], [true, false, false], [true, false, false]];
    let found: Vec<Vec<bool>> =
        matrix(&report, "cka").iter().map(|r| r.iter().map(|v| v.is_nan()).collect()).collect();
    assert_eq!(found, expected);
    let nulls = report["results"]["nulls"].as_array().unwrap();
    assert_eq!(nulls.len(), 4);
    assert!(nulls.iter().all(|n| n["reason"].as_str().unwrap().contains("positions")));
    assert_eq!(warnings(&report, "different-positions").len(), 1);
}

/// In a folder, a sample is named by its path.
#[test]
fn samples_of_a_folder_have_names() {
    let folder = pictures(8);
    // The first convolution overflows float32 for a picture that is not black.
    let black = image::RgbImage::new(16, 16);
    for i in [0, 2, 4, 6] {
        black.save(folder.path().join(format!("even/{i:03}.png"))).unwrap();
    }
    let run = repsim(words(&format!(
        "cka {{tiny_resnet_scripted.pt}} --data {} --preprocess raw --std 1e-30 --layers conv1",
        folder.path().display()
    )));
    assert!(run.code == 2 && run.stderr.contains("sample odd/001.png"), "{}", run.stderr);
}
