//! Preprocessing that lies beside a model.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{path, repsim, words};

const BESIDE: &str = "[preprocess]\nchannels = \"rgb\"\nresize = 20\ninterpolation = \"bicubic\"\n\
                      crop = \"16x16\"\nrange = \"0..1\"\nmean = [0.5, 0.4, 0.3]\nstd = [0.2, 0.3, 0.4]\n\
                      [model]\nname = \"timm's own\"\n";

const SAME: &str = "--preprocess raw --channels rgb --resize 20 --interpolation bicubic --crop 16x16 \
                    --mean 0.5,0.4,0.3 --std 0.2,0.3,0.4";

/// A folder with models of some names, and what lies beside the first.
struct Models(TempDir);

impl Models {
    fn new(names: &[&str], beside: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            fs::copy(path("weights/arch.pt"), folder.path().join(name)).unwrap();
        }
        let own = Self(folder);
        fs::write(own.path(names[0]).with_extension("repsim.toml"), beside).unwrap();
        own
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs a line in which words that begin with @ are the models.
    fn run(&self, line: &str) -> (Value, String) {
        let run = self.any(line);
        assert_eq!(run.code, 0, "{line}: {}", run.stderr);
        (serde_json::from_str(&run.stdout).unwrap(), run.stderr)
    }

    fn any(&self, line: &str) -> crate::support::Run {
        let word = |word: String| match word.strip_prefix('@') {
            Some(name) => self.path(name).display().to_string(),
            None => word,
        };
        repsim(words(line).into_iter().map(word))
    }
}

const DATA: &str = "--data {weights/images.npy} --layers layer1 --layers fc --output -";

#[test]
fn steps_beside_a_model_are_taken_and_told_of() {
    let models = Models::new(&["own.pt", "plain.pt"], BESIDE);
    let (own, said) = models.run(&format!("cka @own.pt {DATA}"));
    assert!(said.contains("preprocessing: own, as the .repsim.toml beside the model"), "{said}");
    assert_eq!(own["inputs"]["data"]["preprocess"][0]["preset"], "own");
    let (given, said) = models.run(&format!("cka @plain.pt {DATA} {SAME}"));
    assert!(!said.contains("repsim.toml"), "{said}");
    assert_eq!(own["results"], given["results"]);
    // A preset that was given counts instead, and single steps go on top.
    let (raw, _) = models.run(&format!("cka @own.pt {DATA} --preprocess raw"));
    assert_eq!(raw["inputs"]["data"]["preprocess"][0]["mean"], json!([]));
    let (more, _) = models.run(&format!("cka @own.pt {DATA} --crop none"));
    let steps = &more["inputs"]["data"]["preprocess"][0];
    assert_eq!((&steps["crop"], &steps["mean"]), (&json!("none"), &json!([0.5, 0.4, 0.3])));
}

#[test]
fn each_of_two_models_has_its_own() {
    let models = Models::new(&["own.pt", "plain.pt"], BESIDE);
    let steps = |line: &str| {
        let (report, said) = models.run(&format!("cka {line} {DATA}"));
        (report["inputs"]["data"]["preprocess"].clone(), said)
    };
    let (both, said) = steps("@plain.pt @own.pt");
    assert_eq!((&both[0]["preset"], &both[1]["preset"]), (&json!("raw"), &json!("own")));
    assert!(said.contains("preprocessing of B: own"), "{said}");
    let (both, _) = steps("@own.pt @plain.pt");
    assert_eq!((&both[0]["preset"], &both[1]["mean"]), (&json!("own"), &json!([])));
    let (both, _) = steps("@plain.pt @own.pt --preprocess cifar10 --preprocess-b own");
    assert_eq!((&both[0]["preset"], &both[1]["preset"]), (&json!("cifar10"), &json!("own")));
}

#[test]
fn models_that_see_the_same_images_must_agree() {
    let models = Models::new(&["own.pt", "plain.pt"], BESIDE);
    let line = "platonic @own.pt @plain.pt --data {weights/images.npy} --layer avgpool --output -";
    let run = models.any(line);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("the preprocessing beside them differs"), "{}", run.stderr);
    models.run(&format!("{line} --preprocess raw"));
}

#[test]
fn rows_of_numbers_are_left_alone() {
    let models = Models::new(&["own.pt"], BESIDE);
    fs::copy(path("mlp.pt"), models.path("own.pt")).unwrap();
    let (report, _) = models.run("cka @own.pt --data {mlp.npy} --output -");
    assert_eq!(report["inputs"]["data"]["preprocess"][0]["preset"], "raw");
}

#[test]
fn files_that_mean_nothing_are_refused() {
    let cases = [
        ("nonsense", "repsim.toml"),
        ("[preprocess]\nsize = 3\n", "unknown field `size`"),
        ("[preprocess]\nresize = \"huge\"\n", "huge"),
        ("[preprocess]\nstd = [0.0]\n", "--std holds 0"),
        ("[preprocess]\nchannels = \"five\"\n", "channels"),
    ];
    for (text, part) in cases {
        let models = Models::new(&["own.pt"], text);
        let run = models.any(&format!("cka @own.pt {DATA}"));
        assert_eq!(run.code, 2, "{text}: {}", run.stdout);
        assert_eq!(run.stderr.trim_end().lines().count(), 1, "{}", run.stderr);
        assert!(run.stderr.contains(part) && run.stderr.contains("repsim.toml"), "{}", run.stderr);
    }
    let models = Models::new(&["own.pt", "plain.pt"], BESIDE);
    let run = models.any(&format!("cka @plain.pt {DATA} --preprocess own"));
    assert!(run.code == 2 && run.stderr.contains("plain.repsim.toml"), "{}", run.stderr);
}

/// Sets of a distance are told apart by what was done to them, and two with the model's own are alike.
#[test]
fn sets_of_images_have_the_steps_of_the_model() {
    let models = Models::new(&["own.pt", "plain.pt"], BESIDE);
    let line = "{weights/images.npy} {axes/others.npy} --layer avgpool --output -";
    let (own, _) = models.run(&format!("fid {line} --model @own.pt"));
    let (given, _) = models.run(&format!("fid {line} --model @plain.pt {SAME}"));
    assert_eq!(own["results"], given["results"]);
}
