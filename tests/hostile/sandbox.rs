//! The operating system's wall alone: archives whose code was not judged reach no file and write none.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::archives::writers;
use crate::crafted::Folder;
use crate::support::{Run, files_in, path, pictures, repsim, words};

/// Runs a line in a folder.
fn within(folder: &Path, line: &str) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_repsim"));
    let output = command.args(words(line)).current_dir(folder).output().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Which walls a report says stood.
fn held_by(run: &Run) -> Value {
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    report["inputs"]["models"][0]["held_by"].clone()
}

/// Whether this kernel has both walls; where it has not, nothing may rely on them.
fn stands() -> bool {
    let run = repsim(words("layers {mlp.pt} --input-size 16 --only-confined --json"));
    let stands = run.code == 0;
    assert!(stands || run.stderr.contains("cannot hold this process"), "{}", run.stderr);
    stands
}

#[test]
fn reports_say_which_walls_stood() {
    let system = if stands() { vec!["landlock", "seccomp"] } else { vec![] };
    let line = "layers {mlp.pt} --input-size 16 --json";
    let found = held_by(&repsim(words(line)));
    let names: Vec<&str> = found.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(names[0], "operators");
    assert!(system.iter().all(|wall| names.contains(wall)), "{names:?}");
    assert_eq!(held_by(&repsim(words(&format!("{line} --trust-model")))), Value::Null);
    if stands() {
        assert_eq!(held_by(&repsim(words(&format!("{line} --only-confined")))), json!(system));
    }
}

#[test]
fn a_model_reads_no_file_and_writes_none() {
    if !stands() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let secret: Vec<u8> = [1e6f32, 2e6, 3e6, 4e6].iter().flat_map(|v| v.to_le_bytes()).collect();
    fs::write(folder.path().join("secret"), secret).unwrap();
    for (archive, written) in
        [("secret_reader", None), ("file_writer", Some("repsim-must-not-write-this"))]
    {
        let line = format!("layers {{{archive}.pt}} --input-size 4 --json");
        let judged = within(folder.path(), &line);
        assert_eq!(judged.code, 2, "{archive}: {}", judged.stderr);
        let confined = within(folder.path(), &format!("{line} --only-confined"));
        // libtorch does not look whether what it saves is written.
        let told = confined.code == 2 && confined.stderr.contains("ermission denied");
        assert!(told || written.is_some(), "{archive}: {}", confined.stderr);
        assert_eq!(confined.stderr.lines().count(), usize::from(told), "{}", confined.stderr);
        assert_eq!(files_in(folder.path()), ["secret"], "{archive}");
        let trusted = within(folder.path(), &format!("{line} --trust-model"));
        let ran: Value = serde_json::from_str(&trusted.stdout).unwrap();
        assert_eq!(ran["results"]["ran"], true, "{archive}: {}", trusted.stderr);
        written.map_or(Ok(()), |name| fs::remove_file(folder.path().join(name))).unwrap();
    }
}

#[test]
fn no_archive_writes_where_its_code_is_not_judged() {
    if !stands() {
        return;
    }
    let folder = Folder::new();
    for (case, records) in writers(&folder.save()) {
        let archive = folder.archive(&records).display().to_string();
        let run = repsim(["layers", &archive, "--input-size", "4", "--only-confined", "--json"]);
        assert!(matches!(run.code, 0 | 2), "{case}: {}", run.stderr);
        assert!(!folder.written().exists(), "{case} wrote");
    }
}

#[test]
fn outputs_that_are_no_files_leave_the_wall_standing() {
    let line = "layers {mlp.pt} --input-size 16 -q -o";
    for place in ["/dev/null", "/dev/stdout", "-"] {
        let run = repsim(words(&format!("{line} {place}")));
        assert_eq!(run.code, 0, "{place}: {}", run.stderr);
        assert_eq!(run.stdout.is_empty(), place == "/dev/null", "{place}");
        if place != "/dev/null" {
            assert_eq!(held_by(&run).as_array().map_or(0, Vec::len), if stands() { 3 } else { 1 });
        }
    }
}

#[test]
fn what_a_run_needs_is_reached_by_whatever_way() {
    let (folder, data) = (tempfile::tempdir().unwrap(), pictures(6));
    let link = |to: &Path, name: &str| {
        std::os::unix::fs::symlink(to, folder.path().join(name)).unwrap();
    };
    fs::create_dir(folder.path().join("img")).unwrap();
    link(&data.path().join("even"), "img/even");
    fs::create_dir(folder.path().join("img/odd")).unwrap();
    for name in files_in(&data.path().join("odd")) {
        link(&data.path().join("odd").join(&name), &format!("img/odd/{name}"));
    }
    link(&path("tiny_resnet_scripted.pt"), "net.pt");
    fs::create_dir(folder.path().join("out")).unwrap();
    link(Path::new("out/there.json"), "r.json");
    for line in [
        "cka ./net.pt --data img/../img -o r.json --heatmap h.png",
        "saliency net.pt --data img --layer layer2 --images new/overlays --maps m.npz --sheet s.png",
        "fid img img --model net.pt --layer layer2 --stats-cache new/cache",
        "stats img --model net.pt --layer layer2 -o s.npz",
        "sensitivity net.pt --data img --plot p.svg -o out/s.json --device auto",
    ] {
        let run = within(folder.path(), line);
        assert_eq!(run.code, 0, "{line}\n{}", run.stderr);
    }
    assert!(folder.path().join("out/there.json").is_file());
    assert!(folder.path().join("r.json").is_symlink());
    assert_eq!(files_in(&folder.path().join("new/overlays")).len(), 2);
}

#[test]
fn labels_beside_packed_images_are_reached() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, lengths: &[u32], bytes: &[u8]| {
        let mut file = vec![0, 0, 8, lengths.len() as u8];
        file.extend(lengths.iter().flat_map(|n| n.to_be_bytes()));
        file.extend(bytes);
        let mut writer = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        writer.write_all(&file).unwrap();
        fs::write(folder.path().join(name), writer.finish().unwrap()).unwrap();
    };
    let pixels: Vec<u8> = (0..6 * 32 * 32).map(|i| (i * i % 251) as u8).collect();
    put("t10k-images-idx3-ubyte.gz", &[6, 32, 32], &pixels);
    put("t10k-labels-idx1-ubyte.gz", &[6], &[0, 1, 2, 0, 1, 2]);
    let net = path("tiny_resnet_scripted.pt");
    let data = "--data t10k-images-idx3-ubyte.gz --channels rgb --layers layer1 --format json";
    let run = within(folder.path(), &format!("cka {} {data}", net.display()));
    assert_eq!(run.code, 0, "{}", run.stderr);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let classes = report["inputs"]["data"]["classes"].as_array().map_or(0, Vec::len);
    assert_eq!(classes, 3, "{}", report["inputs"]["data"]);
}
