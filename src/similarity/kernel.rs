//! Kernels, applied to linear Gram matrices.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::linalg::PackedSymmetric;

/// The bandwidth of `rbf` without a number, as a fraction of the median distance.
pub const DEFAULT_FRACTION: f64 = 0.5;

/// A kernel between samples.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum Kernel {
    /// k(x, y) = x·y.
    #[default]
    Linear,
    /// k(x, y) = exp(−‖x−y‖²/(2t²·m)), where m is the median of ‖xᵢ−xⱼ‖² over all n² pairs, the
    /// diagonal included (Kornblith et al. 2019).
    Rbf {
        /// t, the bandwidth as a fraction of the median distance.
        fraction: f64,
    },
}

/// The median distance of the samples is zero: more than half of all pairs are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSpread;

impl Kernel {
    /// Turns a linear Gram matrix of features, centred or not, into one of this kernel.
    ///
    /// # Errors
    /// An error where the bandwidth would be zero.
    pub fn apply(self, gram: &mut PackedSymmetric) -> Result<(), NoSpread> {
        let Self::Rbf { fraction } = self else { return Ok(()) };
        to_squared_distances(gram);
        let median = median_of_square(gram);
        if median <= 0.0 {
            return Err(NoSpread);
        }
        let scale = -1.0 / (2.0 * fraction * fraction * median);
        for i in 0..gram.order() {
            gram.row_mut(i).iter_mut().for_each(|v| *v = (*v * scale).exp());
        }
        Ok(())
    }
}

/// ‖xᵢ−xⱼ‖² = Kᵢᵢ + Kⱼⱼ − 2Kᵢⱼ, not below zero.
fn to_squared_distances(gram: &mut PackedSymmetric) {
    let norms: Vec<f64> = gram.diagonal().collect();
    for i in 0..gram.order() {
        for (v, norm) in gram.row_mut(i).iter_mut().zip(&norms) {
            *v = (norms[i] + norm - 2.0 * *v).max(0.0);
        }
        gram.row_mut(i)[i] = 0.0;
    }
}

/// The median over all n² entries of a matrix whose diagonal is zero: every entry below the
/// diagonal counts twice, the n zeros come first.
fn median_of_square(distances: &PackedSymmetric) -> f64 {
    let n = distances.order();
    let mut below: Vec<f64> = (0..n).flat_map(|i| distances.row(i)[..i].iter().copied()).collect();
    let mut at = |k: usize| match k.checked_sub(n) {
        None => 0.0,
        Some(k) => *below.select_nth_unstable_by(k / 2, f64::total_cmp).1,
    };
    match n * n {
        0 => 0.0,
        count if count % 2 == 1 => at(count / 2),
        count => (at(count / 2 - 1) + at(count / 2)) / 2.0,
    }
}

impl FromStr for Kernel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fraction = match text.split_once(':') {
            None if text == "linear" => return Ok(Self::Linear),
            None if text == "rbf" => DEFAULT_FRACTION,
            Some(("rbf", t)) => t.parse().map_err(|_| format!("'{t}' is not a number"))?,
            _ => return Err("expected linear, rbf or rbf:FRACTION".to_owned()),
        };
        match fraction > 0.0 && f64::is_finite(fraction) {
            true => Ok(Self::Rbf { fraction }),
            false => Err(format!("the fraction must be above zero, not {fraction}")),
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linear => f.write_str("linear"),
            Self::Rbf { fraction } => write!(f, "rbf:{fraction}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::gram;
    use ndarray::array;

    #[test]
    fn the_median_counts_the_diagonal() {
        // distances² 1, 4, 9 → sorted n² entries 0 0 0 1 1 4 4 9 9
        let mut k = gram(array![[0.0], [1.0], [3.0]].view());
        to_squared_distances(&mut k);
        assert_eq!(median_of_square(&k), 1.0);
        // two samples: 0 0 d d
        let mut k = gram(array![[0.0], [2.0]].view());
        to_squared_distances(&mut k);
        assert_eq!(median_of_square(&k), 2.0);
    }

    #[test]
    fn kernels_are_read_as_they_are_written() {
        for text in ["linear", "rbf:0.5", "rbf:2"] {
            assert_eq!(text.parse::<Kernel>().map(|k| k.to_string()), Ok(text.to_owned()));
        }
        for text in ["rbf:0", "rbf:-1", "rbf:x", "poly", "rbf:inf"] {
            assert!(text.parse::<Kernel>().is_err(), "{text}");
        }
    }

    #[test]
    fn equal_samples_have_no_bandwidth() {
        let mut k = gram(array![[1.0], [1.0], [1.0]].view());
        assert_eq!(Kernel::Rbf { fraction: 0.5 }.apply(&mut k), Err(NoSpread));
    }
}
