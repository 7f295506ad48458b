//! What each measure says of itself holds for random data.

use ndarray::{Array2, Axis};
use proptest::prelude::*;
use repsim::linalg::gram;
use repsim::similarity::{
    Absence, Bias, Invariance, MEASURES, Measure, Options, Pair, Representation,
};

use crate::facts::{changed, few};
use crate::random::{Random, reordered};
use crate::tolerances::{ANGLE, REFERENCE, TRANSFORMED};

fn made(x: &Array2<f64>) -> Representation {
    Representation::new(x.clone(), Options::default()).unwrap()
}

fn value(measure: Measure, x: &Array2<f64>, y: &Array2<f64>) -> f64 {
    measure.value(&Pair::new(&made(x), &made(y)).unwrap()).unwrap()
}

/// Samples, two widths, and a seed: enough samples for every measure.
fn sizes() -> impl Strategy<Value = (usize, usize, usize, u64)> {
    (24_usize..40, 3_usize..9, 3_usize..9, any::<u64>())
}

/// Layers that share a part, with means of their own.
fn layers<const N: usize>(n: usize, widths: [usize; N], random: &mut Random) -> [Array2<f64>; N] {
    let signal = random.matrix(n, 3);
    widths.map(|width| random.layer(&signal, width) + random.vector(width, 0.5))
}

/// All changes that some measure does not mind.
const CHANGES: [Invariance; 6] = [
    Invariance::IsotropicScaling,
    Invariance::Orthogonal,
    Invariance::Linear,
    Invariance::UnitOrder,
    Invariance::Translation,
    Invariance::SampleOrder,
];

proptest! {
    #![proptest_config(few())]

    #[test]
    fn each_invariance_holds((n, d1, d2, seed) in sizes()) {
        let mut random = Random::new(seed);
        let [a, b] = layers(n, [d1, d2], &mut random);
        for &measure in MEASURES {
            let before = value(measure, &a, &b);
            for &how in measure.facts().invariances {
                let order = match how {
                    Invariance::SampleOrder => random.order(n),
                    _ => (0..n).collect(),
                };
                let a2 = reordered(&changed(&a, how, &mut random), &order);
                let b2 = reordered(&changed(&b, how, &mut random), &order);
                let off = (value(measure, &a2, &b2) - before).abs();
                prop_assert!(off <= TRANSFORMED, "{measure}, {how:?}: {off:e}");
            }
        }
    }

    #[test]
    fn symmetric_ones_are((n, d1, d2, seed) in sizes()) {
        let [a, b] = layers(n, [d1, d2], &mut Random::new(seed));
        for &measure in MEASURES.iter().filter(|m| m.facts().symmetric) {
            let off = (value(measure, &a, &b) - value(measure, &b, &a)).abs();
            prop_assert!(off <= TRANSFORMED, "{measure}: {off:e}");
        }
    }

    #[test]
    fn a_layer_is_most_like_itself((n, d1, _, seed) in sizes()) {
        let [a] = layers(n, [d1], &mut Random::new(seed));
        for &measure in MEASURES.iter().filter(|m| m.facts().best.is_finite()) {
            let off = (value(measure, &a, &a) - measure.facts().best).abs();
            prop_assert!(off <= ANGLE, "{measure}: {off:e}");
        }
    }

    /// Of unrelated layers too; unbiased CKA and HSIC leave their range by chance.
    #[test]
    fn values_are_in_range((n, d1, d2, seed) in sizes()) {
        let mut random = Random::new(seed);
        let options = Options { bias: Bias::Biased, ..Options::default() };
        let of = |x: Array2<f64>| Representation::new(x, options).unwrap();
        let related = layers(n, [d1, d2], &mut random);
        let unrelated = [random.matrix(n, d1), random.matrix(n, d2)];
        for [a, b] in [related, unrelated] {
            let (a, b) = (of(a), of(b));
            let pair = Pair::new(&a, &b).unwrap();
            for measure in MEASURES {
                let (least, most) = measure.facts().range;
                let found = measure.value(&pair).unwrap();
                let inside = (least - TRANSFORMED..=most + TRANSFORMED).contains(&found);
                prop_assert!(inside, "{measure}: {found}");
            }
        }
    }

    #[test]
    fn metrics_obey_the_triangle((n, d1, d2, seed) in sizes()) {
        let mut random = Random::new(seed);
        let [a, b, c] = layers(n, [d1, d2, d1 + 1], &mut random);
        for &measure in MEASURES.iter().filter(|m| m.facts().metric) {
            prop_assert!(measure.facts().symmetric);
            let around = value(measure, &a, &c) + value(measure, &c, &b);
            prop_assert!(value(measure, &a, &b) <= around + TRANSFORMED, "{measure}");
        }
    }

    #[test]
    fn a_permuted_pair_is_the_pair_of_permuted_samples((n, d1, d2, seed) in sizes()) {
        let mut random = Random::new(seed);
        let [a, b] = layers(n, [d1, d2], &mut random);
        let order = random.order(n);
        let (left, right) = (made(&a), made(&b));
        let pair = Pair::new(&left, &right).unwrap();
        for &measure in MEASURES {
            let found = measure.value(&pair.permuted(&order)).unwrap();
            let off = (found - value(measure, &a, &reordered(&b, &order))).abs();
            prop_assert!(off <= TRANSFORMED, "{measure}: {off:e}");
        }
    }

    #[test]
    fn a_part_is_the_layer_of_those_samples((n, d1, d2, seed) in sizes()) {
        let mut random = Random::new(seed);
        let [a, b] = layers(2 * n, [d1, d2], &mut random);
        let mut rows = random.order(2 * n);
        rows.truncate(n);
        let (left, right) = (made(&a).part(&rows).unwrap(), made(&b).part(&rows).unwrap());
        let pair = Pair::new(&left, &right).unwrap();
        for &measure in MEASURES {
            let wanted = value(measure, &reordered(&a, &rows), &reordered(&b, &rows));
            let off = (measure.value(&pair).unwrap() - wanted).abs();
            prop_assert!(off <= TRANSFORMED, "{measure}: {off:e}");
        }
    }

    /// A layer of which only the Gram matrix is kept, wide or not.
    #[test]
    fn a_gram_matrix_serves_where_units_do_not_count(
        (n, d1, d2, seed) in sizes(), factor in prop::sample::select(vec![1_usize, 20]),
    ) {
        let [a, b] = layers(n, [d1 * factor, d2], &mut Random::new(seed));
        let of = |x: &Array2<f64>| {
            let sums = x.sum_axis(Axis(1)).to_vec();
            Representation::from_gram(gram(x.view()), sums, x.ncols(), Options::default()).unwrap()
        };
        let (by_gram, by_features) = ((of(&a), of(&b)), (made(&a), made(&b)));
        let grams = Pair::new(&by_gram.0, &by_gram.1).unwrap();
        let features = Pair::new(&by_features.0, &by_features.1).unwrap();
        for &measure in MEASURES {
            match (measure.value(&grams), measure.value(&features)) {
                (Ok(x), Ok(y)) => prop_assert!((x - y).abs() <= ANGLE, "{measure}: {x} {y}"),
                (Err(Absence::NeedsFeatures), Ok(_)) => {
                    prop_assert!(measure.takes_units());
                }
                (x, y) => prop_assert!(x == y, "{measure}: {x:?} {y:?}"),
            }
        }
    }
}

/// Measures to which a linear map of the first layer makes no difference: a regression on it, and
/// SVCCA while all components are kept.
const BLIND: [Measure; 2] = [Measure::LinearRegression, Measure::Svcca];

/// Changes that a measure does not list are seen by it, so that the tests above see something.
#[test]
fn what_is_not_listed_counts() {
    let mut random = Random::new(6);
    let [a, b] = layers(40, [6, 7], &mut random);
    for &measure in MEASURES {
        let before = value(measure, &a, &b);
        for how in CHANGES {
            let after = value(measure, &changed(&a, how, &mut random), &b);
            let seen = (after - before).abs() > REFERENCE;
            let listed = measure.facts().invariances.contains(&how);
            let order = how == Invariance::SampleOrder;
            let linear = how == Invariance::Linear && BLIND.contains(&measure);
            assert!(listed || seen || linear || order, "{measure} does not see {how:?}");
        }
        let apart = value(measure, &changed(&a, Invariance::SampleOrder, &mut random), &b);
        assert!((apart - before).abs() <= REFERENCE);
        assert!((value(measure, &reordered(&a, &random.order(40)), &b) - before).abs() > REFERENCE);
    }
}

#[test]
fn the_sides_count_where_a_measure_is_not_symmetric() {
    let [a, b] = layers(40, [4, 8], &mut Random::new(7));
    for &measure in MEASURES.iter().filter(|m| !m.facts().symmetric) {
        assert!((value(measure, &a, &b) - value(measure, &b, &a)).abs() > REFERENCE, "{measure}");
    }
}

#[test]
fn the_more_alike_the_better() {
    let mut random = Random::new(5);
    let (x, noise) = (random.matrix(200, 12), random.matrix(200, 12));
    for &measure in MEASURES.iter().filter(|m| **m != Measure::Hsic) {
        let sign = if measure.facts().larger_is_more_alike { 1.0 } else { -1.0 };
        let of = |amount: f64| sign * value(measure, &x, &(&x + &(&noise * amount)));
        let values = [0.1, 0.5, 1.0, 2.0].map(of);
        assert!(values.windows(2).all(|w| w[0] > w[1]), "{measure}: {values:?}");
    }
}

#[test]
fn facts_are_complete() {
    for measure in MEASURES {
        let facts = measure.facts();
        assert!(facts.range.0 < facts.range.1, "{measure}");
        assert!(!facts.caveats.is_empty() && facts.caveats.iter().all(|c| c.ends_with('.')));
        assert!(facts.invariances.contains(&Invariance::SampleOrder), "{measure}");
        let linear = facts.invariances.contains(&Invariance::Linear);
        assert!(!linear || facts.needs_more_samples, "{measure}");
    }
}

/// α = 1 is the Procrustes angle, α = 0 the angle of the canonical correlations.
#[test]
fn the_shape_metric_has_known_ends() {
    let [a, b] = layers(40, [5, 5], &mut Random::new(8));
    let of = |alpha: f64| {
        let made = |x: &Array2<f64>| {
            Representation::new(x.clone(), Options { alpha, ..Options::default() }).unwrap()
        };
        let (a, b) = (made(&a), made(&b));
        Measure::ShapeMetric.value(&Pair::new(&a, &b).unwrap()).unwrap()
    };
    assert!((of(1.0) - value(Measure::ProcrustesAngle, &a, &b)).abs() <= REFERENCE);
    let whole = Options { variance: 1.0, ..Options::default() };
    let [left, right] = [&a, &b].map(|x| Representation::new(x.clone(), whole).unwrap());
    let mean = Measure::Svcca.value(&Pair::new(&left, &right).unwrap()).unwrap();
    assert!((of(0.0) - mean.acos()).abs() <= REFERENCE);
}
