//! Seeded random matrices.

use ndarray::{Array1, Array2, ArrayD, Axis};
use ndarray_linalg::QR;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

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

    /// Features of `n` samples that share a part: a random map of `signal` and as much noise.
    pub fn layer(&mut self, signal: &Array2<f64>, width: usize) -> Array2<f64> {
        let mixed = signal.dot(&self.matrix(signal.ncols(), width));
        mixed / (signal.ncols() as f64).sqrt() + self.matrix(signal.nrows(), width)
    }

    /// An orthogonal matrix.
    pub fn rotation(&mut self, size: usize) -> Array2<f64> {
        self.matrix(size, size).qr().unwrap().0
    }

    /// An invertible matrix with singular values from 1/2 to 2.
    pub fn stretch(&mut self, size: usize) -> Array2<f64> {
        let values = Array1::from_shape_simple_fn(size, || 4_f64.powf(self.uniform() - 0.5));
        (self.rotation(size) * &values).dot(&self.rotation(size))
    }

    /// A vector of normal numbers times `scale`.
    pub fn vector(&mut self, size: usize, scale: f64) -> Array1<f64> {
        Array1::from_shape_simple_fn(size, || scale * self.normal())
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

/// The rows of a matrix in another order.
pub fn reordered(matrix: &Array2<f64>, order: &[usize]) -> Array2<f64> {
    matrix.select(Axis(0), order)
}

/// Layers as the engine takes them.
pub fn layers(matrices: &[Array2<f64>]) -> Vec<ArrayD<f64>> {
    matrices.iter().map(|m| m.clone().into_dyn()).collect()
}
