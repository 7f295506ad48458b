//! Every block of commands in the README, run in its order in a folder that holds the files it names.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::check_support::{Files, written};
use crate::support::{path, repsim};

/// What the commands install, build and test repsim with: `packaging/test.sh` tries the first, and that the last work is
/// what runs this test.
const SET_UP: &str = "pip install repsim_torch-0.1.0+torch2.13-*.whl\n\
                      repsim demo\n\n\
                      tar xf repsim-0.1.0-linux-x86_64.tar.xz\n\
                      repsim-0.1.0-linux-x86_64/repsim demo\n\n\
                      ./setup.sh && cargo run --release -- demo\n\
                      ./setup.sh && cargo test --release\n";

/// Names of models in the README, and which example each is.
const MODELS: [(&str, &str); 12] = [
    ("resnet18.pt", "seed0-scripted"),
    ("before.pt", "seed0-scripted"),
    ("after.pt", "seed1-traced"),
    ("released.pt", "seed0-scripted"),
    ("candidate.pt", "seed1-traced"),
    ("inception.pt", "seed0-scripted"),
    ("classifier.pt", "seed0-scripted"),
    ("plain.pt", "seed0-scripted"),
    ("mixup.pt", "mixup-scripted"),
    ("model.pt", "cutout-scripted"),
    ("run/epoch2.pt", "mixup-scripted"),
    ("run/epoch10.pt", "seed0-scripted"),
];

/// An architecture and checkpoints of it in the README, and which golden files they are.
const CHECKPOINTS: [(&str, &str); 3] =
    [("arch.pt", "arch.pt"), ("epoch1.pth", "e1.pth"), ("epoch9.pth", "e9.pth")];

/// A network of tokens and its data in the README, and which golden files they are.
const TOKENS: [(&str, &str); 4] = [
    ("bert.pt2", "bert.pt2"),
    ("tokens.npz", "bert.npz"),
    ("texts.txt", "texts.txt"),
    ("tokenizer.json", "tokenizer.json"),
];

/// Files that the blocks leave behind.
const WRITTEN: [&str; 31] = [
    "report.json",
    "cka.png",
    "real.npz",
    "fid.json",
    "rows.csv",
    "accuracy.png",
    "saliency.json",
    "cams.png",
    "maps.npz",
    "maps.png",
    "pairs.png",
    "maps.json",
    "patches.png",
    "shared.png",
    "patterns.json",
    "channels.png",
    "models.png",
    "training.json",
    "training-pairs.png",
    "probes.json",
    "probes.png",
    "stitch.json",
    "stitching.png",
    "function-structure.png",
    "baseline.json",
    "cka.json",
    "cka.xml",
    "run1.json",
    "run3.json",
    "policy.toml",
    "report.html",
];

/// Names of folders of images, from which image of each class on they are taken, and of how many of
/// the classes: few are fast, and a classifier has to know all.
const FOLDERS: [(&str, usize, usize); 7] = [
    ("photos", 0, 6),
    ("real", 0, 6),
    ("samples-1", 2, 6),
    ("samples-2", 4, 6),
    ("samples-3", 6, 6),
    ("train", 8, 10),
    ("unseen", 10, 10),
];

fn readme() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join("README.md")).unwrap()
}

/// The blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let text = readme();
    let parts: Vec<&str> = text.split("```").collect();
    let inside = parts.iter().skip(1).step_by(2);
    let own = inside.filter_map(|block| block.strip_prefix(&format!("{language}\n")));
    own.map(str::to_owned).collect()
}

/// Two images of each of some classes, from the given one on.
fn copy_images(folder: &Path, first: usize, count: usize) {
    let mut classes: Vec<_> =
        fs::read_dir(path("images")).unwrap().map(|class| class.unwrap().path()).collect();
    classes.sort();
    for class in &classes[..count] {
        let own = folder.join(class.file_name().unwrap());
        fs::create_dir_all(&own).unwrap();
        let mut files: Vec<_> = fs::read_dir(class).unwrap().map(|f| f.unwrap().path()).collect();
        files.sort();
        for file in &files[first..first + 2] {
            fs::copy(file, own.join(file.file_name().unwrap())).unwrap();
        }
    }
}

/// A folder with all files that the README names.
fn sandbox() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("run")).unwrap();
    for (name, model) in MODELS {
        fs::copy(path(&format!("models/fashion-{model}.pt")), folder.path().join(name)).unwrap();
    }
    for (name, golden) in CHECKPOINTS {
        fs::copy(path(&format!("weights/{golden}")), folder.path().join(name)).unwrap();
    }
    for (name, golden) in TOKENS {
        fs::copy(path(&format!("inputs/{golden}")), folder.path().join(name)).unwrap();
    }
    for (name, first, count) in FOLDERS {
        copy_images(&folder.path().join(name), first, count);
    }
    let examples = folder.path().join("examples");
    std::os::unix::fs::symlink(path("images").parent().unwrap(), examples).unwrap();
    folder
}

#[test]
fn every_block_of_commands_runs() {
    let folder = sandbox();
    let repsim = Path::new(env!("CARGO_BIN_EXE_repsim")).parent().unwrap();
    let inherited = std::env::var("PATH").unwrap();
    let all = blocks("sh");
    assert_eq!(all[0], SET_UP);
    assert!(all.len() > 8, "only {} blocks", all.len());
    for block in &all[1..] {
        let run = Command::new("bash")
            .args(["-euo", "pipefail", "-c", block])
            .current_dir(folder.path())
            .env("PATH", format!("{}:{inherited}", repsim.display()))
            .env_remove("GITHUB_ACTIONS")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{block}\n{said}");
    }
    for file in WRITTEN {
        let size = fs::metadata(folder.path().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(size.is_file() && size.len() > 100, "{file} has {} bytes", size.len());
    }
}

/// The policy of the README judges a report, and each of its rules finds what it is about.
#[test]
fn blocks_of_toml_are_policies() {
    let all = blocks("toml");
    assert_eq!(all.len(), 2);
    let files = Files::new();
    let policy = files.text("policy.toml", &all[0]);
    let line = "cka {models/fashion-seed0-scripted.pt} --data {images} --limit 100 --preprocess raw \
                --channels 3 --layers layer? --layers layer4.* --layers fc";
    let report = written(&files, "report.json", line);
    let run = repsim(["check", &report, "-b", &report, "--policy", &policy, "--json"]);
    let verdict: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(verdict["counts"]["unchecked"], 0, "{verdict}");
    assert_eq!(verdict["policy"], policy);
    let failures = verdict["failures"].as_array().unwrap();
    let other = failures.iter().find(|f| f["rule"] != "cka[\"layer3\",\"layer4\"] <= 0.8");
    assert_eq!(other, None, "a model against itself");
    let rules = all[0].lines().filter(|line| line.trim_start().starts_with('\'')).count();
    let told = verdict["counts"]["checked"].as_u64().unwrap();
    assert!(told as usize >= rules, "{told} values for {rules} rules");
}

/// The defaults of the README are taken, each from its section.
#[test]
fn the_block_of_defaults_is_read() {
    let files = Files::new();
    let config = files.text("repsim.toml", &blocks("toml")[1]);
    let model = crate::support::path("tiny_resnet_scripted.pt").display().to_string();
    let run = repsim(["cka", &model, "--config", &config, "--verbose"]);
    assert!(run.code == 2 && run.stderr.contains("photos"), "{}", run.stderr);
    for part in ["--layers=layer? --layers=fc is from [cka]", "--threads=8 is from [defaults]"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
}

/// What the blocks ask of Python that a test cannot have: weights from the network.
const DOWNLOADED: (&str, &str) = ("resnet18(weights=\"DEFAULT\")", "resnet18(weights=None)");

/// The Python that has torch and torchvision, or says loudly that there is none.
fn python() -> Option<String> {
    let python = std::env::var("REPSIM_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let imports = Command::new(&python).args(["-c", "import torch, torchvision"]).output();
    if imports.is_ok_and(|run| run.status.success()) {
        return Some(python);
    }
    // Not by a macro: the test harness keeps what those print to itself.
    let text = format!(
        "\n*** SKIPPED: the README's Python was not run: {python} has no torch and torchvision\n\
         *** set REPSIM_PYTHON to one that has\n\n"
    );
    std::io::stderr().write_all(text.as_bytes()).unwrap();
    None
}

/// Whether a Python has a module.
fn has(python: &str, module: &str) -> bool {
    let run = Command::new(python).args(["-c", &format!("import {module}")]).output();
    run.is_ok_and(|run| run.status.success())
}

#[test]
fn blocks_of_python_export_models() {
    let all = blocks("python");
    assert_eq!(all.len(), 2);
    assert!(all[0].contains(DOWNLOADED.0));
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    for block in &all {
        if block.contains("transformers") && !has(&python, "transformers") {
            continue;
        }
        let block = block.replace(DOWNLOADED.0, DOWNLOADED.1);
        let mut command = Command::new(&python);
        let run = command.args(["-c", &block]).current_dir(folder.path()).output().unwrap();
        assert!(run.status.success(), "{block}\n{}", String::from_utf8_lossy(&run.stderr));
    }
    if folder.path().join("bert.pt2").exists() {
        let model = folder.path().join("bert.pt2").display().to_string();
        let run = repsim(["layers", &model]);
        assert!(run.code == 0 && run.stdout.contains("encoder.layer.1"), "{}", run.stderr);
    }
    for (name, size) in [
        ("resnet18.pt2", "3x224x224"),
        ("resnet18.pt", "3x64x64"),
        ("own.pt", "3x32x32"),
        ("vit.pt2", "3x32x32"),
    ] {
        let model = folder.path().join(name);
        let run = repsim(["layers", model.to_str().unwrap(), "--input-size", size]);
        assert_eq!(run.code, 0, "{name}: {}", run.stderr);
    }
}

/// The script that exports networks by name: one with its preprocessing, and one of a function.
#[test]
fn the_script_exports_what_repsim_runs() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let module = "from torch import nn\ndef net():\n    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())\n";
    fs::write(folder.path().join("nets.py"), module).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/export/export.py");
    for (model, output, options) in [
        ("torchvision:squeezenet1_1", "named.pt2", ["--weights", "random"]),
        ("torchvision:squeezenet1_1", "named.pt", ["--weights", "random"]),
        ("nets:net", "own.pt2", ["--input", "3x32x32"]),
    ] {
        let mut export = Command::new(&python);
        export.arg(&script).args([model, output]).args(options).current_dir(folder.path());
        let run = export.env("PYTHONPATH", folder.path()).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let model = folder.path().join(output).display().to_string();
        let images = path("images").display().to_string();
        let run = repsim(["cka", &model, "--data", &images, "--limit", "10", "--output", "-"]);
        assert_eq!(run.code, 0, "{output}: {}", run.stderr);
        let own = run.stderr.contains("preprocessing: own");
        assert_eq!(own, output.starts_with("named"), "{}", run.stderr);
    }
    let steps = fs::read_to_string(folder.path().join("named.repsim.toml")).unwrap();
    assert!(steps.contains("resize = 256") && steps.contains("crop = 224"), "{steps}");
    assert!(!folder.path().join("own.repsim.toml").exists());
}

#[test]
fn files_it_points_to_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = readme();
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let pictures = text.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let places: Vec<&str> = links.chain(pictures).filter(|p| !p.starts_with("http")).collect();
    assert!(places.len() > 2);
    for place in places {
        assert!(root.join(place).exists(), "no {place}");
    }
}
