//! `repsim cka` of more than two models, and with controls.

use std::fs;

use serde_json::Value;

use crate::reports::assert_valid;
use crate::support::{done, matrix, report, repsim, words};

const DATA: &str = "--data {weights/images.npy} --preprocess raw";
const ARCH: &str = "{weights/arch.pt}";

/// Three networks: e1, the weights of the archive, e9.
const FILES: [&str; 3] = ["{weights/e1.pth}", "none", "{weights/e9.pth}"];

fn three(more: &str) -> String {
    let weights = FILES.map(|file| format!("--weights {file}")).join(" ");
    format!("cka {ARCH} {ARCH} {ARCH} {weights} {DATA} {more}")
}

fn two(i: usize, j: usize, more: &str) -> Value {
    let weights = [i, j].map(|k| format!("--weights {}", FILES[k])).join(" ");
    report(&format!("cka {ARCH} {ARCH} {weights} {DATA} {more}"))
}

#[track_caller]
fn refused(line: &str, parts: &[&str]) {
    let run = repsim(words(line));
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{line}\n{}", run.stderr);
    assert_eq!(run.stderr.trim_end().lines().count(), 1, "{}", run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "{part:?} is not in {:?}", run.stderr);
    }
}

/// Side by side, where each model runs once, and pair by pair.
#[test]
fn every_pair_has_the_numbers_of_two_models() {
    for (more, passes) in [("", 1), ("--estimator minibatch --batch-size 6", 3)] {
        let all = report(&three(more));
        assert_valid(&all, "pairs");
        assert_eq!(all["timing"]["passes"], passes);
        let pairs = all["results"]["pairs"].as_array().unwrap();
        assert_eq!(pairs.len(), 3);
        for ((i, j), pair) in [(0, 1), (0, 2), (1, 2)].into_iter().zip(pairs) {
            let alone = two(i, j, more);
            assert_eq!(pair["results"], alone["results"], "{i} {j} {more}");
            let cka = matrix(&alone, "cka");
            let mean = (0..cka.len()).map(|l| cka[l][l]).sum::<f64>() / cka.len() as f64;
            let found = all["results"]["mean_diagonal"][i][j].as_f64().unwrap();
            assert!((found - mean).abs() < 1e-12, "{found} {mean}");
        }
    }
}

#[test]
fn pairs_have_a_page_a_picture_and_a_gate() {
    let folder = tempfile::tempdir().unwrap();
    let out = |name: &str| folder.path().join(name).display().to_string();
    let line = three(&format!("--layers layer? --plot {} -o {}", out("all.svg"), out("all.json")));
    assert_eq!(done(&format!("{line} --update-baseline {}", out("base.json"))).code, 0);
    let picture = fs::read_to_string(out("all.svg")).unwrap();
    assert_eq!(
        picture.matches("Centred kernel alignment between layers").count(),
        6,
        "title and text of three maps"
    );
    let page = done(&format!("report {} -o -", out("all.json"))).stdout;
    for part in ["every pair", "e1.pth", "e9.pth", "Pair by pair"] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(repsim(["check", &out("all.json"), "--baseline", &out("base.json")]).code, 0);
    refused(
        &three(&format!("--control {ARCH}")),
        &["--control is for one or two models", "3 are given"],
    );
    refused(&three("--layers-b layer1"), &["-b options are for two models"]);
}

#[test]
fn controls_are_the_diagonal_with_another_model() {
    let folder = tempfile::tempdir().unwrap();
    let out = |name: &str| folder.path().join(name).display().to_string();
    let weights = "--weights-a {weights/e1.pth} --weights-b {weights/e9.pth}";
    let line = format!("cka {ARCH} {ARCH} {weights} {DATA}");
    let plain = report(&line);
    assert!(plain["results"].get("controls").is_none());
    let (file, picture) = (out("c.json"), out("c.svg"));
    done(&format!(
        "{line} --control {ARCH} --control {{weights/arch.pt2}} --plot {picture} -o {file}"
    ));
    let mut found: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_valid(&found, "cka");
    let wanted = matrix(&two(0, 1, ""), "cka");
    let controls = found["results"]["controls"].as_array().unwrap();
    assert_eq!(controls.len(), 2);
    assert_eq!(
        (&controls[0]["name"], &controls[1]["name"]),
        (&"arch.pt".into(), &"arch.pt2".into())
    );
    for (l, layer) in controls[0]["layers"].as_array().unwrap().iter().enumerate() {
        assert_eq!(layer["layer_a"], layer["layer"]);
        assert_eq!(layer["cka"].as_f64(), Some(wanted[l][l]));
    }
    let drawn = fs::read_to_string(&picture).unwrap();
    assert!(drawn.contains("Corresponding layers") && drawn.contains("control arch.pt"));
    let page = done(&format!("report {file} -o -")).stdout;
    assert!(page.contains("Corresponding layers") && page.contains("control arch.pt2"));
    let table = done(&format!("{line} --control {ARCH} --format csv")).stdout;
    assert!(table.lines().next().unwrap().ends_with("control arch.pt"), "{table}");
    // Controls are beside the rest, and change none of it.
    found["results"].as_object_mut().unwrap().remove("controls");
    assert_eq!(found["results"], plain["results"]);
}
