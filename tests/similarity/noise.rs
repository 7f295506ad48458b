//! Independent Gaussian features: near 0 unbiased, near D/(n+D) biased.
//!
//! With X, Y of n×D independent standard normal numbers, the entries of XᵀY/√n are about standard
//! normal and ‖XᵀY‖²_F/n is about χ² with D² degrees of freedom: mean D², standard deviation
//! √2·D. The population value of HSIC(X, X) is D. So unbiased CKA has mean 0 and a standard
//! deviation of about √2·D/(n·D) = √2/n, whatever D. The biased HSIC(X, X) is about D(n+D)/n
//! instead of D, so biased CKA is D/(n+D) with a standard deviation of about √2/(n+D); that the
//! samples are centred, and the +1 of E‖XᵀX‖² = nD(n+D+1), moves the mean by less than 2/(n+D).
//! Five standard deviations are allowed, half as much again for the estimated denominator.

use repsim::capture::cka::Settings;
use repsim::similarity::{Bias, cka};

use crate::engine::{pair, settings};
use crate::random::Random;

const CASES: [(usize, usize); 6] =
    [(32, 512), (64, 64), (256, 16), (100, 1000), (500, 8), (400, 400)];
const DEVIATIONS: f64 = 7.5;

/// CKA of independent noise, estimated in both ways.
fn of_noise(n: usize, d: usize, seed: u64) -> (f64, f64) {
    let mut random = Random::new(seed);
    let (x, y) = (random.matrix(n, d), random.matrix(n, d));
    let of = |bias| pair(&x, &y, &Settings { bias, ..settings() }, n);
    (of(Bias::Unbiased), of(Bias::Biased))
}

#[test]
fn unbiased_is_near_zero_and_biased_is_not() {
    for (n, d) in CASES {
        for seed in 0..3 {
            let (unbiased, biased) = of_noise(n, d, 1000 + seed);
            let what = format!("n = {n}, D = {d}, seed {seed}");
            let deviation = 2_f64.sqrt() / n as f64;
            assert!(unbiased.abs() <= DEVIATIONS * deviation, "{what}: unbiased {unbiased}");
            let expected = d as f64 / (n + d) as f64;
            let allowed = (DEVIATIONS * 2_f64.sqrt() + 2.0) / (n + d) as f64;
            assert!((biased - expected).abs() <= allowed, "{what}: {biased}, not {expected}");
        }
    }
}

/// Over many draws the mean of the unbiased estimate is zero: no draw's chance hides a bias.
#[test]
fn unbiased_is_zero_on_average() {
    let (n, d, draws) = (24, 48, 200);
    let values: Vec<f64> = (0..draws).map(|seed| of_noise(n, d, seed).0).collect();
    let mean = values.iter().sum::<f64>() / draws as f64;
    let deviation = 2_f64.sqrt() / n as f64 / (draws as f64).sqrt();
    assert!(mean.abs() <= 5.0 * deviation, "{mean}, deviation {deviation}");
}

#[test]
fn what_the_warning_says_is_what_comes_out() {
    for (n, d) in CASES {
        let (_, biased) = of_noise(n, d, 77);
        let said = cka::expected_of_noise(n, (d, d), Bias::Biased);
        let allowed = (DEVIATIONS * 2_f64.sqrt() + 2.0) / (n + d) as f64;
        assert!((biased - said).abs() <= allowed, "n = {n}, D = {d}: {biased}, not {said}");
    }
}
