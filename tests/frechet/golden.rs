//! Fréchet distances against the nuclear norm in NumPy, and against the packages people use.

use approx::assert_relative_eq;
use ndarray::Array2;
use repsim::frechet::{Distance, Gaussian};
use repsim::linalg::Route;
use serde_json::Value;

use crate::support::{array, distance, listing, mean, moments, of_covariance, of_samples};
use crate::tolerances::{COVARIANCE, FLOAT32_MEAN, SAMPLES, SINGULAR_SQRTM, SQRTM};

const CASES: [&str; 8] =
    ["full", "few", "constant_both", "constant_fake", "duplicate", "offset", "single", "same"];

/// Cases whose product of covariances has directions without variance.
const SINGULAR: [&str; 4] = ["few", "constant_both", "constant_fake", "duplicate"];

/// The features of a case.
fn pair(case: &str) -> [Array2<f64>; 2] {
    let of = |side: &str| match case {
        "full" => array("features.npz", side),
        "same" => array("features.npz", "real"),
        _ => array("features.npz", &format!("{case}.{side}")),
    };
    ["real", "fake"].map(of)
}

/// Every way from samples to a Gaussian.
fn ways([real, fake]: &[Array2<f64>; 2]) -> [(&'static str, [Gaussian; 2], f64); 3] {
    let stored = |rows: &Array2<f64>| {
        let moments = moments(rows);
        let covariance = moments.covariance(1).unwrap();
        Gaussian::of_covariance(moments.mean().view(), covariance.view()).unwrap()
    };
    [
        ("of samples", [of_samples(real), of_samples(fake)], SAMPLES),
        ("of moments", [of_covariance(real), of_covariance(fake)], COVARIANCE),
        ("of a covariance", [stored(real), stored(fake)], COVARIANCE),
    ]
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap()
}

/// The size of the numbers that the distance is a difference of.
fn scale(exact: &Value) -> f64 {
    ["mean_term", "trace_reference", "trace_candidate"].map(|name| number(exact, name)).iter().sum()
}

#[track_caller]
fn assert_near(found: f64, wanted: f64, tolerance: f64, what: &str) {
    let off = (found - wanted).abs();
    assert!(off <= tolerance, "{what}: {found}, not {wanted}: off by {off:e} of {tolerance:e}");
}

fn check_exact(found: &Distance, exact: &Value, tolerance: f64, what: &str) {
    assert_near(found.value, number(exact, "fid"), tolerance, what);
    assert_near(found.mean_term, number(exact, "mean_term"), tolerance, what);
    assert_near(found.trace_term, number(exact, "covariance_term"), tolerance, what);
    assert_eq!(found.value, found.mean_term + found.trace_term, "{what}");
}

#[test]
fn every_case_has_its_exact_value_by_every_way() {
    let values = listing("values.json");
    assert_eq!(values["frechet"].as_object().unwrap().len(), CASES.len());
    for case in CASES {
        let exact = &values["frechet"][case]["exact"];
        for (way, [real, fake], share) in ways(&pair(case)) {
            let what = format!("{case} {way}");
            check_exact(&distance(&real, &fake), exact, share * scale(exact), &what);
            check_exact(&distance(&fake, &real), exact, share * scale(exact), &what);
        }
    }
}

/// A Gaussian of one kind against one of the other.
#[test]
fn the_ways_can_be_mixed() {
    let values = listing("values.json");
    for case in CASES {
        let exact = &values["frechet"][case]["exact"];
        let [real, fake] = pair(case);
        let found = distance(&of_samples(&real), &of_covariance(&fake));
        check_exact(&found, exact, COVARIANCE * scale(exact), case);
    }
}

/// pytorch-fid, and clean-fid where it is given float64 means, differ by what scipy's root does.
#[test]
fn packages_with_float64_means_are_met() {
    let values = listing("values.json");
    for case in CASES {
        let listed = &values["frechet"][case];
        let share = if SINGULAR.contains(&case) { SINGULAR_SQRTM } else { SQRTM };
        for package in ["pytorch_fid", "clean_fid_float64"] {
            let Some(wanted) = listed[package].as_f64() else {
                assert_eq!(case, "single", "{package}");
                continue;
            };
            for (way, [real, fake], _) in ways(&pair(case)) {
                let tolerance = share * scale(&listed["exact"]);
                let what = format!("{case} {way} against {package}");
                assert_near(distance(&real, &fake).value, wanted, tolerance, &what);
            }
        }
    }
}

/// A mean m rounded by δm moves ‖m₁−m₂‖² by 2(m₁−m₂)·δm.
#[test]
fn packages_with_float32_means_are_met() {
    let values = listing("values.json");
    for case in CASES {
        let listed = &values["frechet"][case];
        let [real, fake] = pair(case);
        let (m1, m2) = (mean(&real), mean(&fake));
        let largest = m1.iter().chain(&m2).fold(0.0_f64, |most, v| most.max(v.abs()));
        let apart = (&m1 - &m2).mapv(f64::abs).sum();
        let share = if SINGULAR.contains(&case) { SINGULAR_SQRTM } else { SQRTM };
        let tolerance =
            share * scale(&listed["exact"]) + 2.0 * apart * 2.0 * largest * FLOAT32_MEAN;
        for package in ["clean_fid", "torch_fidelity"] {
            let Some(wanted) = listed[package].as_f64() else {
                assert_eq!(case, "single", "{package}");
                continue;
            };
            let found = distance(&of_samples(&real), &of_samples(&fake)).value;
            assert_near(found, wanted, tolerance, &format!("{case} against {package}"));
        }
    }
}

/// The rank is that of the product: what both sets fill.
#[test]
fn ranks_are_found() {
    let ranks = [16, 9, 15, 15, 14, 6, 1, 16];
    for (case, rank) in CASES.into_iter().zip(ranks) {
        for (way, [real, fake], _) in ways(&pair(case)) {
            let found = distance(&real, &fake);
            assert_eq!(found.rank, rank, "{case} {way}");
            assert_eq!(found.route, Route::SingularValues, "{case} {way}");
            assert!(found.relative_error < 1e-12, "{case} {way}: {}", found.relative_error);
        }
    }
}

/// What tells a mean apart from a covariance: swapping parts of the two sides.
#[test]
fn terms_are_of_means_and_of_covariances() {
    let [real, fake] = pair("full");
    let found = distance(&of_samples(&real), &of_samples(&(&fake - &mean(&fake) + &mean(&real))));
    let exact = &listing("values.json")["frechet"]["full"]["exact"];
    assert_relative_eq!(found.value, number(exact, "covariance_term"), max_relative = 1e-12);
    let shift = &mean(&fake) - &mean(&real);
    let found = distance(&of_samples(&real), &of_samples(&(&real + &shift)));
    assert_relative_eq!(found.value, number(exact, "mean_term"), max_relative = 1e-12);
}
