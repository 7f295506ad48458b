//! Golden values of the measures: NumPy's, those of other programs, and published ones.

use std::path::{Path, PathBuf};

use ndarray::{Array2, Ix2};
use repsim::data::features::load_features;
use repsim::similarity::{
    Absence, MEASURES, Measure, Options, Pair, Representation, components_for, layer,
};
use serde_json::Value;

use crate::tolerances::REFERENCE;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn listing() -> Value {
    let text = std::fs::read_to_string(path("similarity/similarity.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn matrix(file: &str, name: &str) -> Array2<f64> {
    let features = load_features(&path(file)).unwrap();
    let found = features.into_iter().find(|f| f.name == name).unwrap();
    found.values.into_dimensionality::<Ix2>().unwrap()
}

fn made(file: &str, name: &str) -> Representation {
    Representation::new(matrix(file, name), Options::default()).unwrap()
}

/// Every value of a listing; where it has none, the layers are refused.
#[track_caller]
fn check(pair: &Pair<'_>, values: &Value) -> usize {
    let values = values.as_object().unwrap();
    assert_eq!(values.len(), MEASURES.len());
    for (name, wanted) in values {
        let measure: Measure = name.parse().unwrap();
        match (measure.value(pair), wanted.as_f64()) {
            (Ok(found), Some(wanted)) => {
                let off = (found - wanted).abs() / wanted.abs().max(1.0);
                assert!(off <= REFERENCE, "{name}: {found}, not {wanted}");
            }
            (Err(Absence::Filled { .. }), None) => {}
            (found, wanted) => panic!("{name}: {found:?}, not {wanted:?}"),
        }
    }
    values.values().filter(|v| !v.is_null()).count()
}

#[test]
fn of_the_published_pair() {
    let (x, y) = (made("measures/pair.npz", "x"), made("measures/pair.npz", "y"));
    let pair = Pair::new(&x, &y).unwrap();
    assert_eq!(check(&pair, &listing()["published"]), MEASURES.len());
    for (measure, wanted, digits) in [
        (Measure::CcaR2, 0.54540, 5),
        (Measure::Procrustes, 0.527489, 6),
        (Measure::ProcrustesAngle, 0.743276, 6),
        (Measure::Rsa, 0.472440, 6),
        (Measure::MutualKnn, 0.2790, 4),
        (Measure::Jaccard, 0.1701, 4),
    ] {
        let found = measure.value(&pair).unwrap();
        let scale = 10_f64.powi(digits);
        assert_eq!((found * scale).round(), (wanted * scale).round(), "{measure}");
    }
}

#[test]
fn of_layers_of_all_kinds() {
    let listing = listing();
    let mut checked = 0;
    for entry in listing["pairs"].as_array().unwrap() {
        let name = |side: &str| entry[side].as_str().unwrap();
        let of = |side: &str| made("similarity/layers.npz", name(side));
        let (a, b) = (of("a"), of("b"));
        checked += check(&Pair::new(&a, &b).unwrap(), &entry["values"]);
    }
    // 30 pairs of 20 measures; of the wide layer CCA means nothing, nor does its regression.
    assert_eq!(checked, 30 * 20 - 10 * 2 - 5);
}

#[test]
fn of_each_layer_alone() {
    let listing = listing();
    let labels: Vec<usize> = serde_json::from_value(listing["labels"].clone()).unwrap();
    for (name, wanted) in listing["layers"].as_object().unwrap() {
        let of = made("similarity/layers.npz", name);
        for (key, found) in [
            ("effective-rank", layer::effective_rank(&of)),
            ("participation-ratio", layer::participation_ratio(&of)),
            ("intrinsic-dimension", layer::intrinsic_dimension(&of)),
            ("zeros", layer::Sparsity::of(of.features().unwrap()).zeros()),
            ("sparseness", layer::Sparsity::of(of.features().unwrap()).hoyer()),
            ("class-separation", layer::class_separation(&of, &labels)),
        ] {
            let (found, wanted) = (found.unwrap(), wanted[key].as_f64().unwrap());
            let off = (found - wanted).abs() / wanted.abs().max(1.0);
            assert!(off <= REFERENCE, "{key} of {name}: {found}, not {wanted}");
        }
    }
}

/// 99 % of the variance takes 63 of 64 components; of the singular values themselves only one is
/// within a hundredth of the largest.
#[test]
fn svcca_keeps_the_variance() {
    let wanted = &listing()["svcca"];
    let (x, y) = (made("similarity/svcca.npz", "x"), made("similarity/svcca.npz", "y"));
    let kept = [&x, &y].map(|z| components_for(&z.spectrum().unwrap().values, 0.99));
    assert_eq!(serde_json::json!(kept), wanted["kept"]);
    assert_eq!(kept[0], 63);
    let values = &x.spectrum().unwrap().values;
    assert_eq!(values.iter().filter(|s| **s >= 0.99 * values[0]).count(), 1);
    let found = Measure::Svcca.value(&Pair::new(&x, &y).unwrap()).unwrap();
    assert!((found - wanted["value"].as_f64().unwrap()).abs() <= REFERENCE);
}
