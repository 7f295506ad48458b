//! What `repsim fid` prints and writes, for people and for scripts, and how it ends.

use std::fs;

use serde_json::{Value, json};

use crate::fid_support::{assert_close, number, results, rows, three_sets, warnings};
use crate::support::{Run, done, files_in, report, repsim, words};
use crate::tolerances::DISTANCE;

/// The lines of a run that has to end with a code.
#[track_caller]
pub fn ended(line: &str, code: i32) -> Run {
    let run = repsim(words(line));
    assert_eq!(run.code, code, "repsim {line}\n{}", run.stderr);
    run
}

fn errors(run: &Run) -> Vec<&str> {
    run.stderr.lines().filter(|line| line.starts_with("error: ")).collect()
}

#[test]
fn one_row_a_candidate_in_the_order_given() {
    let (_folder, [real, fake, half]) = three_sets();
    for order in [[&fake, &half, &real, &fake], [&real, &fake, &fake, &half]] {
        let names = order.map(String::as_str);
        let found = report(&format!("fid {real} {}", names.join(" ")));
        let paths: Vec<&str> = rows(&found).iter().map(|r| r["path"].as_str().unwrap()).collect();
        assert_eq!(paths, names);
        let alone = report(&format!("fid {real} {}", names[0]));
        assert_eq!(rows(&found)[0], rows(&alone)[0]);
    }
}

#[test]
fn json_is_what_standard_output_gets_where_nobody_looks() {
    let (folder, [real, fake, half]) = three_sets();
    let line = format!("fid {real} {fake} {half}");
    let plain = report(&line);
    assert_eq!(plain["schema"], json!({"name": "fid", "version": 1}));
    for options in ["--format json", "-o -", "--quiet", "-o - --format json"] {
        assert_eq!(results(&report(&format!("{line} {options}"))), results(&plain), "{options}");
    }
    let file = folder.path().join("report.json");
    let run = done(&format!("{line} -o {}", file.display()));
    assert_eq!(run.stdout, "");
    let written: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(results(&written), results(&plain));
    let run = done(&format!("{line} --format tsv -o {}", file.display()));
    assert_eq!(run.stdout.lines().count(), 3);
    assert_eq!(files_in(folder.path()).len(), 4, "three sets and a report");
}

#[test]
fn jsonl_is_a_row_a_line() {
    let (_folder, [real, fake, half]) = three_sets();
    let line = format!("fid {real} {fake} {half} --metrics fid,prdc");
    let plain = report(&line);
    let run = done(&format!("{line} --format jsonl"));
    let lines: Vec<Value> = run.stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines, rows(&plain));
}

#[test]
fn tsv_is_a_header_and_a_line_a_row() {
    let (_folder, [real, fake, half]) = three_sets();
    let line = format!("fid {real} {fake} nowhere {half} --metrics fid,kid,prdc,fid-inf");
    let run = ended(&format!("{line} --format tsv"), 2);
    let cells: Vec<Vec<&str>> = run.stdout.lines().map(|l| l.split('\t').collect()).collect();
    let header = "candidate n fid mean_term trace_term kid kid_std precision recall density \
                  coverage fid_inf error";
    assert_eq!(cells[0], header.split_whitespace().collect::<Vec<_>>());
    assert_eq!(cells.len(), 4);
    let full: Value = serde_json::from_str(&ended(&line, 2).stdout).unwrap();
    for (cells, row) in cells[1..].iter().zip(rows(&full)) {
        assert_eq!(cells.len(), 13);
        assert_eq!(cells[0], row["path"]);
        for (cell, name) in cells.iter().zip(header.split_whitespace()).skip(1).take(11) {
            let wanted = row[name].as_f64();
            assert_eq!(cell.parse::<f64>().ok(), wanted, "{name} of {row}");
        }
        assert_eq!(cells[12], row["error"].as_str().unwrap_or_default());
    }
    let own = done(&format!("fid {real} {fake} --metrics prdc,fid --format tsv"));
    assert!(own.stdout.starts_with("candidate\tn\tprecision\trecall\tdensity\tcoverage\tfid\t"));
}

#[test]
fn a_table_is_for_people() {
    let (_folder, [real, fake, half]) = three_sets();
    let line = format!("fid {real} {fake} nowhere {half}");
    let full: Value = serde_json::from_str(&ended(&line, 2).stdout).unwrap();
    let run = ended(&format!("{line} --format table"), 2);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{}", run.stdout);
    for title in ["candidate", "n", "FID", "mean term", "trace term"] {
        assert!(lines[0].contains(title), "{title}: {}", lines[0]);
    }
    for (line, row) in lines[1..].iter().zip(rows(&full)) {
        assert!(line.contains(row["path"].as_str().unwrap()), "{line}");
        let said = row["fid"].as_f64().map_or("failed".to_owned(), |fid| format!("{fid:.4}"));
        assert!(line.contains(&said), "{said}: {line}");
    }
}

/// In its row, on standard error, and at the end; the others are as they are without it.
#[test]
fn a_failing_candidate_lets_the_others_go_on() {
    let (folder, [real, fake, half]) = three_sets();
    fs::write(folder.path().join("bad.npy"), b"no array").unwrap();
    let bad = folder.path().join("bad.npy").display().to_string();
    let file = folder.path().join("report.json");
    let run = ended(&format!("fid {real} {fake} {bad} {half} -o {}", file.display()), 2);
    assert_eq!(errors(&run).len(), 1, "{}", run.stderr);
    let found: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let all = rows(&found);
    assert_eq!(all.len(), 3);
    let error = all[1]["error"].as_str().unwrap();
    assert!(error.contains(&bad) && errors(&run)[0].contains(error), "{error}");
    assert_eq!(
        (&all[1]["path"], &all[1]["n"], &all[1]["fid"]),
        (&json!(bad), &Value::Null, &Value::Null)
    );
    let without = report(&format!("fid {real} {fake} {half}"));
    assert_eq!([&all[0], &all[2]], [&rows(&without)[0], &rows(&without)[1]]);
    assert_eq!(found["inputs"]["sets"].as_array().unwrap().len(), 3, "those that were read");
}

#[test]
fn a_score_above_the_limit_is_exit_code_1() {
    let (_folder, [real, fake, half]) = three_sets();
    let line = format!("fid {real} {half} {fake}");
    let found = report(&line);
    let [low, high] = [0, 1].map(|i| number(&rows(&found)[i], "fid"));
    assert!(low < 0.5 && high > 1.0, "{low} {high}");
    let run = ended(&format!("{line} --fail-above 1"), 1);
    let told: Vec<&str> = run.stderr.lines().filter(|l| l.contains("is above 1")).collect();
    assert_eq!(told.len(), 1, "{}", run.stderr);
    assert!(told[0].contains("fake.npy") && told[0].contains("1.816365"), "{}", told[0]);
    assert_eq!(rows(&serde_json::from_str(&run.stdout).unwrap()).len(), 2);
    ended(&format!("{line} --fail-above 2"), 0);
    // At the limit is not above it.
    ended(&format!("fid {real} {fake} --fail-above {high}"), 0);
    ended(&format!("fid {real} {real} --fail-above 0"), 0);
    ended(&format!("{line} nowhere --fail-above 1"), 2);
    ended(&format!("{line} nowhere --fail-above 2"), 2);
}

/// KID may be below zero, and so may be what it is held against.
#[test]
fn limits_of_kid() {
    let (_folder, [real, fake, half]) = three_sets();
    let line = |candidate: &str| {
        format!("fid {real} {candidate} --metrics kid --kid-subset-size 150 --fail-above")
    };
    ended(&format!("{} 0.1", line(&fake)), 1);
    ended(&format!("{} 0.1", line(&half)), 0);
    ended(&format!("{} -0.1", line(&half)), 1);
    ended(&format!("{} -1e9", line(&half)), 1);
}

#[test]
fn the_same_command_gives_the_same_bytes() {
    let (_folder, [real, fake, half]) = three_sets();
    let line =
        format!("fid {real} {fake} {half} --metrics fid,kid,prdc,fid-inf --kid-subset-size 100");
    let first = report(&line);
    assert_eq!(results(&report(&line)), results(&first));
    // On one thread sums are taken in another order.
    let alone = report(&format!("{line} --threads 1"));
    for name in ["fid", "kid", "kid_std", "precision", "fid_inf"] {
        let [found, wanted] = [&alone, &first].map(|r| number(&rows(r)[0], name));
        assert_close(found, wanted, DISTANCE);
    }
    let other = report(&format!("{line} --subset-seed 1"));
    for name in ["kid", "fid_inf"] {
        assert_ne!(rows(&other)[0][name], rows(&first)[0][name], "{name}");
    }
    for name in ["fid", "precision", "recall", "density", "coverage"] {
        assert_eq!(rows(&other)[0][name], rows(&first)[0][name], "{name}");
    }
    assert_eq!(warnings(&first), Vec::<&str>::new());
}
