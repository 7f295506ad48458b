//! Names that would speak to the terminal, or to the log of a CI system, wherever text leaves.

use std::fs;

use repsim::data::npz_of_floats;
use serde_json::Value;

use crate::check_support::{Files, changed};
use crate::support::{path, picture, repsim};

/// A line of its own, a colour, a cursor, a direction, marks that are not seen.
const HOSTILE: &str =
    "a\n::error::pwned\u{1b}[31m\u{9b}2J\u{202e}b\u{2066}c\u{200f}\u{200b}\u{feff}\u{7}<&\"";

/// Whether a text can be looked at.
#[track_caller]
fn is_clean(what: &str, text: &str) {
    let hidden = |c: char| {
        let marks = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}');
        (c.is_control() && !matches!(c, '\n' | '\t')) || marks
    };
    let found: String = text.chars().filter(|c| hidden(*c)).collect();
    assert!(found.is_empty(), "{what} holds {found:?}:\n{text:?}");
    let line = text.lines().find(|line| line.trim_start().starts_with("::error::pwned"));
    assert_eq!(line, None, "{what} has a line of its own:\n{text}");
}

/// Runs a command, and looks at all that it says.
#[track_caller]
fn says(words: &[&str], code: i32) -> String {
    let run = repsim(words);
    assert_eq!(run.code, code, "{words:?}\n{}", run.stderr);
    is_clean("standard error", &run.stderr);
    is_clean("standard output", &run.stdout);
    run.stdout + &run.stderr
}

/// An archive with features of two layers, one of the hostile name.
fn features(files: &Files, name: &str) -> String {
    let values = |seed: usize| (0..60).map(|i| ((i * i + seed * i) % 17) as f32).collect();
    let layers = [("b", &[12, 5][..], values(3)), (HOSTILE, &[12, 5][..], values(5))];
    fs::write(files.path(name), npz_of_floats(&layers).unwrap()).unwrap();
    files.path(name)
}

#[test]
fn names_of_layers_are_shown_in_every_report() {
    let files = Files::new();
    let array = features(&files, "f.npz");
    let (json, svg) = (files.path("r.json"), files.path("h.svg"));
    says(&["cka", "--features", &array, "-o", &json, "--heatmap", &svg, "--verbose"], 0);
    let report: Value = serde_json::from_str(&files.read("r.json")).unwrap();
    let layers = report["results"]["layers_a"].as_array().unwrap();
    assert!(layers.contains(&HOSTILE.into()), "{layers:?}");
    is_clean("the JSON", &files.read("r.json"));
    is_clean("the SVG", &files.read("h.svg"));
    let printed = says(&["cka", "--features", &array, "-o", "-", "--quiet"], 0);
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed["results"]["layers_a"], report["results"]["layers_a"]);

    let lower = changed(&report, |report| {
        for row in report["results"]["cka"].as_array_mut().unwrap() {
            row.as_array_mut().unwrap().iter_mut().for_each(|value| *value = 0.125.into());
        }
    });
    let base = files.json("base.json", &lower);
    let junit = files.path("j.xml");
    let told = says(&["check", &json, "--baseline", &base, "--github", "--junit", &junit], 1);
    assert!(told.contains("\\n::error::pwned\\u{1b}[31m"), "{told}");
    is_clean("JUnit", &files.read("j.xml"));
    assert!(files.read("j.xml").contains("\\n::error::pwned\\u{1b}"));
    let told = says(&["diff", &base, &json, "--format", "table"], 0);
    assert!(told.contains("\\u{202e}b\\u{2066}"), "{told}");
    let page = files.path("p.html");
    says(&["report", &json, "-o", &page], 0);
    is_clean("the page", &files.read("p.html"));
    assert!(files.read("p.html").contains("\\u{202e}b\\u{2066}"));
    says(&["report", &json, "-o", "-"], 0);
    let policy = files.path("drafted.toml");
    says(&["check", &json, &json, "--write-policy", &policy], 0);
    is_clean("the policy", &files.read("drafted.toml"));
}

#[test]
fn names_of_files_and_classes_are_shown_in_tables_of_samples() {
    let files = Files::new();
    let name = HOSTILE.replace('/', "");
    for class in [name.as_str(), "other"] {
        let folder = files.folder().join("data").join(class);
        fs::create_dir_all(&folder).unwrap();
        for i in 0..3 {
            let seed = if class == "other" { i } else { 7 + i };
            picture(seed).save(folder.join(format!("{i}{name}.png"))).unwrap();
        }
    }
    let data = files.path("data");
    let model = path("tiny_resnet_scripted.pt").display().to_string();
    let line =
        ["distance", &data, &data, "--model", &model, "--preprocess", "raw", "--k", "2", "--quiet"];
    for rows in ["rows.csv", "rows.jsonl"] {
        let rows = files.path(rows);
        let report = files.path("d.json");
        says(&[&line[..], &["-o", &report, "--per-sample", &rows]].concat(), 0);
    }
    is_clean("the CSV", &files.read("rows.csv"));
    assert_eq!(files.read("rows.csv").lines().count(), 7);
    is_clean("the JSON lines", &files.read("rows.jsonl"));
    let first = files.read("rows.jsonl").lines().next().unwrap().to_owned();
    let first: Value = serde_json::from_str(&first).unwrap();
    assert!(first["sample"].as_str().unwrap().contains(HOSTILE), "{first}");

    fs::write(files.folder().join("data/other/9.png"), "no picture").unwrap();
    says(&line, 2);
    let (a, b) = (files.path(&format!("{name}a.npz")), files.path(&format!("{name}b.npz")));
    fs::copy(features(&files, "g.npz"), &a).unwrap();
    fs::copy(&a, &b).unwrap();
    says(&["fid", &a, &b, "--layer", "b", "--format", "tsv"], 0);
    says(&["fid", &a, &b, "--layer", "b", "--format", "jsonl"], 0);
    says(&["fid", &a, &b, "--layer", "b", "--format", "table"], 0);
}

#[test]
fn names_that_are_not_there_are_shown_in_errors() {
    let files = Files::new();
    let missing = files.path(HOSTILE);
    let told = says(&["cka", &missing, "--data", &missing], 2);
    assert!(told.contains("\\n::error::pwned"), "{told}");
    says(&["check", &missing, "--baseline", &missing, "--github"], 2);
    says(&["cka", "--batch-size", HOSTILE], 2);
    says(&["fid", "a", "b", &format!("--{HOSTILE}")], 2);
    let rule = serde_json::Value::from(format!("ckka[\"{HOSTILE}\"] > 1")).to_string();
    let policy = files.text("p.toml", &format!("version = 1\nrules = [{rule}]\n"));
    says(&["check", "r.json", "--policy", &policy], 2);
    let policy = files.text("q.toml", &format!("version = 1\n{rule} = 1\n"));
    says(&["check", "r.json", "--policy", &policy], 2);
}
