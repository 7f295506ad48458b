//! The size of Inception's features: D = 2048, with too few samples, with a rank that is not full,
//! with a feature that never changes.

use approx::assert_relative_eq;
use ndarray::{Array2, Axis, concatenate, s};
use repsim::linalg::Route;

use crate::support::{Random, distance, of_covariance, of_samples};
use crate::tolerances::{ITSELF, LARGE};

const D: usize = 2048;

/// Features that share a part, the way a network's do.
fn features(rows: usize, width: usize, random: &mut Random) -> Array2<f64> {
    let shared = random.matrix(rows, 20).dot(&random.matrix(20, width));
    shared * 0.2 + random.matrix(rows, width) + &random.vector(width, 0.2)
}

#[test]
fn few_samples_give_the_same_by_both_ways() {
    let mut random = Random::new(2048);
    let (a, b) = (features(300, D, &mut random), features(250, D, &mut random));
    let direct = [of_samples(&a), of_samples(&b)];
    let stored = [of_covariance(&a), of_covariance(&b)];
    let wanted = distance(&direct[0], &direct[1]);
    assert!(wanted.value.is_finite() && wanted.value > 0.0, "{wanted:?}");
    for (a, b) in [(&stored[0], &stored[1]), (&stored[0], &direct[1]), (&direct[0], &stored[1])] {
        let found = distance(a, b);
        assert_relative_eq!(found.value, wanted.value, max_relative = LARGE);
        assert_eq!((found.rank, wanted.rank), (249, 249));
    }
    let trace = a.var_axis(Axis(0), 1.0).sum();
    for other in [&direct[0], &stored[0]] {
        assert!(distance(&direct[0], other).value <= ITSELF * trace);
    }
}

/// Twice as far spread: the distance is the trace of the narrower one.
#[test]
fn a_singular_covariance_of_many_samples() {
    let mut random = Random::new(600);
    let (rank, n) = (600, 2500);
    let rows = random.matrix(n, rank).dot(&random.matrix(rank, D)) / (rank as f64).sqrt();
    let wide = (&rows - &rows.mean_axis(Axis(0)).unwrap()) * 2.0;
    let (narrow, wide) = (of_samples(&rows), of_samples(&wide));
    let found = distance(&narrow, &wide);
    assert_eq!(found.rank, rank);
    assert_relative_eq!(found.trace_term, rows.var_axis(Axis(0), 1.0).sum(), max_relative = LARGE);
    assert!(distance(&narrow, &narrow).value <= ITSELF * found.trace_term);
}

/// A feature without variance on one side or both counts by its mean alone.
#[test]
fn a_constant_feature_counts_by_its_mean() {
    let mut random = Random::new(7);
    let (mut a, mut b) = (features(300, D, &mut random), features(250, D, &mut random));
    let without = [&a, &b].map(|x| {
        let (left, right) = (x.slice(s![.., ..1000]), x.slice(s![.., 1001..]));
        concatenate![Axis(1), left, right]
    });
    a.column_mut(1000).fill(0.5);
    b.column_mut(1000).fill(3.5);
    for fit in [of_samples, of_covariance] {
        let expected = distance(&fit(&without[0]), &fit(&without[1])).value + 9.0;
        let found = distance(&fit(&a), &fit(&b));
        assert_relative_eq!(found.value, expected, max_relative = LARGE);
        assert_eq!(found.rank, 249);
    }
}

/// Full rank but for the constant feature, and so wide that eigenvalues are taken.
#[test]
fn a_constant_feature_in_a_covariance_of_many_samples() {
    let (width, mut random) = (400, Random::new(8));
    let (mut a, mut b) = (features(900, width, &mut random), features(800, width, &mut random));
    b *= 1.5;
    a.column_mut(3).fill(-1.0);
    b.column_mut(3).fill(1.0);
    let (first, second) = (of_samples(&a), of_samples(&b));
    let found = distance(&first, &second);
    assert_eq!((found.rank, found.route), (width - 1, Route::Eigenvalues));
    assert!(found.relative_error < 1e-10, "{}", found.relative_error);
    let swapped = distance(&second, &first).value;
    assert_relative_eq!(swapped, found.value, max_relative = 1e-10);
    let without = [&a, &b].map(|x| {
        let (left, right) = (x.slice(s![.., ..3]), x.slice(s![.., 4..]));
        of_samples(&concatenate![Axis(1), left, right])
    });
    let expected = distance(&without[0], &without[1]).value + 4.0;
    assert_relative_eq!(found.value, expected, max_relative = 1e-10);
    // Against itself the trace term says how far rounding goes.
    let trace = a.var_axis(Axis(0), 1.0).sum();
    assert!(distance(&first, &first).value <= ITSELF * trace);
}
