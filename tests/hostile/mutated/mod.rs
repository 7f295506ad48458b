//! Files of every format with a few bytes changed: read, or refused in a line.

mod change;
mod formats;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use change::Changes;
use formats::{Format, all, whole_beside};

use crate::bounds::bounded;
use crate::support::{files_in, path};

/// How many copies in all.
const COUNT: usize = 2000;

/// How a copy was read.
enum Outcome {
    Read,
    Refused,
    Wrong(String),
}

fn outcome(format: &Format, path: &Path) -> Outcome {
    match catch_unwind(AssertUnwindSafe(|| format.read(path))) {
        Err(_) => Outcome::Wrong("it panicked".to_owned()),
        Ok(Ok(())) => Outcome::Read,
        Ok(Err(error)) => {
            let text = error.to_string();
            match text.lines().count() == 1 && text.len() < 2000 {
                true => Outcome::Refused,
                false => Outcome::Wrong(format!("it said {text:?}")),
            }
        }
    }
}

/// The most memory that this process has had, in MiB.
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() >> 10
}

/// The seed of the copies: `REPSIM_MUTATED` where others are wanted.
fn seed() -> u64 {
    std::env::var("REPSIM_MUTATED").map_or(17, |text| text.parse().unwrap())
}

#[test]
fn changed_files_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    whole_beside(folder.path());
    let formats = all();
    assert_eq!(formats.iter().map(|format| format.count).sum::<usize>(), COUNT);
    let (mut failed, mut refused) = (vec![], 0);
    for (kind, format) in formats.iter().enumerate() {
        let path = folder.path().join(format.name);
        for number in 0..format.count {
            let seed = (seed() << 32) | (kind as u64) << 16 | number as u64;
            let bytes = format.copy(&mut Changes::new(seed), number);
            fs::write(&path, &bytes).unwrap();
            match outcome(format, &path) {
                Outcome::Read => {}
                Outcome::Refused => refused += 1,
                Outcome::Wrong(what) => {
                    failed.push(format!("{} of seed {seed}: {what}", format.name));
                }
            }
        }
        fs::remove_file(&path).unwrap();
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(refused > COUNT / 2, "{refused}");
    assert!(peak() < 2500, "{} MiB", peak());
}

#[test]
fn commands_leave_nothing_of_changed_files() {
    let (inputs, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let outputs = tempfile::tempdir().unwrap();
    whole_beside(inputs.path());
    let report = outputs.path().join("r.json").display().to_string();
    let model = path("tiny_resnet_scripted.pt").display().to_string();
    let mut codes = [0; 3];
    for (kind, format) in all().iter().enumerate() {
        let file = inputs.path().join(format.name);
        let bytes = format.copy(&mut Changes::new(seed() + kind as u64), kind);
        fs::write(&file, &bytes).unwrap();
        let given = file.display().to_string();
        let folder = file.parent().unwrap().display().to_string();
        let data = if format.name.starts_with("p/") { &folder } else { &given };
        let words: Vec<&str> = match format.name {
            "b.npz" => vec!["cka", "--features", &given, "-o", &report],
            "e.npz" => vec!["fid", &given, &given, "-o", &report],
            "f.pth" | "f.ckpt" | "f.safetensors" => {
                vec!["layers", &model, "--weights", &given, "-o", &report]
            }
            "g.json" => vec!["diff", &given, &given, "-o", &report],
            "g.toml" => vec!["check", "none.json", "--policy", &given],
            "i.pt2" => vec!["layers", &given, "-o", &report],
            _ => vec!["cka", &model, "--data", data, "--resize", "16x16", "-o", &report],
        };
        let run = bounded(4096, temporary.path(), &words);
        let (told, code) = (run.stderr, run.code);
        assert!(matches!(code, 0 | 2), "{words:?} ended with {code}: {told}");
        let errors = told.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!(errors, usize::from(code == 2), "{words:?}: {told}");
        assert!(!told.contains("panicked") && !told.contains("middle of the run"), "{told}");
        let left = files_in(outputs.path());
        assert!(
            left.is_empty() || (left == ["r.json"] && code == 0) || words[0] == "fid",
            "{left:?}"
        );
        assert_eq!(files_in(temporary.path()), [""; 0]);
        codes[code as usize] += 1;
        let _ = fs::remove_file(&report);
        fs::remove_file(&file).unwrap();
    }
    assert!(codes[2] > 5, "{codes:?}");
}

/// Pictures in one folder, and statistics of one comparison: many files in a run.
#[test]
fn one_run_goes_through_many_changed_files() {
    let (inputs, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    whole_beside(inputs.path());
    let (mut pictures, mut sets) = (0, vec![]);
    for (kind, format) in all().iter().enumerate() {
        for number in 0..40 {
            let changes = &mut Changes::new(seed() << 8 | (kind * 40 + number) as u64);
            let name = match format.name.strip_prefix("p/") {
                Some(name) => format!("p/{kind}-{number}-{name}"),
                None if format.name == "e.npz" => format!("{kind}-{number}.npz"),
                None => continue,
            };
            let path = inputs.path().join(&name);
            fs::write(&path, format.copy(changes, number)).unwrap();
            match name.starts_with("p/") {
                true => pictures += 1,
                false => sets.push(path.display().to_string()),
            }
        }
    }
    assert!(pictures >= 200 && sets.len() >= 40, "{pictures} {}", sets.len());
    let model = path("tiny_resnet_scripted.pt").display().to_string();
    let folder = inputs.path().join("p").display().to_string();
    let of_pictures =
        ["cka", &model, "--data", &folder, "--resize", "16x16", "--skip-unreadable", "-o", "-"];
    let of_sets: Vec<&str> =
        ["fid", "-o", "-"].into_iter().chain(sets.iter().map(String::as_str)).collect();
    for words in [&of_pictures[..], &of_sets] {
        let run = bounded(6144, temporary.path(), words);
        let errors = run.stderr.lines().filter(|line| line.starts_with("error: ")).count();
        assert!(matches!(run.code, 0 | 2), "{} ended with {}: {}", words[0], run.code, run.stderr);
        assert!(errors <= sets.len() && (run.code == 0 || errors > 0), "{}", run.stderr);
        assert!(
            !run.stderr.contains("panicked") && !run.stderr.contains("crashed"),
            "{}",
            run.stderr
        );
    }
}
