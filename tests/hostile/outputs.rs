//! Outputs that cannot be written, that are inputs, or that two runs write at a time.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Run, files_in, path, pictures, repsim, words};

const TINY: &str = "{tiny_resnet_scripted.pt}";

/// A line that takes no time; the report goes where what is put behind it says.
const LAYERS: &str = "$REPSIM layers $MODEL --input-size 3x16x16";

/// Runs a line of the shell in a folder; `$REPSIM` is the program.
fn shell(folder: &Path, line: &str) -> Run {
    let mut command = Command::new("bash");
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

/// On a disk of its own, where the system lets a test mount one.
#[test]
fn a_full_disk_leaves_what_was_there() {
    let (folder, data) = (tempfile::tempdir().unwrap(), pictures(4));
    let line = "exec unshare -Urm bash -c 'mount -t tmpfs -o size=24k none . && cd \"$PWD\" || exit 77; \
                echo old > r.json; echo old > h.svg; $REPSIM cka $MODEL --data $DATA --layers \"**\" -o r.json \
                --heatmap h.svg; echo $? $(cat r.json h.svg) $(ls -A)'";
    let run = shell(folder.path(), &format!("export DATA={}; {line}", data.path().display()));
    if run.code == 77 || run.stderr.contains("unshare") {
        return;
    }
    assert_eq!(run.stdout, "2 old old h.svg r.json\n", "{}", run.stderr);
    assert!(run.stderr.contains("failed to write"), "{}", run.stderr);
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

/// Whether a text is a whole report.
fn is_report(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|report| report["results"].is_object())
}

fn mkfifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn files_below_dev_are_files() {
    let Ok(folder) = tempfile::tempdir_in("/dev/shm") else { return };
    let root = folder.path();
    fs::copy(path("tiny_resnet_scripted.pt"), root.join("net.pt")).unwrap();
    let before = fs::read(root.join("net.pt")).unwrap();
    let run = shell(root, "$REPSIM layers net.pt --input-size 3x16x16 -o net.pt");
    assert_eq!(run.code, 2, "{}", run.stderr);
    std::os::unix::fs::symlink("net.pt", root.join("r")).unwrap();
    let run = shell(
        root,
        &format!("$REPSIM layers {0}/net.pt --input-size 3x16x16 -o {0}/r", root.display()),
    );
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("it is an input too"), "{}", run.stderr);
    assert_eq!(fs::read(root.join("net.pt")).unwrap(), before);
    fs::write(root.join("r.json"), "old ".repeat(100_000)).unwrap();
    for name in ["r.json", "new.json"] {
        let run = shell(root, &format!("{LAYERS} -o {}/{name}", root.display()));
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(is_report(&fs::read_to_string(root.join(name)).unwrap()), "{name}");
    }
    assert_eq!(files_in(root).len(), 4, "something is left");
}

#[test]
fn open_descriptors_are_written_to_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    std::os::unix::fs::symlink("/dev/stdout", folder.path().join("out")).unwrap();
    for line in [
        format!("(echo first; {LAYERS} -o /dev/stdout && echo last) >log"),
        format!("echo first >log; {LAYERS} -o out >>log && echo last >>log"),
        format!("(echo first >&7; {LAYERS} -o /proc/self/fd/7 && echo last >&7) 7>log"),
        format!("(echo first >&2; {LAYERS} -q -o /dev/fd/2 && echo last >&2) 2>log"),
    ] {
        let run = shell(folder.path(), &line);
        let text = fs::read_to_string(&log).unwrap();
        assert_eq!(run.code, 0, "{line}\n{}{text}", run.stderr);
        let inner = text.strip_prefix("first\n").and_then(|text| text.strip_suffix("last\n"));
        assert!(inner.is_some_and(is_report), "{line}\n{text}");
    }
    for (line, says) in [
        ("-o /dev/fd/9", "no such descriptor is open"),
        ("-o /dev/fd/0 </dev/null", "it is open for reading"),
        ("-o /dev/stdout >&-", "it is closed"),
    ] {
        let run = shell(folder.path(), &format!("{LAYERS} {line}"));
        assert_eq!((run.code, run.stderr.lines().count()), (2, 1), "{line}\n{}", run.stderr);
        assert!(run.stderr.contains(says), "{line}\n{}", run.stderr);
    }
}

#[test]
fn pipes_are_written_to_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    mkfifo(&folder.path().join("own"));
    let run = shell(folder.path(), &format!("exec timeout 60 {LAYERS} -o own"));
    assert_eq!((run.code, run.stderr.lines().count()), (2, 1), "{}", run.stderr);
    assert!(run.stderr.contains("nobody reads from this pipe"), "{}", run.stderr);
    for line in [
        format!("exec 3<>own; {LAYERS} -o own && exec 4<own 3>&- && cat <&4 >got"),
        format!(
            "{LAYERS} -o >(cat >part; mv part got) && timeout 60 sh -c 'until test -e got; do sleep 0.02; done'"
        ),
    ] {
        let run = shell(folder.path(), &line);
        assert_eq!(run.code, 0, "{line}\n{}", run.stderr);
        let got = folder.path().join("got");
        assert!(is_report(&fs::read_to_string(&got).unwrap()), "{line}");
        fs::remove_file(got).unwrap();
    }
}

#[test]
fn caches_hold_files_and_are_not_left_empty() {
    let (folder, data) = (tempfile::tempdir().unwrap(), pictures(6));
    let root = folder.path();
    fs::create_dir(root.join("there")).unwrap();
    fs::write(root.join("broken.pt"), "no model").unwrap();
    let fid =
        format!("exec timeout 60 $REPSIM fid {0} {0} -q --layer layer2", data.path().display());
    for (cache, trust) in [("new/deep", ""), ("there/deep", ""), ("new/deep", "--trust-model")] {
        let line = format!("{fid} --model broken.pt --stats-cache {cache} {trust}");
        let run = shell(root, &line);
        assert_eq!(run.code, 2, "{line}\n{}", run.stderr);
        assert_eq!(files_in(root).len(), 2, "{line}: a folder is left");
        assert!(files_in(&root.join("there")).is_empty(), "{line}");
    }
    let line = format!("{fid} --model $MODEL --stats-cache cache -o r.json");
    let run = shell(root, &line);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let kept = root.join("cache").join(&files_in(&root.join("cache"))[0]);
    fs::remove_file(&kept).unwrap();
    mkfifo(&kept);
    let run = shell(root, &line);
    assert_eq!((run.code, run.stderr.lines().count()), (2, 1), "{}", run.stderr);
    assert!(run.stderr.contains("it is not a file"), "{}", run.stderr);
}
