//! Defaults from `repsim.toml` and from the environment, and colours.

use assert_cmd::Command;
use serde_json::Value;

use crate::check_support::Files;
use crate::support::{Run, path, words};

const CKA: &str = "cka {tiny_resnet_scripted.pt} --layers layer4 -v";

/// Runs a line in a folder, with variables of the environment.
fn run_in(files: &Files, line: &str, variables: &[(&str, &str)]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_repsim"));
    let command = command.args(words(line)).current_dir(files.folder());
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// A folder with a file of defaults, and one below it.
fn with_file(text: &str) -> Files {
    let files = Files::new();
    std::fs::copy(path("tiny_resnet.npy"), files.folder().join("data.npy")).unwrap();
    files.text("repsim.toml", text);
    files
}

fn report(run: &Run) -> Value {
    assert_eq!(run.code, 0, "{}", run.stderr);
    serde_json::from_str(&run.stdout).unwrap()
}

#[test]
fn a_file_holds_defaults_that_the_command_line_overrides() {
    let files = with_file(
        "[defaults]\ndata = \"data.npy\"\nlimit = 3\nbatch-size = 2\nmodel = \"none.pt\"\n\n\
         [cka]\nlimit = 4\npreprocess = \"raw\"\nmean = [0.5, 0.4, 0.3]\nfloat-range = \"keep\"\nno-optimize = true\n",
    );
    let run = run_in(&files, CKA, &[("REPSIM_THREADS", "1")]);
    let found = report(&run);
    assert_eq!(found["results"]["n"], 4);
    assert_eq!(found["settings"]["batch_size"], 2);
    assert_eq!(found["settings"]["optimize"], false);
    for part in
        ["--limit=4 is from [cka]", "--mean=0.5,0.4,0.3", "--threads=1 is from REPSIM_THREADS"]
    {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    assert_eq!(report(&run_in(&files, &format!("{CKA} -n 5"), &[]))["results"]["n"], 5);
    let run = run_in(&files, &format!("{CKA} --no-config"), &[]);
    assert!(run.code == 2 && run.stderr.contains("--data"), "{}", run.stderr);
}

#[test]
fn defaults_that_do_not_apply_are_left_out() {
    let files = with_file(
        "[defaults]\ndata = \"data.npy\"\npreprocess = \"raw\"\nlimit = 5\nreduce = \"gap\"\n\
         mean-b = [0.5]\n",
    );
    let run = run_in(&files, "cka --features {mlp.npz} -v", &[]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("--limit=5 of [defaults]"), "{}", run.stderr);
    assert!(run.stderr.contains("does not apply here"), "{}", run.stderr);
    let found = report(&run_in(&files, CKA, &[]));
    assert_eq!(found["settings"]["reduce"], "gap");
    let model = path("tiny_resnet_scripted.pt");
    let text = format!("[defaults]\nlimit = 4\nmodel = \"{}\"\n", model.display());
    let found = report(&run_in(&with_file(&text), "fid data.npy data.npy", &[]));
    assert_eq!(found["results"]["candidates"][0]["n"], 4);
}

#[test]
fn wrong_defaults_are_refused_in_a_line() {
    for (text, parts) in [
        ("[defaults]\nlimits = 5\n", &["[defaults] has no key limits"][..]),
        ("[nothing]\nlimit = 5\n", &["no section [nothing]"]),
        ("[cka]\nlimit = 0\n", &["[cka]", "--limit", "whole number from 1"]),
        ("[cka]\noutput = \"x.json\"\n", &["[cka] has no key output"]),
        ("[defaults]\ntrust-model = true\n", &["no key trust-model"]),
        ("[cka]\nno-optimize = 3\n", &["no-optimize", "true or false"]),
        ("[cka\n", &["line 1"]),
    ] {
        let run = run_in(&with_file(text), CKA, &[]);
        assert_eq!((run.code, run.stderr.lines().count()), (2, 1), "{text}{}", run.stderr);
        for part in parts.iter().chain(&["repsim.toml"]) {
            assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
        }
    }
    let run = run_in(&with_file(""), CKA, &[("REPSIM_THREADS", "many")]);
    let parts = ["REPSIM_THREADS", "whole number from 1 to 1,024", "unset it"];
    assert!(run.code == 2 && parts.iter().all(|part| run.stderr.contains(part)), "{}", run.stderr);
}

#[test]
fn colours_come_where_they_are_asked_for() {
    let coloured = |line: &str, variables: &[(&str, &str)]| {
        run_in(&Files::new(), line, variables).stderr.contains('\u{1b}')
    };
    assert!(coloured("cka nothing.pt --color always", &[]));
    assert!(coloured("cka nothing.pt --color=always", &[("NO_COLOR", "1")]));
    assert!(!coloured("cka nothing.pt --color never", &[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured("cka nothing.pt", &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]));
}
