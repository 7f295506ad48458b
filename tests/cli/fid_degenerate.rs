//! Sets without spread, sets that overflow, and a score that cannot be held against a limit.

use ndarray::Array2;
use ndarray_npy::NpzWriter;
use tempfile::TempDir;

use crate::fid_output::ended;
use crate::fid_support::{features, number, rows, write};
use crate::support::report;

fn side(folder: &TempDir, name: &str, values: &Array2<f64>) -> String {
    write(folder, name, values)
}

/// 300 samples of 16 features, and points that have no covariance.
fn sets(folder: &TempDir) -> (String, String, String) {
    let spread = side(folder, "spread.npy", &features("real"));
    let point = |name: &str, v: f64| side(folder, name, &Array2::from_elem((300, 16), v));
    (spread, point("one.npy", 1.0), point("tenth.npy", 0.1))
}

#[test]
fn points_have_a_distance() {
    let folder = tempfile::tempdir().unwrap();
    let (spread, one, tenth) = sets(&folder);
    let distance = |a: &str, b: &str| {
        let found = report(&format!("fid {a} {b}"));
        number(&rows(&found)[0], "fid")
    };
    assert!((distance(&one, &tenth) - 16.0 * 0.81).abs() < 1e-12);
    let (there, back) = (distance(&spread, &one), distance(&one, &spread));
    assert!(there > 0.0 && (there - back).abs() <= 1e-12 * there, "{there} {back}");
}

#[test]
fn a_covariance_of_zeros_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (spread, ..) = sets(&folder);
    let path = folder.path().join("zero.npz");
    let mut file = NpzWriter::new(std::fs::File::create(&path).unwrap());
    file.add_array("mu", &ndarray::Array1::<f64>::zeros(16)).unwrap();
    file.add_array("sigma", &Array2::<f64>::zeros((16, 16))).unwrap();
    file.finish().unwrap();
    let found = report(&format!("fid {spread} {}", path.display()));
    assert!(number(&rows(&found)[0], "trace_term") > 0.0);
}

#[test]
fn what_overflows_is_told_and_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let (spread, ..) = sets(&folder);
    let large = side(&folder, "large.npy", &(features("fake") * 1e200));
    let run = ended(&format!("fid {spread} {large} {spread}"), 2);
    assert!(run.stderr.contains("large.npy: its values leave the range"), "{}", run.stderr);
    let found: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert!(number(&rows(&found)[1], "fid") < 1e-9, "the next candidate goes on");
    let file = folder.path().join("large.npz");
    let run = ended(&format!("stats {large} -o {}", file.display()), 2);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    assert!(!file.exists());
}

#[test]
fn a_limit_needs_a_score() {
    let folder = tempfile::tempdir().unwrap();
    let (spread, one, _) = sets(&folder);
    let run = ended(&format!("fid {spread} {one} --metrics prdc --fail-above 1"), 2);
    assert!(run.stderr.contains("--fail-above needs a distance"), "{}", run.stderr);
    // The first of the metrics counts, in the order given.
    ended(&format!("fid {spread} {spread} --metrics fid,kid --fail-above 0.1"), 0);
    let line = format!("fid {spread} {one} --metrics kid,fid");
    let kid = number(&rows(&report(&line))[0], "kid");
    ended(&format!("{line} --fail-above {}", kid + 0.1), 0);
    ended(&format!("{line} --fail-above {}", kid - 0.1), 1);
}

#[test]
fn a_model_that_is_not_needed_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (spread, one, _) = sets(&folder);
    let features = ended(&format!("fid {spread} {one} --model nowhere.pt"), 2);
    assert!(features.stderr.contains("nowhere.pt"), "{}", features.stderr);
    let statistics = folder.path().join("spread.npz");
    let statistics = statistics.display();
    ended(&format!("stats {spread} -o {statistics}"), 0);
    let run = ended(&format!("fid {statistics} {statistics} --model nowhere.pt"), 0);
    assert!(run.stderr.contains("nowhere.pt was not used"), "{}", run.stderr);
}

#[test]
fn a_square_symmetric_array_is_taken_for_no_features() {
    let folder = tempfile::tempdir().unwrap();
    let (spread, ..) = sets(&folder);
    let square = side(&folder, "square.npy", &Array2::eye(16));
    let run = ended(&format!("fid {spread} {square}"), 2);
    assert!(run.stderr.contains("square and symmetric"), "{}", run.stderr);
}

/// Metrics that take no covariance take sets of one row.
#[test]
fn a_covariance_is_taken_where_a_metric_needs_one() {
    let folder = tempfile::tempdir().unwrap();
    let all = features("real");
    let row = side(&folder, "row.npy", &all.slice(ndarray::s![..1, ..]).to_owned());
    let few = side(&folder, "few.npy", &all.slice(ndarray::s![..40, ..]).to_owned());
    let found = report(&format!("fid {few} {row} --metrics cmmd,vendi,kid"));
    let scored = &rows(&found)[0];
    assert!(number(scored, "cmmd") > 0.0);
    assert!((number(scored, "vendi") - 1.0).abs() < 1e-12);
    assert!(scored["kid"].is_null(), "one row has no kernel distance");
    let run = ended(&format!("fid {few} {row} --metrics fid,cmmd"), 2);
    assert!(run.stderr.contains("row.npy: 1 sample has no covariance"), "{}", run.stderr);
    let narrow = side(&folder, "narrow.npy", &all.slice(ndarray::s![..40, ..3]).to_owned());
    let run = ended(&format!("fid {few} {narrow} --metrics cmmd"), 2);
    assert!(run.stderr.contains("use the same layer of the same model"), "{}", run.stderr);
    let large = side(&folder, "large.npy", &(&all * 1e200));
    let run = ended(&format!("fid {few} {large} --metrics cmmd"), 2);
    assert!(run.stderr.contains("large.npy: its values leave the range"), "{}", run.stderr);
    // The same values as beside a metric that takes one.
    let beside = report(&format!("fid {few} {few} --metrics fid,prdc,cmmd"));
    let alone = report(&format!("fid {few} {few} --metrics prdc,cmmd"));
    for name in ["precision", "recall", "density", "coverage", "cmmd"] {
        assert_eq!(rows(&beside)[0][name], rows(&alone)[0][name], "{name}");
    }
}
