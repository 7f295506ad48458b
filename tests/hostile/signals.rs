//! Signals in the middle of a run: it ends with 128 and the signal's number, old files stay whole and nothing
//! is left over.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{files_in, path};

/// Points of a run at which a signal comes.
const POINTS: u32 = 20;

const SIGNALS: [(&str, i32); 3] = [("HUP", 1), ("INT", 2), ("TERM", 15)];

/// Begins a run that writes a report, maps, a sheet and a folder of overlays.
fn begin(folder: &Path) -> Child {
    begin_with(folder, &path("models/fashion-seed0-scripted.pt"))
}

fn begin_with(folder: &Path, model: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_repsim"));
    command.arg("saliency").arg(model).arg("--data").arg(path("images")).args([
        "--limit",
        "40",
        "--preprocess",
        "raw",
    ]);
    command.args(["--channels", "3", "--layer", "layer4", "-o", "r.json", "--maps", "m.npz"]);
    command.args(["--sheet", "s.svg", "--images", "overlays", "--threads", "2", "-q"]);
    command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until a run has made a hidden folder.
fn wait_for_hidden(folder: &Path) {
    let until = Instant::now() + Duration::from_secs(60);
    while hidden(folder) == 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(hidden(folder) > 0);
}

/// Waits for so long, or until a run has ended by itself.
fn is_running_after(child: &mut Child, time: Duration) -> bool {
    let until = Instant::now() + time;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() >= until {
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    false
}

fn send(child: &Child, signal: &str) {
    let sent = Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status();
    assert!(sent.is_ok());
}

fn hidden(folder: &Path) -> usize {
    files_in(folder).iter().filter(|name| name.starts_with(".repsim")).count()
}

#[test]
fn a_signal_at_any_point_leaves_all_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let outputs = ["r.json", "m.npz", "s.svg"].map(|name| folder.path().join(name));
    let started = Instant::now();
    assert!(begin(folder.path()).wait().unwrap().success());
    let mut whole = started.elapsed();
    let (mut ended, mut heard) = (0, 0);
    for point in 0..POINTS {
        outputs.iter().for_each(|path| std::fs::write(path, "old").unwrap());
        let (name, number) = SIGNALS[point as usize % SIGNALS.len()];
        let (started, mut child) = (Instant::now(), begin(folder.path()));
        if is_running_after(&mut child, whole * point / POINTS) {
            send(&child, name);
        }
        let status = child.wait().unwrap();
        // Other tests may have slowed down the runs before.
        whole = if status.success() { whole.min(started.elapsed()) } else { whole };
        let old = outputs.iter().filter(|path| std::fs::read(path).unwrap() == b"old").count();
        let is_expected = match (status.code(), status.signal()) {
            (Some(0), _) => old == 0,
            (Some(code), _) => code == 128 + number && (old == outputs.len() || old == 0),
            // Before the process listens.
            (None, signal) => signal == Some(number) && old == outputs.len(),
        };
        assert!(is_expected, "SIG{name} at {point}/{POINTS}: {status}, {old} old");
        assert_eq!(hidden(folder.path()), 0, "SIG{name} at {point}/{POINTS} left something");
        ended += u32::from(!status.success());
        heard += u32::from(status.code() == Some(128 + number));
    }
    assert!(
        ended >= POINTS / 2 && heard > 0,
        "{ended} of {POINTS} were ended, {heard} by themselves"
    );
}

#[test]
fn what_a_killed_run_left_the_next_one_removes() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = begin(folder.path());
    wait_for_hidden(folder.path());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(hidden(folder.path()) > 0);
    assert!(begin(folder.path()).wait().unwrap().success());
    assert_eq!(hidden(folder.path()), 0);
}

/// How a run ended, and what it said.
fn ended(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_crash_is_told_in_a_line_and_leaves_nothing() {
    for signal in ["SEGV", "ABRT"] {
        let folder = tempfile::tempdir().unwrap();
        let child = begin(folder.path());
        wait_for_hidden(folder.path());
        send(&child, signal);
        let (code, said) = ended(child);
        assert_eq!((code, said.lines().count()), (Some(2), 1), "SIG{signal}: {said}");
        assert!(said.contains("crashed"), "{said}");
        assert_eq!(files_in(folder.path()), [""; 0], "SIG{signal}");
    }
}

#[test]
fn a_file_that_changes_under_a_run_is_told() {
    let (folder, inputs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let model = inputs.path().join("net.pt");
    std::fs::copy(path("models/fashion-seed0-scripted.pt"), &model).unwrap();
    let child = begin_with(folder.path(), &model);
    wait_for_hidden(folder.path());
    let file = std::fs::File::options().write(true).open(&model).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let (code, said) = ended(child);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("net.pt: it was changed while the run read it"), "{said}");
    assert_eq!(files_in(folder.path()), [""; 0]);
}

#[test]
fn a_demo_that_is_ended_leaves_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_repsim"));
    command.arg("demo").current_dir(folder.path()).stdout(Stdio::null());
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let made = folder.path().join("repsim-demo/images");
    let until = Instant::now() + Duration::from_secs(60);
    while !made.is_dir() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(made.is_dir());
    // An interrupt would stay ignored where whoever runs the tests ignores it.
    send(&child, "TERM");
    assert_eq!(ended(child).0, Some(143));
    assert_eq!(files_in(folder.path()), [""; 0]);
}
