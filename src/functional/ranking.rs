//! How sensitivity and importance order the channels of a layer.

use crate::saliency::bootstrap::interval_of;
use crate::saliency::rank::{ranks, spearman};

/// Resamples of the bootstrap.
const RESAMPLES: usize = 1000;

/// Share of the channels that count as high by one order.
const HIGH: f64 = 0.25;

/// Share of the channels that count as low by the other.
const LOW: f64 = 0.5;

/// Spearman's rank correlation of two orders of the same channels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correlation {
    /// The correlation; `None` where either order is constant, or a value is not finite.
    pub spearman: Option<f64>,
    /// 95 % percentile bootstrap interval over channels.
    pub interval: Option<(f64, f64)>,
}

/// Spearman's rank correlation of two lists of a value a channel, with its bootstrap interval over
/// channels (Efron 1979).
///
/// # Panics
/// If the lengths differ.
pub fn correlation(a: &[f64], b: &[f64], seed: u64) -> Correlation {
    let pick = |values: &[f64], drawn: &[usize]| -> Vec<f64> {
        drawn.iter().map(|&channel| values[channel]).collect()
    };
    let found = spearman(a, b);
    let interval = found.and_then(|_| {
        interval_of(a.len(), seed, RESAMPLES, 0.95, |drawn| {
            spearman(&pick(a, drawn), &pick(b, drawn))
        })
    });
    Correlation { spearman: found, interval }
}

/// Ranks of channels, 1 for the largest value; equal values share the mean of theirs. NaN counts as
/// lowest.
pub fn falling_ranks(values: &[f64]) -> Vec<f64> {
    let count = values.len() as f64;
    ranks(values).into_iter().map(|rank| count + 1.0 - rank).collect()
}

/// The channels that stand in the upper quarter by one list of values and in the lower half by
/// another, those first whose ranks lie farthest apart.
///
/// With C channels and [`falling_ranks`] r and s of the two, these are the channels with a positive
/// value in the first, r ≤ ⌈C/4⌉ and s > C/2. Empty where a value is not finite.
///
/// # Panics
/// If the lengths differ.
pub fn only_in_first(first: &[f64], second: &[f64]) -> Vec<usize> {
    assert_eq!(first.len(), second.len(), "a value a channel");
    if first.iter().chain(second).any(|v| !v.is_finite()) {
        return vec![];
    }
    let count = first.len() as f64;
    let (r, s) = (falling_ranks(first), falling_ranks(second));
    let is_high = |&c: &usize| first[c] > 0.0 && r[c] <= (HIGH * count).ceil();
    let is_low = |&c: &usize| s[c] > LOW * count;
    let mut found: Vec<usize> = (0..first.len()).filter(is_high).filter(is_low).collect();
    let apart = |c: usize| s[c] - r[c];
    found.sort_by(|&a, &b| apart(b).total_cmp(&apart(a)).then(a.cmp(&b)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_has_rank_one() {
        assert_eq!(falling_ranks(&[0.5, 3.0, 0.5, -1.0]), [2.5, 1.0, 2.5, 4.0]);
        assert_eq!(falling_ranks(&[1.0, f64::NAN]), [1.0, 2.0]);
    }

    #[test]
    fn channels_high_by_one_and_low_by_the_other_are_found() {
        let important = [8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0];
        let sensitive = [2.0, 1.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0];
        assert_eq!(only_in_first(&important, &sensitive), [0, 1]);
        assert_eq!(only_in_first(&important, &important), [0; 0]);
        let reversed: Vec<f64> = important.iter().rev().copied().collect();
        assert_eq!(only_in_first(&reversed, &important), [7, 6]);
        assert_eq!(only_in_first(&[0.0; 8], &important), [0; 0]);
        assert_eq!(only_in_first(&[f64::NAN, 1.0], &[1.0, 0.0]), [0; 0]);
    }

    #[test]
    fn a_correlation_lies_in_its_interval() {
        let a: Vec<f64> = (0..40).map(f64::from).collect();
        let b: Vec<f64> = (0..40).map(|i| f64::from(i * 7 % 40) + f64::from(i)).collect();
        let found = correlation(&a, &b, 3);
        let (low, high) = found.interval.expect("defined");
        let value = found.spearman.expect("defined");
        assert!(low < value && value < high && low > -1.0 && high < 1.0, "{found:?}");
        assert_eq!(found, correlation(&a, &b, 3));
        let flat = correlation(&a, &[1.0; 40], 3);
        assert_eq!(flat, Correlation { spearman: None, interval: None });
    }
}
