//! The forms of results: the report, or its table for spreadsheets, scripts and pages.

use serde_json::Value;

use crate::check_support::{Files, refused};
use crate::support::{done, repsim, words};

const CKA: &str =
    "cka {tiny_resnet_scripted.pt} --data {tiny_resnet.npy} --preprocess raw --layers layer?";

/// Rows of comma-separated values.
fn rows(text: &str, separator: u8) -> Vec<Vec<String>> {
    let mut rows = csv::ReaderBuilder::new();
    let rows = rows.has_headers(false).delimiter(separator).from_reader(text.as_bytes());
    let row = |row: csv::StringRecord| row.iter().map(str::to_owned).collect();
    rows.into_records().map(|found| row(found.unwrap())).collect()
}

#[test]
fn the_table_of_a_report_has_many_forms() {
    let files = Files::new();
    let path = |name: &str| files.folder().join(name).display().to_string();
    let csv = path("a.csv");
    let run = done(&format!("{CKA} -o {csv} --format tsv"));
    let (table, printed) = (rows(&files.read("a.csv"), b','), rows(&run.stdout, b'\t'));
    assert_eq!(table, printed);
    assert_eq!(table[0], ["layer of A", "best match in B", "CKA", "same layer of B"]);
    assert_eq!(table[1][0], "layer1");
    assert!(run.stderr.contains(&format!("wrote {csv} (table)")), "{}", run.stderr);
    let markdown = done(&format!("{CKA} -f md")).stdout;
    assert!(markdown.starts_with("| layer of A | best match in B | CKA |"), "{markdown}");
    assert_eq!(markdown.lines().nth(1), Some("| --- | --- | ---: | ---: |"));
    assert!(done(&format!("{CKA} -f table")).stdout.trim_start().starts_with("layer of A"));
    let report: Value = serde_json::from_str(&done(&format!("{CKA} -f json")).stdout).unwrap();
    assert_eq!(report["schema"]["name"], "cka");
    // People see four digits of a value, programs all.
    assert_eq!(table[1][3].parse(), Ok(report["results"]["cka"][0][0].as_f64().unwrap()));
    assert!(markdown.lines().nth(2).unwrap().ends_with("| 1.0000 |"), "{markdown}");
}

#[test]
fn scores_have_the_same_forms() {
    let files = Files::new();
    let path = files.folder().join("a.csv");
    let line = "fid {fid/features.npz} {fid/features.npz} --layers real";
    let run = done(&format!("{line} -o {} --format csv", path.display()));
    assert_eq!(files.read("a.csv"), run.stdout);
    let report = files.folder().join("a.json").display().to_string();
    done(&format!("{line} -o {report}"));
    assert_eq!(done(&format!("report {report} -f csv")).stdout, run.stdout);
    let table = rows(&run.stdout, b',');
    assert_eq!((table.len(), table[0][0].as_str(), table[0][2].as_str()), (2, "candidate", "fid"));
    let tsv = done(&format!("{line} -f tsv")).stdout;
    assert_eq!(rows(&tsv, b'\t'), table);
}

#[test]
fn columns_for_programs_have_names_of_their_own() {
    let files = Files::new();
    let kept = files.folder().join("kept.json").display().to_string();
    let header = |line: &str| {
        let printed = done(&format!("{line} -o {kept}")).stdout;
        // What is read back has the table of the run.
        assert_eq!(done(&format!("report {kept} -f csv")).stdout, printed);
        let found = rows(&printed, b',');
        let mut names = found[0].clone();
        assert!(names.iter().all(|name| !name.is_empty()), "{names:?}");
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), found[0].len(), "{:?}", found[0]);
        found[0].clone()
    };
    let found = header(
        "compare --features {similarity/layers.npz} --measures cka,rsa --permutations 4 \
         --subsamples 20 -f csv",
    );
    assert_eq!(found[..4], ["layer of A", "cka", "cka with", "cka p"]);
    let found = header(
        "sensitivity {tiny_resnet_scripted.pt} --data {tiny_resnet.npy} --preprocess raw \
         --layers layer4 --perturb none -f csv",
    );
    assert_eq!(
        found[2..6],
        ["sensitivity", "rank of sensitivity", "fall at 0", "rank of fall at 0"]
    );
}

#[test]
fn every_file_is_named_at_the_end() {
    let files = Files::new();
    let (report, plot) = (files.folder().join("a.json"), files.folder().join("a.svg"));
    let line = format!("{CKA} -o {} -p {}", report.display(), plot.display());
    let run = done(&line);
    let said: Vec<&str> = run.stderr.lines().rev().take(2).collect();
    assert!(said[0] == format!("wrote {} (report)", report.display()), "{}", run.stderr);
    assert!(said[1] == format!("wrote {} (picture)", plot.display()), "{}", run.stderr);
    assert!(!done(&format!("{line} -q")).stderr.contains("wrote"));
}

#[test]
fn unknown_forms_are_refused() {
    let fails = |options: &str, parts: &[&str]| {
        refused(&repsim(words(&format!("{CKA} {options}"))), parts);
    };
    fails("-o a.txt", &["no form .txt", "end its name in .json", ".csv, .tsv or .md"]);
    fails("-o a.png", &["--plot FILE draws pictures"]);
    fails("-o a.jsonl", &[".jsonl"]);
    fails("-f xml", &["--format", "xml", "csv"]);
    fails("-o - -f csv", &["both want standard output"]);
}
