//! Gaussians whose distance is known: means apart, and covariances with common eigenvectors.
//!
//! With Σ₁ = U diag(a) Uᵀ and Σ₂ = U diag(b) Uᵀ the distance is ‖μ₁−μ₂‖² + Σ (√aᵢ − √bᵢ)².

use approx::assert_relative_eq;
use ndarray::{Array1, Array2, Axis};
use ndarray_linalg::QR;
use repsim::frechet::Gaussian;

use crate::support::{Random, distance, of_covariance, of_samples};

const D: usize = 40;

/// Variances along the eigenvectors: from 10⁻⁴ to 10, three of them missing on one side.
fn variances() -> [Array1<f64>; 2] {
    let a = Array1::from_shape_fn(D, |i| 10_f64.powf(1.0 - i as f64 / 8.0));
    let mut b = Array1::from_shape_fn(D, |i| 0.1 + ((i * 7) % 13) as f64 / 3.0);
    b.iter_mut().skip(5).step_by(12).for_each(|v| *v = 0.0);
    [a, b]
}

/// The distance by the formula, and its part of the means.
fn known(means: &[Array1<f64>; 2], [a, b]: &[Array1<f64>; 2]) -> (f64, f64) {
    let mean_term = (&means[0] - &means[1]).mapv(|v| v * v).sum();
    let roots = a.mapv(f64::sqrt) - b.mapv(f64::sqrt);
    (mean_term, roots.dot(&roots))
}

/// n samples of exactly this mean and covariance: √(n−1)·Q diag(√v) Uᵀ + μ, where the columns of Q
/// are orthonormal and sum to zero.
fn samples(
    n: usize,
    mean: &Array1<f64>,
    variances: &Array1<f64>,
    turn: &Array2<f64>,
    random: &mut Random,
) -> Array2<f64> {
    let noise = random.matrix(n, D);
    let (orthonormal, _) = (&noise - &noise.mean_axis(Axis(0)).unwrap()).qr().unwrap();
    let scaled = orthonormal * &variances.mapv(|v| (v * (n - 1) as f64).sqrt());
    scaled.dot(&turn.t()) + mean
}

#[test]
fn stored_covariances_give_the_formula() {
    let mut random = Random::new(40);
    let (turn, variances) = (random.rotation(D), variances());
    let means = [random.vector(D, 1.0), random.vector(D, 2.0)];
    let gaussian = |i: usize| {
        let covariance = (&turn * &variances[i]).dot(&turn.t());
        let symmetric = (&covariance + &covariance.t()) / 2.0;
        Gaussian::of_covariance(means[i].view(), symmetric.view()).unwrap()
    };
    let found = distance(&gaussian(0), &gaussian(1));
    let (mean_term, trace_term) = known(&means, &variances);
    assert_relative_eq!(found.mean_term, mean_term, max_relative = 1e-14);
    assert_relative_eq!(found.trace_term, trace_term, max_relative = 1e-12);
    assert_eq!((gaussian(0).width(), found.rank), (D, D - 3));
}

#[test]
fn samples_give_the_formula() {
    let mut random = Random::new(41);
    let (turn, variances) = (random.rotation(D), variances());
    let means = [random.vector(D, 1.0), random.vector(D, 2.0)];
    let a = samples(70, &means[0], &variances[0], &turn, &mut random);
    let b = samples(60, &means[1], &variances[1], &turn, &mut random);
    let (mean_term, trace_term) = known(&means, &variances);
    for fit in [of_samples, of_covariance] {
        let found = distance(&fit(&a), &fit(&b));
        assert_relative_eq!(found.mean_term, mean_term, max_relative = 1e-12);
        assert_relative_eq!(found.trace_term, trace_term, max_relative = 1e-11);
    }
}

/// A set that is spread twice as far has four times the covariance: tr Σ apart.
#[test]
fn a_set_of_twice_the_spread_is_its_trace_away() {
    let mut random = Random::new(42);
    for n in [10, 41, 200] {
        let rows = random.features(n, D);
        let middle = rows.mean_axis(Axis(0)).unwrap();
        let wide = (&rows - &middle) * 2.0 + &middle;
        let trace = rows.var_axis(Axis(0), 1.0).sum();
        for fit in [of_samples, of_covariance] {
            let found = distance(&fit(&rows), &fit(&wide));
            assert_relative_eq!(found.value, trace, max_relative = 1e-11);
        }
    }
}

/// No direction in common: nothing of the traces cancels.
#[test]
fn sets_in_different_directions_add_their_traces() {
    let mut random = Random::new(43);
    let (mut a, mut b) = (random.matrix(30, D), random.matrix(25, D));
    a.slice_mut(ndarray::s![.., ..D / 2]).fill(0.0);
    b.slice_mut(ndarray::s![.., D / 2..]).fill(0.0);
    let trace = |rows: &Array2<f64>| rows.var_axis(Axis(0), 1.0).sum();
    for fit in [of_samples, of_covariance] {
        let found = distance(&fit(&a), &fit(&b));
        assert_relative_eq!(found.trace_term, trace(&a) + trace(&b), max_relative = 1e-12);
        assert_eq!((found.rank, found.relative_error), (0, 0.0));
    }
}
