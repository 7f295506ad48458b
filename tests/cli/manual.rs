//! Completions and manual pages.

use crate::check_support::{Files, refused};
use crate::support::{done, files_in, repsim};

#[test]
fn shells_get_completions() {
    for (shell, part) in [
        ("bash", "complete -F _repsim"),
        ("zsh", "#compdef repsim"),
        ("fish", "complete -c repsim"),
        ("elvish", "edit:completion"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let text = done(&format!("completions {shell}")).stdout;
        assert!(text.contains(part), "{shell}");
        for word in ["saliency", "plot", "update-baseline"] {
            assert!(text.contains(word), "{word} is not among the completions of {shell}");
        }
    }
    assert_eq!(repsim(["completions", "cmd"]).code, 2);
}

#[test]
fn every_command_has_a_page() {
    let main = done("man").stdout;
    assert!(main.contains(".TH REPSIM 1"), "{main}");
    assert!(main.contains("repsim\\-cka"), "{main}");
    for part in ["2026", "repsim 0.1", "EXIT STATUS", "FILES"] {
        assert!(main.contains(part), "{part}: {main}");
    }
    let cka = done("man cka").stdout;
    assert!(cka.contains(".TH REPSIM-CKA 1") && cka.contains("\\-\\-plot"), "{cka}");
    let first = cka.lines().find(|line| line.starts_with(".TH")).unwrap();
    assert!(first.contains(env!("CARGO_PKG_VERSION")), "{first}");
    refused(&repsim(["man", "nothing"]), &["no command 'nothing'", "cka", "fid"]);
    let files = Files::new();
    done(&format!("man --folder {}", files.folder().display()));
    let mut pages = files_in(files.folder());
    pages.sort();
    for name in ["repsim.1", "repsim-cka.1", "repsim-check.1", "repsim-diff.1"] {
        assert!(pages.contains(&name.to_owned()), "{pages:?}");
    }
    assert!(!pages.contains(&"repsim-help.1".to_owned()), "{pages:?}");
    assert_eq!(files.read("repsim-cka.1"), cka);
}

#[test]
fn short_help_leaves_out_seeds_that_follow_and_names_all_values() {
    let (short, long) = (done("stitch -h").stdout, done("stitch --help").stdout);
    for option in ["--split-seed", "--train-seed", "--control-seed", "--draw-seed"] {
        assert!(!short.contains(option) && long.contains(option), "{option}");
    }
    assert!(short.contains("--seed"), "{short}");
    for value in ["direct", "trained", "identity"] {
        assert!(short.contains(value), "{value}: {short}");
    }
}
