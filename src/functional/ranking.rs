//! How two lists of values order the same things, such as sensitivity and importance the channels of a
//! layer.

use crate::saliency::bootstrap::interval_of;
use crate::saliency::rank::{ranks, spearman};
use crate::stats::Draws;

/// Resamples of the bootstrap.
const RESAMPLES: usize = 1000;

/// Share of the channels that count as high by one order.
const HIGH: f64 = 0.25;

/// Share of the channels that count as low by the other.
const LOW: f64 = 0.5;

/// The most values of which all orders are tried.
const ALL_ORDERS: usize = 8;
/// Random orders of more values.
const ORDERS: usize = 9999;
/// How near two correlations have to be to count as equal: rounding.
const EQUAL: f64 = 1e-12;

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

/// Two-sided p-value of Spearman's correlation: the share of the orders of `y` of which the
/// correlation is at least as far from 0. All n! orders of up to 8 values; of more the (1 + b)/(1 + P)
/// of P = 9999 random ones (Phipson & Smyth 2010).
///
/// `None` where the correlation is not defined.
pub fn p_value(x: &[f64], y: &[f64]) -> Option<f64> {
    let found = spearman(x, y)?.abs() - EQUAL;
    let as_far = |order: &[usize]| {
        let y: Vec<f64> = order.iter().map(|&i| y[i]).collect();
        spearman(x, &y).is_some_and(|r| r.abs() >= found)
    };
    let (mut far, mut all) = (0_usize, 0_usize);
    let mut count = |order: &[usize]| {
        all += 1;
        far += usize::from(as_far(order));
    };
    if y.len() <= ALL_ORDERS {
        every_order(&mut (0..y.len()).collect::<Vec<_>>(), 0, &mut count);
        return Some(far as f64 / all as f64);
    }
    let mut draws = Draws::new(0);
    (0..ORDERS).for_each(|_| count(&draws.order(y.len())));
    Some((1 + far) as f64 / (1 + all) as f64)
}

/// All orders that keep the first `fixed` where they are.
fn every_order(order: &mut [usize], fixed: usize, found: &mut impl FnMut(&[usize])) {
    if fixed + 1 >= order.len() {
        return found(order);
    }
    for next in fixed..order.len() {
        order.swap(fixed, next);
        every_order(order, fixed + 1, found);
        order.swap(fixed, next);
    }
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

    #[test]
    fn few_values_are_put_in_all_orders() {
        // Of the 6 orders of 3 values two are as far from 0 as the sorted one, of the 24 of 4 too.
        assert_eq!(p_value(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]), Some(2.0 / 6.0));
        assert_eq!(p_value(&[1.0, 2.0, 3.0, 4.0], &[4.0, 3.0, 2.0, 1.0]), Some(2.0 / 24.0));
        // Spearman's r of (1, 3, 2) is 0.5, that of any order at least as far from 0.
        assert_eq!(p_value(&[1.0, 2.0, 3.0], &[1.0, 3.0, 2.0]), Some(1.0));
        assert_eq!(p_value(&[1.0, 1.0, 1.0], &[1.0, 3.0, 2.0]), None);
    }

    #[test]
    fn many_values_are_put_in_random_orders() {
        let x: Vec<f64> = (0..12).map(f64::from).collect();
        assert_eq!(p_value(&x, &x), Some(1.0 / 10_000.0));
        let wave: Vec<f64> = x.iter().map(|v| (v * 2.1).sin()).collect();
        assert!(p_value(&x, &wave).is_some_and(|p| p > 0.2));
    }
}
