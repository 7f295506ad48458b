//! Precision, recall, density and coverage against the `prdc` package and torch-fidelity.

use approx::assert_abs_diff_eq;
use repsim::frechet::prdc::{Manifold, Prdc, prdc};
use serde_json::Value;

use crate::support::{array, listing, mean};
use crate::tolerances::{COUNTED, COUNTED_FLOAT32};

/// Every neighbour of the goldens.
const NEIGHBOURS: [usize; 3] = [1, 3, 5];

fn of(k: usize) -> Prdc {
    let [real, fake] = ["real", "fake"].map(|name| array("features.npz", name));
    let centre = mean(&real);
    let [real, fake] = [real, fake].map(|side| Manifold::new(side.view(), centre.view(), k));
    prdc(&real.unwrap(), &fake.unwrap()).unwrap()
}

/// The entry of each neighbour, under its name in the listing.
fn golden(list: &str, key: &str) -> Vec<(usize, Value)> {
    let entries = listing("values.json")[list].as_array().unwrap().clone();
    let numbered: Vec<_> =
        entries.into_iter().map(|e| (e[key].as_u64().unwrap() as usize, e)).collect();
    assert!(numbered.iter().map(|(k, _)| *k).eq(NEIGHBOURS));
    numbered
}

#[test]
fn all_four_are_those_of_the_package() {
    for (k, entry) in golden("prdc", "nearest_k") {
        let found = of(k);
        for (name, value) in [
            ("precision", found.precision),
            ("recall", found.recall),
            ("density", found.density),
            ("coverage", found.coverage),
        ] {
            assert_abs_diff_eq!(value, entry[name].as_f64().unwrap(), epsilon = COUNTED);
        }
    }
}

#[test]
fn precision_and_recall_are_those_of_torch_fidelity() {
    for (k, entry) in golden("prc", "neighborhood") {
        let found = of(k);
        for (name, value) in [("precision", found.precision), ("recall", found.recall)] {
            assert_abs_diff_eq!(value, entry[name].as_f64().unwrap(), epsilon = COUNTED_FLOAT32);
        }
    }
}
