//! `--check` and `--update-baseline`: one call runs, writes and checks.

use serde_json::Value;

use crate::check_support::{Files, TINY, changed, refused, rule, set, tiny, written};
use crate::fid_support::three_sets;
use crate::support::{Run, repsim, words};

/// Runs a line with more words.
fn run(line: &str, more: &[&str]) -> Run {
    repsim(words(line).into_iter().chain(more.iter().map(|w| (*w).to_owned())))
}

#[test]
fn one_call_runs_writes_and_checks() {
    let (_folder, [real, fake, _]) = three_sets();
    let saliency = "saliency {models/fashion-seed0-scripted.pt} --data {images} --limit 4 \
                    --preprocess raw --channels 3";
    let layers = "layers {tiny_resnet_scripted.pt} --input-size 3x16x16 --json";
    let fid = format!("fid {real} {fake}");
    let distance = format!("distance {real} {fake}");
    let maps = "maps {models/fashion-seed0-scripted.pt} --data {images} --limit 4 --preprocess raw \
                --channels 3";
    let compare = "compare {tiny_resnet_scripted.pt} --data {tiny_resnet.npy} --neighbours 2";
    let platonic = "platonic {tiny_resnet_scripted.pt} {tiny_resnet_traced.pt} \
                    --data {tiny_resnet.npy} --neighbours 2";
    let patterns = "patterns {patterns/a.pt} {patterns/b.pt} --data {patterns/images.npy} --preprocess raw \
                    --layer conv1 --limit 12";
    let outputs =
        "compare --features {outputs/a.npz} {outputs/b.npz} --measures cka --layers layer";
    let all = [TINY, &fid, saliency, layers, &distance, maps, compare, platonic, patterns, outputs];
    for line in all {
        let files = Files::new();
        let (base, out) = (files.path("base.json"), files.path("out.json"));
        assert_eq!(run(line, &["--update-baseline", &base, "-o", &out]).code, 0, "{line}");
        assert_eq!(files.read("base.json"), files.read("out.json"), "{line}");
        let checked = run(line, &["--check", &base, "-o", &files.path("again.json")]);
        assert_eq!(checked.code, 0, "{line}: {}", checked.stderr);
        assert!(checked.stderr.contains("passed: "), "{line}: {}", checked.stderr);
        let again: Value = serde_json::from_str(&files.read("again.json")).unwrap();
        let first: Value = serde_json::from_str(&files.read("base.json")).unwrap();
        assert_eq!(again["results"], first["results"], "{line}");
        let piped = run(line, &["--check", &base]);
        assert!(serde_json::from_str::<Value>(&piped.stdout).is_ok(), "{line}: {}", piped.stdout);
    }
}

#[test]
fn drift_is_written_and_told() {
    let files = Files::new();
    let base = changed(&tiny(), |r| set(r, "layer1", 1.5));
    let base = files.json("base.json", &base);
    let out = files.path("out.json");
    let drifted = run(TINY, &["--check", &base, "-o", &out]);
    assert_eq!((drifted.code, drifted.stdout.as_str()), (1, ""));
    assert!(drifted.stderr.contains("cka[\"layer1\"]"), "{}", drifted.stderr);
    assert!(files.read("out.json").contains("\"cka\""));
    let policy = files.text("policy.toml", &rule("diagonal >= 0.9"));
    let junit = files.path("out.xml");
    let options = ["--check", &base, "--policy", &policy, "--junit", &junit, "-o", &out];
    assert_eq!(run(TINY, &options).code, 0);
    assert!(files.read("out.xml").contains("diagonal"));
}

#[test]
fn mistakes_are_told_before_anything_runs() {
    let files = Files::new();
    let base = files.json("base.json", &tiny());
    let line = "cka /nowhere/model.pt --data /nowhere";
    let cut = files.text("cut.json", &tiny().to_string()[..99]);
    let bad = files.text("bad.toml", "version = 1\nrulez = 1");
    for (options, parts) in [
        (&["--check", "/nowhere/base.json"][..], ["/nowhere/base.json", "no such file"]),
        (&["--check", &cut], ["cut.json", "cut short"]),
        (&["--check", &base, "--policy", &bad], ["bad.toml", "did you mean rules?"]),
        (&["--check", &base, "-o", &base], ["base.json", "it is an input too"]),
        (&["--policy", &bad], ["--policy needs --check", "BASELINE.json"]),
        (&["--update-baseline", "m.pt"], ["m.pt", "end its name in .json"]),
        (&["--check", &base, "--junit", "m.pt"], ["m.pt", "end its name in .xml"]),
        (&["--update-baseline", "/nowhere/x.json"], ["/nowhere/x.json", "folder does not exist"]),
    ] {
        refused(&run(line, options), &parts);
    }
    let kind = run("layers /nowhere/model.pt", &["--check", &base]);
    refused(&kind, &["base.json", "a report of cka, and this will be one of layers"]);
    assert_eq!(run(line, &["--check", &base, "--update-baseline", &base]).code, 2);
}

#[test]
fn a_failed_run_is_no_baseline() {
    let (_folder, [real, fake, _]) = three_sets();
    let files = Files::new();
    let base = files.path("base.json");
    let line = format!("fid {real} {fake} /nowhere/x.npy");
    let failed = run(&line, &["--update-baseline", &base]);
    assert_eq!(failed.code, 2);
    assert!(failed.stderr.contains("the baseline is not updated"), "{}", failed.stderr);
    assert!(!std::path::Path::new(&base).exists());
}

#[test]
fn a_gate_and_a_check_say_the_same() {
    let files = Files::new();
    let base = files.json("base.json", &changed(&tiny(), |r| set(r, "layer2", 1.25)));
    let out = written(&files, "out.json", TINY);
    let (gate, check) = (run(TINY, &["--check", &base]), repsim(["check", &out, "-b", &base]));
    assert_eq!(gate.code, check.code);
    assert!(gate.stderr.contains(check.stdout.trim_end()), "{}\n{}", gate.stderr, check.stdout);
}
