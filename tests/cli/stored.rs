//! Stored features: what options mean nothing beside them, the classes and logits that lie with them, and how much memory
//! and time measures of them take.

use std::fs::File;
use std::path::Path;

use ndarray::{Array1, Array2};
use ndarray_npy::NpzWriter;
use serde_json::Value;

use crate::reports::assert_valid;
use crate::support::{done, path, report, repsim, words};

/// Numbers around zero that depend on their place.
fn noise(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    Array2::from_shape_fn((rows, columns), |(i, j)| {
        let mixed = (i as u64 * 7919 + j as u64 * 104_729 + seed * 1_299_709 + 1)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((mixed ^ (mixed >> 29)) >> 40) as f64 / f64::from(1 << 23) - 1.0
    })
}

/// Writes features x and y, with classes and logits where there are any, and gives the path.
fn npz(folder: &Path, name: &str, x: &Array2<f64>, beside: Option<(&[i64], f64)>) -> String {
    let file = folder.join(name);
    let mut writer = NpzWriter::new(File::create(&file).unwrap());
    writer.add_array("x", x).unwrap();
    if let Some((labels, strength)) = beside {
        writer.add_array("labels", &Array1::from(labels.to_vec())).unwrap();
        let mut logits = noise(labels.len(), 3, 9);
        for (mut row, label) in logits.rows_mut().into_iter().zip(labels) {
            row[*label as usize] += strength;
        }
        writer.add_array("logits", &logits).unwrap();
    }
    writer.finish().unwrap();
    file.display().to_string()
}

#[track_caller]
fn fails(line: &str, parts: &[&str]) {
    let run = repsim(words(line));
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{line}\n{}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 1, "{line}\n{}", run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "{line}: {part:?} is not in {}", run.stderr);
    }
}

fn null(value: &Value) -> String {
    value["nulls"].to_string()
}

#[test]
fn what_is_said_of_networks_is_refused_where_none_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = npz(folder.path(), "a.npz", &noise(12, 3, 0), None);
    let of_models =
        ["--device cpu", "--precision bf16", "--dtype f64", "--keep-state", "--draw-seed 1"];
    let of_samples = ["--workers 2", "--tokenizer t.json", "--limit 3", "--resize 8"];
    for command in ["cka", "compare", "platonic", "probe"] {
        for option in of_models.iter().chain(&of_samples) {
            let what = option.split(' ').next().unwrap();
            let part = if ["--limit", "--resize", "--workers"].contains(&what) {
                "options for images"
            } else {
                what
            };
            fails(&format!("{command} --features {file} {option}"), &[part, "--features", "leave"]);
        }
    }
    for command in ["compare", "platonic"] {
        fails(
            &format!("{command} --features {file} --batch-size 4"),
            &["--batch-size", "leave it out"],
        );
    }
    // Rows of the minibatch estimator are a batch.
    let found = report(&format!("cka --features {file} --estimator minibatch --batch-size 4"));
    assert_eq!(found["settings"]["batch_size"], 4);
    fails(&format!("fid {file} {file} --device cpu"), &["--device", "no model runs", "--model"]);
    fails(&format!("fid {file} {file} --resize 8"), &["holds features, not images"]);
    let run = done(&format!("fid {file} {file} --batch-size 4"));
    assert!(run.stderr.contains("--batch-size was given and not used"), "{}", run.stderr);
}

#[test]
fn classes_beside_features_are_no_layer_and_judge_the_logits() {
    let folder = tempfile::tempdir().unwrap();
    let labels: Vec<i64> = (0..30).map(|i| i % 3).collect();
    let beside = Some((labels.as_slice(), 5.0));
    let a = npz(folder.path(), "a.npz", &noise(30, 4, 0), beside);
    let b = npz(folder.path(), "b.npz", &noise(30, 4, 1), Some((&labels, 0.3)));
    let found = report(&format!("compare --features {a} {b} --measures procrustes"));
    assert_valid(&found, "compare");
    assert_eq!(found["results"]["layers_a"], serde_json::json!(["x", "logits"]));
    let separation = found["results"]["layers"][1]["class_separation"].as_f64().unwrap();
    assert!(separation > 0.5, "{separation}");
    let accuracies = &found["results"]["outputs"]["accuracies"];
    assert_eq!(accuracies[0], 1.0);
    let second = accuracies[1].as_f64().unwrap();
    let run = done(&format!("cka --features {a} {b} -f csv"));
    assert!(run.stderr.contains("the classes of the samples, and no layer"), "{}", run.stderr);
    assert!(!run.stdout.contains("labels"), "{}", run.stdout);
    // Named, they are a layer as any other.
    let named = report(&format!("cka --features {a} --layers labels --layers x"));
    assert_eq!(named["results"]["layers_a"].as_array().unwrap().len(), 2);
    // What is called so and holds no classes is a layer.
    let file = folder.path().join("d.npz");
    let mut writer = NpzWriter::new(File::create(&file).unwrap());
    writer.add_array("x", &noise(30, 4, 0)).unwrap();
    writer.add_array("labels", &noise(30, 2, 1)).unwrap();
    writer.finish().unwrap();
    let found = report(&format!("cka --features {}", file.display()));
    assert_eq!(found["results"]["layers_a"], serde_json::json!(["x", "labels"]));
    let probed = report(&format!("probe --features {b} --probe nearest-mean"));
    assert_eq!(probed["results"]["models"][0]["accuracy"], second);
    let aligned = report(&format!("platonic --features {a} {b} --layers x"));
    let right =
        aligned["results"]["models"].as_array().unwrap().iter().map(|m| m["accuracy"].clone());
    assert_eq!(right.collect::<Vec<_>>(), [Value::from(1.0), Value::from(second)]);
    // A set of samples: classes and logits beside the one array of features.
    let found = report(&format!("fid {a} {b} --metrics class-fid,isc --isc-splits 2"));
    let found = &found["results"]["candidates"][0];
    assert!(found["class_fid"].is_number() && found["isc"].as_f64().unwrap() > 1.0, "{found}");
    let other: Vec<i64> = labels.iter().map(|label| 2 - label).collect();
    let c = npz(folder.path(), "c.npz", &noise(30, 4, 1), Some((&other, 1.0)));
    fails(&format!("compare --features {a} {c}"), &["c.npz", "labels are not those of"]);
}

#[test]
fn measures_of_directions_and_angles_need_no_matrix_over_the_samples() {
    let folder = tempfile::tempdir().unwrap();
    let file = npz(folder.path(), "a.npz", &noise(2000, 3, 0), None);
    let line = format!("compare --features {file} --memory 3MiB --measures");
    let found = report(&format!("{line} aligned-cosine,mutual-knn,procrustes"));
    let value = |i: usize| found["results"]["measures"][i]["values"][0][0].as_f64().unwrap();
    assert!((0..2).all(|i| (value(i) - 1.0).abs() < 1e-9) && value(2).abs() < 1e-9);
    fails(&format!("{line} second-order-cosine"), &["2000 samples", "--memory is 3", "--limit"]);
}

#[test]
fn units_are_matched_up_to_a_number_that_is_said_before() {
    let folder = tempfile::tempdir().unwrap();
    let file = npz(folder.path(), "a.npz", &noise(8, 2049, 0), None);
    let run =
        done(&format!("compare --features {file} --measures hard-correlation,soft-matching,cka"));
    let said = "hard-correlation, soft-matching: no value for 1 of 1 layer, which have more than 2048 units";
    assert!(run.stderr.contains(said) && run.stderr.contains("--reduce gap"), "{}", run.stderr);
    let found: Value = serde_json::from_str(&run.stdout).unwrap();
    let measures = found["results"]["measures"].as_array().unwrap();
    assert!(
        null(&measures[0]).contains("2049 features") && null(&measures[1]).contains("up to 2048")
    );
    assert!(measures[2]["values"][0][0].is_number());
    fails(&format!("compare --features {file} --pca -1"), &["invalid value '-1' for '--pca <K>'"]);
    let line = format!("compare --features {file} --measures hard-correlation,cka --pca 4");
    let run = done(&line);
    assert!(!run.stderr.contains("no value"), "{}", run.stderr);
}

#[test]
fn few_samples_for_the_directions_are_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = [0, 1].map(|i| npz(folder.path(), &format!("{i}.npz"), &noise(90, 10, i), None));
    let line =
        format!("compare --features {a} {b} --measures cca-r2,pwcca,linear-regression,procrustes");
    let warned = |line: &str| -> Vec<String> {
        let found = report(line);
        let all = found["warnings"].as_array().unwrap().iter();
        all.filter(|w| w["code"] == "biased-estimate").map(|w| w["text"].to_string()).collect()
    };
    let found = warned(&line);
    assert_eq!(found.len(), 1, "{found:?}");
    for part in ["cca-r2, pwcca, linear-regression find", "90 samples", "2 of 2 layers (up to 10)"]
    {
        assert!(found[0].contains(part), "{found:?}");
    }
    let found = warned(&format!("{line} --subsamples 20"));
    assert!(found[0].contains("procrustes") && found[0].contains("an interval says"), "{found:?}");
    assert!(warned(&format!("{line} --pca 9")).is_empty());
    assert!(warned(&format!("compare --features {a} {b} --measures procrustes,cka")).is_empty());
}

/// Only the spatial layer is measured: the other may be as wide as it likes.
#[test]
fn sfid_alone_takes_no_covariance_of_the_other_layer() {
    let sets = format!("{0} {0}", path("tiny_resnet.npy").display());
    let line = format!(
        "fid {sets} --model {{tiny_resnet_scripted.pt}} --preprocess raw --layers layer1 --reduce flatten \
         --sfid-layer layer4 --sfid-channels 2 --memory 8KiB --metrics"
    );
    let found = report(&format!("{line} sfid"));
    assert!(found["results"]["candidates"][0]["sfid"].as_f64().unwrap().abs() < 1e-6);
    let run = repsim(words(&format!("{line} sfid,fid")));
    assert!(run.code == 2 && run.stderr.contains("--memory has"), "{}", run.stderr);
}

/// The page, the terminal and files for programs read the same columns.
#[test]
fn scores_have_the_same_columns_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let file = npz(folder.path(), "a.npz", &noise(40, 3, 0), None);
    let line =
        format!("fid {file} {file} --metrics fid,kid,prdc --kid-subset-size 10 --kid-subsets 3");
    let csv = done(&format!("{line} -f csv")).stdout;
    let csv: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    let json = folder.path().join("r.json").display().to_string();
    done(&format!("{line} -o {json}"));
    let page = done(&format!("report {json} -o -")).stdout;
    let all = |name: &str| -> Vec<&str> {
        page.split(name).skip(1).filter_map(|rest| rest.split('"').next()).collect()
    };
    let mut saved = ["candidate", "n"].to_vec();
    saved.extend(all("data-id=\""));
    assert_eq!(all("data-beside=\""), ["kid_std"]);
    saved.insert(6, "kid_std");
    assert_eq!(csv[..csv.len() - 1], saved);
    let table = done(&format!("{line} -f md")).stdout;
    let titles: Vec<&str> = table.lines().next().unwrap().split('|').map(str::trim).collect();
    for title in titles.iter().filter(|title| !title.is_empty() && !title.ends_with('±')) {
        assert!(page.contains(&format!(">{title}</th>")), "{title} is not in the page");
    }
}
