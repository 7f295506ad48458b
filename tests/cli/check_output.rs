//! What `repsim check` writes and prints: JSON, JUnit, annotations; and what it says of bad input.

use assert_cmd::Command;
use junit_parser::TestStatus;
use serde_json::{Value, json};

use crate::check_support::{Files, changed, check, ended, refused, set, tiny};
use crate::reports::assert_valid;
use crate::support::{Run, report, repsim};

/// One value that drifted, one that is null.
fn mixed() -> Value {
    changed(&tiny(), |r| {
        set(r, "layer1", 0.5);
        set(r, "layer2", Value::Null);
    })
}

#[test]
fn json_holds_the_verdict_and_nothing_else() {
    let run = check(&mixed(), &tiny(), &["--json"]);
    assert_eq!(run.code, 2);
    let verdict: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_valid(&verdict, "check");
    assert_eq!(verdict["outcome"], "unchecked");
    assert_eq!(
        (&verdict["counts"]["drifted"], &verdict["counts"]["unchecked"]),
        (&json!(1), &json!(1))
    );
    let failures = verdict["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 2);
    assert_eq!(
        (&failures[0]["of"], &failures[0]["value"]),
        (&json!("cka[\"layer2\"]"), &json!(null))
    );
    assert_eq!(
        (&failures[1]["of"], &failures[1]["value"]),
        (&json!("cka[\"layer1\"]"), &json!(0.5))
    );
    assert!(run.stderr.contains("1 drifted, 1 could not be checked"), "{}", run.stderr);
}

#[test]
fn a_verdict_has_the_forms_of_every_result() {
    let csv = check(&mixed(), &tiny(), &["-f", "csv"]);
    let rows: Vec<&str> = csv.stdout.lines().collect();
    assert_eq!((csv.code, rows.len()), (2, 3), "{}", csv.stdout);
    assert_eq!(rows[0], "of,outcome,value,expected,baseline,difference,tolerances,message");
    assert!(rows[2].starts_with("\"cka[\"\"layer1\"\"]\",drifted,0.5,"), "{}", rows[2]);
    assert!(csv.stderr.contains("1 drifted, 1 could not be checked"), "{}", csv.stderr);
    let files = Files::new();
    let run = check(&mixed(), &tiny(), &["-o", &files.path("verdict.json")]);
    let verdict: Value = serde_json::from_str(&files.read("verdict.json")).unwrap();
    assert_valid(&verdict, "check");
    assert!(run.stdout.contains("1 drifted, 1 could not be checked"), "{}", run.stdout);
    assert_eq!(run.stdout, check(&mixed(), &tiny(), &["-f", "table"]).stdout);
    assert_eq!(check(&mixed(), &tiny(), &["-f", "json", "--json"]).code, 2);
}

#[test]
fn junit_is_read_back() {
    let files = Files::new();
    let path = files.path("out.xml");
    let run = check(&mixed(), &tiny(), &["--junit", &path]);
    assert_eq!(run.code, 2);
    let suites = junit_parser::from_reader(files.read("out.xml").as_bytes()).unwrap();
    let suite = &suites.suites[0];
    let count = tiny()["results"]["layers_a"].as_array().unwrap().len();
    assert_eq!((suite.name.as_str(), suite.cases.len()), ("repsim cka", count));
    assert_eq!((suite.failures, suite.errors), (1, 1));
    let case = |name: &str| suite.cases.iter().find(|c| c.original_name == name).unwrap();
    match &case("cka[\"layer1\"]").status {
        TestStatus::Failure(failure) => assert!(failure.message.contains("is 0.5, expected ≥")),
        other => panic!("{other:?}"),
    }
    assert!(case("cka[\"layer2\"]").status.is_error());
    assert!(case("cka[\"conv1\"]").status.is_success());
}

/// The one error in a JUnit file that has nothing else.
#[track_caller]
fn only_error(xml: &str) -> (String, String) {
    let suites = junit_parser::from_reader(xml.as_bytes()).unwrap();
    let [suite] = suites.suites.as_slice() else { panic!("{} suites", suites.suites.len()) };
    let [case] = suite.cases.as_slice() else { panic!("{} cases", suite.cases.len()) };
    match &case.status {
        TestStatus::Error(error) => (suite.name.clone(), error.message.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_check_that_cannot_be_made_leaves_no_older_verdict() {
    let files = Files::new();
    let good = files.json("good.json", &tiny());
    let cut = files.text("cut.json", &tiny().to_string()[..99]);
    let bad = files.text("bad.toml", "version = 1\nrulez = 1");
    let other = files.json("layers.json", &report("layers {mlp.pt} --input-size 16 --json"));
    let xml = files.path("out.xml");
    let gate = ["cka", "/nowhere/model.pt", "--data", "/nowhere", "--check"];
    for (words, suite, part) in [
        (&["check", &good, "-b", "/nowhere/base.json"][..], "check", "no such file"),
        (&["check", &good, "-b", &cut], "check", "cut short"),
        (&["check", &cut, "-b", &good], "check", "cut short"),
        (&["check", &good, "-b", &good, "--policy", &bad], "check", "bad.toml"),
        (&["check", &good], "check", "nothing to hold the report against"),
        (&[&gate[..], &[&cut]].concat(), "cka", "cut short"),
        (&[&gate[..], &[&other]].concat(), "cka", "a report of layers"),
        (&[&gate[..], &[&good]].concat(), "cka", "/nowhere"),
    ] {
        assert_eq!(repsim(["check", &good, "-b", &good, "--junit", &xml]).code, 0);
        let run = repsim(words.iter().chain(&["--junit", &xml, "--github"]));
        refused(&run, &[part]);
        let (name, message) = only_error(&files.read("out.xml"));
        assert_eq!(name, format!("repsim {suite}"), "{words:?}");
        assert!(run.stderr.contains(&format!("error: {message}\n")), "{message}\n{}", run.stderr);
        let lines = run.stderr.lines().filter(|l| l.starts_with("::error title=repsim"));
        let lines: Vec<&str> = lines.collect();
        assert!(lines.len() == 1 && lines[0].contains(part), "{words:?}: {}", run.stderr);
    }
}

#[test]
fn what_is_no_junit_file_is_left_alone() {
    let files = Files::new();
    let (good, model) = (files.json("good.json", &tiny()), files.text("model.pt", "a model"));
    refused(&repsim(["check", &good, "-b", &good, "--junit", &model]), &["end its name in .xml"]);
    assert_eq!(files.read("model.pt"), "a model");
}

#[test]
fn github_is_told_that_there_is_no_verdict() {
    let words = ["check", "/nowhere/report.json", "-b", "/nowhere/base.json"];
    let annotated = |actions| with_actions(&words, actions).stderr.contains("::error title=");
    assert!(annotated(Some("true")) && !annotated(None));
    let unchecked = with_actions(&["layers", "/nowhere/model.pt"], Some("true"));
    assert!(unchecked.code == 2 && !unchecked.stderr.contains("::error"), "{}", unchecked.stderr);
}

/// Runs a check with or without `GITHUB_ACTIONS`.
fn on_github(options: &[&str], actions: Option<&str>) -> Run {
    let files = Files::new();
    let (report, base) = (files.json("report.json", &mixed()), files.json("base.json", &tiny()));
    with_actions(&[&["check", &report, "-b", &base], options].concat(), actions)
}

fn with_actions(words: &[&str], actions: Option<&str>) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_repsim"));
    command.args(words).env_remove("GITHUB_ACTIONS");
    if let Some(value) = actions {
        command.env("GITHUB_ACTIONS", value);
    }
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    Run { code: output.status.code().unwrap(), stdout, stderr }
}

#[test]
fn github_gets_annotations() {
    let of = |run: &Run| {
        let text = format!("{}{}", run.stdout, run.stderr);
        text.lines().filter(|l| l.starts_with("::")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of(&on_github(&[], None)), Vec::<String>::new());
    assert_eq!(of(&on_github(&[], Some("false"))), Vec::<String>::new());
    let lines = of(&on_github(&["--github"], None));
    assert_eq!(lines.len(), 2);
    assert!(
        lines[1].starts_with(
            "::error title=repsim%3A drifted%3A cka[\"layer1\"]::cka[\"layer1\"] is 0.5"
        )
    );
    let actions = on_github(&[], Some("true"));
    assert_eq!((of(&actions), actions.code), (lines, 2));
    let json = on_github(&["--json", "--github"], None);
    assert!(serde_json::from_str::<Value>(&json.stdout).is_ok());
    assert_eq!(of(&json).len(), 2);
}

#[test]
fn what_is_no_report_is_told() {
    let files = Files::new();
    let good = files.json("good.json", &tiny());
    let text = tiny().to_string();
    let other_version = changed(&tiny(), |r| r["schema"]["version"] = json!(7));
    let verdict = check(&tiny(), &tiny(), &["--json"]).stdout;
    for (name, text, parts) in [
        ("cut.json", &text[..text.len() / 2], ["cut short", "line 1, column"]),
        ("empty.json", "", ["cut short", "line 1"]),
        ("other.json", r#"{"fid": 12.5, "kid": 0.1}"#, ["not a report of repsim", "no schema"]),
        ("list.json", "[1, 2]", ["not a report of repsim", "no schema"]),
        ("text.json", "FID: 12.5", ["it is not JSON", "line 1"]),
        ("seven.json", &other_version.to_string(), ["version 7 of cka", "this is version 1"]),
        ("verdict.json", &verdict, ["check is not a report of a measurement", "-o FILE"]),
    ] {
        let bad = files.text(name, text);
        for words in [["check", &bad, "-b", &good], ["check", &good, "-b", &bad]] {
            refused(&repsim(words), &[&[name], parts.as_slice()].concat());
        }
        refused(&repsim(["diff", &bad, &good]), &[name]);
    }
    refused(&repsim(["check", "nowhere.json", "-b", &good]), &["nowhere.json", "no such file"]);
}

#[test]
fn a_baseline_of_another_kind_is_told() {
    let layers = crate::support::report("layers {mlp.pt} --input-size 16 --json");
    let run = check(&layers, &tiny(), &[]);
    ended(&run, 2, &["the kind of report is layers, in the baseline cka"]);
}

#[test]
fn options_that_mean_nothing_are_told() {
    let files = Files::new();
    let good = files.json("good.json", &tiny());
    refused(&repsim(["check", &good]), &["nothing to hold the report against", "--baseline"]);
    refused(&repsim(["check", &good, &good, "-b", &good]), &["2 reports were given", "one"]);
    let run = repsim(["check", &good, "-b", &good, "--junit", "/nowhere/out.xml"]);
    refused(&run, &["/nowhere/out.xml", "its folder does not exist"]);
    assert_eq!(repsim(["check"]).code, 2);
}
