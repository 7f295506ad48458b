//! What is printed and written, and where.

use std::fs;

use serde_json::Value;

use crate::support::{done, files_in, repsim};

const TINY: &str = "cka {tiny_resnet_scripted.pt} {tiny_resnet_traced.pt} --data {tiny_resnet.npy}";

#[test]
fn standard_output_holds_the_report_and_nothing_else() {
    for options in ["", "-o -", "--quiet", "--verbose", "-o - --quiet"] {
        let run = done(&format!("{TINY} {options}"));
        let report: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(report["schema"]["name"], "cka", "{options}");
        assert!(run.stdout.starts_with('{') && run.stdout.ends_with("}\n"), "{options}");
    }
}

#[test]
fn a_report_in_a_file_leaves_standard_output_empty() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let run = done(&format!("{TINY} -o {}", file.display()));
    assert_eq!(run.stdout, "");
    let report: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(report["results"]["n"], 5);
    assert_eq!(files_in(folder.path()), ["report.json"]);
}

#[test]
fn a_report_that_is_there_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    fs::write(&file, "x".repeat(1 << 20)).unwrap();
    done(&format!("{TINY} -o {}", file.display()));
    let text = fs::read_to_string(&file).unwrap();
    assert!(serde_json::from_str::<Value>(&text).is_ok());
}

#[test]
fn a_png_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("map.png");
    let run = done(&format!("{TINY} --layers ** --heatmap {} -o -", file.display()));
    assert!(serde_json::from_str::<Value>(&run.stdout).is_ok());
    let bytes = fs::read(&file).unwrap();
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
    let picture = image::load_from_memory(&bytes).unwrap();
    assert!(picture.width() > 400 && picture.height() > 400);
    assert_eq!(files_in(folder.path()), ["map.png"]);
}

#[test]
fn an_svg_is_one_and_names_the_layers() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("map.SVG");
    done(&format!("{TINY} --heatmap {}", file.display()));
    let text = fs::read_to_string(&file).unwrap();
    let options = resvg::usvg::Options::default();
    assert!(resvg::usvg::Tree::from_str(&text, &options).is_ok());
    for name in ["layer1.0", "layer4", "fc", "CKA", "tiny_resnet_scripted.pt"] {
        assert!(text.contains(name), "{name}");
    }
}

#[test]
fn a_heat_map_can_hold_values_that_are_not_there() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["map.png", "map.svg"] {
        let file = folder.path().join(name);
        done(&format!(
            "cka {{nan_layer.pt}} --data {{nan_layer.npy}} --heatmap {}",
            file.display()
        ));
        assert!(file.exists());
    }
}

#[test]
fn quiet_says_nothing_but_warnings() {
    let run = done(&format!("{TINY} --preprocess raw --quiet"));
    assert_eq!(run.stderr, "");
    let run = done("cka {nan_layer.pt} --data {nan_layer.npy} --quiet");
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    assert!(run.stderr.starts_with("warning: "), "{}", run.stderr);
}

#[test]
fn no_progress_bar_where_nobody_looks() {
    let run = done(TINY);
    assert!(!run.stderr.contains('\r') && !run.stderr.contains('\u{1b}'), "{:?}", run.stderr);
}

#[test]
fn help_and_version_are_no_mistakes() {
    for arguments in [["--help"], ["--version"]] {
        let run = repsim(arguments);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
        assert!(run.stdout.contains("repsim"));
    }
    let version = repsim(["--version"]).stdout;
    let lines: Vec<&str> = version.lines().collect();
    let [own, libtorch, cuda] = lines[..] else { panic!("{version}") };
    assert_eq!(repsim(["-V"]).stdout.trim_end(), own);
    assert!(libtorch.starts_with("libtorch 2.") && libtorch.ends_with("/torch/lib"), "{libtorch}");
    assert!(cuda.starts_with("CUDA "), "{cuda}");
    for command in ["cka", "layers", "schema"] {
        let run = repsim([command, "--help"]);
        assert_eq!(run.code, 0);
        assert!(run.stdout.contains("Usage: repsim"), "{}", run.stdout);
    }
}
