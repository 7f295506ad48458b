//! Golden values from NumPy: every estimator, bias, kernel and reduction; and published ones.

use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, ArrayD};
use repsim::capture::Reduce;
use repsim::capture::cka::{Settings, compare};
use repsim::capture::stored::StoredFeed;
use repsim::data::features::load_features;
use repsim::similarity::{Bias, Kernel, hsic_of_features};
use serde_json::Value;

use crate::engine::{assert_near, run, settings, values};
use crate::tolerances::{GOLDEN, PUBLISHED_CKA, PUBLISHED_HSIC};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/measures").join(name)
}

fn listing(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path(name)).unwrap()).unwrap()
}

/// The arrays of a file, which must be the layers listed.
fn arrays(file: &str, names: &Value) -> Vec<ArrayD<f64>> {
    let features = load_features(&path(file)).unwrap();
    let found: Vec<&str> = features.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(serde_json::json!(found), *names);
    features.into_iter().map(|f| f.values).collect()
}

/// The two arrays that published values are for.
fn published_pair() -> [Vec<ArrayD<f64>>; 2] {
    let features = load_features(&path("pair.npz")).unwrap();
    let of = |name: &str| features.iter().find(|f| f.name == name).unwrap().values.clone();
    [vec![of("x")], vec![of("y")]]
}

/// What a golden entry was made with; its batch size, or all samples.
fn settings_of(entry: &Value, n: usize) -> (Settings, usize) {
    let text = |key: &str| entry[key].as_str().unwrap();
    let settings = Settings {
        estimator: text("estimator").parse().unwrap(),
        bias: text("bias").parse().unwrap(),
        kernel: text("kernel").parse().unwrap(),
        reduce: text("reduce").parse().unwrap(),
        ..settings()
    };
    (settings, entry["batch_size"].as_u64().map_or(n, |b| b as usize))
}

fn vector(value: &Value) -> Array1<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn square(value: &Value) -> Array2<f64> {
    let rows: Vec<Array1<f64>> = value.as_array().unwrap().iter().map(vector).collect();
    let views: Vec<_> = rows.iter().map(|row| row.view()).collect();
    ndarray::stack(ndarray::Axis(0), &views).unwrap()
}

#[track_caller]
fn check_entry(subjects: &[Vec<ArrayD<f64>>], settings: &Settings, batch: usize, entry: &Value) {
    let what = format!("{settings:?} in batches of {batch}");
    let outcome = run(subjects, settings, batch);
    let (aa, bb) = (vector(&entry["hsic_aa"]), vector(&entry["hsic_bb"]));
    let scale = |i: usize, j: usize| (aa[i] * bb[j]).sqrt();
    for ((i, j), wanted) in square(&entry["hsic_ab"]).indexed_iter() {
        let off = (outcome.table.ab[(i, j)] - wanted).abs() / scale(i, j);
        assert!(off <= GOLDEN, "{what}: HSIC of {i}, {j} is off by {off:e}");
    }
    for (found, wanted) in [(&outcome.table.aa, &aa), (&outcome.table.bb, &bb)] {
        for (i, (found, wanted)) in found.iter().zip(wanted).enumerate() {
            let off = (found / wanted - 1.0).abs();
            assert!(off <= GOLDEN, "{what}: HSIC of {i} with itself is off by {off:e}");
        }
    }
    assert_near(&values(&outcome), &square(&entry["cka"]), GOLDEN, &what);
}

/// Every entry of a listing; where all samples count at once, also in small batches.
fn check(listing: &Value, subjects: &[Vec<ArrayD<f64>>]) -> usize {
    let n = listing["n"].as_u64().unwrap() as usize;
    let mut checked = 0;
    for entry in listing["results"].as_array().unwrap() {
        let (settings, batch) = settings_of(entry, n);
        if settings.check(64).is_err() {
            assert_refused(subjects, &settings);
            continue;
        }
        check_entry(subjects, &settings, batch, entry);
        if entry["batch_size"].is_null() {
            check_entry(subjects, &settings, 7, entry);
        }
        checked += 1;
    }
    checked
}

/// Positions as samples have no Gram matrix that a kernel could be applied to.
fn assert_refused(subjects: &[Vec<ArrayD<f64>>], settings: &Settings) {
    assert_eq!(settings.reduce, Reduce::Spatial);
    assert!(matches!(settings.kernel, Kernel::Rbf { .. }));
    let mut feed = StoredFeed::new(subjects, 8).unwrap();
    let refused = compare(&mut feed, settings, &mut repsim::capture::Silent);
    let text = refused.err().unwrap().to_string();
    assert!(text.contains("--reduce spatial") && text.contains("--kernel linear"), "{text}");
}

#[test]
fn of_layers_of_unequal_widths() {
    let listing = listing("features.json");
    let subjects = [
        arrays("features_a.npz", &listing["layers_a"]),
        arrays("features_b.npz", &listing["layers_b"]),
    ];
    assert_eq!(check(&listing, &subjects), 12);
}

#[test]
fn of_feature_maps_reduced_in_each_way() {
    let listing = listing("maps.json");
    let subjects =
        [arrays("maps_a.npz", &listing["layers_a"]), arrays("maps_b.npz", &listing["layers_b"])];
    assert_eq!(check(&listing, &subjects), 20);
}

#[test]
fn of_the_published_pair() {
    assert_eq!(check(&listing("pair.json"), &published_pair()), 14);
}

#[test]
fn the_published_values_are_hit() {
    let pair = published_pair();
    let of = |bias, kernel| run(&pair, &Settings { bias, kernel, ..settings() }, 100);
    let cka = |bias, kernel| values(&of(bias, kernel))[(0, 0)];
    let rbf = Kernel::Rbf { fraction: 0.5 };
    assert!((cka(Bias::Biased, Kernel::Linear) - 0.55761).abs() <= PUBLISHED_CKA);
    assert!((cka(Bias::Unbiased, Kernel::Linear) - 0.51346).abs() <= PUBLISHED_CKA);
    assert!((cka(Bias::Biased, rbf) - 0.65483).abs() <= PUBLISHED_CKA);
    let hsic = of(Bias::Unbiased, Kernel::Linear).table.ab[(0, 0)];
    assert!((hsic - 9.895956).abs() <= PUBLISHED_HSIC, "{hsic}");
}

/// The way by features gives the same number as the way by Gram matrices.
#[test]
fn features_and_gram_matrices_give_the_same_hsic() {
    let listing = listing("pair.json");
    let [x, y] = published_pair()
        .map(|mut side| side.remove(0).into_dimensionality::<ndarray::Ix2>().unwrap());
    for entry in listing["results"].as_array().unwrap() {
        let (settings, batch) = settings_of(entry, 100);
        if batch < 100 || settings.kernel != Kernel::Linear {
            continue;
        }
        let found = hsic_of_features(x.view(), y.view(), settings.bias);
        let wanted = square(&entry["hsic_ab"])[(0, 0)];
        assert!((found / wanted - 1.0).abs() <= GOLDEN, "{found} {wanted}");
    }
}
