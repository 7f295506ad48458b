//! Outputs that cannot be written, that are inputs, or that two runs write at a time.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Run, files_in, path, pictures, repsim, words};

const TINY: &str = "{tiny_resnet_scripted.pt}";

/// Runs a line of the shell in a folder; `$REPSIM` is the program.
fn shell(folder: &Path, line: &str) -> Run {
    let mut command = Command::new("sh");
    command.args(["-c", line]).env("REPSIM", env!("CARGO_BIN_EXE_repsim")).current_dir(folder);
    command.env("MODEL", path("tiny_resnet_scripted.pt"));
    let output = command.output().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn without_room_for_one_file_none_is_replaced() {
    let (folder, data) = (tempfile::tempdir().unwrap(), pictures(4));
    let outputs = ["r.json", "h.svg"].map(|name| folder.path().join(name));
    outputs.iter().for_each(|path| fs::write(path, "old").unwrap());
    let line = format!(
        "ulimit -f 16; exec $REPSIM cka $MODEL --data {} --layers '**' -o r.json --heatmap h.svg",
        data.path().display()
    );
    let run = shell(folder.path(), &line);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("failed to write"), "{}", run.stderr);
    assert!(outputs.iter().all(|path| fs::read(path).unwrap() == b"old"), "{}", run.stderr);
    assert_eq!(files_in(folder.path()).len(), 2, "something is left");
}

#[test]
fn closed_and_full_streams_are_told_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (streams, code, says) in [
        (">&-", 2, "standard output"),
        (">/dev/full", 2, "standard output"),
        ("2>/dev/full >/dev/null", 0, ""),
        ("-q -o r.json 2>&- >&-", 0, ""),
        ("| head -c 1", 0, ""),
    ] {
        let run =
            shell(folder.path(), &format!("$REPSIM layers $MODEL --input-size 3x16x16 {streams}"));
        assert_eq!(run.code, code, "{streams}: {}", run.stderr);
        assert_eq!(run.stderr.lines().count(), usize::from(code != 0), "{streams}: {}", run.stderr);
        assert!(run.stderr.contains(says), "{streams}: {}", run.stderr);
    }
    assert!(folder.path().join("r.json").is_file());
    let run = shell(folder.path(), "$REPSIM layers nowhere.pt 2>/dev/full");
    assert_eq!(run.code, 2);
}

/// Asserts that a line is refused before anything is written.
#[track_caller]
fn refused(line: &str, says: &str) {
    let run = repsim(words(line));
    assert_eq!(run.code, 2, "{line}\n{}", run.stderr);
    assert!(run.stderr.contains(says), "{line}\n{}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 1, "{line}\n{}", run.stderr);
}

#[test]
fn inputs_are_never_written_to() {
    let (folder, data) = (tempfile::tempdir().unwrap(), pictures(4));
    let (root, img) = (folder.path().display(), data.path().display());
    let picture = data.path().join("even/000.png");
    let before = fs::read(&picture).unwrap();
    fs::hard_link(&picture, folder.path().join("hard.png")).unwrap();
    std::os::unix::fs::symlink(&picture, folder.path().join("soft.png")).unwrap();
    fs::rename(data.path().join("odd/001.png"), folder.path().join("outside.png")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("outside.png"), data.path().join("odd/001.png"))
        .unwrap();
    let model = folder.path().join("net.pt");
    fs::copy(path("tiny_resnet_scripted.pt"), &model).unwrap();
    let own = folder.path().join("net.repsim.toml");
    fs::write(&own, "[preprocess]\n").unwrap();
    let line = format!("cka {root}/net.pt --data {img}");
    for name in ["hard.png", "soft.png", "outside.png"] {
        refused(&format!("{line} --heatmap {root}/{name}"), "it is an input too");
    }
    for name in ["even/000.png", "odd/../even/000.png", "new.png"] {
        refused(&format!("{line} --heatmap {img}/{name}"), "an input");
    }
    for name in ["net.pt", "net.repsim.toml"] {
        refused(&format!("{line} -o {root}/{name}"), "");
    }
    for name in ["overlays", "even", ""] {
        let line = format!("saliency {TINY} --data {img} --images {img}/{name}");
        refused(&line, "whose images are read");
    }
    refused(&format!("{line} -o {root}/r.json --heatmap {root}/../{root}/r.json"), "");
    assert_eq!(fs::read(&picture).unwrap(), before);
    assert_eq!(fs::read_to_string(&own).unwrap(), "[preprocess]\n");
    assert_eq!(files_in(folder.path()).len(), 5);
}

#[test]
fn two_runs_write_one_output_and_one_cache() {
    let (folder, data) = (tempfile::tempdir().unwrap(), pictures(6));
    let begin = || {
        let line = format!(
            "fid {0} {0} --model {TINY} --layer layer2 --stats-cache cache -o r.json",
            data.path().display()
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_repsim"));
        command.args(words(&line)).current_dir(folder.path());
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for run in [begin(), begin()] {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let text = fs::read_to_string(folder.path().join("r.json")).unwrap();
    assert!(serde_json::from_str::<Value>(&text).is_ok());
    let mut names = files_in(folder.path());
    names.sort();
    assert_eq!(names, ["cache", "r.json"]);
    assert_eq!(files_in(&folder.path().join("cache")).len(), 1);
}
