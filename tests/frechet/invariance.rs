//! What has to hold of the distance of any two sets, fewer samples than features included.

use ndarray::{Array2, Axis};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use repsim::frechet::Gaussian;

use crate::support::{Random, distance, of_covariance, of_samples, scale};
use crate::tolerances::{ITSELF, TRANSFORMED};

/// Few cases, the same ones every time.
fn few() -> ProptestConfig {
    ProptestConfig {
        cases: 48,
        rng_seed: RngSeed::Fixed(20_170_626),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Samples of two sets, features, and a seed.
fn sizes() -> impl Strategy<Value = (usize, usize, usize, u64)> {
    (2_usize..60, 2_usize..60, 1_usize..40, any::<u64>())
}

/// A way from samples to a Gaussian.
type Fit = fn(&Array2<f64>) -> Gaussian;

/// From samples and by way of the covariance.
const FITS: [(&str, Fit); 2] = [("samples", of_samples), ("covariance", of_covariance)];

fn two_sets((n, m, d): (usize, usize, usize), random: &mut Random) -> [Array2<f64>; 2] {
    [random.features(n, d), random.features(m, d)]
}

/// The distance of `a` from `b` by one way.
fn between(fit: Fit, a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    distance(&fit(a), &fit(b)).value
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn it_is_finite_and_never_negative((n, m, d, seed) in sizes()) {
        let [a, b] = two_sets((n, m, d), &mut Random::new(seed));
        for (way, fit) in FITS {
            let found = distance(&fit(&a), &fit(&b));
            prop_assert!(found.value.is_finite() && found.value >= 0.0, "{way}: {found:?}");
            prop_assert!(found.mean_term >= 0.0 && found.trace_term >= 0.0, "{way}: {found:?}");
            prop_assert!(found.rank <= d.min(n - 1).min(m - 1), "{way}: {found:?}");
            prop_assert!(found.relative_error < 1e-11, "{way}: {found:?}");
        }
    }

    #[test]
    fn it_is_symmetric((n, m, d, seed) in sizes()) {
        let [a, b] = two_sets((n, m, d), &mut Random::new(seed));
        for (way, fit) in FITS {
            let off = (between(fit, &a, &b) - between(fit, &b, &a)).abs();
            prop_assert!(off <= TRANSFORMED * scale(&a, &b), "{way}: {off:e}");
        }
    }

    #[test]
    fn a_set_is_at_no_distance_from_itself((n, _m, d, seed) in sizes()) {
        let mut random = Random::new(seed);
        let a = random.features(n, d);
        let shuffled = a.select(Axis(0), &random.order(n));
        let trace = a.var_axis(Axis(0), 1.0).sum();
        for (one, first) in FITS {
            for (other, second) in FITS {
                for rows in [&a, &shuffled] {
                    let found = distance(&first(&a), &second(rows)).value;
                    prop_assert!(found <= ITSELF * trace, "{one}, {other}: {found:e} of {trace}");
                }
            }
        }
    }

    #[test]
    fn both_ways_give_the_same((n, m, d, seed) in sizes()) {
        let [a, b] = two_sets((n, m, d), &mut Random::new(seed));
        let wanted = between(of_samples, &a, &b);
        for (first, second) in [(0, 1), (1, 0), (1, 1)] {
            let found = distance(&FITS[first].1(&a), &FITS[second].1(&b)).value;
            let off = (found - wanted).abs();
            prop_assert!(off <= 1e-11 * scale(&a, &b), "{first}, {second}: {off:e}");
        }
    }

    #[test]
    fn a_common_rotation_and_shift_changes_nothing((n, m, d, seed) in sizes()) {
        let mut random = Random::new(seed);
        let [a, b] = two_sets((n, m, d), &mut random);
        let (turn, shift) = (random.rotation(d), random.vector(d, 10.0));
        let [turned_a, turned_b] = [&a, &b].map(|rows| rows.dot(&turn) + &shift);
        for (way, fit) in FITS {
            let off = (between(fit, &turned_a, &turned_b) - between(fit, &a, &b)).abs();
            prop_assert!(off <= 1e-11 * scale(&a, &b), "{way}: {off:e}");
        }
    }

    #[test]
    fn it_grows_with_the_square_of_the_scale((n, m, d, seed) in sizes()) {
        let mut random = Random::new(seed);
        let [a, b] = two_sets((n, m, d), &mut random);
        let s = 10_f64.powf(12.0 * random.uniform() - 6.0);
        for (way, fit) in FITS {
            let off = (between(fit, &(&a * s), &(&b * s)) / (s * s) - between(fit, &a, &b)).abs();
            prop_assert!(off <= TRANSFORMED * scale(&a, &b), "{way}, s = {s}: {off:e}");
        }
    }

    /// The root of the distance is a metric.
    #[test]
    fn the_triangle_inequality_holds((n, m, d, seed) in sizes()) {
        let mut random = Random::new(seed);
        let [a, b] = two_sets((n, m, d), &mut random);
        let c = random.features(n + m, d);
        for (way, fit) in FITS {
            let side = |x, y| between(fit, x, y).sqrt();
            prop_assert!(side(&a, &b) <= side(&a, &c) + side(&c, &b) + 1e-6, "{way}");
        }
    }
}

/// What the distance is not invariant to, so that the tests above are seen to see something.
#[test]
fn other_changes_are_seen() {
    let mut random = Random::new(3);
    let [mut a, b] = two_sets((50, 50, 8), &mut random);
    a.column_mut(0).mapv_inplace(|v| 5.0 * v);
    let turned = a.dot(&random.rotation(8));
    let trace = a.var_axis(Axis(0), 1.0).sum();
    for (_, fit) in FITS {
        let before = between(fit, &a, &b);
        assert!(between(fit, &a, &turned) > 1e-2 * trace);
        assert!((between(fit, &a, &(&b + 0.1)) - before).abs() > 1e-4 * before);
        assert!((between(fit, &a, &(&b * 1.1)) - before).abs() > 1e-4 * before);
    }
}
