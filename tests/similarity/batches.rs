//! The full estimator does not depend on how the samples come: batch sizes, passes, memory.

use ndarray::ArrayD;
use repsim::capture::cka::{Estimator, Settings, compare, passes_needed};
use repsim::capture::stored::StoredFeed;
use repsim::capture::{Feed, Silent};
use repsim::linalg::PackedSymmetric;

use crate::engine::{assert_near, full_settings, minibatch_settings, run, settings, values};
use crate::random::{Random, layers};
use crate::tolerances::REORDERED;

const SAMPLES: usize = 60;
const WIDTHS: [&[usize]; 2] = [&[700, 300, 20], &[500, 9]];

/// Two networks whose layers share a part.
fn networks() -> Vec<Vec<ArrayD<f64>>> {
    let mut random = Random::new(11);
    let signal = random.matrix(SAMPLES, 4);
    let mut side = |widths: &[usize]| {
        let made: Vec<_> = widths.iter().map(|&d| random.layer(&signal, d) + 1.0).collect();
        layers(&made)
    };
    WIDTHS.map(&mut side).into()
}

/// Memory for the Gram matrices of all layers and the rows of so many features beside them.
fn memory_for(features: usize, batch: usize) -> u64 {
    let kept = (SAMPLES - 1) / batch * batch;
    let grams = 5 * PackedSymmetric::bytes(SAMPLES);
    grams + (features * kept * size_of::<f32>()) as u64
}

#[test]
fn batch_sizes_change_nothing() {
    let networks = networks();
    for settings in full_settings() {
        let expected = run(&networks, &settings, SAMPLES);
        for batch in [1, 2, 7, 16, 59] {
            let found = run(&networks, &settings, batch);
            let what = format!("{settings:?} in batches of {batch}");
            assert_near(&values(&found), &values(&expected), REORDERED, &what);
            assert_eq!((found.samples, found.dropped), (SAMPLES, 0));
        }
    }
}

#[test]
fn passes_change_nothing() {
    let networks = networks();
    for batch in [10, 16] {
        for settings in full_settings() {
            let once = run(&networks, &settings, batch);
            assert_eq!(once.passes, 1);
            for features in [256, 300, 1000] {
                let small = Settings { memory: memory_for(features, batch), ..settings };
                let found = run(&networks, &small, batch);
                let what = format!("{settings:?}, {features} features a pass");
                assert_eq!(found.passes, 1529_usize.div_ceil(features), "{what}");
                assert_near(&values(&found), &values(&once), REORDERED, &what);
            }
        }
    }
}

#[test]
fn the_number_of_passes_is_known_beforehand() {
    let networks = networks();
    let feed = StoredFeed::new(&networks, 10).unwrap();
    let needed = |memory| passes_needed(&feed, &Settings { memory, ..settings() }).unwrap();
    assert_eq!(needed(memory_for(300, 10)), 6);
    assert_eq!(needed(4 << 30), 1);
    let minibatch = Settings { estimator: Estimator::Minibatch, memory: 1, ..settings() };
    assert_eq!(passes_needed(&feed, &minibatch).unwrap(), 1);
    assert_eq!(feed.samples(), SAMPLES);
}

#[test]
fn what_does_not_fit_names_the_ways_out() {
    let networks = networks();
    let mut feed = StoredFeed::new(&networks, 10).unwrap();
    for memory in [1, memory_for(0, 10) - 1, memory_for(200, 10)] {
        let failed = compare(&mut feed, &Settings { memory, ..settings() }, &mut Silent);
        let text = failed.err().unwrap().to_string();
        for part in ["5 layers", "60 samples", "--memory", "--estimator minibatch", "--limit"] {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
    }
}

/// One batch of all samples is the full estimate.
#[test]
fn a_minibatch_of_everything_is_the_full_estimate() {
    let networks = networks();
    for (full, minibatch) in full_settings().zip(minibatch_settings()) {
        let (full, mini) = (run(&networks, &full, SAMPLES), run(&networks, &minibatch, SAMPLES));
        assert_near(&values(&mini), &values(&full), REORDERED, &format!("{minibatch:?}"));
    }
}

/// 60 samples in batches of 19: the last three are too few for HSIC₁ and do not count.
#[test]
fn a_last_batch_too_small_is_left_out_and_counted() {
    let networks = networks();
    for settings in minibatch_settings() {
        let found = run(&networks, &settings, 19);
        let least = settings.bias.least_samples();
        let dropped = if least > 3 { 3 } else { 0 };
        assert_eq!((found.samples, found.dropped), (SAMPLES - dropped, dropped), "{settings:?}");
        if dropped > 0 {
            let first: Vec<Vec<ArrayD<f64>>> =
                networks.iter().map(|side| first(side, 57)).collect();
            let expected = run(&first, &settings, 19);
            assert_near(&values(&found), &values(&expected), REORDERED, &format!("{settings:?}"));
        }
    }
}

/// The first rows of every layer.
fn first(side: &[ArrayD<f64>], rows: usize) -> Vec<ArrayD<f64>> {
    let cut = |layer: &ArrayD<f64>| {
        layer.slice_axis(ndarray::Axis(0), ndarray::Slice::from(..rows)).to_owned()
    };
    side.iter().map(cut).collect()
}
