//! `repsim track`: the layers of a network over the checkpoints of its training.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::reports::assert_valid;
use crate::support::{done, files_in, matrix, path, report, repsim, words};

const DATA: &str = "--data {weights/images.npy} --preprocess raw";
const ARCH: &str = "{weights/arch.pt}";
/// What rounding may do to a value that is computed twice.
const ROUNDING: f64 = 1e-12;

/// A folder with copies of checkpoints under other names.
fn copies(pairs: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in pairs {
        fs::copy(path(&format!("weights/{from}")), folder.path().join(to)).unwrap();
    }
    folder
}

fn at(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).display().to_string()
}

fn track(weights: &[&str], more: &str) -> String {
    let weights: Vec<String> = weights.iter().map(|name| format!("--weights {name}")).collect();
    format!("track {ARCH} {} {DATA} {more}", weights.join(" "))
}

fn names(report: &Value) -> Vec<String> {
    let all = report["results"]["checkpoints"].as_array().unwrap();
    all.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

/// A value of each checkpoint, a list a layer.
fn values(report: &Value, field: &str) -> Vec<Vec<Option<f64>>> {
    let layers = report["results"]["layers"].as_array().unwrap();
    let of = |layer: &Value| layer[field].as_array().unwrap().iter().map(Value::as_f64).collect();
    layers.iter().map(of).collect()
}

fn warning<'a>(report: &'a Value, code: &str) -> &'a str {
    let all = report["warnings"].as_array().unwrap();
    let found = all.iter().find(|warning| warning["code"] == code);
    found.unwrap_or_else(|| panic!("no {code} in {all:?}"))["text"].as_str().unwrap()
}

#[track_caller]
fn refused(line: &str, parts: &[&str]) {
    let run = repsim(words(line));
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{line}\n{}", run.stderr);
    assert_eq!(run.stderr.matches("error: ").count(), 1, "{}", run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "{part:?} is not in {:?}", run.stderr);
    }
}

/// Of checkpoints e1, the weights of the archive and e9, every value is that of `cka` of the two.
#[test]
fn values_are_those_of_cka_of_each_pair() {
    let files = ["{weights/e1.pth}", "none", "{weights/e9.pth}"];
    let followed = report(&track(&files, &format!("--reference {ARCH} --at layer1")));
    assert_valid(&followed, "track");
    let pair = |i: usize, j: usize| {
        let mut line = format!("cka {ARCH} {ARCH} {DATA}");
        for (k, side) in [(i, "a"), (j, "b")] {
            if files[k] != "none" {
                line.push_str(&format!(" --weights-{side} {}", files[k]));
            }
        }
        report(&line)
    };
    let near = |found: Option<f64>, wanted: f64| (found.unwrap() - wanted).abs() <= ROUNDING;
    let [last, previous, reference] =
        ["with_last", "with_previous", "with_reference"].map(|field| values(&followed, field));
    for (i, j) in [(0, 2), (1, 2), (0, 1)] {
        let cka = pair(i, j);
        let layers = cka["results"]["layers_a"].as_array().unwrap();
        assert_eq!(layers.len(), last.len());
        let wanted = matrix(&cka, "cka");
        for (l, name) in layers.iter().enumerate() {
            assert_eq!(followed["results"]["layers"][l]["name"], *name);
            match (i, j) {
                (0, 2) => assert!(near(last[l][0], wanted[l][l])),
                (1, 2) => {
                    assert!(near(last[l][1], wanted[l][l]) && near(previous[l][2], wanted[l][l]))
                }
                _ => assert!(
                    near(previous[l][1], wanted[l][l]) && near(reference[l][0], wanted[l][l])
                ),
            }
            if name == "layer1.relu:2" {
                let found = followed["results"]["pairwise"]["values"][i][j].as_f64();
                assert!(near(found, wanted[l][l]));
            }
        }
    }
    assert!(last.iter().all(|layer| near(layer[2], 1.0)));
    assert!(reference.iter().all(|layer| near(layer[1], 1.0)));
    assert!(previous.iter().all(|layer| layer[0].is_none()));
    let one = &followed["results"]["checkpoints"][1];
    let largest = previous.iter().map(|layer| 1.0 - layer[1].unwrap()).fold(0.0, f64::max);
    assert!(near(one["drop"].as_f64(), largest));
}

#[test]
fn any_measure_is_that_of_compare() {
    let files = ["{weights/e1.pth}", "{weights/e9.pth}"];
    for (measure, more) in [("procrustes", ""), ("linear-regression", "--reduce gap")] {
        let followed =
            report(&track(&files, &format!("--measure {measure} {more} --layers layer1")));
        let compare = |a: usize, b: usize| {
            let compared = report(&format!(
                "compare {ARCH} {ARCH} {DATA} --measures {measure} {more} --layers layer1 --weights-a {} --weights-b {}",
                files[a], files[b]
            ));
            compared["results"]["measures"][0]["values"][0][0].as_f64().unwrap()
        };
        // One that is not symmetric is the mean of both directions.
        let wanted = f64::midpoint(compare(0, 1), compare(1, 0));
        let found = values(&followed, "with_last")[0][0].unwrap();
        assert!((found - wanted).abs() <= ROUNDING, "{measure}: {found} {wanted}");
    }
}

#[test]
fn equal_checkpoints_are_settled_at_the_first() {
    let folder = copies(&[("e9.pth", "e1.pth"), ("e9.pth", "e2.pth"), ("e9.pth", "e3.pth")]);
    let files = ["e1.pth", "e2.pth", "e3.pth"].map(|name| at(&folder, name));
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let found = report(&track(&files, ""));
    for layer in values(&found, "with_last") {
        assert!(layer.iter().all(|v| (v.unwrap() - 1.0).abs() <= ROUNDING), "{layer:?}");
    }
    let results = &found["results"];
    for layer in results["layers"].as_array().unwrap() {
        assert_eq!((&layer["settled"], &layer["settled_at"]), (&json!(0), &json!("e1.pth")));
    }
    assert!(results["bottom_up"].is_null());
    let null = results["nulls"].as_array().unwrap().iter().find(|n| n["field"] == "bottom_up");
    assert_eq!(null.unwrap()["reason"], "all layers settle at the same checkpoint");
    assert!(results["largest_drop"]["value"].as_f64().unwrap().abs() <= ROUNDING);
    assert!(warning(&found, "same-checkpoint").contains("hold the same network"));
}

/// In quotation marks, and over one architecture too.
#[test]
fn globs_are_in_natural_order() {
    let folder = copies(&[
        ("e1.pth", "epoch2.pth"),
        ("e9.pth", "epoch10.pth"),
        ("legacy.pth", "epoch1.pth"),
        ("e1.pth", "other.pth"),
        ("arch.pt", "net10.pt"),
        ("tied.pt", "net2.pt"),
        ("arch.pt", "net9.pt"),
    ]);
    let found = report(&track(&[&at(&folder, "epoch*.pth")], "--layers layer1"));
    assert_eq!(names(&found), ["epoch1.pth", "epoch2.pth", "epoch10.pth"]);
    // epoch1 holds what epoch10 does.
    assert_eq!(found["results"]["layers"][0]["settled"], 2);
    let line = format!("track {} {DATA} --layers layer1", at(&folder, "net[19]*.pt"));
    assert_eq!(names(&report(&line)), ["net9.pt", "net10.pt"]);
    refused(
        &format!("track {} {DATA}", at(&folder, "step*.pt")),
        &["no file matches this pattern", "step*.pt"],
    );
    refused(
        &format!("track {} {DATA}", at(&folder, "net10*.pt")),
        &["net10.pt is one checkpoint", "two or more"],
    );
}

#[test]
fn a_checkpoint_that_diverged_is_null_and_named() {
    let folder = copies(&[("e1.pth", "a.pth"), ("nan.pth", "diverged.pth"), ("e9.pth", "c.pth")]);
    let files = ["a.pth", "diverged.pth", "c.pth"].map(|name| at(&folder, name));
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let found = report(&track(&files, ""));
    assert_valid(&found, "track");
    let last = values(&found, "with_last");
    let without: Vec<usize> = (0..last.len()).filter(|&l| last[l][1].is_none()).collect();
    assert!(!without.is_empty());
    assert!(last.iter().all(|layer| layer[0].is_some() && layer[2].is_some()));
    let text = warning(&found, "null-layer");
    assert!(text.contains("diverged.pth") && text.contains("NaN"), "{text}");
    let nulls = found["results"]["nulls"].as_array().unwrap();
    let of = |field: &str| {
        nulls.iter().find(|n| n["field"] == field && n["checkpoint"] == "diverged.pth").unwrap()
    };
    assert!(of("with_last")["reason"].as_str().unwrap().contains("NaN"));
    // How far it fell is not known, and not little.
    let checkpoints = &found["results"]["checkpoints"];
    assert!(checkpoints[1]["drop"].is_null() && checkpoints[2]["drop"].is_null(), "{checkpoints}");
    assert!(of("drop")["reason"].as_str().unwrap().contains("NaN"));
    // What is not known is not within the tolerance.
    let layers = &found["results"]["layers"];
    assert!(without.iter().all(|&l| layers[l]["settled"] == 2), "{layers}");
    let previous =
        nulls.iter().find(|n| n["field"] == "with_previous" && n["checkpoint"] == "c.pth");
    assert!(previous.unwrap()["reason"].as_str().unwrap().starts_with("the one before: "));
    let line = track(&[files[0], files[2], files[1]], "");
    let ended = report(&line);
    let all = values(&ended, "with_last");
    assert!(without.iter().all(|&l| all[l].iter().all(Option::is_none)));
    assert!(ended["results"]["layers"][without[0]]["settled"].is_null());
}

#[test]
fn layers_that_are_not_common_are_said() {
    let pair = "track {tiny_resnet_scripted.pt} {weights/arch.pt} --data {weights/images.npy} --preprocess raw";
    let found = report(pair);
    let common = found["results"]["layers"].as_array().unwrap();
    let names: Vec<&str> = common.iter().map(|layer| layer["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["conv1", "bn1", "relu", "avgpool", "fc"]);
    let left = found["results"]["not_common"].as_array().unwrap();
    assert!(left.iter().any(|layer| layer == "layer1.conv1"), "{left:?}");
    let text = warning(&found, "layers-not-common");
    assert!(
        text.contains("compared are the 5") && text.contains("left out: layer1.conv1"),
        "{text}"
    );
    let values = values(&found, "with_last");
    assert!(values.iter().all(|layer| layer[0].is_some_and(|value| value < 0.9)), "{values:?}");
}

/// Without a run of the networks, and beside one.
#[test]
fn folders_of_features_are_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let kept = |name: &str, weights: &str, more: &str| {
        let to = at(&folder, name);
        done(&format!("features {ARCH} --weights {weights} {DATA} -o {to} {more}"));
        to
    };
    let (e1, e9) = ("{weights/e1.pth}", "{weights/e9.pth}");
    let [a, _] = [kept("step2", e1, ""), kept("step10", e9, "")];
    let direct = report(&track(&[e1, e9], ""));
    let stored = report(&format!("track {}", at(&folder, "step*")));
    assert_valid(&stored, "track");
    assert_eq!(names(&stored), ["step2", "step10"]);
    let mixed = report(&format!(
        "track {a} {ARCH} --weights none --weights {e9} {DATA} --channel-axis conv1=1"
    ));
    for found in [&stored, &mixed] {
        for field in ["with_last", "with_previous"] {
            assert_eq!(values(found, field), values(&direct, field));
        }
        assert_eq!(found["results"]["pairwise"]["values"], direct["results"]["pairwise"]["values"]);
        let folder = found["inputs"]["models"][0]["features"]["path"].as_str().unwrap();
        assert_eq!(folder, a);
        assert_eq!(found["inputs"]["data"]["fingerprint"], direct["inputs"]["data"]["fingerprint"]);
    }
    let fewer = kept("fewer", e9, "--limit 6");
    refused(&format!("track {a} {fewer}"), &["step2", "sample 7 of", "missing"]);
    let mut bytes = fs::read(path("weights/images.npy")).unwrap();
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    let changed = at(&folder, "images.npy");
    fs::write(&changed, bytes).unwrap();
    let steps = "--preprocess raw";
    let other = at(&folder, "other");
    done(&format!("features {ARCH} --weights {e9} --data {changed} {steps} -o {other}"));
    refused(&format!("track {a} {other}"), &["step2 have the names of", "other bytes"]);
    refused(&format!("track {a} {ARCH} --weights none --weights {e9}"), &["--data"]);
    refused(&format!("track {a} {a}"), &["step2 is given twice"]);
}

#[test]
fn pictures_page_table_and_gate() {
    let folder = copies(&[
        ("e1.pth", "e1.pth"),
        ("legacy.pth", "e5.pth"),
        ("e1.pth", "e7.pth"),
        ("e9.pth", "e9.pth"),
    ]);
    let out = |name: &str| folder.path().join("out").join(name).display().to_string();
    fs::create_dir(folder.path().join("out")).unwrap();
    let files = at(&folder, "e*.pth");
    let line =
        track(&[&files], &format!("--limit 12 --plot {} -o {}", out("t.svg"), out("t.json")));
    assert_eq!(done(&format!("{line} --update-baseline {}", out("base.json"))).code, 0);
    let mut outputs = files_in(Path::new(&folder.path().join("out")));
    outputs.sort();
    assert_eq!(outputs, ["base.json", "t-map.svg", "t-pairs.svg", "t.json", "t.svg"]);
    let text = fs::read_to_string(out("t.svg")).unwrap();
    assert!(text.contains("layer1") && text.contains("e5.pth"));
    let page = done(&format!("report {} -o -", out("t.json"))).stdout;
    for part in [
        "Training followed",
        "When layers settle",
        "Each with the one before",
        "Checkpoint by checkpoint",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let table = done(&track(&[&files], "--limit 12 --format csv")).stdout;
    let layers =
        serde_json::from_str::<Value>(&fs::read_to_string(out("t.json")).unwrap()).unwrap();
    let layers = layers["results"]["layers"].as_array().unwrap().len();
    assert_eq!(table.lines().count(), 1 + 4 * layers, "{table}");
    assert!(
        table.starts_with("layer,checkpoint,with last,with previous,settled,accuracy\n"),
        "{table}"
    );
    let policy = |rule: &str| {
        let file = at(&folder, "policy.toml");
        fs::write(&file, format!("version = 1\nrules = ['{rule}']\n")).unwrap();
        repsim(["check", &out("t.json"), "--baseline", &out("base.json"), "--policy", &file]).code
    };
    assert_eq!(policy("with-last[\"layer1\",\"e9*\"] >= 0.999"), 0);
    assert_eq!(policy("checkpoint-drop <= 1e-9"), 1);
    assert_eq!(policy("checkpoint-drop <= 2"), 0);
    assert_eq!(policy("settles[\"layer?.*\"] <= 3"), 0);
}

#[test]
fn mistakes_are_told_in_a_line() {
    let two = ["{weights/e1.pth}", "{weights/e9.pth}"];
    refused(&format!("track {ARCH} {DATA}"), &["arch.pt is one checkpoint", "two or more"]);
    refused(&format!("track {ARCH} {ARCH} {DATA}"), &["arch.pt is given twice"]);
    refused(&track(&[two[0], two[0]], ""), &["e1.pth is given twice"]);
    refused(&track(&two, "--at layer11"), &["--at layer11", "did you mean layer1.bn1"]);
    refused(&track(&two, "--tolerance=-1"), &["--tolerance"]);
    refused(&track(&two, "--memory 1KiB"), &["of 2 checkpoints at a time", "--memory is 1 KiB"]);
    refused(&track(&two, "--reduce spatial"), &["flatten, gap"]);
    refused(&track(&two, "--neighbours 3"), &["--neighbours is for mutual-knn"]);
    refused("track {weights/arch.pt} {tied.pt} --data {weights/images.npy}", &["tied.pt"]);
}
