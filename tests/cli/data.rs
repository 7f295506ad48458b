//! Data on the command line: folders, arrays, subsets, files that cannot be read.

use std::fs;

use serde_json::{Value, json};

use crate::support::{assert_same_cka, done, matrix, path, pictures, report, repsim, words};
use crate::tolerances::SAME;

const TINY: &str = "cka {tiny_resnet_scripted.pt} --preprocess raw --layers layer? --layers fc";

/// Pictures of which one is not a picture.
fn damaged() -> tempfile::TempDir {
    let folder = pictures(9);
    let file = folder.path().join("even/004.png");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    folder
}

#[test]
fn a_file_that_cannot_be_decoded_is_named() {
    let folder = damaged();
    let run = repsim(words(&format!("{TINY} --data {}", folder.path().display())));
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("even/004.png"), "{}", run.stderr);
    assert!(run.stderr.contains("--skip-unreadable"), "{}", run.stderr);
    assert_eq!(run.stdout, "");
}

#[test]
fn files_that_cannot_be_decoded_are_skipped_and_listed() {
    let folder = damaged();
    let line = format!("{TINY} --data {} --skip-unreadable", folder.path().display());
    let run = done(&line);
    let skipping: Value = serde_json::from_str(&run.stdout).unwrap();
    let data = &skipping["inputs"]["data"];
    assert_eq!(data["count"], 8);
    assert_eq!(data["skipped"].as_array().unwrap().len(), 1);
    assert_eq!(data["skipped"][0]["name"], "even/004.png");
    assert!(!data["skipped"][0]["reason"].as_str().unwrap().is_empty());
    assert_eq!(skipping["results"]["n"], 8);
    assert!(run.stderr.contains("warning: 1 unreadable file"), "{}", run.stderr);
    fs::remove_file(folder.path().join("even/004.png")).unwrap();
    let without = report(&format!("{TINY} --data {}", folder.path().display()));
    assert_same_cka(&skipping, &without, SAME);
    assert_eq!(data["fingerprint"], without["inputs"]["data"]["fingerprint"]);
}

/// So many samples are read in random order.
#[test]
fn files_that_are_left_out_are_listed_in_the_order_of_the_data() {
    let folder = pictures(516);
    let damaged = ["even/002.png", "even/100.png", "odd/003.png", "odd/515.png"];
    damaged.iter().for_each(|name| fs::write(folder.path().join(name), "no picture").unwrap());
    let line = format!("{TINY} --layers fc --data {} --skip-unreadable", folder.path().display());
    let found = report(&format!("{line} --kernel rbf --memory 1MiB --batch-size 256"));
    assert_eq!(found["settings"]["hsic_batch"], 256);
    let skipped = found["inputs"]["data"]["skipped"].as_array().unwrap();
    assert_eq!(skipped.iter().map(|file| &file["name"]).collect::<Vec<_>>(), damaged);
    assert_eq!(found["results"]["n"], 512);
}

#[test]
fn an_array_is_read_from_every_kind_of_file() {
    let expected = report("cka {mlp.pt} --data {mlp.npy}");
    for (file, kind) in [("mlp.npz", "npz"), ("mlp_input.safetensors", "safetensors")] {
        let found = report(&format!("cka {{mlp.pt}} --data {{{file}}}"));
        assert_eq!(found["inputs"]["data"]["kind"], kind);
        assert_eq!(found["results"], expected["results"]);
    }
    assert_eq!(expected["inputs"]["data"]["count"], 12);
}

#[test]
fn a_seed_takes_a_random_subset() {
    let line =
        |options: &str| report(&format!("cka {{mlp.pt}} --data {{mlp.npy}} --limit 6 {options}"));
    let (first, one, two) = (line(""), line("--seed 1"), line("--seed 2"));
    assert_eq!(line("--seed 1")["results"], one["results"]);
    assert_ne!(one["results"], two["results"]);
    assert_ne!(one["results"], first["results"]);
    assert_eq!((&one["settings"]["seed"], &one["settings"]["limit"]), (&json!(1), &json!(6)));
    assert_eq!(one["results"]["n"], 6);
}

#[test]
fn a_limit_above_the_count_is_all() {
    let all = report("cka {mlp.pt} --data {mlp.npy}");
    let more = report("cka {mlp.pt} --data {mlp.npy} --limit 1000");
    assert_eq!(all["results"], more["results"]);
}

/// A and B each prepared in its own way: the same network is then not quite the same.
#[test]
fn each_model_can_have_its_own_preprocessing() {
    let folder = pictures(10);
    let line = format!(
        "{} --data {}",
        TINY.replace("cka", "cka {tiny_resnet_scripted.pt}"),
        folder.path().display()
    );
    let same = report(&line);
    let other = report(&format!("{line} --mean-b 0.5 --std-b 0.2"));
    assert_eq!(same["inputs"]["data"]["preprocess"].as_array().unwrap().len(), 1);
    assert_eq!(other["inputs"]["data"]["preprocess"].as_array().unwrap().len(), 2);
    for (i, row) in matrix(&same, "cka").iter().enumerate() {
        assert!((row[i] - 1.0).abs() < SAME);
    }
    assert!(matrix(&other, "cka").iter().enumerate().any(|(i, row)| (row[i] - 1.0).abs() > 1e-3));
}

/// What the help names for `--channels` is understood, and is what the report says.
#[test]
fn channels_have_the_names_that_the_help_gives() {
    let folder = pictures(6);
    for name in ["rgb", "keep"] {
        let line = format!("{TINY} --data {} --channels {name}", folder.path().display());
        assert_eq!(report(&line)["inputs"]["data"]["preprocess"][0]["channels"], name);
    }
}

/// As for a network whose input is not an image, from start to end.
#[test]
fn networks_with_branches_and_frozen_ones_run() {
    let report_of = |line: &str| report(line)["results"]["layers_a"].clone();
    let flow = report_of("cka {control_flow.pt} --data {control_flow.npy}");
    assert_eq!(flow.as_array().unwrap().len(), 13);
    let frozen = report_of("cka {frozen.pt} --data {tiny_resnet.npy}");
    assert_eq!(frozen.as_array().unwrap().len(), 29);
}

/// The frozen network's convolution is the plain one's batch norm.
#[test]
fn a_frozen_network_is_compared_with_its_origin() {
    let report = report(
        "cka {tiny_resnet_traced.pt} {frozen.pt} --data {tiny_resnet.npy} \
                         --layers bn1 --layers layer4 --layers-b conv2d.1 --layers-b relu.9",
    );
    for (i, row) in matrix(&report, "cka").iter().enumerate() {
        assert!((row[i] - 1.0).abs() < 1e-5, "{row:?}");
    }
    assert!(path("frozen.pt").exists());
}

#[test]
fn batches_of_samples_in_the_order_of_their_classes_are_warned_of() {
    let folder = pictures(24);
    for (how, warned) in [("minibatch --batch-size 6", true), ("full", false), ("auto", false)] {
        let line = format!("{TINY} --data {} --estimator {how}", folder.path().display());
        let found = report(&line);
        let warnings = found["warnings"].as_array().unwrap();
        let says = warnings.iter().any(|warning| warning["code"] == "classes-in-order");
        assert_eq!(says, warned, "{how}: {warnings:?}");
    }
}
