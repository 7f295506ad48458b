//! Every position of a feature map as a sample.

use ndarray::{Array2, ArrayD, IxDyn};
use repsim::capture::Reduce;
use repsim::capture::cka::{Estimator, Settings};

use crate::engine::{BIASES, assert_near, matrix, run, settings, values};
use crate::random::{Random, layers};
use crate::tolerances::{GOLDEN, REORDERED};

const SAMPLES: usize = 12;

fn spatial_settings() -> Vec<Settings> {
    let mut all = vec![];
    for estimator in [Estimator::Full, Estimator::Minibatch] {
        for bias in BIASES {
            all.push(Settings { estimator, bias, reduce: Reduce::Spatial, ..settings() });
        }
    }
    all
}

/// A feature map of random numbers.
fn map(random: &mut Random, shape: &[usize]) -> ArrayD<f64> {
    ArrayD::from_shape_simple_fn(IxDyn(shape), || random.normal())
}

/// The rows of a map by hand: samples outermost, then positions, a column a channel.
fn rows(map: &ArrayD<f64>) -> Array2<f64> {
    let channels = map.shape()[1];
    let mut last = map.clone();
    let axes: Vec<usize> = [0].into_iter().chain(2..map.ndim()).chain([1]).collect();
    last = last.permuted_axes(IxDyn(&axes)).as_standard_layout().to_owned();
    let count = last.len() / channels;
    last.into_shape_with_order((count, channels)).unwrap()
}

#[test]
fn unequal_numbers_of_positions_have_no_value() {
    let mut random = Random::new(31);
    let shapes: [&[usize]; 4] =
        [&[SAMPLES, 3, 4, 4], &[SAMPLES, 5, 2, 2], &[SAMPLES, 2, 4, 4], &[SAMPLES, 6]];
    let side: Vec<_> = shapes.iter().map(|shape| map(&mut random, shape)).collect();
    let apart = [(0, 1), (0, 3), (1, 0), (1, 2), (1, 3), (2, 1), (2, 3), (3, 0), (3, 1), (3, 2)];
    for settings in spatial_settings() {
        for subjects in [vec![side.clone()], vec![side.clone(), side.clone()]] {
            let outcome = run(&subjects, &settings, 6);
            let mut found = outcome.apart.clone();
            found.sort_unstable();
            assert_eq!(found, apart, "{settings:?}");
            let values = matrix(&outcome);
            for (pair, value) in values.indexed_iter() {
                assert_eq!(value.is_none(), apart.contains(&pair), "{pair:?} {settings:?}");
            }
            assert!((values[(1, 1)].unwrap() - 1.0).abs() <= REORDERED);
        }
    }
}

#[test]
fn positions_are_samples() {
    let mut random = Random::new(32);
    let maps = [map(&mut random, &[SAMPLES, 3, 2, 5]), map(&mut random, &[SAMPLES, 4, 5, 2])];
    let flat: Vec<Array2<f64>> = maps.iter().map(rows).collect();
    for bias in BIASES {
        let spatial = Settings { bias, reduce: Reduce::Spatial, ..settings() };
        let plain = Settings { bias, ..settings() };
        let found = values(&run(&[maps.to_vec()], &spatial, 5));
        let expected = values(&run(&[layers(&flat)], &plain, 120));
        assert_near(&found, &expected, GOLDEN, &format!("{bias}"));
    }
}

/// For vectors, one position a sample, it is the same as flattening.
#[test]
fn vectors_have_one_position() {
    let mut random = Random::new(33);
    let signal = random.matrix(SAMPLES, 3);
    let side = layers(&[random.layer(&signal, 4), random.layer(&signal, 9) + 10.0]);
    for spatial in spatial_settings() {
        for batch in [4, 5, SAMPLES] {
            let flatten = Settings { reduce: Reduce::Flatten, ..spatial };
            let found = run(std::slice::from_ref(&side), &spatial, batch);
            let expected = run(std::slice::from_ref(&side), &flatten, batch);
            let what = format!("{spatial:?} in batches of {batch}");
            assert_near(&values(&found), &values(&expected), GOLDEN, &what);
            assert_eq!(found.samples, expected.samples, "{what}");
        }
    }
}

#[test]
fn batch_sizes_change_nothing() {
    let mut random = Random::new(34);
    let side = vec![
        map(&mut random, &[SAMPLES, 3, 4, 4]).mapv(|v| v + 1.0),
        map(&mut random, &[SAMPLES, 7, 4, 4]),
    ];
    for settings in spatial_settings().iter().filter(|s| s.estimator == Estimator::Full) {
        let expected = values(&run(std::slice::from_ref(&side), settings, SAMPLES));
        for batch in [1, 5, 7] {
            let found = values(&run(std::slice::from_ref(&side), settings, batch));
            assert_near(&found, &expected, REORDERED, &format!("{settings:?} {batch}"));
        }
    }
}
