//! Running `repsim`, and the files it is run on.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[path = "forked.rs"]
mod forked;

/// What a run left behind.
#[derive(Debug)]
pub struct Run {
    /// Exit code.
    pub code: i32,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

/// Runs `repsim` with its outputs piped.
pub fn repsim<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Run {
    let args: Vec<OsString> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let program = OsString::from(env!("CARGO_BIN_EXE_repsim"));
        let line = std::iter::once(program).chain(args.iter().cloned()).collect();
        if let Some(run) = forked::run(line) {
            return run;
        }
    }
    started(args)
}

/// Starts the program, with its outputs piped.
pub fn started(args: Vec<OsString>) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_repsim"));
    let output = command.args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// The arguments of a command line: words at spaces, and paths for names in braces.
///
/// `{x.pt}` is `tests/golden/capture/x.pt`, `{fid/x.npz}` is below `tests/golden`, `{models/x.pt}` and
/// `{images}` are below `examples`.
pub fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(word_of).collect()
}

fn word_of(word: &str) -> String {
    let inner = word.strip_prefix('{').and_then(|w| w.strip_suffix('}'));
    inner.map_or(word.to_owned(), |name| path(name).display().to_string())
}

/// A file of the golden values or of the examples.
pub fn path(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = match name {
        _ if name.starts_with("models") || name == "images" => "examples",
        _ if [
            "averages/",
            "axes/",
            "careless/",
            "draws/",
            "export/",
            "measures/",
            "outputs/",
            "patterns/",
            "probe/",
            "quantized/",
            "fid/",
            "inputs/",
            "saliency/",
            "sigmoids/",
            "similarity/",
            "states/",
            "stitching/",
            "weights/",
        ]
        .iter()
        .any(|f| name.starts_with(f)) =>
        {
            "tests/golden"
        }
        _ => "tests/golden/capture",
    };
    root.join(folder).join(name)
}

/// Runs a line that has to succeed.
#[track_caller]
pub fn done(line: &str) -> Run {
    let run = repsim(words(line));
    assert_eq!(run.code, 0, "repsim {line}\n{}", run.stderr);
    run
}

/// The report of a line that has to succeed, from standard output.
#[track_caller]
pub fn report(line: &str) -> Value {
    let run = done(line);
    serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e} in {}", run.stdout))
}

/// The numbers of a matrix of a report, NaN for `null`.
pub fn matrix(report: &Value, name: &str) -> Vec<Vec<f64>> {
    let number = |v: &Value| v.as_f64().unwrap_or(f64::NAN);
    let row = |r: &Value| r.as_array().unwrap().iter().map(number).collect();
    report["results"][name].as_array().unwrap().iter().map(row).collect()
}

/// Asserts that the matrices of CKA of two reports are equal up to `tolerance`, `null` for `null`.
#[track_caller]
pub fn assert_same_cka(found: &Value, expected: &Value, tolerance: f64) {
    for names in ["layers_a", "layers_b"] {
        assert_eq!(found["results"][names], expected["results"][names]);
    }
    assert_near(&matrix(found, "cka"), &matrix(expected, "cka"), tolerance);
}

/// Asserts that two matrices are equal up to `tolerance`.
#[track_caller]
pub fn assert_near(found: &[Vec<f64>], expected: &[Vec<f64>], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (i, (row, wanted)) in found.iter().zip(expected).enumerate() {
        assert_eq!(row.len(), wanted.len());
        for (j, (value, wanted)) in row.iter().zip(wanted).enumerate() {
            let near = (value - wanted).abs() <= tolerance || (value.is_nan() && wanted.is_nan());
            assert!(near, "({i}, {j}) is {value}, not {wanted}");
        }
    }
}

/// A folder of 16×16 colour pictures in two classes, as the tiny networks take them.
pub fn pictures(count: u32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..count {
        let class = folder.path().join(if i % 2 == 0 { "even" } else { "odd" });
        std::fs::create_dir_all(&class).unwrap();
        picture(i).save(class.join(format!("{i:03}.png"))).unwrap();
    }
    folder
}

/// One of them.
pub fn picture(seed: u32) -> image::RgbImage {
    image::RgbImage::from_fn(16, 16, |x, y| {
        let mixed = (x + 16 * y + 257 * seed).wrapping_mul(2_654_435_761);
        image::Rgb([(mixed >> 24) as u8, (mixed >> 16) as u8, (mixed >> 8) as u8])
    })
}

/// Names of all files in a folder.
pub fn files_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect()
}
