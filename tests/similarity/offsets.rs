//! Float64 features that lie far from zero: centred before anything is lost.

use std::path::Path;

use ndarray::{Array2, s};
use repsim::capture::cka::compare;
use repsim::capture::stored::{StoredFeed, StoredLayer};
use repsim::capture::{Absence, Silent};
use repsim::linalg::gram;
use repsim::similarity::cka::{CONSTANT, CONSTANT_DOUBLE};
use repsim::similarity::{self, MEASURES, Measure, Options, Pair, Products, Representation};
use repsim::torchscript::Axes;
use serde_json::Value;

use crate::engine::{full_settings, minibatch_settings, pair, settings, values};
use crate::random::Random;
use crate::tolerances::GOLDEN;

/// 40×6 in whole 256ths, by the formula of `tests/golden/fid/make_arrays.py`: sums with an offset are exact.
fn waves(seed: usize) -> Array2<f64> {
    Array2::from_shape_fn((40, 6), |(i, j)| {
        ((i * (7 + seed) + j * j * 5 + i * i * (j + seed)) % 101) as f64 / 256.0 - 50.0 / 256.0
    })
}

fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fid/arrays.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn cka_is_that_of_long_doubles() {
    let golden = &golden()["cka_of_offset"];
    for (name, offset) in [("0e+00", 0.0), ("1e+06", 1e6), ("1e+08", 1e8)] {
        let found = pair(&(waves(1) + offset), &waves(2), &settings(), 40);
        let wanted = golden[name].as_f64().unwrap();
        assert!((found - wanted).abs() < GOLDEN, "{offset}: {found}, not {wanted}");
    }
}

#[test]
fn no_estimator_loses_an_offset() {
    for settings in full_settings().chain(minibatch_settings()) {
        let wanted = pair(&waves(1), &waves(2), &settings, 20);
        let found = pair(&(waves(1) + 1e7), &(waves(2) - 1e7), &settings, 20);
        assert!((found - wanted).abs() < GOLDEN, "{settings:?}: {found}, not {wanted}");
    }
}

/// Float32 has seven digits: what is left of them beside such an offset is rounding.
#[test]
fn features_of_fewer_digits_are_constant() {
    let outcome = |single| {
        let layer = |values: Array2<f64>| StoredLayer {
            values: values.into_dyn(),
            axes: Axes::guessed(2),
            single,
        };
        let layers = vec![layer(waves(1) + 1e7), layer(waves(2))];
        let mut feed = StoredFeed::with_axes(&[layers], 40).unwrap();
        compare(&mut feed, &settings(), &mut Silent).unwrap()
    };
    assert_eq!(outcome(true).absences, [[Some(Absence::Constant), None]]);
    assert!(values(&outcome(false)).iter().all(|v| v.is_finite()));
}

fn options() -> Options {
    Options { neighbours: 5, ..Options::default() }
}

/// Measures that subtract the mean, or look at distances, know nothing of an offset.
#[test]
fn measures_know_nothing_of_an_offset() {
    let of_angles = [
        Measure::MutualKnn,
        Measure::Cknna,
        Measure::Jaccard,
        Measure::SecondOrderCosine,
        Measure::AlignedCosine,
    ];
    let of = |x: Array2<f64>| Representation::within(x, options(), CONSTANT_DOUBLE).unwrap();
    let digits = |seed| Random::new(seed).matrix(40, 6).mapv(|v| (v * 65536.0).round() / 65536.0);
    let (near, other) = (of(digits(1)), of(digits(2)));
    for offset in [1e7, -1e8] {
        let far = of(digits(1) + offset);
        for measure in MEASURES {
            let value = |layer: &Representation| measure.value(&Pair::new(layer, &other).unwrap());
            let (found, wanted) = (value(&far), value(&near));
            if of_angles.contains(measure) {
                assert_eq!(found, Err(similarity::Absence::FarOff), "{measure}");
                continue;
            }
            let (found, wanted) = (found.unwrap(), wanted.unwrap());
            assert!((found - wanted).abs() < GOLDEN, "{measure}: {found}, not {wanted}");
        }
    }
}

/// At every offset a value is right as far as its digits reach, or the reason is that they do not: 65536ths
/// are exact up to 2³⁶.
#[test]
fn correlations_do_not_break_at_an_offset() {
    let digits = |seed| Random::new(seed).matrix(40, 6).mapv(|v| (v * 65536.0).round() / 65536.0);
    let other = Representation::new(digits(2), options()).unwrap();
    let value = |measure: Measure, layer: &Representation| {
        measure.value(&Pair::new(layer, &other).unwrap())
    };
    let features = |offset: f64| {
        Representation::within(digits(1) + offset, options(), CONSTANT_DOUBLE).unwrap()
    };
    let measures = [Measure::Rsa, Measure::RdmCosine];
    let wanted = measures.map(|measure| value(measure, &features(0.0)).unwrap());
    for step in 0..=90 {
        let offset = 10f64.powf(f64::from(step) / 10.0).round();
        for (measure, wanted) in measures.into_iter().zip(wanted) {
            let found = value(measure, &features(offset)).unwrap();
            assert!((found - wanted).abs() < GOLDEN, "{measure} {offset}: {found}, not {wanted}");
        }
        let products = of_products(&(digits(1) + offset), CONSTANT_DOUBLE).unwrap();
        match value(Measure::RdmCosine, &products) {
            Ok(found) => {
                let lost = 1e2 * f64::EPSILON * (1.0 + offset * offset);
                assert!((found - wanted[1]).abs() < lost, "{offset}: {found}, not {}", wanted[1]);
            }
            Err(why) => assert!(why == similarity::Absence::FarOff && offset > 1e5, "{offset}"),
        }
    }
}

/// Correlations over features are those of features less the mean of a sample: another offset a feature
/// leaves nothing of them.
#[test]
fn correlations_that_are_rounding_are_refused() {
    let mut far = waves(1);
    far.columns_mut().into_iter().enumerate().for_each(|(j, mut c)| c += 1e7 * (j + 1) as f64);
    let far = Representation::within(far, options(), CONSTANT_DOUBLE).unwrap();
    let other = Representation::new(waves(2), options()).unwrap();
    let found = Measure::Rsa.value(&Pair::new(&far, &other).unwrap());
    assert_eq!(found, Err(similarity::Absence::FarOff));
}

/// What is left of features where only products of their rows less the first are kept.
fn of_products(x: &Array2<f64>, constant: f64) -> Result<Representation, similarity::Absence> {
    let centre = x.row(0).to_owned();
    let products = Products {
        gram: gram((x - &centre).view()),
        along: x.dot(&centre).to_vec(),
        centre_norm: centre.dot(&centre),
        sums: x.sum_axis(ndarray::Axis(1)).to_vec(),
    };
    Representation::of_products(products, x.ncols(), options(), constant)
}

/// Layers of which only products are kept.
#[test]
fn products_less_a_centre_keep_their_digits() {
    let wide = Random::new(5).matrix(40, 70).mapv(|v| (v * 256.0).round() / 256.0);
    let other = Representation::new(waves(2), options()).unwrap();
    let of = |offset: f64, constant: f64| of_products(&(&wide + offset), constant);
    assert_eq!(of(1e7, CONSTANT).err(), Some(similarity::Absence::Constant));
    let (far, near) = (of(1e7, CONSTANT_DOUBLE).unwrap(), of(0.0, CONSTANT_DOUBLE).unwrap());
    let measures =
        [Measure::Cka, Measure::Procrustes, Measure::DistanceCorrelation, Measure::Svcca];
    let pca = |layer: &Representation| layer.reduced(9).unwrap().representation;
    for measure in measures {
        let value = |layer| measure.value(&Pair::new(&layer, &other).unwrap()).unwrap();
        let (found, wanted) = (value(pca(&far)), value(pca(&near)));
        assert!((found - wanted).abs() < GOLDEN, "{measure}: {found}, not {wanted}");
    }
    let half: Vec<usize> = (0..20).collect();
    let part = |layer: &Representation| layer.part(&half).unwrap();
    let of_half = Representation::new(waves(2).slice(s![..20, ..]).to_owned(), options()).unwrap();
    let value = |layer| Measure::Cka.value(&Pair::new(&layer, &of_half).unwrap()).unwrap();
    assert!((value(part(&far)) - value(part(&near))).abs() < GOLDEN);
    let found = Measure::Rsa.value(&Pair::new(&far, &other).unwrap());
    assert_eq!(found, Err(similarity::Absence::FarOff));
}
