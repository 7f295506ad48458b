//! Sparse random projections of wide rows.

use std::thread;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tch::{Kind, Tensor};

use crate::error::Result;
use crate::torchscript::tensors;

/// Entries of a feature that are not zero.
const ENTRIES: usize = 16;

/// A linear map of rows of D features to K numbers that keeps squared distances in the mean: each feature is
/// added, with a random sign, to one random number of each of c blocks of the K, and
///
/// ```text
/// y = R x / √c,   c = min(16, K)
/// ```
///
/// (the block construction of Kane & Nelson 2014). The squared length of y has mean ‖x‖² and variance at most
/// 2/K·‖x‖⁴, whatever x is; of very sparse projections with independent entries (Li, Hastie & Church 2006) it
/// is larger where a few features are. The map is a function of D, K and the seed: layers of one width share it,
/// and so do runs over different data.
pub struct Projection {
    width: usize,
    to: usize,
    entries: usize,
    /// For each feature its entries: the place, times two, and one where the sign is negative.
    places: Vec<u32>,
}

impl Projection {
    /// From `width` features to `to` numbers.
    pub fn new(width: usize, to: usize, seed: u64) -> Self {
        let entries = ENTRIES.min(to);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let begin = |block: usize| (block * to / entries) as u64;
        let mut place = |block: usize| {
            let (first, size) = (begin(block), begin(block + 1) - begin(block));
            let drawn = random.next_u64();
            let place = first + ((u128::from(drawn) * u128::from(size)) >> 64) as u64;
            ((place << 1) as u32) | ((drawn & 1) as u32)
        };
        let places = (0..width * entries).map(|i| place(i % entries)).collect();
        Self { width, to, entries, places }
    }

    /// D.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Projected rows, of float64 where they are, else of float32; sums are in float64.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn rows(&self, rows: &Tensor) -> Result<Tensor> {
        let kind = tensors::summing_kind(rows);
        let values = tensors::to_matrix(rows)?;
        let count = values.nrows();
        let mut projected = vec![0.0; count * self.to];
        let share = count.div_ceil(tch::get_num_threads().max(1) as usize).max(1);
        thread::scope(|scope| {
            let chunks = projected.chunks_mut(share * self.to).enumerate();
            for (part, chunk) in chunks {
                let values = &values;
                scope.spawn(move || {
                    for (i, target) in chunk.chunks_exact_mut(self.to).enumerate() {
                        self.row(values.row(part * share + i).as_slice().unwrap_or(&[]), target);
                    }
                });
            }
        });
        let made = Tensor::from_slice(&projected).reshape([count as i64, self.to as i64]);
        Ok(made.to_kind(match kind {
            Kind::Double => Kind::Double,
            _ => Kind::Float,
        }))
    }

    fn row(&self, values: &[f64], target: &mut [f64]) {
        let places = self.places.chunks_exact(self.entries);
        for (value, places) in values.iter().zip(places).filter(|(value, _)| **value != 0.0) {
            for place in places {
                let signed = if place & 1 == 1 { -value } else { *value };
                target[(place >> 1) as usize] += signed;
            }
        }
        let scale = 1.0 / (self.entries as f64).sqrt();
        target.iter_mut().for_each(|value| *value *= scale);
    }
}

/// The ε within which K numbers keep all squared distances between n samples, as shares of these, by the lemma of
/// Johnson and Lindenstrauss as Dasgupta and Gupta (2003) prove it of dense projections: the least with
///
/// ```text
/// K ≥ 4·ln n / (ε²/2 − ε³/3)
/// ```
///
/// `None` where K is too small for any ε below 1.
pub fn distortion(to: usize, samples: usize) -> Option<f64> {
    let needed = |e: f64| 4.0 * (samples.max(2) as f64).ln() / (e * e / 2.0 - e * e * e / 3.0);
    let (mut low, mut high) = (0.0_f64, 1.0);
    if needed(high) > to as f64 {
        return None;
    }
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if needed(middle) > to as f64 { low = middle } else { high = middle }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    // sklearn.random_projection.johnson_lindenstrauss_min_dim(n, eps=e)     (scikit-learn 1.7)
    #[test]
    fn distortions_are_those_of_the_lemma() {
        for (samples, e, to) in [(1_000, 0.1, 5_920), (10_000, 0.3, 1_023), (100, 0.5, 221)] {
            assert_abs_diff_eq!(distortion(to, samples).unwrap_or(9.0), e, epsilon = 2e-3);
        }
        assert_eq!(distortion(100, 1_000), None);
    }

    #[test]
    fn squared_lengths_keep_their_mean_and_vary_no_more_than_of_dense_projections() -> Result<()> {
        let (width, to, seeds) = (300, 64, 400);
        // A few features hold nearly everything: independent sparse entries would vary more.
        let value = |j: usize| if j < 2 { 10.0 } else { 0.1 };
        let x: Vec<f64> = (0..width).map(value).collect();
        let length: f64 = x.iter().map(|v| v * v).sum();
        let x = Tensor::from_slice(&x).reshape([1, width as i64]);
        let mut found = vec![];
        for seed in 0..seeds {
            let y = Projection::new(width, to, seed).rows(&x)?;
            found.push(y.square().sum(Kind::Double).double_value(&[]) / length);
        }
        let mean = found.iter().sum::<f64>() / seeds as f64;
        let variance = found.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / seeds as f64;
        assert_abs_diff_eq!(mean, 1.0, epsilon = 0.03);
        assert!(variance < 1.3 * 2.0 / to as f64, "{variance}");
        Ok(())
    }

    #[test]
    fn rows_do_not_depend_on_their_batch() -> Result<()> {
        let rows = Tensor::rand([7, 50], tch::kind::FLOAT_CPU);
        let projection = Projection::new(50, 20, 3);
        let (whole, one) = (projection.rows(&rows)?, projection.rows(&rows.narrow(0, 4, 1))?);
        assert_eq!((whole.kind(), whole.narrow(0, 4, 1)), (Kind::Float, one));
        assert_ne!(Projection::new(50, 20, 4).rows(&rows)?, whole);
        Ok(())
    }
}
