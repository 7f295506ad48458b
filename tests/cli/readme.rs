//! Every block of commands in the README, run in its order in a folder that holds the files it names.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::path;

/// What the commands build and test repsim with; that they work is what runs this test.
const SET_UP: &str = "./setup.sh && cargo run --release -- demo\n\
                      ./setup.sh && cargo test --release\n";

/// Names of models in the README, and which example each is.
const MODELS: [(&str, &str); 10] = [
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
    for (name, model) in MODELS {
        fs::copy(path(&format!("models/fashion-{model}.pt")), folder.path().join(name)).unwrap();
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
    for file in [
        "cka.png",
        "cams.png",
        "maps.png",
        "pairs.png",
        "channels.png",
        "models.png",
        "report.html",
    ] {
        assert!(folder.path().join(file).exists(), "no {file}");
    }
}

#[test]
fn blocks_of_python_are_python() {
    let all = blocks("python");
    assert!(!all.is_empty());
    for block in all {
        let program = "import ast, sys; ast.parse(sys.argv[1])";
        let run = Command::new("python3").args(["-c", program, &block]).output().unwrap();
        assert!(run.status.success(), "{block}\n{}", String::from_utf8_lossy(&run.stderr));
    }
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
