//! Null distributions by permutation, and bootstrap intervals.

use ndarray::Array2;
use repsim::similarity::{
    Absence, Facts, MEASURES, Measure, Options, Pair, Representation, interval, null,
};

use crate::random::Random;

fn made(x: Array2<f64>) -> Representation {
    Representation::new(x, Options { neighbours: 5, ..Options::default() }).unwrap()
}

/// Two layers that share a part, or do not.
fn layers(n: usize, related: bool, random: &mut Random) -> [Representation; 2] {
    let signals = [random.matrix(n, 3), random.matrix(n, 3)];
    let second = if related { &signals[0] } else { &signals[1] };
    [made(random.layer(&signals[0], 5)), made(random.layer(second, 4))]
}

/// Of 80 pairs of unrelated layers about a tenth have p ≤ 0.1 (standard deviation 2.7 of 8), and
/// the mean of p is about a half (0.032). Values in few steps, such as counts of neighbours, make
/// p larger, never smaller.
#[test]
fn p_is_uniform_where_layers_are_unrelated() {
    let mut random = Random::new(31);
    let pairs: Vec<_> = (0..80).map(|_| layers(20, false, &mut random)).collect();
    for &measure in MEASURES {
        let found: Vec<_> = pairs
            .iter()
            .map(|[a, b]| null(measure, &Pair::new(a, b).unwrap(), 59, 1).unwrap())
            .collect();
        let small = found.iter().filter(|n| n.p <= 0.1).count();
        let mean = found.iter().map(|n| n.p).sum::<f64>() / 80.0;
        assert!(small <= 18, "{measure}: {small} of 80 are at most 0.1");
        assert!((0.38..0.72).contains(&mean), "{measure}: {mean}");
        let calibrated = found.iter().filter_map(|n| n.calibrated).sum::<f64>() / 80.0;
        assert!(calibrated.abs() < 0.06, "{measure}: {calibrated}");
    }
}

#[test]
fn related_layers_stand_out() {
    let mut random = Random::new(32);
    let x = random.matrix(60, 5);
    let (a, b) = (made(x.clone()), made(&x + &(random.matrix(60, 5) * 0.5)));
    let pair = Pair::new(&a, &b).unwrap();
    for &measure in MEASURES {
        let found = null(measure, &pair, 99, 0).unwrap();
        assert!(found.p == 0.01 && found.permutations == 99, "{measure}: {found:?}");
        assert_eq!(found.value, measure.value(&pair).unwrap());
        assert_eq!(found, null(measure, &pair, 99, 0).unwrap());
        assert_ne!(found.mean, null(measure, &pair, 99, 1).unwrap().mean);
        assert_eq!(found.calibrated.is_none(), measure == Measure::Hsic);
        assert!(found.calibrated.is_none_or(|c| c > 0.0 && c < 1.0), "{measure}: {found:?}");
    }
}

/// What calibration is for: few samples make unrelated wide layers look alike.
#[test]
fn calibration_takes_away_what_chance_gives() {
    let mut random = Random::new(33);
    let (a, b) = (made(random.matrix(40, 200)), made(random.matrix(40, 200)));
    let pair = Pair::new(&a, &b).unwrap();
    for measure in [Measure::RdmCosine, Measure::ProcrustesAngle] {
        let found = null(measure, &pair, 50, 0).unwrap();
        let Facts { range, .. } = *measure.facts();
        assert!((found.value - measure.facts().best()).abs() < 0.5 * (range.1 - range.0));
        assert!(found.calibrated.unwrap().abs() < 0.05, "{measure}: {found:?}");
    }
}

/// Measures that copies of samples cannot deceive: their intervals hold the value.
const UNDECEIVED: [Measure; 8] = [
    Measure::Cka,
    Measure::Hsic,
    Measure::Rsa,
    Measure::RdmCosine,
    Measure::MutualKnn,
    Measure::Cknna,
    Measure::Jaccard,
    Measure::DistanceCorrelation,
];

#[test]
fn intervals_hold_the_value() {
    let [a, b] = layers(60, true, &mut Random::new(34));
    let pair = Pair::new(&a, &b).unwrap();
    for &measure in MEASURES {
        let (low, high) = interval(measure, &pair, 200, 0.95, 3).unwrap();
        assert_eq!(interval(measure, &pair, 200, 0.95, 3), Ok((low, high)));
        assert!(low < high, "{measure}: {low} {high}");
        if UNDECEIVED.contains(&measure) {
            let value = measure.value(&pair).unwrap();
            assert!((low..high).contains(&value), "{measure}: {value} not in {low}…{high}");
        }
    }
}

/// Copies of samples would make unrelated wide layers alike: in both, each copy is next to its
/// sample.
#[test]
fn copies_of_samples_do_not_count() {
    let mut random = Random::new(35);
    let (a, b) = (made(random.matrix(50, 300)), made(random.matrix(50, 300)));
    let pair = Pair::new(&a, &b).unwrap();
    for measure in [Measure::Cka, Measure::Rsa, Measure::DistanceCorrelation] {
        let (low, high) = interval(measure, &pair, 200, 0.99, 0).unwrap();
        assert!(low < 0.0 && 0.0 < high, "{measure}: {low}…{high}");
    }
}

/// A wide interval of fewer samples: what it says shrinks as their number grows.
#[test]
fn more_samples_are_surer() {
    let width = |n: usize| {
        let [a, b] = layers(n, true, &mut Random::new(36));
        UNDECEIVED.map(|measure| {
            let pair = Pair::new(&a, &b).unwrap();
            let (low, high) = interval(measure, &pair, 100, 0.9, 0).unwrap();
            high - low
        })
    };
    for ((few, many), measure) in width(30).into_iter().zip(width(240)).zip(UNDECEIVED) {
        // The layers of other samples have another scale, which HSIC grows with.
        if measure == Measure::Hsic {
            continue;
        }
        assert!(many < 0.7 * few, "{measure}: {few} {many}");
    }
}

#[test]
fn a_measure_without_value_has_no_null_and_no_interval() {
    let mut random = Random::new(37);
    let (a, b) = (made(random.matrix(20, 30)), made(random.matrix(20, 4)));
    let pair = Pair::new(&a, &b).unwrap();
    let why = Absence::Filled { rank: 19, samples: 20, features: 30 };
    assert_eq!(null(Measure::CcaR2, &pair, 9, 0), Err(why));
    assert_eq!(interval(Measure::CcaR2, &pair, 9, 0.9, 0), Err(why));
}

/// So few that half of all resamples have fewer different samples than features.
#[test]
fn resamples_that_mean_nothing_are_told() {
    let mut random = Random::new(38);
    let (a, b) = (made(random.matrix(20, 16)), made(random.matrix(20, 4)));
    let pair = Pair::new(&a, &b).unwrap();
    assert!(Measure::CcaR2.value(&pair).is_ok());
    let found = interval(Measure::CcaR2, &pair, 50, 0.9, 0);
    assert!(matches!(found, Err(Absence::Filled { features: 16, .. })), "{found:?}");
}
