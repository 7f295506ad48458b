//! `repsim diff`: what changed, the largest first.

use serde_json::{Value, json};

use crate::check_support::{Files, TINY, changed, check, refused, set, tiny};
use crate::reports::assert_valid;
use crate::support::repsim;

fn diff(old: &Value, new: &Value) -> Value {
    let files = Files::new();
    let (old, new) = (files.json("old.json", old), files.json("new.json", new));
    let run = repsim(["diff", &old, &new]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_valid(&report, "diff");
    report
}

#[test]
fn nothing_changes_in_the_same_report() {
    let found = diff(&tiny(), &tiny());
    assert_eq!((&found["changes"], &found["conditions"]), (&json!([]), &json!([])));
    let count = tiny()["results"]["layers_a"].as_array().unwrap().len().pow(2);
    assert_eq!(found["unchanged"], count);
}

#[test]
fn the_largest_change_comes_first() {
    let base = changed(&tiny(), |r| set(r, "fc", 0.5));
    let new = changed(&base, |r| {
        set(r, "layer1", 0.98);
        set(r, "layer2", 0.7);
        set(r, "fc", 0.625);
        set(r, "conv1", Value::Null);
        r["settings"]["device"] = json!("cuda:0");
        r["settings"]["bias"] = json!("biased");
    });
    let found = diff(&base, &new);
    let changes = found["changes"].as_array().unwrap();
    let names: Vec<&str> = changes.iter().map(|c| c["of"].as_str().unwrap()).collect();
    assert_eq!(names, ["conv1", "layer2", "fc", "layer1"].map(|l| format!("cka[\"{l}\"]")));
    let wanted = json!({"of": "cka[\"fc\"]", "old": 0.5, "new": 0.625, "change": 0.125,
                        "tolerances": 125.0, "better": true, "outcome": "improved"});
    assert_eq!(changes[2], wanted);
    assert_eq!((&changes[0]["change"], &changes[1]["better"]), (&Value::Null, &json!(false)));
    assert_eq!(found["conditions"], json!(["the setting bias is \"biased\", before \"unbiased\""]));
}

/// Whatever changes: in both commands a value has the same word.
#[test]
fn a_difference_and_a_check_use_the_same_words() {
    let new = changed(&tiny(), |r| {
        set(r, "layer1", 0.98);
        set(r, "layer2", 0.9995);
        set(r, "conv1", Value::Null);
        r["results"]["cka"][0][2] = json!(0.123);
        r["results"]["cka"][2][0] = Value::Null;
    });
    let words: Vec<(String, Value)> = diff(&tiny(), &new)["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["of"].as_str().unwrap().to_owned(), c["outcome"].clone()))
        .collect();
    let verdict: Value = serde_json::from_str(&check(&new, &tiny(), &["--json"]).stdout).unwrap();
    let told = ["failures", "moved"].iter().flat_map(|key| verdict[key].as_array().unwrap());
    let told: Vec<(String, Value)> =
        told.map(|f| (f["of"].as_str().unwrap().to_owned(), f["outcome"].clone())).collect();
    assert_eq!((words.len(), told.len()), (5, 4), "{words:?} {told:?}");
    assert!(told.iter().all(|one| words.contains(one)), "{words:?} {told:?}");
    assert!(words.contains(&("cka[\"layer2\"]".to_owned(), json!("passed"))));
}

#[test]
fn layers_that_come_and_go_are_told() {
    let new = changed(&tiny(), |r| r["results"]["layers_b"][0] = json!("stem"));
    let found = diff(&tiny(), &new);
    let changes = found["changes"].as_array().unwrap();
    let count = tiny()["results"]["layers_a"].as_array().unwrap().len();
    assert_eq!(changes.len(), 2 * count);
    let of = |name: &str| changes.iter().find(|c| c["of"] == name).unwrap();
    assert_eq!(of("cka[\"conv1\"]")["new"], Value::Null);
    assert_eq!(of("cka[\"conv1\",\"stem\"]")["old"], Value::Null);
}

#[test]
fn the_difference_goes_where_it_is_asked_for() {
    let files = Files::new();
    let (old, out) = (files.json("old.json", &tiny()), files.path("diff.json"));
    let run = repsim(["diff", &old, &old, "-o", &out]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""));
    assert!(files.read("diff.json").contains("\"diff\""));
    let new = files.json("new.json", &changed(&tiny(), |r| set(r, "fc", 0.5)));
    let csv = repsim(["diff", &old, &new, "-f", "csv"]);
    let rows: Vec<&str> = csv.stdout.lines().collect();
    assert_eq!((csv.code, rows.len()), (0, 2), "{}", csv.stdout);
    assert_eq!(rows[0], "changed,old,new,difference,tolerances,check");
    assert!(
        rows[1].starts_with("\"cka[\"\"fc\"\"]\",") && rows[1].ends_with(",drifted"),
        "{}",
        rows[1]
    );
    let markdown = repsim(["diff", &old, &new, "-o", &files.path("diff.md"), "-f", "table"]);
    assert!(markdown.stdout.ends_with("are the same\n"), "{}", markdown.stdout);
    assert!(files.read("diff.md").starts_with("| changed | old |"));
    refused(&repsim(["diff", &old, &old, "-o", &old]), &["old.json", "it is an input too"]);
    let layers = crate::support::report("layers {mlp.pt} --input-size 16 --json");
    let layers = files.json("layers.json", &layers);
    refused(&repsim(["diff", &old, &layers]), &["layers.json", "of layers, the other one of cka"]);
}

/// The default leaves out `layer1` where `layer1.0` gives the same tensor; a report of before has both.
#[test]
fn layers_under_another_name_are_found() {
    let old = tiny();
    let new = crate::support::report(&TINY.replace(" --layers * --layers *.*", ""));
    let layers = |report: &Value| report["results"]["layers_a"].as_array().unwrap().clone();
    assert!(layers(&old).contains(&json!("layer1")) && !layers(&new).contains(&json!("layer1")));
    let found = diff(&old, &new);
    assert_eq!((&found["changes"], &found["conditions"]), (&json!([]), &json!([])));
    assert_eq!(found["unchanged"], layers(&old).len().pow(2));
    let found = diff(&new, &old);
    let gone = |c: &Value| c["old"].is_null();
    let changes = found["changes"].as_array().unwrap();
    assert!(changes.iter().all(gone), "{changes:?}");
    assert_eq!(found["unchanged"], layers(&new).len().pow(2));
}
