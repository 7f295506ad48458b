//! Golden files, random matrices, and the two ways to a Gaussian.

use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, Axis, Ix2};
use ndarray_linalg::QR;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use repsim::data::features::load_features;
use repsim::frechet::{Distance, Gaussian};
use repsim::stats::Moments;
use serde_json::Value;

/// A file of the golden values.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fid").join(name)
}

/// A listing of golden values.
pub fn listing(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path(name)).unwrap()).unwrap()
}

/// The array of a name; one without columns gets one.
pub fn array(file: &str, name: &str) -> Array2<f64> {
    let all = load_features(&path(file)).unwrap();
    let found = all.into_iter().find(|feature| feature.name == name).unwrap();
    found.values.into_dimensionality::<Ix2>().unwrap()
}

/// The numbers of a list.
pub fn vector(value: &Value) -> Array1<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// The numbers of a list of lists.
pub fn matrix(value: &Value) -> Array2<f64> {
    let rows: Vec<Array1<f64>> = value.as_array().unwrap().iter().map(vector).collect();
    let views: Vec<_> = rows.iter().map(|row| row.view()).collect();
    ndarray::stack(Axis(0), &views).unwrap()
}

/// The mean of each column.
pub fn mean(rows: &Array2<f64>) -> Array1<f64> {
    moments(rows).mean()
}

/// Mean and scatter, in batches.
pub fn moments(rows: &Array2<f64>) -> Moments {
    let mut moments = Moments::new(rows.ncols());
    rows.axis_chunks_iter(Axis(0), 64).for_each(|part| moments.push_rows(part));
    moments
}

/// Fitted to the samples themselves where they are no more than features.
pub fn of_samples(rows: &Array2<f64>) -> Gaussian {
    Gaussian::of_samples(rows.view()).unwrap()
}

/// Fitted by way of the covariance, whatever the number of samples.
pub fn of_covariance(rows: &Array2<f64>) -> Gaussian {
    Gaussian::of_moments(&moments(rows)).unwrap()
}

/// The distance of two Gaussians of the same width.
#[track_caller]
pub fn distance(a: &Gaussian, b: &Gaussian) -> Distance {
    a.distance(b).unwrap()
}

/// What rounding is measured by: the largest of the terms that a distance is the difference of.
pub fn scale(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    let trace = |rows: &Array2<f64>| rows.var_axis(Axis(0), 1.0).sum();
    let apart = mean(a) - mean(b);
    trace(a) + trace(b) + apart.dot(&apart)
}

/// A source of normally distributed numbers that gives the same for the same seed.
pub struct Random(ChaCha8Rng);

impl Random {
    /// Begins from a seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Uniform in (0, 1).
    pub fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// Standard normal, by Box and Muller.
    pub fn normal(&mut self) -> f64 {
        let (u, v) = (self.uniform(), self.uniform());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    /// A matrix of independent standard normal numbers.
    pub fn matrix(&mut self, rows: usize, columns: usize) -> Array2<f64> {
        Array2::from_shape_simple_fn((rows, columns), || self.normal())
    }

    /// A vector of normal numbers times `scale`.
    pub fn vector(&mut self, size: usize, scale: f64) -> Array1<f64> {
        Array1::from_shape_simple_fn(size, || scale * self.normal())
    }

    /// Correlated features with a mean of their own.
    pub fn features(&mut self, rows: usize, columns: usize) -> Array2<f64> {
        let mix = self.matrix(columns, columns) / (columns as f64).sqrt();
        self.matrix(rows, columns).dot(&mix) + &self.vector(columns, 0.5)
    }

    /// An orthogonal matrix.
    pub fn rotation(&mut self, size: usize) -> Array2<f64> {
        self.matrix(size, size).qr().unwrap().0
    }

    /// A random order of `n` things.
    pub fn order(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, (self.uniform() * (i + 1) as f64) as usize);
        }
        order
    }
}
