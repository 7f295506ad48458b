//! Estimators give the same by whichever way they are computed, and what is taken where that is left open is told.

use ndarray::{Array2, ArrayD};
use repsim::capture::cka::{Estimator, Settings};
use repsim::capture::{Absence, Reduce};
use repsim::linalg::gram;
use repsim::similarity::{Bias, Kernel};
use repsim::stats::HsicSums;

use crate::engine::{BIASES, assert_near, matrix, run, settings, values};
use crate::random::{Random, layers};
use crate::tolerances::REORDERED;

/// Two networks of narrow layers, far from the origin.
fn narrow(samples: usize) -> [Vec<Array2<f64>>; 2] {
    let mut random = Random::new(3);
    let signal = random.matrix(samples, 4);
    [vec![3, 8, 5], vec![6, 4]].map(|widths: Vec<usize>| {
        widths.into_iter().map(|width| random.layer(&signal, width) + 5.0).collect()
    })
}

/// HSIC by the Gram matrices of all samples.
fn by_grams(sides: &[Vec<Array2<f64>>], bias: Bias) -> HsicSums {
    let grams = |side: &Vec<Array2<f64>>| {
        let centred = |x: &Array2<f64>| x - &x.mean_axis(ndarray::Axis(0)).unwrap();
        side.iter().map(|x| Some(gram(centred(x).view()))).collect::<Vec<_>>()
    };
    let all: Vec<_> = sides.iter().map(grams).collect();
    let mut sums = HsicSums::new(bias.centring(), all[0].len(), all[all.len() - 1].len());
    sums.add(&all[0], all.get(1).map(Vec::as_slice));
    sums
}

#[test]
fn sums_of_features_give_what_gram_matrices_give() {
    let sides = narrow(700);
    let arrays: Vec<Vec<ArrayD<f64>>> = sides.iter().map(|side| layers(side)).collect();
    for bias in BIASES {
        for (arrays, sides) in [(&arrays[..], &sides[..]), (&arrays[..1], &sides[..1])] {
            let expected = by_grams(sides, bias).mean();
            for (estimator, batch) in
                [(Estimator::Full, 64), (Estimator::Auto, 64), (Estimator::Full, 700)]
            {
                let found = run(arrays, &Settings { estimator, bias, ..settings() }, batch);
                let scale = |(i, j): (usize, usize)| (expected.aa[i] * expected.bb[j]).sqrt();
                let shares = |table: &Array2<f64>| {
                    Array2::from_shape_fn(table.dim(), |at| table[at] / scale(at))
                };
                let what = format!("{bias}, {estimator} in batches of {batch}");
                assert_near(&shares(&found.table.ab), &shares(&expected.ab), REORDERED, &what);
                for (own, expected) in
                    [(&found.table.aa, &expected.aa), (&found.table.bb, &expected.bb)]
                {
                    let off = (own / expected - 1.0).mapv(f64::abs);
                    assert!(off.iter().all(|&off| off < REORDERED), "{what}: {off}");
                }
                assert_eq!((found.samples, found.passes, found.dropped), (700, 1, 0));
            }
        }
    }
}

#[test]
fn layers_without_a_value_leave_the_others_alone() {
    let mut sides = narrow(600);
    let expected = values(&run(&sides.clone().map(|side| layers(&side)), &settings(), 100));
    sides[0][1][(590, 2)] = f64::NAN;
    sides[1][1].fill(4.0);
    let found = run(&sides.map(|side| layers(&side)), &settings(), 100);
    assert_eq!(found.absences[0][1], Some(Absence::NotFinite("590".to_owned())));
    assert_eq!(found.absences[1][1], Some(Absence::Constant));
    let found = matrix(&found);
    for ((i, j), value) in expected.indexed_iter() {
        match i == 1 || j == 1 {
            true => assert_eq!(found[(i, j)], None),
            false => assert!((found[(i, j)].unwrap() - value).abs() < REORDERED),
        }
    }
}

#[test]
fn what_was_taken_is_told() {
    let few = narrow(60).map(|side| layers(&side));
    let many = narrow(600).map(|side| layers(&side));
    let auto = Settings { estimator: Estimator::Auto, ..settings() };
    let rbf = Settings { kernel: Kernel::Rbf { fraction: 0.5 }, ..auto };
    let spatial = Settings { reduce: Reduce::Spatial, ..auto };
    for (sides, settings) in [(&few, auto), (&many, auto), (&many, rbf), (&few, spatial)] {
        let found = run(sides, &settings, 20);
        assert_eq!((found.estimator, found.hsic_batch), (Estimator::Full, None));
        assert!(found.reason.is_some());
        let asked = run(sides, &Settings { estimator: Estimator::Full, ..settings }, 20);
        assert_eq!((asked.estimator, asked.reason), (Estimator::Full, None));
        assert_eq!(asked.table, found.table);
    }
    let minibatch = Settings { estimator: Estimator::Minibatch, ..settings() };
    let found = run(&many, &minibatch, 20);
    assert_eq!((found.estimator, found.reason), (Estimator::Minibatch, None));
}
