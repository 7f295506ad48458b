//! Paths that name no file: pipes, sockets, devices and folders, wherever an input is given.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use crate::check_support::Files;
use crate::support::{Run, path, pictures, words};

/// Runs `repsim`, which must not wait for what never comes.
fn in_time(words: &[&str]) -> Run {
    let mut command = Command::new("timeout");
    let output = command.arg("20").arg(env!("CARGO_BIN_EXE_repsim")).args(words).output().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[track_caller]
fn refused(words: &[&str], part: &str) {
    let run = in_time(words);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{words:?}: {}", run.stderr);
    let errors: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(errors.len() == 1 && errors[0].contains(part), "{words:?}: {}", run.stderr);
}

fn fifo(path: &str) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn pipes_are_told_in_every_place() {
    let files = Files::new();
    let model = path("tiny_resnet_scripted.pt").display().to_string();
    let data = path("tiny_resnet.npy").display().to_string();
    let pipe = |name: &str| {
        let path = files.path(name);
        if !Path::new(&path).exists() {
            fifo(&path);
        }
        path
    };
    let policy = files.text("policy.toml", "version = 1\nrules = ['diagonal >= 0.5']\n");
    for given in ["p.npy", "p.npz", "p.safetensors", "p.bin", "images-idx3-ubyte", "p.png"] {
        let part = if given == "p.png" { "single image" } else { "named pipe" };
        refused(&["cka", &model, "--data", &pipe(given)], part);
    }
    for given in ["p.npz", "p.npy"] {
        refused(&["cka", "--features", &pipe(given)], "named pipe");
        refused(&["fid", &pipe(given), &data], "named pipe");
    }
    refused(&["layers", &pipe("p.pt")], "named pipe");
    refused(&["cka", &model, "--data", &data, "--weights", &pipe("p.pth")], "named pipe");
    refused(&["check", &pipe("p.json"), "--policy", &policy], "named pipe");
    refused(&["check", "r.json", "--policy", &pipe("p.toml")], "named pipe");
    refused(&["diff", &pipe("p.json"), &pipe("p.json")], "named pipe");
    refused(&["report", &pipe("p.json"), "-o", &files.path("p.html")], "named pipe");
    let texts = files.text("t.txt", "a\nb\n");
    refused(&["cka", &model, "--data", &texts, "--tokenizer", &pipe("t.json")], "named pipe");
    refused(
        &["cka", &model, "--data", &pipe("p.txt"), "--tokenizer", &pipe("t.json")],
        "named pipe",
    );
    let line =
        words("saliency {tiny_resnet_scripted.pt} --data {tiny_resnet.npy} --float-range keep");
    let mut line: Vec<&str> = line.iter().map(String::as_str).collect();
    let labels = pipe("labels.txt");
    line.extend(["--limit", "1", "--labels", &labels]);
    refused(&line, "named pipe");
}

#[test]
fn devices_sockets_and_folders_are_told() {
    let files = Files::new();
    let socket = files.path("s.json");
    let _listener = UnixListener::bind(&socket).unwrap();
    std::fs::create_dir(files.path("d.npy")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", files.path("zero.npz")).unwrap();
    refused(&["check", &socket, "--baseline", &socket], "a socket");
    refused(&["layers", "/dev/zero"], "a device");
    refused(&["check", "/dev/zero", "--baseline", "/dev/zero"], "a device");
    refused(&["cka", "--features", &files.path("zero.npz")], "a device");
    refused(&["cka", "--features", &files.path("d.npy")], "a folder");
}

#[test]
fn what_the_shell_hands_over_is_read() {
    let program = env!("CARGO_BIN_EXE_repsim");
    let line = format!("echo '[1]' | {program} diff /dev/stdin /dev/stdin");
    let output = Command::new("bash").args(["-c", &line]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("it is JSON, but not a report of repsim"), "{told}");
}

/// A pipe gives its bytes once; two models ask for them.
#[test]
fn names_from_the_shell_serve_every_model() {
    let program = env!("CARGO_BIN_EXE_repsim");
    let (model, data) = (path("tiny_resnet_scripted.pt"), path("tiny_resnet.npy"));
    let (model, data) = (model.display(), data.display());
    let names = "<(seq 1 6)";
    let line = format!(
        "exec {program} saliency {model} {model} --data {data} --float-range keep --limit 1 --labels {names} -o -"
    );
    let output = Command::new("bash").args(["-c", &line]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    let line = format!("exec {program} cka --features <(cat {data})");
    let output = Command::new("bash").args(["-c", &line]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("a pipe of the shell"), "{told}");
}

#[test]
fn links_that_lead_around_the_data_are_told() {
    let data = pictures(2);
    for target in ["/", data.path().parent().unwrap().to_str().unwrap()] {
        let link = data.path().join("even/link");
        std::os::unix::fs::symlink(target, &link).unwrap();
        let model = path("tiny_resnet_scripted.pt").display().to_string();
        let part = format!("it is a link to {target}, which holds more than data");
        refused(&["cka", &model, "--data", data.path().to_str().unwrap()], &part);
        std::fs::remove_file(&link).unwrap();
    }
}
