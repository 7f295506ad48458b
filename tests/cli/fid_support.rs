//! Image sets, files of features and of statistics, and rows of reports of `repsim fid`.

use std::fs::{self, File};
use std::path::Path;

use ndarray::{Array1, Array2, Ix2, array};
use ndarray_npy::{NpzWriter, write_npy};
use repsim::data::features::load_features;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Run, files_in, path, repsim, words};

/// The example model, and how its images are prepared.
pub const EXAMPLE: &str = "--model {models/fashion-seed0-scripted.pt} --preprocess raw --channels 3 \
                           --mean 0.2860 --std 0.3530";

/// A tiny network for [`crate::support::pictures`].
pub const TINY: &str = "--model {tiny_resnet_scripted.pt} --preprocess raw";

/// A listing of golden values.
pub fn golden(name: &str) -> Value {
    let file = path(&format!("fid/{name}.json"));
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// A folder with the example images of a list of the goldens.
pub fn images(list: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in golden("models")["images"][list].as_array().unwrap() {
        let (from, to) = (path("images"), folder.path().join(name.as_str().unwrap()));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from.join(name.as_str().unwrap()), to).unwrap();
    }
    folder
}

/// Stored features of the goldens: `real`, `fake`, `few.real`, …
pub fn features(name: &str) -> Array2<f64> {
    let all = load_features(&path("fid/features.npz")).unwrap();
    let found = all.into_iter().find(|feature| feature.name == name).unwrap();
    found.values.into_dimensionality::<Ix2>().unwrap()
}

/// Writes features to an `.npy` file and gives its path.
pub fn write(folder: &TempDir, name: &str, rows: &Array2<f64>) -> String {
    let file = folder.path().join(name);
    write_npy(&file, rows).unwrap();
    file.display().to_string()
}

/// Writes an `.npz` file of two features with this `mu` and `sigma`, and gives its path.
pub fn write_statistics(
    folder: &TempDir,
    name: &str,
    mu: Option<[f64; 2]>,
    sigma: Option<[f64; 4]>,
) -> String {
    let file = folder.path().join(name);
    let mut archive = NpzWriter::new(File::create(&file).unwrap());
    if let Some(mu) = mu {
        archive.add_array("mu", &Array1::from_vec(mu.to_vec())).unwrap();
    }
    if let Some([a, b, c, d]) = sigma {
        archive.add_array("sigma", &array![[a, b], [c, d]]).unwrap();
    }
    archive.finish().unwrap();
    file.display().to_string()
}

/// A reference and two candidates of features: `real.npy`, `fake.npy` and `half.npy`, which is
/// half of the reference.
pub fn three_sets() -> (TempDir, [String; 3]) {
    let folder = tempfile::tempdir().unwrap();
    let real = features("real");
    let half = real.slice(ndarray::s![..150, ..]).to_owned();
    let sets = [("real.npy", real), ("fake.npy", features("fake")), ("half.npy", half)];
    let paths = sets.map(|(name, rows)| write(&folder, name, &rows));
    (folder, paths)
}

/// The rows of a report.
pub fn rows(report: &Value) -> &[Value] {
    report["results"]["candidates"].as_array().unwrap()
}

/// A number of a row or of anything else with names.
#[track_caller]
pub fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or_else(|| panic!("{name} is not a number in {value}"))
}

/// Asserts that a value is within `tolerance` of a wanted one.
#[track_caller]
pub fn assert_close(found: f64, wanted: f64, tolerance: f64) {
    let off = (found - wanted).abs();
    assert!(off <= tolerance, "{found}, not {wanted}: off by {off:e}, more than {tolerance:e}");
}

/// The row of a line with one candidate, which has to succeed.
#[track_caller]
pub fn row(line: &str) -> Value {
    let report = crate::support::report(line);
    let rows = rows(&report);
    assert_eq!(rows.len(), 1);
    assert!(rows[0]["error"].is_null(), "{}", rows[0]);
    rows[0].clone()
}

/// Writes a statistics file with `repsim stats`, which has to succeed without a word on standard
/// output.
#[track_caller]
pub fn stats(data: &str, options: &str, file: &Path) {
    let run = repsim(words(&format!("stats {data} {options} -o {}", file.display())));
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{}", run.stderr);
}

/// The text of all results of a report, number by number.
pub fn results(report: &Value) -> String {
    serde_json::to_string_pretty(&report["results"]).unwrap()
}

/// How a report tells of a resizing to a square.
pub fn resized(how: &str, side: u32) -> Value {
    json!({how: {"height": side, "width": side}})
}

/// The codes of the warnings of a report.
pub fn warnings(report: &Value) -> Vec<&str> {
    let all = report["warnings"].as_array().unwrap();
    all.iter().map(|warning| warning["code"].as_str().unwrap()).collect()
}

/// What holds of every failure: one line that says all the parts, and no panic.
#[track_caller]
fn told(run: &Run, line: &str, parts: &[&str]) {
    assert_eq!(run.code, 2, "repsim {line}\n{}", run.stderr);
    let errors: Vec<&str> = run.stderr.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "repsim {line}\n{}", run.stderr);
    assert!(!run.stderr.contains("panicked") && !run.stderr.contains('\u{1b}'), "{}", run.stderr);
    for part in parts {
        assert!(errors[0].contains(part), "{part:?} is not in {:?}", errors[0]);
    }
}

/// Runs a line that cannot be done at all, in every format, and checks that nothing comes of it.
#[track_caller]
pub fn fails(line: &str, parts: &[&str]) {
    let formats: &[&str] = if line.starts_with("stats") { &[""] } else { &["tsv", "json"] };
    for format in formats {
        let folder = tempfile::tempdir().unwrap();
        let name = if format.is_empty() { "out.npz" } else { "out.json" };
        let mut arguments = words(line);
        if !line.contains(" -o ") {
            arguments.extend(["-o".into(), folder.path().join(name).display().to_string()]);
        }
        if !format.is_empty() {
            arguments.extend(["--format".into(), (*format).into()]);
        }
        let run = repsim(arguments);
        told(&run, line, parts);
        assert_eq!(run.stdout, "", "repsim {line}");
        assert_eq!(files_in(folder.path()), Vec::<String>::new(), "repsim {line} left files");
    }
}

/// Runs a line with one candidate, which cannot be measured while the reference can: that is in its
/// row, and one after it is measured.
#[track_caller]
pub fn row_fails(line: &str, parts: &[&str]) {
    let run = repsim(words(line));
    told(&run, line, parts);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(rows(&report).len(), 1);
    let error = rows(&report)[0]["error"].as_str().unwrap();
    assert!(run.stderr.contains(&format!("error: {error}\n")), "{error}\n{}", run.stderr);
    let path = rows(&report)[0]["path"].as_str().unwrap();
    assert!(error.contains(path), "{path} is not in {error}");
}
