//! `--precision`: models that compute less exactly are near the exact ones, said, and never taken for them.

use serde_json::Value;

use crate::check_support::{Files, TINY, refused, tiny};
use crate::support::{matrix, report, repsim, words};

/// The words of a line and more.
fn run(line: &str, more: &[&str]) -> crate::support::Run {
    repsim(words(line).into_iter().chain(more.iter().map(|word| (*word).to_owned())))
}

fn codes(report: &Value) -> Vec<&str> {
    let warnings = report["warnings"].as_array().unwrap();
    warnings.iter().map(|warning| warning["code"].as_str().unwrap()).collect()
}

/// The largest difference of two matrices, and whether `null`s are in the same places.
fn apart(a: &Value, b: &Value) -> f64 {
    let (a, b) = (matrix(a, "cka").concat(), matrix(b, "cka").concat());
    assert_eq!(a.len(), b.len());
    let off = a.iter().zip(&b).map(|(x, y)| {
        assert_eq!(x.is_nan(), y.is_nan());
        (x - y).abs()
    });
    off.filter(|off| !off.is_nan()).fold(0.0, f64::max)
}

#[test]
fn values_of_half_types_are_near_and_told() {
    let exact = tiny();
    assert_eq!(exact["settings"].get("precision"), None);
    assert!(!codes(&exact).contains(&"reduced-precision"));
    let mut before = 0.0;
    for (precision, dtype, most) in [("f16", "float16", 0.005), ("bf16", "bfloat16", 0.05)] {
        let found = report(&format!("{TINY} --precision {precision}"));
        assert_eq!(found["settings"]["precision"], precision);
        assert_eq!(found["inputs"]["models"][1]["dtype"], dtype);
        assert_eq!(codes(&found).iter().filter(|code| **code == "reduced-precision").count(), 1);
        let off = apart(&found, &exact);
        assert!(off > before && off < most, "{precision}: off by {off}");
        before = off;
        let by_type = report(&format!("{TINY} --dtype {precision}"));
        assert_eq!(found["results"], by_type["results"], "{precision}");
    }
}

#[test]
fn the_exact_one_is_what_is_taken_by_default() {
    let named = report(&format!("{TINY} --precision f32"));
    assert_eq!(named["results"], tiny()["results"]);
    assert_eq!(named["settings"], tiny()["settings"]);
}

#[test]
fn a_report_of_another_precision_is_of_other_settings() {
    let files = Files::new();
    let base = files.json("base.json", &tiny());
    let checked =
        run(TINY, &["--precision", "bf16", "--check", &base, "-o", &files.path("a.json")]);
    let told = "the setting precision is \"bf16\", in the baseline \"f32\"";
    assert!(checked.code == 2 && checked.stderr.contains(told), "{}", checked.stderr);
    let of_half = files.path("half.json");
    let line = ["--precision", "bf16", "--update-baseline", &of_half, "-o", &files.path("b.json")];
    assert_eq!(run(TINY, &line).code, 0);
    let exact = run(TINY, &["--check", &of_half, "-o", &files.path("c.json")]);
    let told = "the setting precision is \"f32\", in the baseline \"bf16\"";
    assert!(exact.code == 2 && exact.stderr.contains(told), "{}", exact.stderr);
    let same = ["--precision", "bf16", "--check", &of_half, "-o", &files.path("d.json")];
    assert_eq!(run(TINY, &same).code, 0);
}

#[test]
fn what_a_device_lacks_is_one_line() {
    let tf32 = run(TINY, &["--precision", "tf32", "--device", "cpu"]);
    refused(&tf32, &["--precision tf32", "cpu", "use --precision f32 or bf16"]);
    let twice = run(TINY, &["--precision", "bf16", "--dtype", "f64"]);
    refused(&twice, &["--precision bf16 and --dtype", "give one of them"]);
    refused(&run(TINY, &["--precision", "f8"]), &["f8", "f32, tf32, f16 or bf16"]);
    let named = "cka {draws/complex.pt} --data {draws/input.npy} --precision bf16";
    refused(&run(named, &[]), &["leave --precision out"]);
}

#[test]
fn features_that_no_model_is_run_for_are_of_none() {
    let files = Files::new();
    let folder = files.path("kept");
    let kept = "features {tiny_resnet_scripted.pt} --data {tiny_resnet.npy} --preprocess raw -l fc";
    assert_eq!(run(kept, &["-o", &folder]).code, 0);
    let rows = format!("{folder}/fc.npy");
    let arrays = run("fid", &[&rows, &rows, "--precision", "bf16"]);
    refused(&arrays, &["--precision is given", "no model runs"]);
    let arrays = run("fid", &[&rows, &rows, "--format", "json"]);
    let arrays: Value = serde_json::from_str(&arrays.stdout).unwrap();
    assert_eq!(arrays["settings"].get("precision"), None);
    for option in ["--precision=bf16", "--no-optimize", "--output-index=1", "--preprocess=raw"] {
        let told = run("fid", &[&folder, &folder, option]);
        let given = if option == "--preprocess=raw" { "--preprocess" } else { "is given" };
        refused(&told, &[given, "repsim features"]);
    }
    let told = run("cka", &[&folder, &folder, "--output-index", "1"]);
    refused(&told, &["--output-index is given", "repsim features"]);
}
