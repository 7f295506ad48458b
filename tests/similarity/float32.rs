//! Float32 features far from zero: centred first, they lose nothing that counts.
//!
//! The layer `scale` of a golden network has the identity for its weights, so what goes in is what
//! the layer gives, in float32, through the same code as any network.

use std::path::Path;

use ndarray::{Array2, Axis};
use repsim::capture::cka::{Estimator, Outcome, Settings, compare};
use repsim::capture::{ModelFeed, Reduce, Silent, Source, Subject};
use repsim::data::{Dataset, LoadOptions, Preprocess, Preset};
use repsim::similarity::Bias;
use repsim::torchscript::{Execution, Model};
use tch::Tensor;

use crate::engine::{BIASES, settings, values};
use crate::random::Random;
use crate::tolerances::FLOAT32;

const SAMPLES: usize = 256;
const WIDTH: usize = 4;

/// Features of mean 1 and standard deviation 0.05, as float32.
fn features() -> Array2<f32> {
    Random::new(3).matrix(SAMPLES, WIDTH).mapv(|v| (1.0 + 0.05 * v) as f32)
}

/// HSIC of features with themselves, written out in float64 from the definition.
fn reference(features: &Array2<f64>, bias: Bias) -> f64 {
    let n = features.nrows() as f64;
    let centred = features - &features.mean_axis(Axis(0)).unwrap();
    let mut k = centred.dot(&centred.t());
    if bias == Bias::Biased {
        return k.iter().map(|v| v * v).sum::<f64>() / (n - 1.0).powi(2);
    }
    k.diag_mut().fill(0.0);
    let rows = k.sum_axis(Axis(1));
    let all = k.sum() * k.sum() / ((n - 1.0) * (n - 2.0));
    let trace: f64 = k.iter().map(|v| v * v).sum();
    (trace + all - 2.0 / (n - 2.0) * rows.dot(&rows)) / (n * (n - 3.0))
}

/// Runs the network over the features, the layers `scale` and `root` with each other.
fn run(features: &Array2<f32>, settings: &Settings, batch: usize, optimize: bool) -> Outcome {
    run_where(features, settings, (batch, optimize, false))
}

/// The same, as on a device beside the CPU where `apart`.
fn run_where(
    features: &Array2<f32>,
    settings: &Settings,
    (batch, optimize, apart): (usize, bool, bool),
) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("features.npy");
    ndarray_npy::write_npy(&file, features).unwrap();
    let dataset = Dataset::open(&file).unwrap();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/capture/nan_layer.pt");
    let mut model = Model::load(archive, false).unwrap();
    let input = Tensor::ones([2, WIDTH as i64], tch::kind::FLOAT_CPU);
    let mut layers = model.probe(&input).unwrap();
    layers.truncate(2);
    model.prepare(&layers, &Execution { optimize, ..Execution::default() }).unwrap();
    let preprocess = [Preprocess::preset(Preset::Raw)];
    let load = LoadOptions { batch_size: batch, ..LoadOptions::default() };
    let source = Source { dataset: &dataset, preprocess: &preprocess, load };
    let mut subjects = [Subject { model, layers, input: 0 }];
    let feed = ModelFeed::new(&mut subjects, source);
    let mut feed = if apart { feed.as_if_apart() } else { feed };
    compare(&mut feed, settings, &mut Silent).unwrap()
}

#[test]
fn full_hsic_is_that_of_float64() {
    let features = features();
    for bias in BIASES {
        let wanted = reference(&features.mapv(f64::from), bias);
        for batch in [64, 100, 256] {
            for optimize in [false, true] {
                let found = run(&features, &Settings { bias, ..settings() }, batch, optimize);
                let off = (found.table.aa[0] / wanted - 1.0).abs();
                assert!(off <= FLOAT32, "{bias} in batches of {batch}: off by {off:e}");
                assert!(values(&found).iter().all(|v| v.is_finite()));
            }
        }
    }
}

#[test]
fn minibatch_hsic_is_that_of_float64() {
    let features = features();
    let doubles = features.mapv(f64::from);
    for reduce in [Reduce::Flatten, Reduce::Spatial] {
        for bias in BIASES {
            let batch = |rows: ndarray::ArrayView2<'_, f64>| reference(&rows.to_owned(), bias);
            let wanted = doubles.axis_chunks_iter(Axis(0), 64).map(batch).sum::<f64>() / 4.0;
            let settings = Settings { estimator: Estimator::Minibatch, bias, reduce, ..settings() };
            for apart in [false, true] {
                let found = run_where(&features, &settings, (64, true, apart));
                let off = (found.table.aa[0] / wanted - 1.0).abs();
                assert!(off <= FLOAT32, "{bias}, {reduce}: off by {off:e}");
            }
        }
    }
}

/// The square root near 1 is nearly linear: the two layers are nearly alike.
#[test]
fn the_square_root_near_one_is_nearly_the_same_layer() {
    let found = values(&run(&features(), &settings(), 64, true));
    assert!(found[(0, 1)] > 0.99, "{found}");
}

/// What uncentred float32 would have given: the sums cancel and nothing is left. This is why the
/// engine centres first.
#[test]
fn without_centring_float32_would_be_wrong() {
    let features = features();
    let k = features.dot(&features.t());
    let wanted = reference(&features.mapv(f64::from), Bias::Unbiased);
    let n = SAMPLES as f32;
    let mut k0 = k.clone();
    k0.diag_mut().fill(0.0);
    let rows = k0.sum_axis(Axis(1));
    let trace = k0.iter().map(|v| v * v).sum::<f32>();
    let all = k0.sum() * k0.sum() / ((n - 1.0) * (n - 2.0));
    let naive = (trace + all - 2.0 / (n - 2.0) * rows.dot(&rows)) / (n * (n - 3.0));
    assert!((f64::from(naive) / wanted - 1.0).abs() > 0.1, "{naive} {wanted}");
}
