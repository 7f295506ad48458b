//! Times of the parts: Gram matrices, sums of HSIC, Fréchet distances, resizing, JPEG, and the whole on the example models.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use image::{Rgb, RgbImage};
use ndarray::{Array2, ArrayD};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use repsim::analysis::Cka;
use repsim::capture::cka::{Estimator, Settings, compare};
use repsim::capture::stored::StoredFeed;
use repsim::capture::{Reduce, Silent};
use repsim::data::{Channels, Dataset, LoadOptions, Preprocess, Preset};
use repsim::frechet::Gaussian;
use repsim::frechet::kid::{self, Reference};
use repsim::linalg::{Centring, PackedSymmetric, gram};
use repsim::similarity::{Bias, Kernel, Measure, Options, Plan, Representation, table};
use repsim::stats::{HsicSums, Moments};

fn features(samples: usize, width: usize, seed: usize) -> Array2<f64> {
    Array2::from_shape_fn((samples, width), |(i, j)| {
        ((i * 2_654_435_761 + j * 40_503 + seed * 97) % 1009) as f64 / 1009.0
    })
}

fn gram_matrix(c: &mut Criterion) {
    let x = features(64, 50_176, 0).into_dyn();
    let settings = settings(Estimator::Minibatch);
    c.bench_function("one layer of 64 x 50176 through the minibatch estimator", |b| {
        b.iter(|| through_engine(&x, 64, &settings));
    });
    let x = features(512, 512, 0);
    c.bench_function("gram matrix of 512 x 512", |b| b.iter(|| gram(black_box(x.view()))));
}

fn through_engine(x: &ArrayD<f64>, batch: usize, settings: &Settings) -> f64 {
    let feed = StoredFeed::new(&[vec![x.clone()]], batch);
    let outcome = feed.and_then(|mut feed| compare(&mut feed, settings, &mut Silent));
    outcome.map_or(f64::NAN, |o| o.table.aa[0])
}

fn settings(estimator: Estimator) -> Settings {
    Settings {
        estimator,
        bias: Bias::Unbiased,
        kernel: Kernel::Linear,
        reduce: Reduce::Flatten,
        memory: 4 << 30,
    }
}

fn hsic_sums(c: &mut Criterion) {
    let layers = |n: usize, count: usize| -> Vec<Option<PackedSymmetric>> {
        (0..count).map(|s| Some(gram(features(n, 16, s).view()))).collect()
    };
    for (n, count) in [(64, 70), (1000, 20)] {
        let (a, b) = (layers(n, count), layers(n, count));
        c.bench_function(&format!("HSIC of {count} x {count} layers, n = {n}"), |bench| {
            bench.iter(|| {
                let mut sums = HsicSums::new(Centring::Unbiased, count, count);
                sums.add(black_box(&a), Some(black_box(&b)));
                sums.mean()
            });
        });
    }
}

fn frechet(c: &mut Criterion) {
    let mut group = c.benchmark_group("frechet");
    group.sample_size(10);
    for (n, width) in [(2500, 2048), (256, 2048), (1500, 512)] {
        let rows = |seed| noise(n, width, seed);
        let Ok(a) = Gaussian::of_samples(rows(0).view()) else { return };
        let second = rows(1);
        group.bench_function(format!("distance of {n} x {width} from a reference"), |b| {
            b.iter(|| Gaussian::of_samples(second.view()).and_then(|g| a.distance(&g)));
        });
    }
    let (batch, mut moments) = (noise(64, 2048, 2), Moments::new(2048));
    group.bench_function("a batch of 64 x 2048 into mean and covariance", |b| {
        b.iter(|| moments.push_rows(black_box(batch.view())));
    });
    let (x, y) = (noise(2000, 512, 3), noise(2000, 512, 4));
    group.bench_function("KID of 2000 x 512, 100 subsets of 1000", |b| {
        b.iter(|| Reference::new(x.view(), kid::Settings::default())?.against(y.view()));
    });
    group.finish();
}

/// Sums of uniform numbers: nearly normal, of full rank.
fn noise(samples: usize, width: usize, seed: u64) -> Array2<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = || f64::from(random.next_u32()) / f64::from(u32::MAX);
    Array2::from_shape_simple_fn((samples, width), || (0..4).map(|_| uniform()).sum())
}

fn images(c: &mut Criterion) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/images");
    let Ok(data) = Dataset::open(&folder).and_then(|d| d.subset(Some(64), None)) else { return };
    let load = LoadOptions { workers: 1, ..LoadOptions::default() };
    for preset in [Preset::Raw, Preset::Imagenet] {
        let steps = [Preprocess::preset(preset)];
        c.bench_function(&format!("decode and preprocess 64 small images, {preset}"), |b| {
            b.iter(|| data.batches(&steps, &load).map(|all| all.filter(Result::is_ok).count()));
        });
    }
}

/// JPEG files of 256×256 pixels, as libjpeg-turbo and as the `image` crate decode them.
fn jpegs(c: &mut Criterion) {
    let Ok(folder) = tempfile::tempdir() else { return };
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut files = vec![];
    for i in 0..32_u32 {
        let mut shade = |x: u32, y: u32| (x * (i + 1) / 8 + y + random.next_u32() % 16) as u8;
        let picture =
            RgbImage::from_fn(256, 256, |x, y| Rgb([shade(x, y), shade(y, x), shade(x + y, i)]));
        let path = folder.path().join(format!("{i}.jpg"));
        if picture.save(&path).is_err() {
            return;
        }
        files.extend(std::fs::read(&path));
    }
    let Ok(data) = Dataset::open(folder.path()) else { return };
    let load = LoadOptions { workers: 1, ..LoadOptions::default() };
    let steps = [Preprocess::preset(Preset::Raw)];
    let mut group = c.benchmark_group("decode 32 JPEG files");
    group.sample_size(10);
    group.bench_function("libjpeg-turbo, as data", |b| {
        b.iter(|| data.batches(&steps, &load).map(|all| all.filter(Result::is_ok).count()));
    });
    group.bench_function("the image crate", |b| {
        b.iter(|| files.iter().filter(|file| image::load_from_memory(file).is_ok()).count());
    });
    group.finish();
}

/// Six layers with each other, and the halves that intervals are made from.
fn pairs_of_layers(c: &mut Criterion) {
    let options = Options::default();
    let layers: Vec<_> = (0..6)
        .filter_map(|seed| {
            Representation::new(noise(500, 64 + 16 * seed, seed as u64), options).ok()
        })
        .collect();
    let layers: Vec<Option<&Representation>> = layers.iter().map(Some).collect();
    let mut group = c.benchmark_group("compare");
    group.sample_size(10);
    for measure in [Measure::Cka, Measure::Rsa, Measure::Procrustes, Measure::MutualKnn] {
        for (what, permutations, halves) in
            [("6 x 6 layers", 0, 0), ("20 permutations", 20, 0), ("20 halves", 0, 20)]
        {
            let (measures, level, seed, threads) = (vec![measure], 0.95, 0, 2);
            let plan = Plan { measures, options, permutations, halves, level, seed, threads };
            group.bench_function(format!("{measure} of 500 samples, {what}"), |b| {
                b.iter(|| table(&layers, None, &plan, &mut || ()));
            });
        }
    }
    group.finish();
}

fn end_to_end(c: &mut Criterion) {
    let path = |name: &str| format!("{}/examples/{name}", env!("CARGO_MANIFEST_DIR"));
    let (a, b) = ("models/fashion-seed0-scripted.pt", "models/fashion-seed1-traced.pt");
    let mut cka = Cka::new(path(a), path(b)).data(path("images")).limit(128);
    cka.sides.preprocessing.preset = Some(Preset::Raw);
    cka.sides.preprocessing.channels = Some(Channels::Rgb);
    let mut group = c.benchmark_group("end to end");
    group.sample_size(10);
    group.bench_function("CKA of the example models, 128 images", |b| {
        b.iter(|| cka.run(&Silent).expect("the example models run"));
    });
    group.finish();
}

fn parts(c: &mut Criterion) {
    repsim::torchscript::native::keep_memory();
    gram_matrix(c);
    hsic_sums(c);
    frechet(c);
    images(c);
    jpegs(c);
    pairs_of_layers(c);
    end_to_end(c);
}

criterion_group!(benches, parts);
criterion_main!(benches);
