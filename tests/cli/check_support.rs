//! Reports to be checked, and changed copies of them.

use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Run, done, repsim};

/// A comparison of two tiny networks.
pub const TINY: &str = "cka {tiny_resnet_scripted.pt} {tiny_resnet_traced.pt} --data {tiny_resnet.npy} \
                        --layers * --layers *.*";

/// The report of [`TINY`].
pub fn tiny() -> Value {
    static REPORT: OnceLock<Value> = OnceLock::new();
    REPORT.get_or_init(|| crate::support::report(TINY)).clone()
}

/// A folder of files.
pub struct Files(TempDir);

impl Files {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// Writes a text and gives its path.
    pub fn text(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// Writes a report and gives its path.
    pub fn json(&self, name: &str, report: &Value) -> String {
        self.text(name, &report.to_string())
    }

    /// What a file holds.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn folder(&self) -> &Path {
        self.0.path()
    }
}

/// A report after some changes.
pub fn changed(report: &Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut report = report.clone();
    change(&mut report);
    report
}

/// Puts a value on the diagonal of CKA.
pub fn set(report: &mut Value, layer: &str, value: impl Into<Value>) {
    let layers = report["results"]["layers_a"].as_array().unwrap();
    let i = layers.iter().position(|name| name == layer).unwrap();
    report["results"]["cka"][i][i] = value.into();
}

/// Holds a report against a baseline, with more options.
pub fn check(report: &Value, baseline: &Value, options: &[&str]) -> Run {
    let files = Files::new();
    let (report, baseline) = (files.json("report.json", report), files.json("base.json", baseline));
    let mut words = vec!["check", &report, "--baseline", &baseline];
    words.extend(options);
    repsim(words)
}

/// Holds a report against a baseline under a policy.
pub fn under(policy: &str, report: &Value, baseline: &Value) -> Run {
    let files = Files::new();
    let policy = files.text("policy.toml", policy);
    check(report, baseline, &["--policy", &policy])
}

/// A policy of one rule.
pub fn rule(text: &str) -> String {
    format!("version = 1\nrules = ['{text}']\n")
}

/// Asserts how a check ended and what it said on standard output.
#[track_caller]
pub fn ended(run: &Run, code: i32, parts: &[&str]) {
    assert_eq!(run.code, code, "{}\n{}", run.stdout, run.stderr);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    for part in parts {
        assert!(run.stdout.contains(part), "{part:?} is not in\n{}", run.stdout);
    }
}

/// Asserts that a command could not be done, and said why in one line.
#[track_caller]
pub fn refused(run: &Run, parts: &[&str]) {
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.stderr);
    let errors: Vec<&str> = run.stderr.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{}", run.stderr);
    for part in parts {
        assert!(errors[0].contains(part), "{part:?} is not in {}", errors[0]);
    }
}

/// The report of a line, written to a file.
#[track_caller]
pub fn written(files: &Files, name: &str, line: &str) -> String {
    let path = files.path(name);
    done(&format!("{line} -o {path}"));
    path
}
