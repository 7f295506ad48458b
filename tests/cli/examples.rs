//! The scripts and the workflow of `examples/`: their steps are run on the example models and images.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::{Value, json};

use crate::check_support::Files;
use crate::fid_support::images;
use crate::support::{Run, path};

const STEPS: &str = "--preprocess raw --channels 3 --mean 0.286 --std 0.353";

fn examples() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples"))
}

fn run(command: &mut Command) -> Run {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    Run { code: output.status.code().unwrap(), stdout, stderr }
}

/// Runs `fid_batch.sh` on two lists of example images.
fn batch(results: &str, candidates: &[&Path]) -> Run {
    batch_checking("", results, candidates)
}

fn batch_checking(check: &str, results: &str, candidates: &[&Path]) -> Run {
    let reference = images("reference");
    let mut command = Command::new(examples().join("fid_batch.sh"));
    command.arg(reference.path()).arg(results).args(candidates);
    command.env("REPSIM", env!("CARGO_BIN_EXE_repsim")).env("OPTIONS", STEPS);
    command.env("CHECK", check);
    run(command.env("MODEL", path("models/fashion-seed0-scripted.pt")))
}

#[test]
fn the_batch_script_scores_and_then_checks() {
    let (files, near, far) = (Files::new(), images("reference"), images("few_reference"));
    let results = files.path("results");
    let sets = [far.path(), near.path()];
    let first = batch(&results, &sets);
    assert_eq!(first.code, 0, "{}", first.stderr);
    let rows: Vec<Vec<&str>> = first.stdout.lines().map(|l| l.split('\t').collect()).collect();
    assert_eq!(&rows[0][..3], ["candidate", "n", "fid"]);
    assert_eq!(rows[1][0], near.path().display().to_string());
    assert_eq!(rows[2][0], far.path().display().to_string());
    assert_eq!(files.read("results/fid.tsv"), first.stdout);
    let second = batch(&results, &sets);
    assert_eq!(second.code, 0, "{}", second.stderr);
    assert!(second.stderr.contains("passed: 2 values checked"), "{}", second.stderr);
    let mut baseline: Value = serde_json::from_str(&files.read("results/baseline.json")).unwrap();
    baseline["results"]["candidates"][0]["fid"] = json!(0.01);
    files.json("results/baseline.json", &baseline);
    assert_eq!(batch(&results, &sets).code, 1);
    assert_eq!(batch(&results, &[]).code, 2);
}

/// Sets that fail stand last; names of another night are held to the worst of the first.
#[test]
fn the_batch_script_takes_failures_and_new_names() {
    let (files, near, far) = (Files::new(), images("reference"), images("few_reference"));
    let results = files.path("results");
    let broken = files.folder().join("0-broken");
    fs::create_dir(&broken).unwrap();
    fs::write(broken.join("a.png"), "no picture").unwrap();
    let first = batch_checking("--new-candidates ignore", &results, &[&broken, near.path()]);
    assert_eq!(first.code, 2, "{}", first.stderr);
    let last = first.stdout.lines().last().unwrap();
    assert!(last.starts_with(&broken.display().to_string()), "{}", first.stdout);
    assert!(!Path::new(&files.path("results/baseline.json")).exists());
    assert_eq!(batch(&results, &[near.path()]).code, 0);
    let worse = batch(&results, &[far.path()]);
    assert_eq!(worse.code, 1, "{}", worse.stderr);
    assert!(worse.stderr.contains("1 candidate not in the baseline"), "{}", worse.stderr);
    assert!(worse.stdout.contains(&far.path().display().to_string()), "{}", worse.stdout);
    let named = batch_checking("--new-candidates ignore", &results, &[near.path(), far.path()]);
    assert_eq!(named.code, 0, "{}", named.stderr);
    let failed = batch(&results, &[near.path(), &broken]);
    assert_eq!(failed.code, 2, "{}", failed.stderr);
    let last = failed.stdout.lines().last().unwrap();
    assert!(last.starts_with(&broken.display().to_string()), "{}", failed.stdout);
}

/// The commands of a workflow's step.
fn step(name: &str) -> String {
    let text = fs::read_to_string(examples().join("ci/representation-gate.yml")).unwrap();
    let (_, step) = text.split_once(&format!("- name: {name}\n")).unwrap();
    let (_, block) = step.split_once("run: |\n").unwrap();
    let lines = block.lines().take_while(|line| line.starts_with("          "));
    lines.map(|line| format!("{}\n", line.trim_start())).collect()
}

/// Runs commands as GitHub does: `bash -e`, with the program on the path.
fn as_github(folder: &Path, commands: &str) -> Run {
    let program = Path::new(env!("CARGO_BIN_EXE_repsim")).parent().unwrap();
    let paths = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-e", "-c", commands]).current_dir(folder).env("PATH", paths);
    let data = format!("--data {} {STEPS} --batch-size 32", folder.join("validation").display());
    run(command.env("DATA", data).env("GITHUB_ACTIONS", "true"))
}

#[test]
fn the_workflow_makes_baselines_and_holds_candidates_against_them() {
    let (files, data) = (Files::new(), images("few_reference"));
    fs::rename(data.path(), files.path("validation")).unwrap();
    fs::create_dir(files.path("models")).unwrap();
    let model = |name: &str, from: &str| {
        fs::copy(path(&format!("models/{from}")), files.path(&format!("models/{name}.pt")))
            .unwrap();
    };
    model("released", "fashion-seed0-scripted.pt");
    model("candidate", "fashion-seed1-traced.pt");
    let made = as_github(files.folder(), &step("Make the baselines"));
    assert_eq!(made.code, 0, "{}", made.stderr);
    let held = step("Hold the candidate against them");
    let good = as_github(files.folder(), &held);
    assert_eq!(good.code, 0, "{}", good.stderr);
    assert_eq!(good.stderr.matches("passed: ").count(), 2, "{}", good.stderr);
    model("candidate", "fashion-untrained-scripted.pt");
    let bad = as_github(files.folder(), &held);
    assert_eq!(bad.code, 1, "{}", bad.stderr);
    let annotated = bad.stderr.lines().filter(|l| l.starts_with("::error title=")).count();
    assert!((2..=20).contains(&annotated), "{}", bad.stderr);
    assert!(files.read("cka.xml").contains("<failure"));
}

#[test]
fn the_policy_of_the_readme_can_be_read() {
    let text = fs::read_to_string(examples().with_file_name("README.md")).unwrap();
    let (_, policy) = text.split_once("```toml\nversion = 1").unwrap();
    let (policy, _) = policy.split_once("```").unwrap();
    let policy = format!("version = 1{policy}");
    let policy = repsim::check::Policy::parse(&policy, "README.md".as_ref()).unwrap();
    assert_eq!((policy.rules.len(), policy.tolerances.len()), (5, 1));
}
