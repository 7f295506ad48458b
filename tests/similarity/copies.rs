//! Samples that are copies of others: measures that they break have no value.

use ndarray::{Array2, Axis};
use repsim::capture::represent::{Wanted, represent};
use repsim::capture::stored::StoredFeed;
use repsim::capture::{Feed, Reduce, Silent};
use repsim::similarity::{Absence, Measure, Options, Pair, Representation};

use crate::random::Random;

/// Eight unrelated samples, each eight times.
fn copied(seed: u64, width: usize) -> (Array2<f64>, Vec<usize>) {
    let rows = Random::new(seed).matrix(8, width);
    let places: Vec<usize> = (0..64).map(|i| i % 8).collect();
    (rows.select(Axis(0), &places), places)
}

fn made(seed: u64, width: usize) -> Representation {
    let (rows, places) = copied(seed, width);
    Representation::new(rows, Options::default()).unwrap().with_copies(&places)
}

#[test]
fn eight_samples_have_seven_directions() {
    let (a, b) = (made(1, 20), made(2, 20));
    let pair = Pair::new(&a, &b).unwrap();
    assert_eq!((pair.distinct(), a.distinct()), (8, 8));
    let filled = Absence::Filled { rank: 7, samples: 8, features: 20 };
    for measure in [Measure::Svcca, Measure::Pwcca, Measure::CcaR2, Measure::LinearRegression] {
        assert_eq!(measure.value(&pair), Err(filled), "{measure}");
    }
    let few = Absence::TooFewDistinct { samples: 8, needs: 11 };
    for measure in [Measure::MutualKnn, Measure::Cknna, Measure::Jaccard] {
        assert_eq!(measure.value(&pair), Err(few), "{measure}");
    }
    assert!(Measure::Cka.value(&pair).is_ok());
    // Few enough features, and few enough neighbours.
    let (a, b) = (made(1, 3), made(2, 3));
    let pair = Pair::new(&a, &b).unwrap();
    assert!(Measure::LinearRegression.value(&pair).is_ok_and(|v| v < 0.9));
}

/// A layer of few values, such as classes, is not a copy of samples that the other layer tells apart.
#[test]
fn samples_that_one_layer_tells_apart_are_distinct() {
    let a = made(1, 20);
    let b = Representation::new(Random::new(3).matrix(64, 5), Options::default()).unwrap();
    let pair = Pair::new(&a, &b).unwrap();
    assert_eq!(pair.distinct(), 64);
    assert!(Measure::LinearRegression.value(&pair).is_ok());
    let (half, _) = copied(4, 2);
    let order: Vec<usize> = (0..64).map(|i| (i * 9 + i / 8) % 64).collect();
    let (_, places) = copied(4, 2);
    let half = Representation::new(half, Options::default()).unwrap().with_copies(&places);
    let pair = Pair::new(&a, &half).unwrap();
    assert!(pair.permuted(&order).distinct() > 8, "another order is another set of pairs");
}

#[test]
fn the_engine_finds_equal_rows() {
    let (rows, places) = copied(1, 6);
    let (other, _) = copied(2, 6);
    let subjects =
        [vec![rows.into_dyn(), Random::new(7).matrix(64, 4).into_dyn()], vec![other.into_dyn()]];
    let mut feed = StoredFeed::new(&subjects, 10).unwrap();
    assert_eq!(feed.copies(0, 0), Some(places.as_slice()));
    assert_eq!(feed.copies(0, 1), None);
    let wanted = Wanted {
        reduce: Reduce::Flatten,
        options: Options::default(),
        measures: vec![Measure::LinearRegression],
        components: None,
        memory: 1 << 30,
        threads: 2,
        halves: 0,
        grams: false,
        outputs: false,
    };
    let outcome = represent(&mut feed, &wanted, &mut Silent).unwrap();
    let layer = |s: usize, l: usize| outcome.layers[s][l].found.as_ref().unwrap();
    assert_eq!([layer(0, 0), layer(0, 1), layer(1, 0)].map(Representation::distinct), [8, 64, 8]);
}
