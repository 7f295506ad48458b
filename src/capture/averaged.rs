//! Channel means that are nothing but rounding.

use ndarray::{Array1, Array2, ArrayView1, Axis};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::reduce::{Reduce, Tokens};
use crate::error::Result;
use crate::torchscript::tensors;

/// How much larger than of single numbers the scatter of means is that rounding leaves: a normalisation
/// rounds the mean it subtracts, and with it every position alike.
const ROUNDING: f64 = 10.0;

/// How large the numbers were that channel means were taken over: behind an instance norm, or a group norm
/// with one channel a group, the mean over the positions is the same for every sample, up to rounding
/// relative to the numbers averaged and not to their mean.
///
/// With aᵢ꜀ the mean of |x| over the positions of sample i, means m count as constant where
///
/// ```text
/// Σᵢ (mᵢ꜀ − m̄꜀)² ≤ 10·ε·Σᵢ aᵢ꜀²
/// ```
///
/// with ε the scatter relative to the squared norm below which features count as constant: 1e-12 of
/// float32, so that means count as equal within 3e-6 of what was averaged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Averaged {
    /// Σᵢ aᵢ꜀², one a channel; empty where rows are not means.
    #[serde(with = "crate::stats::packed")]
    squares: Array1<f64>,
}

impl Averaged {
    /// Takes in a layer's output for some samples, as [`Reduce::rows`] is given it.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn add<'a>(
        &mut self,
        reduce: Reduce,
        output: &Tensor,
        tokens: impl Into<Tokens<'a>>,
    ) -> Result<()> {
        if let Some(sum) = Self::squares(reduce, output, tokens) {
            self.merge(&Self::of(&sum)?);
        }
        Ok(())
    }

    /// What [`Averaged::add`] takes in, where the output is; `None` where rows are not means.
    pub fn squares<'a>(
        reduce: Reduce,
        output: &Tensor,
        tokens: impl Into<Tokens<'a>>,
    ) -> Option<Tensor> {
        let sizes = reduce.magnitudes(output, tokens)?.square();
        Some(sizes.sum_dim_intlist([0i64].as_slice(), false, Kind::Double))
    }

    /// Of a sum of those.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn of(squares: &Tensor) -> Result<Self> {
        Ok(Self { squares: tensors::to_vector(squares)? })
    }

    /// Takes in what another one was given.
    pub fn merge(&mut self, other: &Self) {
        match other.squares.len() {
            0 => {}
            same if self.squares.len() == same => self.squares += &other.squares,
            _ => self.squares = other.squares.clone(),
        }
    }

    /// The scatter of all channels together up to which they are rounding; 0 where rows are not means.
    pub fn least(&self, constant: f64) -> f64 {
        ROUNDING * constant * self.squares.sum()
    }

    /// The channels whose scatter Σᵢ (mᵢ꜀ − m̄꜀)² is rounding.
    pub fn rounding(&self, scatter: ArrayView1<'_, f64>, constant: f64) -> Vec<usize> {
        let pairs = scatter.iter().zip(&self.squares).enumerate();
        pairs.filter(|(_, (s, a))| **s <= ROUNDING * constant * **a).map(|(c, _)| c).collect()
    }

    /// Puts the mean over the samples in place of the columns of n×C channel means that are rounding.
    pub fn settle(&self, features: &mut Array2<f64>, constant: f64) {
        let mean = features.mean_axis(Axis(0)).unwrap_or_default();
        if mean.len() != self.squares.len() {
            return;
        }
        let scatter = (&*features - &mean).mapv(|v| v * v).sum_axis(Axis(0));
        for channel in self.rounding(scatter.view(), constant) {
            features.column_mut(channel).fill(mean[channel]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_held_against_what_was_averaged() -> Result<()> {
        let maps = Tensor::from_slice(&[1.0f32, -1.0, 5.0, 5.0, 1.0, -1.0 + 4e-7, 5.0, 7.0]);
        let maps = maps.reshape([2, 2, 2]);
        let mut averaged = Averaged::default();
        averaged.add(Reduce::Gap, &maps, 0)?;
        let mut means = tensors::to_matrix(&Reduce::Gap.rows(&maps, 0)?)?;
        assert!(means[(0, 0)] != means[(1, 0)]);
        averaged.settle(&mut means, 1e-12);
        assert_eq!(means[(0, 0)], means[(1, 0)]);
        assert_eq!((means[(0, 1)], means[(1, 1)]), (5.0, 6.0));
        assert!((averaged.least(1e-12) - 1e-11 * (2.0 + 25.0 + 36.0)).abs() < 1e-15);
        Ok(())
    }

    #[test]
    fn rows_that_are_no_means_are_left() -> Result<()> {
        let rows = Tensor::from_slice(&[1.0f32, 1.0, 1.0, 1.0 + 1e-6]).reshape([2, 2]);
        let mut averaged = Averaged::default();
        averaged.add(Reduce::Gap, &rows, 0)?;
        averaged.add(Reduce::Flatten, &rows.reshape([2, 1, 2]), 0)?;
        let mut features = tensors::to_matrix(&rows)?;
        let before = features.clone();
        averaged.settle(&mut features, 1e-12);
        assert_eq!((features, averaged.least(1e-12)), (before, 0.0));
        Ok(())
    }
}
