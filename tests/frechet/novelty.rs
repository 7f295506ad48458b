//! Distances of single samples against scikit-learn: shrunk covariances, Mahalanobis, neighbours,
//! and the area under the ROC curve.

use approx::assert_relative_eq;
use ndarray::{Array1, Array2, Axis};
use repsim::novelty::{Mahalanobis, Neighbours, Shrunk, auroc, oracle_approximating};
use serde_json::Value;

use crate::support::{array, listing, matrix, mean, moments, vector};
use crate::tolerances::{INVERSE, REORDERED};

const CLASSES: usize = 4;

fn reference() -> Array2<f64> {
    array("distance.npz", "reference")
}

fn data() -> Array2<f64> {
    array("distance.npz", "data")
}

/// A column of whole numbers.
fn whole(name: &str) -> Vec<usize> {
    array("distance.npz", name).iter().map(|v| *v as usize).collect()
}

/// The mean of each class.
fn class_means() -> Array2<f64> {
    let (rows, labels) = (reference(), whole("reference_labels"));
    let of = |class: usize| {
        let own: Vec<usize> = (0..rows.nrows()).filter(|&i| labels[i] == class).collect();
        mean(&rows.select(Axis(0), &own))
    };
    let means: Vec<Array1<f64>> = (0..CLASSES).map(of).collect();
    ndarray::stack(Axis(0), &means.iter().map(|m| m.view()).collect::<Vec<_>>()).unwrap()
}

/// The covariance within classes, with divisor n.
fn within() -> Array2<f64> {
    let centred = reference() - class_means().select(Axis(0), &whole("reference_labels"));
    centred.t().dot(&centred) / centred.nrows() as f64
}

/// The covariance of all rows, with divisor n.
fn overall() -> Array2<f64> {
    moments(&reference()).covariance(0).unwrap()
}

#[track_caller]
fn assert_shrunk(found: &Shrunk, golden: &Value) {
    let shrinkage = golden["shrinkage"].as_f64().unwrap();
    assert_relative_eq!(found.shrinkage, shrinkage, max_relative = REORDERED);
    let wanted = matrix(&golden["covariance"]);
    assert_relative_eq!(found.covariance, wanted, max_relative = 1e-10, epsilon = 1e-14);
}

#[test]
fn class_means_are_found() {
    let wanted = matrix(&listing("distance.json")["class_means"]);
    assert_relative_eq!(class_means(), wanted, max_relative = REORDERED);
}

#[test]
fn covariances_are_shrunk_as_in_scikit_learn() {
    let golden = listing("distance.json");
    let n = reference().nrows();
    assert_shrunk(&oracle_approximating(within().view(), n), &golden["within"]);
    assert_shrunk(&oracle_approximating(overall().view(), n), &golden["whole"]);
}

#[test]
fn the_nearest_class_and_its_distance() {
    let golden = listing("distance.json");
    let fitted = Mahalanobis::fit(class_means(), within().view(), reference().nrows()).unwrap();
    let shrinkage = golden["within"]["shrinkage"].as_f64().unwrap();
    assert_relative_eq!(fitted.shrinkage(), shrinkage, max_relative = REORDERED);
    let found = fitted.nearest(data().view());
    let distances: Array1<f64> = found.iter().map(|nearest| nearest.distance).collect();
    let wanted = vector(&golden["mahalanobis_class"]);
    assert_relative_eq!(distances, wanted, max_relative = INVERSE);
    let classes: Array1<f64> = found.iter().map(|nearest| nearest.class as f64).collect();
    assert_eq!(classes, vector(&golden["nearest_class"]));
}

#[test]
fn without_labels_one_class_holds_all() {
    let mean = mean(&reference()).insert_axis(Axis(0));
    let fitted = Mahalanobis::fit(mean, overall().view(), reference().nrows()).unwrap();
    let found: Array1<f64> = fitted.nearest(data().view()).iter().map(|n| n.distance).collect();
    let wanted = vector(&listing("distance.json")["mahalanobis_whole"]);
    assert_relative_eq!(found, wanted, max_relative = INVERSE);
}

#[test]
fn the_kth_neighbour_is_as_far_as_in_scikit_learn() {
    let golden = &listing("distance.json")["neighbour"];
    let k = golden["k"].as_u64().unwrap() as usize;
    let fitted = Neighbours::fit(reference(), k).unwrap();
    let found = Array1::from_vec(fitted.kth(data().view()));
    assert_relative_eq!(found, vector(&golden["distances"]), max_relative = INVERSE);
    let own = reference().slice(ndarray::s![..20, ..]).to_owned();
    let found = Array1::from_vec(fitted.kth(own.view()));
    assert_relative_eq!(found, vector(&golden["self_distances"]), max_relative = INVERSE);
}

#[test]
fn areas_under_the_curve_with_and_without_ties() {
    let golden = listing("distance.json");
    let wrong: Vec<bool> = whole("correct").iter().map(|v| *v == 0).collect();
    let area = |scores: &Array1<f64>| auroc(scores.as_slice().unwrap(), &wrong).unwrap();
    for (name, scores) in [
        ("mahalanobis_class", vector(&golden["mahalanobis_class"])),
        ("mahalanobis_whole", vector(&golden["mahalanobis_whole"])),
        ("neighbour", vector(&golden["neighbour"]["distances"])),
    ] {
        let wanted = golden["auroc"][name].as_f64().unwrap();
        assert_relative_eq!(area(&scores), wanted, max_relative = REORDERED);
    }
    let positive: Vec<bool> = whole("tied_positive").iter().map(|v| *v == 1).collect();
    let tied: Vec<f64> = array("distance.npz", "tied_scores").iter().copied().collect();
    assert_eq!(auroc(&tied, &positive), golden["auroc"]["tied"].as_f64());
    assert_eq!(auroc(&vec![1.0; tied.len()], &positive), golden["auroc"]["all_equal"].as_f64());
}
