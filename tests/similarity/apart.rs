//! HSIC where sums stay on a device until the end, computed on the CPU: what the other way gives.

use std::path::Path;

use ndarray::{Array2, ArrayD};
use repsim::capture::cka::{Estimator, Outcome, Settings, compare};
use repsim::capture::stored::StoredFeed;
use repsim::capture::{Judged, ModelFeed, Reduce, Silent, Source, Subject, first_samples};
use repsim::data::{Channels, Dataset, LoadOptions, Preprocess, Preset};
use repsim::torchscript::{Execution, Model};

use crate::engine::{BIASES, assert_near, settings, values};
use crate::random::Random;
use crate::tolerances::{FLOAT32, REORDERED};

fn minibatch() -> Settings {
    Settings { estimator: Estimator::Minibatch, ..settings() }
}

fn both(subjects: &[Vec<ArrayD<f64>>], settings: &Settings, batch: usize) -> [Outcome; 2] {
    [false, true].map(|apart| {
        let feed = StoredFeed::new(subjects, batch).unwrap();
        let mut feed = if apart { feed.as_if_apart() } else { feed };
        compare(&mut feed, settings, &mut Silent).unwrap()
    })
}

/// Asserts that two outcomes are the same; sums relative to what HSIC of the layers with themselves is.
fn assert_same([here, apart]: &[Outcome; 2], what: &str) {
    assert_eq!(apart.absences, here.absences, "{what}");
    assert_eq!((apart.samples, apart.dropped), (here.samples, here.dropped), "{what}");
    let usable: Vec<Vec<bool>> =
        here.absences.iter().map(|layers| layers.iter().map(Option::is_none).collect()).collect();
    let (a, b) = (&usable[0], &usable[usable.len() - 1]);
    let scaled = |outcome: &Outcome| {
        let table = &outcome.table;
        Array2::from_shape_fn(table.ab.dim(), |(i, j)| {
            let scale = (here.table.aa[i] * here.table.bb[j]).sqrt();
            if a[i] && b[j] && scale > 0.0 { table.ab[(i, j)] / scale } else { 0.0 }
        })
    };
    assert_near(&scaled(apart), &scaled(here), REORDERED, what);
    for (i, _) in a.iter().enumerate().filter(|(_, usable)| **usable) {
        let off = (apart.table.aa[i] / here.table.aa[i] - 1.0).abs();
        assert!(off <= REORDERED, "{what}: layer {i} with itself is off by {off:e}");
    }
}

/// Layers of one network for so many samples: few features, more than a slice, feature maps.
fn network(samples: usize, seed: u64) -> Vec<ArrayD<f64>> {
    let mut random = Random::new(seed);
    let maps = random.matrix(samples, 2 * 3 * 4).into_shape_with_order((samples, 2, 3, 4)).unwrap();
    let mut wide = random.matrix(samples, 4_100);
    wide += 3.0;
    vec![random.matrix(samples, 5).into_dyn(), wide.into_dyn(), maps.into_dyn()]
}

#[test]
fn sums_are_the_same() {
    let networks = [network(46, 1), network(46, 2)];
    for subjects in [&networks[..], &networks[..1]] {
        for bias in BIASES {
            // The last batch holds 46, 22, 4, 1 and 2 samples.
            for batch in [46, 24, 7, 9, 4] {
                let found = both(subjects, &Settings { bias, ..minibatch() }, batch);
                assert_same(&found, &format!("{} networks, {bias}, {batch}", subjects.len()));
            }
        }
    }
}

#[test]
fn layers_without_a_value_have_the_same_reasons() {
    let samples = 24;
    let fill = |value: f64| Array2::from_elem((samples, 3), value);
    let with = |row: usize, value: f64| {
        let mut layer = Random::new(5).matrix(samples, 3);
        layer[(row, 1)] = value;
        layer.into_dyn()
    };
    let mut late = Random::new(6).matrix(samples, 3);
    (late[(3, 0)], late[(20, 2)]) = (-1e200, f64::NAN);
    let layers = vec![
        with(0, 1.0),
        fill(2.5).into_dyn(),
        with(13, f64::NAN),
        with(9, f64::NEG_INFINITY),
        with(23, 1e200),
        late.into_dyn(),
    ];
    for batch in [8, 10, 24] {
        let found = both(std::slice::from_ref(&layers), &minibatch(), batch);
        assert_eq!(found[0].absences[0].iter().filter(|why| why.is_none()).count(), 1);
        assert_same(&found, &format!("in batches of {batch}"));
    }
    let few = both(&[network(3, 7)], &minibatch(), 3);
    assert_same(&few, "too few");
}

#[test]
fn means_that_are_rounding_have_no_value() {
    let samples = 16;
    let mut maps = Random::new(8).matrix(samples, 2 * 4);
    for mut row in maps.rows_mut() {
        for channel in 0..2 {
            let mean = row.slice(ndarray::s![channel * 4..channel * 4 + 4]).mean().unwrap();
            row.slice_mut(ndarray::s![channel * 4..channel * 4 + 4]).mapv_inplace(|v| v - mean);
        }
    }
    let maps = maps.into_shape_with_order((samples, 2, 2, 2)).unwrap().into_dyn();
    let layers = vec![maps, network(samples, 9).swap_remove(2)];
    let gap = Settings { reduce: Reduce::Gap, ..minibatch() };
    let found = both(&[layers], &gap, 8);
    assert!(found[0].absences[0][0].is_some() && found[0].absences[0][1].is_none());
    assert_same(&found, "means");
}

#[test]
fn sums_of_features_are_the_same() {
    let narrow = |seed: u64| {
        let mut random = Random::new(seed);
        vec![random.matrix(600, 5).into_dyn(), (random.matrix(600, 9) + 4.0).into_dyn()]
    };
    let mut broken = narrow(11);
    broken[0][[77, 2]] = f64::NAN;
    broken.push(ArrayD::from_elem(vec![600, 2], 3.0));
    for subjects in [vec![narrow(10), broken], vec![narrow(12)]] {
        for bias in BIASES {
            let auto = Settings { estimator: Estimator::Auto, bias, memory: 1 << 20, ..settings() };
            let found = both(&subjects, &auto, 32);
            assert!(found[0].reason.as_ref().is_some_and(|why| why.contains("few features")));
            assert_same(&found, &format!("{} networks, {bias}", subjects.len()));
        }
    }
}

/// What a network and its outputs say of images: more batches than outputs are left unread for.
fn over_images(settings: &Settings, apart: bool) -> (Outcome, Vec<Judged>) {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let dataset = Dataset::open(&examples.join("images")).unwrap().subset(Some(72), None).unwrap();
    let raw = Preprocess::preset(Preset::Raw);
    let preprocess = [Preprocess { channels: Channels::Rgb, ..raw }];
    let load = LoadOptions { batch_size: 4, ..LoadOptions::default() };
    let source = Source { dataset: &dataset, preprocess: &preprocess, load };
    let sample = first_samples(&source, 2).unwrap().swap_remove(0);
    let subject = |name: &str| {
        let mut model = Model::load(examples.join("models").join(name), false).unwrap();
        let mut layers = model.probe(&sample).unwrap();
        layers.retain(|layer| layer.name.len() <= "layer1".len());
        model.prepare(&layers, &Execution::default()).unwrap();
        Subject { model, layers, input: 0 }
    };
    let mut subjects = ["fashion-seed0-scripted.pt", "fashion-mixup-scripted.pt"].map(subject);
    let feed = ModelFeed::new(&mut subjects, source);
    let mut feed = if apart { feed.as_if_apart() } else { feed };
    let outcome = compare(&mut feed, settings, &mut Silent).unwrap();
    let judged = feed.judged();
    (outcome, judged)
}

#[test]
fn networks_over_images_give_the_same() {
    for estimator in [Estimator::Minibatch, Estimator::Full] {
        let settings = Settings { estimator, ..settings() };
        let (here, judged) = over_images(&settings, false);
        let (apart, judged_apart) = over_images(&settings, true);
        assert_eq!(judged_apart, judged);
        assert!(judged.iter().all(|judged| matches!(judged.accuracy, Some(Ok(_)))));
        assert_eq!((&apart.absences, apart.samples), (&here.absences, here.samples));
        assert_near(&values(&apart), &values(&here), FLOAT32, "over images");
    }
}
