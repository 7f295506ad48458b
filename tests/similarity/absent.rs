//! Layers that have no value: the reason is given, and the others do not suffer.

use ndarray::{Array2, ArrayD};
use repsim::capture::cka::{Estimator, Outcome, Settings};
use repsim::capture::{Absence, Reduce};
use repsim::similarity::{Bias, Kernel};

use crate::engine::{BIASES, assert_near, matrix, run, settings, values};
use crate::random::{Random, layers};
use crate::tolerances::REORDERED;

const SAMPLES: usize = 24;

/// Every estimator with every reduction, linear.
fn everywhere() -> Vec<Settings> {
    let mut all = vec![];
    for estimator in [Estimator::Full, Estimator::Minibatch] {
        for reduce in [Reduce::Flatten, Reduce::Gap, Reduce::Spatial] {
            for bias in BIASES {
                all.push(Settings { estimator, reduce, bias, ..settings() });
            }
        }
    }
    all
}

/// Three sound layers.
fn sound() -> Vec<Array2<f64>> {
    let mut random = Random::new(21);
    let signal = random.matrix(SAMPLES, 3);
    [5, 6, 7].map(|width| random.layer(&signal, width)).into()
}

/// The sound layers with the second one changed: compared with itself, and as A with sound ones.
fn with_second(second: &Array2<f64>, settings: &Settings, batch: usize) -> [Outcome; 2] {
    let mut changed = sound();
    changed[1] = second.clone();
    let (changed, sound) = (layers(&changed), layers(&sound()));
    [run(std::slice::from_ref(&changed), settings, batch), run(&[changed, sound], settings, batch)]
}

/// The second layer has no value for this reason, all others have the values of the sound ones.
#[track_caller]
fn assert_absent(second: &Array2<f64>, settings: &Settings, batch: usize, why: &Absence) {
    let what = format!("{settings:?} in batches of {batch}");
    let [own, both] = with_second(second, settings, batch);
    for outcome in [&own, &both] {
        assert_eq!(outcome.absences[0], [None, Some(why.clone()), None], "{what}");
    }
    assert!(both.absences[1].iter().all(Option::is_none), "{what}");
    let expected = values(&run(&[layers(&sound())], settings, batch));
    for (i, j) in [(0, 0), (0, 2), (2, 2)] {
        for outcome in [&own, &both] {
            let found = matrix(outcome)[(i, j)].expect("a sound layer has no value");
            let near = (found - expected[(i, j)]).abs() <= REORDERED;
            assert!(near, "{what}: {i}, {j} is {found}, not {}", expected[(i, j)]);
        }
    }
    assert_eq!(matrix(&own).column(1).iter().flatten().count(), 0, "{what}");
    assert_eq!(matrix(&both).row(1).iter().flatten().count(), 0, "{what}");
    assert_eq!(matrix(&both).column(1).iter().flatten().count(), 2, "{what}");
}

#[test]
fn a_nan_names_its_sample() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for sample in [0, 5, 23] {
            let mut second = sound()[1].clone();
            second[(sample, 2)] = bad;
            for settings in everywhere() {
                for batch in [8, SAMPLES] {
                    let why = Absence::NotFinite(sample.to_string());
                    assert_absent(&second, &settings, batch, &why);
                }
            }
        }
    }
}

#[test]
fn numbers_too_large_name_their_sample() {
    let mut second = sound()[1].clone();
    second[(13, 2)] = 1e200;
    for settings in everywhere().iter().filter(|s| s.reduce != Reduce::Spatial) {
        assert_absent(&second, settings, 8, &Absence::Overflow("13".to_owned()));
    }
}

/// As above where every position is a sample.
#[test]
fn numbers_too_large_name_their_sample_when_spatial() {
    let mut second = sound()[1].clone();
    second[(13, 2)] = 1e200;
    for settings in everywhere().iter().filter(|s| s.reduce == Reduce::Spatial) {
        assert_absent(&second, settings, 8, &Absence::Overflow("13".to_owned()));
    }
}

#[test]
fn a_constant_layer_is_told() {
    for value in [0.0, 1.0, -3.7, 1e6] {
        let second = Array2::from_elem((SAMPLES, 6), value);
        for settings in everywhere() {
            for batch in [8, SAMPLES] {
                assert_absent(&second, &settings, batch, &Absence::Constant);
            }
        }
    }
}

/// Constant but for the last digits of float64: nothing that was meant.
#[test]
fn rounding_is_not_taken_for_a_difference() {
    let mut random = Random::new(8);
    let noise = random.matrix(SAMPLES, 6);
    let second = noise.mapv(|v| 1.0 + 1e-15 * v);
    for settings in everywhere() {
        assert_absent(&second, &settings, 8, &Absence::Constant);
    }
}

#[test]
fn a_small_difference_is_not_taken_for_rounding() {
    let mut random = Random::new(9);
    let small = random.matrix(SAMPLES, 6).mapv(|v| 1.0 + 1e-4 * v);
    for settings in everywhere() {
        for outcome in with_second(&small, &settings, 8) {
            assert!(outcome.absences.iter().flatten().all(Option::is_none), "{settings:?}");
        }
    }
}

/// One batch in which a layer happens to be constant takes nothing from the others.
#[test]
fn a_layer_constant_in_one_batch_has_a_value() {
    let mut second = sound()[1].clone();
    second.slice_mut(ndarray::s![..8, ..]).fill(0.5);
    for settings in everywhere() {
        for outcome in with_second(&second, &settings, 8) {
            assert!(outcome.absences[0][1].is_none(), "{settings:?}: {:?}", outcome.absences[0]);
        }
    }
}

#[test]
fn equal_samples_leave_rbf_without_a_bandwidth() {
    let mut second = Array2::zeros((SAMPLES, 6));
    second[(3, 1)] = 1.0;
    for estimator in [Estimator::Full, Estimator::Minibatch] {
        for bias in BIASES {
            let kernel = Kernel::Rbf { fraction: 0.5 };
            let settings = Settings { estimator, bias, kernel, ..settings() };
            assert_absent(&second, &settings, SAMPLES, &Absence::NoSpread);
        }
    }
}

#[test]
fn too_few_samples_leave_nothing() {
    for settings in everywhere() {
        let least = settings.bias.least_samples();
        assert_eq!(least, if settings.bias == Bias::Unbiased { 4 } else { 2 });
        for n in 1..=least {
            let cut = |m: &Array2<f64>| m.slice(ndarray::s![..n, ..]).to_owned().into_dyn();
            let few: Vec<ArrayD<f64>> = sound().iter().map(cut).collect();
            let outcome = run(&[few], &settings, SAMPLES);
            let why = (n < least).then_some(Absence::TooFew { samples: n, needs: least });
            assert_eq!(outcome.absences[0], vec![why; 3], "{settings:?}, n = {n}");
            if n < least {
                assert!(matrix(&outcome).iter().all(Option::is_none));
            }
        }
    }
}

/// Every batch too small: as if there were no sample.
#[test]
fn batches_all_too_small_leave_nothing() {
    for settings in everywhere() {
        if settings.estimator == Estimator::Full || settings.bias == Bias::Biased {
            continue;
        }
        let outcome = run(&[layers(&sound())], &settings, 3);
        assert!(outcome.absences[0].iter().all(Option::is_some), "{settings:?}");
        assert!(matrix(&outcome).iter().all(Option::is_none));
    }
}

#[test]
fn reasons_are_sentences() {
    let reasons = [
        (Absence::NotFinite("a/b.png".to_owned()), "a/b.png"),
        (Absence::Overflow("7".to_owned()), "7"),
        (Absence::Constant, "constant"),
        (Absence::NoSpread, "bandwidth"),
        (Absence::TooFew { samples: 3, needs: 4 }, "at least 4"),
    ];
    for (why, part) in reasons {
        assert!(why.to_string().contains(part), "{why}");
    }
}

/// The sound layers themselves are sound under all settings.
#[test]
fn sound_layers_have_values() {
    for settings in everywhere() {
        let once = values(&run(&[layers(&sound())], &settings, 8));
        assert_near(&once.t().to_owned(), &once, REORDERED, &format!("{settings:?}"));
    }
}

/// A layer that answers to one sample only has an unbiased HSIC of zero: what is left is rounding.
#[test]
fn one_sample_alone_is_no_similarity() {
    let mut second = Array2::zeros(sound()[1].dim());
    second[(3, 0)] = 2.0;
    let unbiased = |s: &&Settings| s.bias == Bias::Unbiased && s.reduce == Reduce::Flatten;
    for settings in everywhere().iter().filter(unbiased) {
        assert_absent(&second, settings, 8, &Absence::Singles);
    }
}

/// Values whose HSIC leaves float64 have a reason, not a wrong number.
#[test]
fn hsic_beyond_float64_is_told() {
    let second = sound()[1].mapv(|v| v * 1e100);
    for settings in everywhere().iter().filter(|s| s.reduce == Reduce::Flatten) {
        assert_absent(&second, settings, 8, &Absence::OutOfRange);
    }
}
