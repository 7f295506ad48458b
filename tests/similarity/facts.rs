//! What the measure says of itself holds for random data: [`repsim::similarity::CKA`] is read, and
//! each of its invariances tested.

use ndarray::{Array2, Axis};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use repsim::capture::cka::Settings;
use repsim::similarity::{Bias, CKA, Invariance};

use crate::engine::{assert_near, full_settings, minibatch_settings, pair, run, settings, values};
use crate::random::{Random, layers, reordered};
use crate::tolerances::{REORDERED, TRANSFORMED};

/// Few cases, the same ones every time.
pub fn few() -> ProptestConfig {
    ProptestConfig {
        cases: 12,
        rng_seed: RngSeed::Fixed(20_240_229),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Samples, widths of two layers, and a seed.
fn sizes() -> impl Strategy<Value = (usize, usize, usize, u64)> {
    (8_usize..40, 1_usize..30, 1_usize..30, any::<u64>())
}

/// Two layers that share a part, with means of their own.
fn two_layers(n: usize, d1: usize, d2: usize, random: &mut Random) -> (Array2<f64>, Array2<f64>) {
    let signal = random.matrix(n, 3);
    let (a, b) = (random.layer(&signal, d1), random.layer(&signal, d2));
    (a + random.vector(d1, 2.0), b + random.vector(d2, 2.0))
}

/// One layer changed in a way; with the order of the samples, which both have to take.
pub fn changed(x: &Array2<f64>, how: Invariance, random: &mut Random) -> Array2<f64> {
    match how {
        Invariance::IsotropicScaling => x * 10_f64.powf(4.0 * random.uniform() - 2.0),
        Invariance::Orthogonal => x.dot(&random.rotation(x.ncols())),
        Invariance::Translation => x + &random.vector(x.ncols(), 5.0),
        Invariance::Linear => x.dot(&random.stretch(x.ncols())),
        Invariance::UnitOrder => x.select(Axis(1), &random.order(x.ncols())),
        Invariance::SampleOrder => x.clone(),
    }
}

/// Settings under which an invariance is to hold: over batches, another order of all samples is
/// another partition.
fn settings_for(how: Invariance) -> Vec<Settings> {
    match how {
        Invariance::SampleOrder => full_settings().collect(),
        _ => full_settings().chain(minibatch_settings()).collect(),
    }
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn each_invariance_holds((n, d1, d2, seed) in sizes()) {
        let mut random = Random::new(seed);
        let (a, b) = two_layers(n, d1, d2, &mut random);
        for &how in CKA.invariances {
            let order = match how {
                Invariance::SampleOrder => random.order(n),
                _ => (0..n).collect(),
            };
            let a2 = reordered(&changed(&a, how, &mut random), &order);
            let b2 = reordered(&changed(&b, how, &mut random), &order);
            for settings in settings_for(how) {
                let (found, expected) = (pair(&a2, &b2, &settings, 8), pair(&a, &b, &settings, 8));
                let off = (found - expected).abs() / expected.abs().max(1.0);
                prop_assert!(off <= TRANSFORMED, "{how:?}, {settings:?}: {found} {expected}");
            }
        }
    }

    #[test]
    fn a_layer_is_like_itself((n, d1, d2, seed) in sizes()) {
        let mut random = Random::new(seed);
        let (a, b) = two_layers(n, d1, d2, &mut random);
        for settings in full_settings().chain(minibatch_settings()) {
            for x in [&a, &b] {
                prop_assert!((pair(x, x, &settings, 8) - 1.0).abs() <= REORDERED, "{settings:?}");
            }
        }
    }

    #[test]
    fn swapping_the_sides_transposes_the_matrix((n, d1, d2, seed) in sizes()) {
        prop_assert!(CKA.symmetric);
        let mut random = Random::new(seed);
        let (a, b) = two_layers(n, d1, d2, &mut random);
        let (left, right) = (layers(&[a.clone(), b.clone()]), layers(&[b, a.clone(), a * 3.0]));
        for settings in full_settings().chain(minibatch_settings()) {
            let ab = values(&run(&[left.clone(), right.clone()], &settings, 8));
            let ba = values(&run(&[right.clone(), left.clone()], &settings, 8));
            assert_near(&ba.t().to_owned(), &ab, REORDERED, &format!("{settings:?}"));
        }
    }

    /// One list of layers gives what the same list given twice gives.
    #[test]
    fn one_side_is_two_equal_sides((n, d1, d2, seed) in sizes()) {
        let mut random = Random::new(seed);
        let (a, b) = two_layers(n, d1, d2, &mut random);
        let side = layers(&[a, b]);
        for settings in full_settings().chain(minibatch_settings()) {
            let once = values(&run(std::slice::from_ref(&side), &settings, 8));
            let twice = values(&run(&[side.clone(), side.clone()], &settings, 8));
            assert_near(&once, &twice, REORDERED, &format!("{settings:?}"));
        }
    }

    /// The range holds for the biased estimator; the caveats say that the unbiased one leaves it.
    #[test]
    fn values_are_in_range((n, d1, d2, seed) in sizes()) {
        let (least, most) = CKA.range;
        let mut random = Random::new(seed);
        let (a, b) = two_layers(n, d1, d2, &mut random);
        for settings in full_settings().filter(|s| s.bias == Bias::Biased) {
            let value = pair(&a, &b, &settings, n);
            prop_assert!((least - REORDERED..=most + REORDERED).contains(&value), "{value}");
        }
    }
}

#[test]
fn the_facts_are_complete() {
    let all = [
        Invariance::IsotropicScaling,
        Invariance::Orthogonal,
        Invariance::UnitOrder,
        Invariance::Translation,
        Invariance::SampleOrder,
    ];
    assert!(all.iter().all(|how| CKA.invariances.contains(how)));
    assert_eq!((CKA.name, CKA.range), ("cka", (0.0, 1.0)));
    assert!(!CKA.caveats.is_empty());
}

#[test]
fn the_more_alike_the_larger() {
    const { assert!(CKA.larger_is_more_alike) };
    let mut random = Random::new(5);
    let x = random.matrix(200, 20);
    let noise = random.matrix(200, 20);
    let mut last = 1.0;
    for amount in [0.1, 0.5, 1.0, 2.0, 5.0] {
        let value = pair(&x, &(&x + &(&noise * amount)), &settings(), 200);
        assert!(value < last, "with noise {amount}: {value} is not below {last}");
        last = value;
    }
}

/// What CKA is not invariant to, so that the tests above are seen to see something.
#[test]
fn a_stretch_of_one_feature_changes_it() {
    let mut random = Random::new(6);
    let (a, b) = two_layers(40, 10, 10, &mut random);
    let mut stretched = a.clone();
    stretched.column_mut(0).mapv_inplace(|v| v * 20.0);
    for settings in full_settings() {
        let off = pair(&a, &b, &settings, 40) - pair(&stretched, &b, &settings, 40);
        assert!(off.abs() > 1e-3, "{settings:?}");
    }
}
