//! Null distributions by permutation, and intervals by halves of the samples.

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
        assert!((found.value - measure.facts().best).abs() < 0.5 * (range.1 - range.0));
        assert!(found.calibrated.unwrap().abs() < 0.05, "{measure}: {found:?}");
    }
}

#[test]
fn intervals_hold_the_value() {
    let [a, b] = layers(60, true, &mut Random::new(34));
    let pair = Pair::new(&a, &b).unwrap();
    for &measure in MEASURES {
        let (low, high) = interval(measure, &pair, 200, 0.95, 3).unwrap();
        assert_eq!(interval(measure, &pair, 200, 0.95, 3), Ok((low, high)));
        let value = measure.value(&pair).unwrap();
        assert!(low < value && value < high, "{measure}: {value} not in {low}…{high}");
        let (least, most) = measure.range(pair.a().options());
        assert!(least <= low && high <= most, "{measure}: {low}…{high}");
    }
}

/// The interval holds the mean of the values that other samples give about as often as its level
/// says. Of 100 sets of samples the deviation is 5 for a level of a half, 3 for one of 0.95;
/// intervals of few samples are somewhat short for some measures (85 of 100).
fn intervals_hold_what_other_samples_give<'m>(measures: impl Iterator<Item = &'m Measure>) {
    let mut random = Random::new(39);
    let mixing = [random.matrix(3, 5), random.matrix(3, 4)];
    let mut drawn = || {
        let shared = random.matrix(40, 3);
        let [a, b] = &mixing;
        let a = shared.dot(a) + random.matrix(40, 5) * 0.7;
        [made(a), made(shared.dot(b) + random.matrix(40, 4) * 0.7)]
    };
    let (sets, others): (Vec<_>, Vec<_>) =
        ((0..100).map(|_| drawn()).collect(), (0..600).map(|_| drawn()).collect());
    for &measure in measures {
        let value =
            |[a, b]: &[Representation; 2]| measure.value(&Pair::new(a, b).unwrap()).unwrap();
        let mean = others.iter().map(value).sum::<f64>() / 600.0;
        let held = |level: f64| {
            let holds = |[a, b]: &&[Representation; 2]| {
                let pair = Pair::new(a, b).unwrap();
                let (low, high) = interval(measure, &pair, 100, level, 0).unwrap();
                (low..=high).contains(&mean)
            };
            sets.iter().filter(holds).count()
        };
        let (half, most) = (held(0.5), held(0.95));
        assert!((32..=72).contains(&half), "{measure}: {half} of 100 at 0.5");
        assert!(most >= 78, "{measure}: {most} of 100 at 0.95");
    }
}

#[test]
fn intervals_of_every_other_measure() {
    intervals_hold_what_other_samples_give(MEASURES.iter().step_by(2));
}

#[test]
fn intervals_of_those_between() {
    intervals_hold_what_other_samples_give(MEASURES.iter().skip(1).step_by(2));
}

/// Of unrelated wide layers copies of a sample would be each other's neighbours in both.
#[test]
fn no_sample_is_compared_with_itself() {
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
    let widths = |n: usize| -> Vec<f64> {
        let [a, b] = layers(n, true, &mut Random::new(36));
        let pair = Pair::new(&a, &b).unwrap();
        let width = |measure: &Measure| {
            let (low, high) = interval(*measure, &pair, 100, 0.9, 0).unwrap();
            high - low
        };
        MEASURES.iter().map(width).collect()
    };
    for ((few, many), &measure) in widths(30).into_iter().zip(widths(240)).zip(MEASURES) {
        // The layers of other samples have another scale, which HSIC grows with; a distance that is summed over samples
        // grows as its interval shrinks.
        if !matches!(measure, Measure::Hsic | Measure::SizeAndShape) {
            assert!(many < 0.8 * few, "{measure}: {few} {many}");
        }
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

/// So few that halves have fewer samples than features.
#[test]
fn halves_that_mean_nothing_are_told() {
    let mut random = Random::new(38);
    let (a, b) = (made(random.matrix(20, 16)), made(random.matrix(20, 4)));
    let pair = Pair::new(&a, &b).unwrap();
    assert!(Measure::CcaR2.value(&pair).is_ok());
    let filled = Err(Absence::HalfFilled { rank: 20, samples: 10 });
    assert_eq!(interval(Measure::CcaR2, &pair, 50, 0.9, 0), filled);
    assert_eq!(interval(Measure::Pwcca, &pair, 50, 0.9, 0), filled);
    // 16 directions twice: of so few samples beside them a linear map explains nearly all.
    let filled = Err(Absence::HalfFilled { rank: 32, samples: 10 });
    assert_eq!(interval(Measure::LinearRegression, &pair, 50, 0.9, 0), filled);
    // Of the mean of both directions it is the wider layer that counts, on either side.
    let both = |x: &Representation| {
        let options = Options { both_ways: true, ..*x.options() };
        Representation::new(x.features().unwrap().to_owned(), options).unwrap()
    };
    let (wide, narrow) = (both(&a), both(&b));
    for (x, y) in [(&wide, &narrow), (&narrow, &wide)] {
        let pair = Pair::new(x, y).unwrap();
        assert_eq!(interval(Measure::LinearRegression, &pair, 50, 0.9, 0), filled);
    }
    // Whitened features fill what correlations do.
    let white = Options { alpha: 0.0, ..Options::default() };
    let white =
        [&a, &b].map(|x| Representation::new(x.features().unwrap().to_owned(), white).unwrap());
    let filled = Err(Absence::HalfFilled { rank: 20, samples: 10 });
    let whitened = Pair::new(&white[0], &white[1]).unwrap();
    assert_eq!(interval(Measure::ShapeMetric, &whitened, 50, 0.9, 0), filled);
    // 5 neighbours of 10 samples are half of them.
    let few = Err(Absence::TooFew { samples: 10, needs: 12 });
    assert_eq!(interval(Measure::MutualKnn, &pair, 50, 0.9, 0), few);
}

/// Two samples can always be rotated onto two others.
#[test]
fn halves_of_two_samples_say_nothing_of_rotations() {
    let mut random = Random::new(40);
    let (a, b) = (made(random.matrix(5, 3)), made(random.matrix(5, 3)));
    let pair = Pair::new(&a, &b).unwrap();
    assert_eq!(interval(Measure::Procrustes, &pair, 50, 0.9, 0), Err(Absence::Saturated));
    // Of a layer with itself every half says what the whole does.
    let own = interval(Measure::Procrustes, &Pair::new(&a, &a).unwrap(), 50, 0.9, 0).unwrap();
    assert!(own.0.abs() < 1e-9 && own.1.abs() < 1e-9, "{own:?}");
}

#[test]
fn one_direction_correlates_with_itself() {
    let mut random = Random::new(41);
    let line = random.matrix(30, 1).dot(&random.matrix(1, 4));
    let layer = made(line);
    let pair = Pair::new(&layer, &layer).unwrap();
    for measure in [Measure::Svcca, Measure::Pwcca, Measure::CcaR2] {
        let found = measure.value(&pair).unwrap();
        assert!((found - 1.0).abs() < 1e-9, "{measure}: {found}");
    }
}
