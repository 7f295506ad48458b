//! Layers and pairs of which a measure has no value: the reason is given.

use ndarray::{Array2, s};
use repsim::linalg::gram;
use repsim::similarity::{Absence, MEASURES, Measure, Options, Pair, Representation, layer};

use crate::random::Random;
use crate::tolerances::REFERENCE;

fn options() -> Options {
    Options { neighbours: 5, ..Options::default() }
}

fn made(x: &Array2<f64>) -> Representation {
    Representation::new(x.clone(), options()).unwrap()
}

fn noise(n: usize, width: usize) -> Array2<f64> {
    Random::new(41).matrix(n, width)
}

fn of(measure: Measure, x: &Array2<f64>, y: &Array2<f64>) -> Result<f64, Absence> {
    measure.value(&Pair::new(&made(x), &made(y)).unwrap())
}

#[test]
fn layers_that_are_none_are_refused() {
    let refused = |x: Array2<f64>| Representation::new(x, options()).err();
    let mut bad = noise(12, 3);
    bad[(7, 1)] = f64::NAN;
    assert_eq!(refused(bad.clone()), Some(Absence::NotFinite(7)));
    bad[(7, 1)] = f64::INFINITY;
    assert_eq!(refused(bad), Some(Absence::NotFinite(7)));
    assert_eq!(refused(Array2::from_elem((12, 3), 0.3)), Some(Absence::Constant));
    assert_eq!(refused(noise(12, 3) * 1e-8 + 1.0), Some(Absence::Constant));
    assert_eq!(refused(noise(1, 3)), Some(Absence::TooFew { samples: 1, needs: 2 }));
    let none = Absence::TooNarrow { features: 0, needs: 1 };
    assert_eq!(refused(Array2::zeros((12, 0))), Some(none));
    assert_eq!(refused(noise(12, 3) * 1e200), Some(Absence::OutOfRange));
    let mut products = gram(noise(12, 3).view());
    products.row_mut(4)[4] = f64::NAN;
    let refused = Representation::from_gram(products, vec![0.0; 12], 3, options()).err();
    assert_eq!(refused, Some(Absence::NotFinite(4)));
}

/// With as many features as samples every layer is a linear map of every other: canonical
/// correlations are necessarily 1. Principal components are the way out.
#[test]
fn cca_of_few_samples_is_refused() {
    let mut random = Random::new(42);
    let (wide, other) = (random.matrix(30, 40), random.matrix(30, 4));
    for measure in [Measure::CcaR2, Measure::Pwcca, Measure::LinearRegression] {
        for features in [29, 30, 40] {
            let x = wide.slice(s![.., ..features]).to_owned();
            let why = Absence::Filled { rank: 29, samples: 30, features };
            assert_eq!(of(measure, &x, &other), Err(why), "{measure}");
            assert!(why.to_string().contains("--pca K"), "{why}");
        }
        assert!(of(measure, &wide.slice(s![.., ..28]).to_owned(), &other).is_ok(), "{measure}");
        let narrow = made(&wide).reduced(10).unwrap();
        assert_eq!((narrow.components, narrow.representation.width()), (10, 10));
        let found = measure.value(&Pair::new(&narrow.representation, &made(&other)).unwrap());
        assert!((0.05..0.9).contains(&found.unwrap()), "{measure}: {found:?}");
    }
}

#[test]
fn a_reduction_says_what_it_keeps() {
    let x = noise(40, 6);
    let all = made(&x).reduced(10).unwrap();
    assert_eq!(all.components, 6);
    assert!((all.variance - 1.0).abs() <= REFERENCE);
    let same = Measure::Procrustes.value(&Pair::new(&all.representation, &made(&x)).unwrap());
    assert!(same.unwrap().abs() <= REFERENCE);
    let mut last = 0.0;
    for components in 1..=6 {
        let kept = made(&x).reduced(components).unwrap().variance;
        assert!(kept > last + 0.05, "{components}: {kept}");
        last = kept;
    }
}

/// SVCCA is refused by the components it keeps, not by the number of features.
#[test]
fn svcca_is_refused_where_its_components_fill_the_samples() {
    let mut random = Random::new(42);
    let (wide, other) = (random.matrix(30, 40), made(&random.matrix(30, 4)));
    let with = |variance: f64| {
        let options = Options { variance, ..options() };
        let wide = Representation::new(wide.clone(), options).unwrap();
        Measure::Svcca.value(&Pair::new(&wide, &other).unwrap())
    };
    let why = Absence::Filled { rank: 29, samples: 30, features: 40 };
    assert_eq!(with(1.0), Err(why));
    assert!(with(0.5).unwrap() < 0.9);
}

/// So is the shape metric that allows any linear map, and no other.
#[test]
fn the_shape_metric_of_all_linear_maps_is_refused() {
    let mut random = Random::new(42);
    let (wide, other) = (random.matrix(30, 40), made(&random.matrix(30, 4)));
    let with = |alpha: f64| {
        let wide = Representation::new(wide.clone(), Options { alpha, ..options() }).unwrap();
        Measure::ShapeMetric.value(&Pair::new(&wide, &other).unwrap())
    };
    assert_eq!(with(0.0), Err(Absence::Filled { rank: 29, samples: 30, features: 40 }));
    assert!(with(0.1).is_ok());
}

#[test]
fn options_have_ranges() {
    assert!(Options::default().check().is_ok());
    let wrong = [
        (Options { neighbours: 0, ..options() }, "neighbour"),
        (Options { alpha: 1.5, ..options() }, "1.5"),
        (Options { alpha: f64::NAN, ..options() }, "NaN"),
        (Options { variance: 0.0, ..options() }, "variance"),
    ];
    for (options, part) in wrong {
        let text = options.check().err().unwrap().to_string();
        assert!(text.contains(part), "{text}");
    }
}

/// Some correlations are necessarily 1 before all are.
#[test]
fn forced_correlations_are_counted() {
    let mut random = Random::new(43);
    let (a, b) = (random.matrix(30, 20), random.matrix(30, 15));
    let (left, right) = (made(&a), made(&b));
    let pair = Pair::new(&left, &right).unwrap();
    assert_eq!(pair.forced_correlations(), Ok(20 + 15 - 29));
    assert!(Measure::CcaR2.value(&pair).unwrap() > 6.0 / 15.0);
    let narrow = made(&a.slice(s![.., ..10]).to_owned());
    assert_eq!(Pair::new(&narrow, &right).unwrap().forced_correlations(), Ok(0));
}

#[test]
fn a_sample_without_direction_is_named() {
    let (mut zero, other) = (noise(20, 4), Random::new(44).matrix(20, 3));
    zero.row_mut(6).fill(0.0);
    let mut flat = zero.clone();
    flat.row_mut(6).fill(0.7);
    for measure in [Measure::Rsa, Measure::RdmCosine] {
        assert_eq!(of(measure, &zero, &other), Err(Absence::ConstantSample(6)));
        assert_eq!(of(measure, &other, &flat), Err(Absence::ConstantSample(6)));
        let single = other.slice(s![.., ..1]).to_owned();
        assert_eq!(of(measure, &single, &other), Err(Absence::ConstantSample(0)));
    }
    let of_angles =
        [Measure::MutualKnn, Measure::Cknna, Measure::Jaccard, Measure::SecondOrderCosine];
    for measure in of_angles {
        assert_eq!(of(measure, &zero, &other), Err(Absence::ZeroSample(6)));
        assert!(of(measure, &flat, &other).is_ok());
    }
    let labels: Vec<usize> = (0..20).map(|i| i % 2).collect();
    assert_eq!(layer::class_separation(&made(&zero), &labels), Err(Absence::ZeroSample(6)));
}

#[test]
fn too_few_samples_are_told() {
    let cases = [
        (Measure::Cka, 3, 4),
        (Measure::Hsic, 3, 4),
        (Measure::DistanceCorrelation, 3, 4),
        (Measure::Rsa, 2, 3),
        (Measure::MutualKnn, 5, 6),
        (Measure::Cknna, 5, 6),
        (Measure::SecondOrderCosine, 5, 6),
    ];
    for (measure, samples, needs) in cases {
        let found = of(measure, &noise(samples, 3), &noise(samples, 3));
        assert_eq!(found, Err(Absence::TooFew { samples, needs }), "{measure}");
        assert!(of(measure, &noise(needs, 3), &noise(needs, 3)).is_ok(), "{measure}");
    }
    let few = layer::intrinsic_dimension(&made(&noise(2, 3)));
    assert_eq!(few, Err(Absence::TooFew { samples: 2, needs: 3 }));
}

#[test]
fn numbers_of_samples_must_agree() {
    let (a, b) = (made(&noise(12, 3)), made(&noise(13, 5)));
    let text = Pair::new(&a, &b).err().unwrap().to_string();
    assert!(text.contains("[12, 3]") && text.contains("[13, 5]"), "{text}");
}

/// Units are matched one by one: there is an end to it.
#[test]
fn too_many_units_are_told() {
    let (x, y) = (noise(6, 2049), noise(6, 2));
    let why = Absence::TooWide { features: 2049, most: 2048 };
    for measure in [Measure::SoftMatching, Measure::HardCorrelation] {
        assert_eq!(of(measure, &x, &y), Err(why));
    }
}

/// A sample that stands out alone leaves unbiased HSIC nothing.
#[test]
fn one_sample_alone_is_no_geometry() {
    let mut x = Array2::zeros((20, 3));
    x[(4, 1)] = 1.0;
    assert_eq!(of(Measure::Cka, &x, &noise(20, 3)), Err(Absence::Singles));
    assert!(of(Measure::Procrustes, &x, &noise(20, 3)).is_ok());
}

/// Equal samples are not neighbours at distance zero for TwoNN.
#[test]
fn copies_do_not_count_for_the_dimension() {
    let x = noise(60, 3);
    let twice = ndarray::concatenate![ndarray::Axis(0), x, x.slice(s![..1, ..])];
    assert!(layer::intrinsic_dimension(&made(&twice)).is_ok_and(|d| (1.5..5.0).contains(&d)));
    let all = ndarray::concatenate![ndarray::Axis(0), x, x];
    let why = layer::intrinsic_dimension(&made(&all));
    assert_eq!(why, Err(Absence::TooFew { samples: 0, needs: 3 }));
}

#[test]
fn classes_are_needed_for_their_separation() {
    let x = made(&noise(20, 3));
    assert_eq!(layer::class_separation(&x, &[0; 20]), Err(Absence::OneClass));
    let few = Absence::TooFew { samples: 3, needs: 20 };
    assert_eq!(layer::class_separation(&x, &[0, 1, 2]), Err(few));
}

/// What is known of simple layers.
#[test]
fn a_layer_alone_has_known_values() {
    let labels: Vec<usize> = (0..12).map(|i| i % 3).collect();
    let classes = Array2::from_shape_fn((12, 3), |(i, j)| f64::from(u8::from(labels[i] == j)));
    let x = made(&classes);
    let near = |found: Result<f64, Absence>, wanted: f64| {
        assert!((found.unwrap() - wanted).abs() <= REFERENCE, "{wanted}");
    };
    near(layer::class_separation(&x, &labels), 1.0);
    near(layer::effective_rank(&x), 2.0);
    near(layer::participation_ratio(&x), 2.0);
    near(layer::Sparsity::of(x.features().unwrap()).zeros(), 2.0 / 3.0);
    near(layer::Sparsity::of(x.features().unwrap()).hoyer(), 1.0);
    let plane = Random::new(45).matrix(1500, 2).dot(&Random::new(46).matrix(2, 20));
    let dimension = layer::intrinsic_dimension(&made(&plane)).unwrap();
    assert!((1.8..2.2).contains(&dimension), "{dimension}");
}

/// Neighbours are looked for among 2,100 samples in two blocks of them; of a Gram matrix in one.
#[test]
fn the_intrinsic_dimension_is_that_of_all_distances() {
    let x = Random::new(47).matrix(2100, 3);
    let sums = x.rows().into_iter().map(|row| row.sum()).collect();
    let whole = Representation::from_gram(gram(x.view()), sums, 3, options()).unwrap();
    let wanted = layer::intrinsic_dimension(&whole).unwrap();
    let found = layer::intrinsic_dimension(&made(&x)).unwrap();
    assert!((found - wanted).abs() <= REFERENCE * wanted, "{found} {wanted}");
}

#[test]
fn reasons_are_one_line() {
    let x = noise(20, 30);
    for &measure in MEASURES {
        if let Err(why) = of(measure, &x, &x) {
            let text = why.to_string();
            assert!(!text.contains('\n') && !text.ends_with('.') && text.len() > 20, "{text}");
        }
    }
}
