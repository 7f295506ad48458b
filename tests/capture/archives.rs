//! What is not a model, and models that are not to be run unasked.

use std::fs;
use std::path::Path;

use repsim::torchscript::{Answer, Model};
use tch::Tensor;

use crate::golden::{Golden, execution, path};

/// The message for a path that is not a model.
#[track_caller]
fn told(path: &Path) -> String {
    let text = match Model::load(path, false) {
        Ok(_) => panic!("{} was loaded", path.display()),
        Err(error) => error.to_string(),
    };
    assert!(text.starts_with("failed to load "), "{text}");
    assert!(text.contains(&path.display().to_string()), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[test]
fn a_missing_path() {
    says(&told(Path::new("nowhere/model.pt")), &["there is no such file", "path of a model"]);
}

#[test]
fn a_folder() {
    says(&told(&path("")), &["it is a folder", "--data"]);
}

#[test]
fn a_state_dict_says_how_to_export() {
    let text = told(&path("state_dict.pth"));
    says(&text, &["state dict", "--weights", "torch.export.save("]);
}

#[test]
fn a_bare_pickle_says_how_to_export() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("old.pth");
    fs::write(&file, b"\x80\x02}q\x00.").unwrap();
    says(&told(&file), &["Python pickle", "torch.export.save("]);
}

#[test]
fn an_archive_cut_short() {
    says(&told(&path("truncated.pt")), &["damaged or cut short", "again"]);
    let whole = fs::read(path("mlp.pt")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("short.pt");
    for part in [10, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&file, &whole[..part]).unwrap();
        says(&told(&file), &["damaged or cut short"]);
    }
}

/// Bytes changed in the middle: refused, or loaded where they mean nothing; never a crash.
#[test]
fn a_damaged_archive_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bent.pt");
    let whole = fs::read(path("mlp.pt")).unwrap();
    for place in (40..whole.len()).step_by(97) {
        let mut bent = whole.clone();
        bent[place] ^= 0xff;
        fs::write(&file, &bent).unwrap();
        if let Err(error) = Model::load(&file, false) {
            let text = error.to_string();
            says(&text, &["failed to load", "bent.pt"]);
            assert_eq!(text.lines().count(), 1, "byte {place}: {text}");
        }
    }
}

#[test]
fn something_else() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("notes.txt", b"hello".as_slice()), ("empty.pt", b"")] {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        says(&told(&file), &["it is not an archive of torch.export", "torch.export.save("]);
    }
}

#[test]
fn operators_that_reach_files_are_refused() {
    let text = fs::read_to_string(path("forbidden.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (archive, operators) in json["operators"].as_object().unwrap() {
        let operators = crate::golden::texts(operators);
        let text = told(&path(archive));
        says(&text, &operators);
        says(&text, &["--trust-model"]);
        let trusted = Model::load(path(archive), true).unwrap();
        assert_eq!(trusted.untrusted_operators(), operators, "{archive}");
    }
    assert!(!Path::new("repsim-must-not-write-this").exists());
}

#[test]
fn a_trusted_archive_runs() {
    let input = Tensor::ones([2, 4], tch::kind::FLOAT_CPU);
    for optimize in [false, true] {
        let mut model = Model::load(path("file_reader.pt"), true).unwrap();
        let layers = model.probe(&input).unwrap();
        let names: Vec<&str> = layers.iter().map(|l| l.name.as_str()).collect();
        assert_eq!(names, ["loader", "head"]);
        model.prepare(&layers, &execution(optimize)).unwrap();
        let output = model.run(&input, &mut |_, _| Ok(Answer::Keep)).unwrap().unwrap();
        assert_eq!(output.size(), [2, 3]);
    }
}

#[test]
fn harmless_archives_are_not_suspected() {
    for case in ["tiny_resnet", "control_flow", "frozen", "mlp", "identity", "varying"] {
        for archive in Golden::load(case).archives() {
            let model = Model::load(path(archive), false).unwrap();
            assert!(model.untrusted_operators().is_empty(), "{archive}");
            assert_eq!(model.path(), path(archive));
        }
    }
}
