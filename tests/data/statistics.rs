//! Files of statistics, from NumPy and back, and the fingerprint that goes into them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use approx::assert_abs_diff_eq;
use ndarray::{Array, Array1, Array2, Dimension, array};
use repsim::data::statistics::{Origin, Statistics};
use repsim::data::{Channels, Dataset, Preprocess, Range};

use crate::support::{
    folder, golden, integers, load, npy, options, raw, write, write_npz, write_png,
};

fn origin() -> Origin {
    let preprocess = Preprocess {
        channels: Channels::Rgb,
        resize: "clean".parse().unwrap(),
        range: Range::Signed,
        ..raw()
    };
    Origin {
        tool: "repsim 0.1.0".to_owned(),
        model_sha256: "ab".repeat(32),
        weights: None,
        layer: "σ.pool".to_owned(),
        reduce: "gap".to_owned(),
        preprocess: Some(preprocess),
        fingerprint: "cd".repeat(32),
        optimize: true,
        run: vec!["draws 5".to_owned()],
        channel_axis: None,
        pixels: None,
    }
}

fn statistics() -> Statistics {
    Statistics {
        mean: array![0.1, -2.0, 1e-300],
        covariance: array![[1.0, 0.1, 0.2], [0.1, 3.0, -0.3], [0.2, -0.3, 0.0]],
        samples: Some(50_000),
        origin: Some(origin()),
    }
}

/// What the archive at `path` holds: names and bytes.
fn entries(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(File::open(path).unwrap()).unwrap();
    let mut all = vec![];
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).unwrap();
        let mut bytes = vec![];
        entry.read_to_end(&mut bytes).unwrap();
        all.push((entry.name().to_owned(), bytes));
    }
    all
}

fn doubles(shape: &[usize], values: &[f64]) -> Vec<u8> {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    npy("<f8", false, shape, &bytes)
}

fn mu() -> (&'static str, Vec<u8>) {
    ("mu", doubles(&[2], &[1.0, 2.0]))
}

fn sigma(values: [f64; 4]) -> (&'static str, Vec<u8>) {
    ("sigma", doubles(&[2, 2], &values))
}

fn string(text: &str) -> Vec<u8> {
    let letters: Vec<u8> = text.chars().flat_map(|l| u32::from(l).to_le_bytes()).collect();
    npy(&format!("<U{}", letters.len() / 4), false, &[], &letters)
}

/// Whether all values are within `epsilon` of each other.
fn close<D: Dimension>(a: &Array<f64, D>, b: &Array<f64, D>, epsilon: f64) -> bool {
    a.shape() == b.shape() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= epsilon)
}

fn loaded(arrays: &[(&str, Vec<u8>)]) -> Result<Statistics, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    write_npz(&path, arrays, false);
    Statistics::load(&path).map_err(|error| error.to_string())
}

/// The message for these arrays, which must hold each of the words.
fn refused(arrays: &[(&str, Vec<u8>)], words: &[&str]) {
    let told = loaded(arrays).unwrap_err();
    assert!(!told.contains('\n') && told.contains("x.npz"), "{told}");
    for word in words {
        assert!(told.contains(word), "{word:?} is not in: {told}");
    }
}

const PLAIN: [f64; 4] = [1.0, 0.5, 0.5, 2.0];

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let bare = Statistics { samples: None, origin: None, ..statistics() };
    let pixels = Some("decoders 2, nhwc".to_owned());
    let stored = Origin { preprocess: None, pixels, ..origin() };
    let stored = Statistics { origin: Some(stored), ..statistics() };
    for one in [statistics(), bare, stored] {
        let bytes = one.to_npz().unwrap();
        assert_eq!(bytes, one.to_npz().unwrap());
        let path = write(folder.path(), "x.npz", &bytes);
        assert_eq!(Statistics::load(&path).unwrap(), one);
        assert!(Statistics::is_statistics(&path));
    }
}

#[test]
fn arrays_are_written_as_numpy_writes_them() {
    let path = golden("statistics.npz");
    let read = Statistics::load(&path).unwrap();
    assert_eq!((read.samples, read.origin.as_ref()), (Some(9), Some(&origin())));
    let folder = tempfile::tempdir().unwrap();
    let written = write(folder.path(), "x.npz", &read.to_npz().unwrap());
    assert_eq!(entries(&written), entries(&path));
}

#[test]
fn float32_and_fortran_order_are_read() {
    let exact = Statistics::load(&golden("statistics.npz")).unwrap();
    let fortran = Statistics::load(&golden("statistics-fortran.npz")).unwrap();
    assert_eq!(fortran, Statistics { samples: None, origin: None, ..exact.clone() });
    assert!(fortran.covariance.is_standard_layout());
    let single = Statistics::load(&golden("statistics-float32.npz")).unwrap();
    assert!(close(&single.mean, &exact.mean, 1e-5));
    assert!(close(&single.covariance, &exact.covariance, 1e-4));
    assert_eq!(single.covariance, single.covariance.t());
}

#[test]
fn files_of_other_tools_are_read() {
    let fid = |name: &str| -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fid").join(name)
    };
    let ours = Statistics::load(&fid("pytorch-fid-real.npz")).unwrap();
    let theirs = Statistics::load(&fid("clean-fid-real.npz")).unwrap();
    assert_eq!((ours.mean.len(), ours.samples, ours.origin), (16, None, None));
    assert!(close(&ours.mean, &theirs.mean, 1e-6));
    assert!(close(&ours.covariance, &theirs.covariance, 1e-6));
    assert!(!Statistics::is_statistics(&fid("features.npz")));
}

#[test]
fn rounding_is_symmetrised_and_more_is_refused() {
    let near = loaded(&[mu(), sigma([1.0, 0.5, 0.5 + 1e-6, 2.0])]).unwrap();
    assert_eq!(near.covariance, near.covariance.t());
    assert_abs_diff_eq!(near.covariance[[0, 1]], 0.5 + 5e-7, epsilon = 1e-15);
    refused(
        &[mu(), sigma([1.0, 0.5, 0.51, 2.0])],
        &[
            "sigma is not symmetric: [0, 1] and [1, 0] differ by 5.0e-3",
            "make the statistics again",
        ],
    );
    let zero = loaded(&[mu(), sigma([0.0; 4])]).unwrap();
    assert_eq!(zero.covariance, Array2::<f64>::zeros((2, 2)));
}

#[test]
fn arrays_that_are_missing_or_do_not_fit() {
    refused(&[mu()], &[r#"it holds "mu" but no "sigma"; write mu (D) and sigma (D×D)"#]);
    refused(&[sigma(PLAIN)], &[r#"it holds "sigma" but no "mu""#]);
    refused(&[("a", doubles(&[1], &[1.0]))], &[r#"none of its arrays (a) is "mu""#]);
    let flat = ("mu", doubles(&[1, 2], &[1.0, 2.0]));
    refused(&[flat, sigma(PLAIN)], &[r#"array "mu" of shape [1, 2] is not a vector"#]);
    let wide = ("sigma", doubles(&[2, 1], &[1.0, 2.0]));
    refused(&[mu(), wide], &[r#""mu" of"#, r#"has shape [2] but "sigma" has [2, 1]"#]);
    let scalar = ("sigma", doubles(&[], &[1.0]));
    refused(&[mu(), scalar], &[r#""sigma" has []"#]);
    let whole = ("mu", npy("<i8", false, &[2], &integers(&[1, 2])));
    refused(&[whole, sigma(PLAIN)], &[r#"array "mu" of shape [2] holds neither float32"#]);
    let cut = ("sigma", npy("<f8", false, &[2, 2], &[0; 24]));
    refused(&[cut, mu()], &[r#"array "sigma" of shape [2, 2] is cut short"#]);
}

#[test]
fn values_that_no_features_have() {
    let bad = ("mu", doubles(&[2], &[1.0, f64::NAN]));
    refused(&[bad, sigma(PLAIN)], &["mu[1] is NaN", "from features that are finite"]);
    refused(&[mu(), sigma([1.0, 0.5, f64::INFINITY, 2.0])], &["sigma[1, 0] is inf"]);
    let values: Vec<u8> = [1.0, f64::NAN, 0.5, 2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    refused(&[mu(), ("sigma", npy("<f8", true, &[2, 2], &values))], &["sigma[1, 0] is NaN"]);
    refused(&[mu(), sigma([1.0, 0.5, 0.5, -2.0])], &["sigma[1, 1] is -2, and a variance"]);
}

#[test]
fn counts_are_whole_and_at_least_two() {
    let count = |file: Vec<u8>| [mu(), sigma(PLAIN), ("n", file)];
    let whole = |n: i64| count(npy("<i8", false, &[], &n.to_le_bytes()));
    assert_eq!(loaded(&whole(2)).unwrap().samples, Some(2));
    let one = loaded(&count(npy("<i4", false, &[1], &[7, 0, 0, 0]))).unwrap();
    assert_eq!(one.samples, Some(7));
    refused(&whole(1), &[r#"array "n" of shape [] is 1, and a covariance needs 2 samples"#]);
    refused(&whole(-3), &["is not a number of samples", "as one integer, or leave it out"]);
    refused(&count(doubles(&[], &[5.0])), &["is not a number of samples"]);
    refused(&count(npy("<i8", false, &[2], &integers(&[5, 5]))), &["is not a number of samples"]);
}

#[test]
fn origins_may_hold_more_but_not_less() {
    let told = |text: &str| loaded(&[mu(), sigma(PLAIN), ("repsim", string(text))]);
    let json = serde_json::to_string(&origin()).unwrap();
    let more = json.replacen('{', r#"{"moon":[1,2],"#, 1);
    assert_eq!(told(&more).unwrap().origin, Some(origin()));
    let mut less: serde_json::Value = serde_json::from_str(&json).unwrap();
    less.as_object_mut().unwrap().shift_remove("preprocess");
    let stored = Some(Origin { preprocess: None, ..origin() });
    assert_eq!(told(&less.to_string()).unwrap().origin, stored);
    less.as_object_mut().unwrap().shift_remove("layer");
    for text in ["", "{}", "plain words", &less.to_string()] {
        refused(
            &[mu(), sigma(PLAIN), ("repsim", string(text))],
            &[r#"its "repsim" does not tell where it comes from ("#, "by a newer repsim: update"],
        );
    }
    let number = ("repsim", doubles(&[], &[5.0]));
    refused(&[mu(), sigma(PLAIN), number], &["(it is not a string)"]);
}

#[test]
fn only_statistics_are_statistics() {
    let folder = tempfile::tempdir().unwrap();
    let write_as = |name: &str, arrays: &[(&str, Vec<u8>)]| {
        write_npz(&folder.path().join(name), arrays, true);
        Statistics::is_statistics(&folder.path().join(name))
    };
    assert!(write_as("a.npz", &[mu(), sigma(PLAIN)]) && write_as("b.NPZ", &[mu()]));
    assert!(write_as("c.npz", &[sigma(PLAIN), ("n", vec![])]));
    assert!(!write_as("d.npz", &[("images", vec![])]) && !write_as("e.zip", &[mu()]));
    let broken = write(folder.path(), "f.npz", b"mu");
    assert!(!Statistics::is_statistics(&broken) && !Statistics::is_statistics(folder.path()));
    let told = Statistics::load(&broken).unwrap_err().to_string();
    assert!(told.contains("f.npz: it is not an .npz archive, or damaged"), "{told}");
    let told = Statistics::load(Path::new("absent.npz")).unwrap_err().to_string();
    assert!(told.contains("failed to open absent.npz: no such file"), "{told}");
}

#[test]
fn shapes_are_checked_before_writing() {
    let wrong = Statistics { mean: Array1::zeros(2), ..statistics() };
    let told = wrong.to_npz().unwrap_err().to_string();
    assert!(told.contains("the mean has shape [2] but the covariance has [3, 3]"), "{told}");
}

#[test]
fn a_fingerprint_is_that_of_a_full_pass() {
    let pictures = folder(17);
    write_png(&pictures.path().join("b/a.png"), 12, 9, 40);
    let rows = tempfile::tempdir().unwrap();
    let rows = write(rows.path(), "x.npy", &npy("<i8", false, &[3, 1], &integers(&[4, 5, 6])));
    for path in [pictures.path(), &rows] {
        let data = Dataset::open(path).unwrap();
        for data in [data.subset(Some(2), Some(1)).unwrap(), data] {
            let expected = load(&data, &raw(), &options(4, 2)).1.fingerprint;
            for workers in [0, 1, 3, 40] {
                assert_eq!(Some(data.fingerprint(workers).unwrap()), expected);
            }
        }
    }
}

#[test]
fn a_fingerprint_decodes_nothing_but_reads_all() {
    let folder = folder(9);
    write(folder.path(), "000.png", b"no picture");
    let data = Dataset::open(folder.path()).unwrap();
    assert_eq!(data.fingerprint(2).unwrap().len(), 64);
    for gone in ["004.png", "007.png"] {
        std::fs::remove_file(folder.path().join(gone)).unwrap();
    }
    for workers in [1, 2, 9] {
        let told = data.fingerprint(workers).unwrap_err().to_string();
        assert!(told.contains("004.png"), "{told}");
    }
}
