//! Defaults from `repsim.toml` and from the environment, and colours.

use assert_cmd::Command;
use serde_json::{Value, json};

use crate::check_support::Files;
use crate::reports::assert_valid;
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
    assert_valid(&found, "cka");
    let taken = &found["inputs"]["defaults"];
    assert!(taken["path"].as_str().unwrap().ends_with("/repsim.toml"), "{taken}");
    let options = taken["options"].as_array().unwrap();
    assert!(options.contains(&"--limit=4".into()) && !options.contains(&"--threads=1".into()));
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
fn defaults_of_what_is_not_done_are_left_out() {
    let files = with_file(
        "[defaults]\ndata = \"data.npy\"\nrandom-seed = 5\nlevel = 0.9\nweights-key = \"model\"\n\
         alpha = 0.5\n\n[compare]\nmeasures = [\"cka\"]\n",
    );
    let compare = "compare {tiny_resnet_scripted.pt} --layers layer4";
    let run = run_in(&files, &format!("{compare} -v"), &[]);
    assert_eq!(report(&run)["settings"]["permutations"], 0);
    for option in ["--random-seed=5", "--level=0.9", "--weights-key=model", "--alpha=0.5"] {
        let told = run.stderr.lines().find(|line| line.starts_with(option));
        assert!(told.is_some_and(|line| line.ends_with("does not apply here")), "{}", run.stderr);
    }
    let run = run_in(&files, &format!("{compare} --permutations 4"), &[]);
    assert_eq!(report(&run)["settings"]["random_seed"], 5);
}

#[test]
fn a_section_unsets_what_holds_for_all() {
    let files = with_file(
        "[defaults]\ndata = \"data.npy\"\nno-optimize = true\nlayers = [\"layer1\", \"layer4\"]\n\
         mean = [0.5, 0.4, 0.3]\n\n[cka]\nno-optimize = false\nlayers = [\"layer4\"]\nmean = []\n",
    );
    let settings = |line: &str| report(&run_in(&files, line, &[]))["settings"].clone();
    let of_cka = settings("cka {tiny_resnet_scripted.pt}");
    assert_eq!((&of_cka["optimize"], &of_cka["layers"]), (&true.into(), &json!(["layer4"])));
    let of_all = settings("compare {tiny_resnet_scripted.pt} --measures cka --float-range keep");
    assert_eq!(
        (&of_all["optimize"], of_all["layers"].as_array().unwrap().len()),
        (&false.into(), 2)
    );
}

/// Defaults of measures that are not asked for are left out, those of the default measures are taken.
#[test]
fn defaults_for_other_measures_do_not_apply() {
    let files = with_file(
        "[defaults]\ndata = \"data.npy\"\npreprocess = \"raw\"\nbias = \"biased\"\nneighbours = 2\n",
    );
    let line = "compare {tiny_resnet_scripted.pt} --layers layer? -v";
    let found = run_in(&files, &format!("{line} --measures rsa"), &[]);
    assert_eq!(found.code, 0, "{}", found.stderr);
    assert!(found.stderr.contains("--bias=biased of [defaults]"), "{}", found.stderr);
    assert_eq!(report(&found)["settings"]["options"]["bias"], "unbiased");
    let found = report(&run_in(&files, line, &[]));
    assert_eq!(found["settings"]["options"]["bias"], "biased");
    assert_eq!(found["settings"]["options"]["neighbours"], 2);
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

/// Another user's file is refused where it was found, and read where it is given.
#[cfg(unix)]
#[test]
fn defaults_of_another_user_are_not_taken_unasked() {
    let files = with_file("[defaults]\ndata = \"data.npy\"\npreprocess = \"raw\"\n");
    let file = files.folder().join("repsim.toml");
    let given = format!("{CKA} --config repsim.toml");
    assert_eq!(
        report(&run_in(&files, CKA, &[]))["results"],
        report(&run_in(&files, &given, &[]))["results"]
    );
    // Files are given away by root alone.
    if std::os::unix::fs::chown(&file, Some(12_345), None).is_err() {
        return;
    }
    let run = run_in(&files, CKA, &[]);
    assert_eq!((run.code, run.stderr.lines().count()), (2, 1), "{}", run.stderr);
    for part in ["repsim.toml", "another user", "--config", "--no-config"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    assert_eq!(run_in(&files, &given, &[]).code, 0);
    assert_eq!(run_in(&files, CKA, &[("SUDO_UID", "12345")]).code, 0);
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

/// Steps for images mean nothing of folders of features and of samples that are rows of numbers: from a file that was found
/// they are left out, and said; given, they are refused.
#[test]
fn steps_for_images_do_not_apply_to_other_samples() {
    let files =
        with_file("[defaults]\nresize = \"8\"\nmean = 0.5\nstd = 0.5\nlimit = 4\nworkers = 1\n");
    let features = "features {tiny_resnet_scripted.pt} --data data.npy --preprocess raw --no-config \
                    --layers layer3 --layers layer4 -o kept";
    assert_eq!(run_in(&files, features, &[]).code, 0);
    for line in ["cka kept", "compare kept --measures procrustes"] {
        let run = run_in(&files, &format!("{line} -v"), &[]);
        let found = report(&run);
        assert_eq!(
            (&found["results"]["n"], &found["inputs"]["defaults"]),
            (&json!(5), &Value::Null)
        );
        let said = run.stderr.matches(" does not apply here").count();
        assert_eq!(said, 5, "{}", run.stderr);
        let run = run_in(&files, &format!("{line} --resize 8"), &[]);
        assert!(run.code == 2 && run.stderr.contains("preprocessing was given"), "{}", run.stderr);
    }
    let rows = "cka {mlp.pt} --data {mlp.npy} -v";
    let run = run_in(&files, rows, &[]);
    assert_eq!(report(&run)["results"]["n"], 4);
    assert!(run.stderr.contains("--mean=0.5 of [defaults] in"), "{}", run.stderr);
    let run = run_in(&files, &format!("{rows} --resize 8"), &[]);
    assert!(run.code == 2 && run.stderr.contains("rows of numbers"), "{}", run.stderr);
}
