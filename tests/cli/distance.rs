//! `repsim distance`: values of reference implementations, predictions, and mistakes.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, s};
use ndarray_npy::{NpzReader, NpzWriter};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{path, repsim, words};

const MODEL: &str = "--model {models/fashion-seed0-scripted.pt} --preprocess raw --channels 3 \
                     --mean 0.2860 --std 0.3530";

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fid").join(name)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// The golden features as files of their own: the reference with its labels, and the data.
fn features(folder: &Path) -> (PathBuf, PathBuf) {
    let mut stored = NpzReader::new(fs::File::open(golden("distance.npz")).unwrap()).unwrap();
    let mut floats = |name: &str| -> Array2<f64> {
        let found: Result<Array2<f64>, _> = stored.by_name(name);
        found.unwrap_or_else(|_| {
            let found: Array2<f32> = stored.by_name(name).unwrap();
            found.mapv(f64::from)
        })
    };
    let (reference, data) = (floats("reference"), floats("data"));
    let labels: Array1<i64> = stored.by_name("reference_labels").unwrap();
    let (a, b) = (folder.join("reference.npz"), folder.join("data.npy"));
    let mut file = NpzWriter::new(fs::File::create(&a).unwrap());
    file.add_array("features", &reference).unwrap();
    file.add_array("labels", &labels).unwrap();
    file.finish().unwrap();
    ndarray_npy::write_npy(&b, &data).unwrap();
    (a, b)
}

/// Two folders of example images: those of odd and of even numbers within each class.
fn halves(folder: &Path) -> (PathBuf, PathBuf) {
    let sides = (folder.join("odd"), folder.join("even"));
    for class in fs::read_dir(path("images")).unwrap().map(|e| e.unwrap().path()) {
        let mut files: Vec<_> = fs::read_dir(&class).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        for (i, file) in files.iter().enumerate().take(40) {
            let side = if i % 2 == 0 { &sides.0 } else { &sides.1 };
            let into = side.join(class.file_name().unwrap());
            fs::create_dir_all(&into).unwrap();
            fs::copy(file, into.join(file.file_name().unwrap())).unwrap();
        }
    }
    sides
}

fn rows(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn features_give_what_scikit_learn_gives() {
    let folder = TempDir::new().unwrap();
    let (reference, data) = features(folder.path());
    let per_sample = folder.path().join("rows.jsonl");
    let run = repsim([
        "distance".as_ref(),
        reference.as_os_str(),
        data.as_os_str(),
        "--per-sample".as_ref(),
        per_sample.as_os_str(),
    ]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let expected = json(&golden("distance.json"));
    let found = &report["results"]["mahalanobis"];
    let shrinkage = found["shrinkage"].as_f64().unwrap();
    let wanted = expected["within"]["shrinkage"].as_f64().unwrap();
    assert!((shrinkage / wanted - 1.0).abs() < 1e-9, "{shrinkage} for {wanted}");
    let rows = rows(&per_sample);
    for (field, wanted) in [
        ("mahalanobis", numbers(&expected["mahalanobis_class"])),
        ("neighbour", numbers(&expected["neighbour"]["distances"])),
    ] {
        assert_eq!(rows.len(), wanted.len());
        for (row, wanted) in rows.iter().zip(wanted) {
            let value = row[field].as_f64().unwrap();
            assert!((value / wanted - 1.0).abs() < 1e-9, "{field}: {value} for {wanted}");
        }
    }
    let nearest: Vec<&str> = rows.iter().map(|r| r["nearest_class"].as_str().unwrap()).collect();
    let wanted = numbers(&expected["nearest_class"]);
    assert_eq!(nearest, wanted.iter().map(|c| format!("{c}")).collect::<Vec<_>>());
    assert_eq!(report["results"]["prediction"], Value::Null);
    assert!(run.stderr.contains("nothing is said of predictions"), "{}", run.stderr);
}

#[test]
fn without_labels_one_mean_serves_all() {
    let folder = TempDir::new().unwrap();
    let (_, data) = features(folder.path());
    let mut stored = NpzReader::new(fs::File::open(golden("distance.npz")).unwrap()).unwrap();
    let reference: Result<Array2<f32>, _> = stored.by_name("reference");
    let reference = match reference {
        Ok(found) => found.mapv(f64::from),
        Err(_) => stored.by_name("reference").unwrap(),
    };
    let plain = folder.path().join("plain.npy");
    ndarray_npy::write_npy(&plain, &reference).unwrap();
    let run = repsim(["distance".as_ref(), plain.as_os_str(), data.as_os_str()]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let expected = json(&golden("distance.json"));
    let most = numbers(&expected["mahalanobis_whole"]).into_iter().fold(0.0, f64::max);
    let found = &report["results"]["mahalanobis"];
    assert_eq!(found["covariance"], "whole");
    assert!((found["samples"]["max"].as_f64().unwrap() / most - 1.0).abs() < 1e-9);
}

/// The probability that a wrong row has the higher score, pair by pair.
fn by_pairs(rows: &[Value], score: impl Fn(&Value) -> f64) -> f64 {
    let wrong = |row: &&Value| row["correct"] == Value::Bool(false);
    let (mut sum, mut pairs) = (0.0, 0.0);
    for bad in rows.iter().filter(wrong) {
        for good in rows.iter().filter(|row| !wrong(row)) {
            let (b, g) = (score(bad), score(good));
            sum += if b > g { 1.0 } else { f64::from(b == g) / 2.0 };
            pairs += 1.0;
        }
    }
    sum / pairs
}

/// AUROC and tenths of the scores are those of the rows.
#[track_caller]
fn holds_its_rows(prediction: &Value, rows: &[Value]) {
    for (name, sign, offset) in
        [("mahalanobis", 1.0, 0.0), ("neighbour", 1.0, 0.0), ("confidence", -1.0, 1.0)]
    {
        let expected = by_pairs(rows, |row| offset + sign * row[name].as_f64().unwrap());
        let found = prediction["auroc"][name].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-12, "{name}: {found} for {expected}");
        assert!(found > 0.6, "{name} says nothing: {found}");
        let groups = prediction["deciles"][name].as_array().unwrap();
        let counts: u64 = groups.iter().map(|g| g["count"].as_u64().unwrap()).sum();
        assert_eq!((groups.len(), counts), (10, 200));
    }
}

#[test]
fn predictions_are_held_against_distance() {
    let folder = TempDir::new().unwrap();
    let (reference, data) = halves(folder.path());
    let (per_sample, csv, plot) = (
        folder.path().join("rows.jsonl"),
        folder.path().join("rows.csv"),
        folder.path().join("plot.png"),
    );
    let line = |more: &str| {
        words(&format!("distance {} {} {MODEL} {more}", reference.display(), data.display()))
    };
    let more = format!("--per-sample {} --plot {}", per_sample.display(), plot.display());
    let run = repsim(line(&more));
    assert_eq!(run.code, 0, "{}", run.stderr);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let results = &report["results"];
    assert_eq!(results["classes"].as_array().unwrap().len(), 10);
    assert_eq!((results["n"].as_u64(), results["width"].as_u64()), (Some(200), Some(128)));
    let rows = rows(&per_sample);
    let wrong = rows.iter().filter(|r| r["correct"] == Value::Bool(false)).count();
    let prediction = &results["prediction"];
    assert_eq!(prediction["wrong"].as_u64(), Some(wrong as u64));
    assert_eq!(prediction["accuracy"].as_f64(), Some((200 - wrong) as f64 / 200.0));
    assert!((0.85..1.0).contains(&prediction["accuracy"].as_f64().unwrap()));
    holds_its_rows(prediction, &rows);
    assert!(fs::read(&plot).unwrap().starts_with(b"\x89PNG"));
    let again = repsim(line(&format!("--per-sample {}", csv.display())));
    let again_report: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(again_report["results"], *results);
    let text = fs::read_to_string(&csv).unwrap();
    assert!(text.starts_with(
        "sample,mahalanobis,nearest_class,neighbour,neighbour_in_class,label,predicted,correct,\
         confidence\n"
    ));
    assert_eq!(text.lines().count(), 201);
    let first: Vec<&str> = text.lines().nth(1).unwrap().split(',').collect();
    assert_eq!(first[0], rows[0]["sample"].as_str().unwrap());
    assert_eq!(first[1].parse().ok(), rows[0]["mahalanobis"].as_f64());
}

#[test]
fn data_of_some_classes_are_matched_by_name() {
    let folder = TempDir::new().unwrap();
    let (reference, data) = halves(folder.path());
    for class in ["0-t-shirt", "3-dress"] {
        fs::remove_dir_all(data.join(class)).unwrap();
    }
    let run =
        repsim(words(&format!("distance {} {} {MODEL}", reference.display(), data.display())));
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert!(report["results"]["prediction"]["accuracy"].as_f64().unwrap() > 0.85);
    let alone = repsim(words(&format!("distance {0} {0} {MODEL}", data.display())));
    assert_eq!(alone.code, 0);
    for said in ["10 logits and the data have 8 classes", "the data are the reference itself"] {
        assert!(alone.stderr.contains(said), "{}", alone.stderr);
    }
}

#[track_caller]
fn fails(arguments: &[&str], says: &str) {
    let run = repsim(arguments);
    assert_eq!(run.code, 2, "{arguments:?}");
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    assert!(run.stderr.starts_with("error: ") && run.stderr.contains(says), "{}", run.stderr);
    assert!(run.stdout.is_empty());
}

#[test]
fn mistakes_are_told() {
    let folder = TempDir::new().unwrap();
    let (reference, data) = features(folder.path());
    let (reference, data) = (reference.to_str().unwrap(), data.to_str().unwrap());
    let inside = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fails(&["distance", reference, data, "--per-sample", &inside("rows.txt")], ".jsonl or .csv");
    fails(&["distance", reference, data, "--k", "500"], "500");
    let narrow = inside("narrow.npy");
    let few: Array2<f64> = ndarray_npy::read_npy(data).unwrap();
    ndarray_npy::write_npy(&narrow, &few.slice(s![.., ..3]).to_owned()).unwrap();
    fails(&["distance", reference, &narrow], "[120, 3]");
    let statistics = golden("pytorch-fid-real.npz");
    fails(&["distance", statistics.to_str().unwrap(), data], "it holds statistics");
    fails(&["distance", path("images").to_str().unwrap(), data], "no model was given");
    let (rows, plot) = (inside("rows.csv"), inside("plot.svg"));
    let run = repsim(["distance", reference, data, "--per-sample", &rows, "--plot", &plot]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("accuracy cannot be drawn"), "{}", run.stderr);
    assert!(!Path::new(&rows).exists() && !Path::new(&plot).exists());
    fails(&["distance", reference, data, "-o", &rows, "--per-sample", &rows], "two outputs");
}
