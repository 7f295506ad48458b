//! Means over images, and how sure they are.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A mean, and of how many.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    /// The mean.
    pub value: f64,
    /// Number of values that count.
    pub count: usize,
}

/// The mean of the values that are there; `None` where there is none.
pub fn mean(values: impl IntoIterator<Item = Option<f64>>) -> Option<Mean> {
    let present: Vec<f64> = values.into_iter().flatten().collect();
    let first = *present.first()?;
    let sum: f64 = present.iter().map(|v| v - first).sum();
    Some(Mean { value: first + sum / present.len() as f64, count: present.len() })
}

/// Percentile bootstrap interval of the mean (Efron 1979), as (low, high).
///
/// With B resamples of n values each, drawn from the n values with repetition, and their means
/// sorted, m₀ ≤ … ≤ m₍B₋₁₎:
///
/// ```text
/// low  = m at (B − 1)·(1 − level)/2      high = m at (B − 1)·(1 + level)/2
/// ```
///
/// with m interpolated between whole positions, as NumPy's percentiles are. The numbers drawn come
/// from a ChaCha8 stream and depend on `seed`, n and B alone, so an interval is the same each time,
/// and values of several measures over the same images are drawn together.
///
/// `None` with fewer than 2 values, no resample, a value that is not finite, or a level that is not
/// between 0 and 1.
pub fn interval(values: &[f64], seed: u64, resamples: usize, level: f64) -> Option<(f64, f64)> {
    let finite = values.iter().all(|v| v.is_finite());
    if values.len() < 2 || resamples == 0 || !finite || !(0.0..=1.0).contains(&level) {
        return None;
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let means = (0..resamples).map(|_| resampled_mean(&mut random, values)).collect();
    Some(middle(means, level))
}

/// The same of any statistic of n units: it is given the units of each resample, in which some recur.
///
/// `None` with fewer than 2 units, where the statistic is undefined for half of the resamples or
/// more (the others are left out), no resample, or a level that is not between 0 and 1.
pub fn interval_of(
    units: usize,
    seed: u64,
    resamples: usize,
    level: f64,
    statistic: impl Fn(&[usize]) -> Option<f64>,
) -> Option<(f64, f64)> {
    if units < 2 || !(0.0..=1.0).contains(&level) {
        return None;
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn = || (0..units).map(|_| below(&mut random, units)).collect::<Vec<_>>();
    let values: Vec<f64> = (0..resamples).filter_map(|_| statistic(&drawn())).collect();
    (2 * values.len() > resamples).then(|| middle(values, level))
}

/// The range that holds a share of the values, with as many below as above.
fn middle(mut values: Vec<f64>, level: f64) -> (f64, f64) {
    values.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    (quantile(&values, tail), quantile(&values, 1.0 - tail))
}

/// The mean of as many values, drawn with repetition.
fn resampled_mean(random: &mut ChaCha8Rng, values: &[f64]) -> f64 {
    let first = values[0];
    let sum: f64 = (0..values.len()).map(|_| values[below(random, values.len())] - first).sum();
    first + sum / values.len() as f64
}

/// A number from 0 to `count` − 1.
fn below(random: &mut ChaCha8Rng, count: usize) -> usize {
    ((u128::from(random.next_u64()) * count as u128) >> 64) as usize
}

/// The value at a share of the way through sorted values, interpolated.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let low = sorted[place.floor() as usize];
    let high = sorted[place.ceil() as usize];
    low + (high - low) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    #[test]
    fn means_count_what_is_there() {
        assert_eq!(mean([Some(1.0), None, Some(4.0)]), Some(Mean { value: 2.5, count: 2 }));
        assert_eq!(mean([Some(0.1); 10]), Some(Mean { value: 0.1, count: 10 }));
        assert_eq!(mean([None, None]), None);
        assert_eq!(mean([]), None);
    }

    #[test]
    fn an_interval_needs_values() {
        assert_eq!(interval(&[], 0, 1000, 0.95), None);
        assert_eq!(interval(&[1.0], 0, 1000, 0.95), None);
        assert_eq!(interval(&[1.0, 2.0], 0, 0, 0.95), None);
        assert_eq!(interval(&[1.0, f64::NAN], 0, 1000, 0.95), None);
        assert_eq!(interval(&[1.0, 2.0], 0, 1000, 1.5), None);
        assert_eq!(interval(&[1.0, 2.0], 0, 1000, f64::NAN), None);
    }

    #[test]
    fn equal_values_leave_no_doubt() {
        assert_eq!(interval(&[0.1; 7], 3, 100, 0.95), Some((0.1, 0.1)));
    }

    #[test]
    fn an_interval_is_the_same_each_time() {
        let values: Vec<f64> = (0..50).map(|i| f64::from(i * i % 17)).collect();
        let found = interval(&values, 1, 1000, 0.95);
        assert_eq!(found, interval(&values, 1, 1000, 0.95));
        assert_ne!(found, interval(&values, 2, 1000, 0.95));
    }

    #[test]
    fn the_mean_is_one_of_many_statistics() {
        let values: Vec<f64> = (0..50).map(|i| f64::from(i * i % 17)).collect();
        let mean = |drawn: &[usize]| {
            let sum: f64 = drawn.iter().map(|&i| values[i] - values[drawn[0]]).sum();
            Some(values[drawn[0]] + sum / drawn.len() as f64)
        };
        let (low, high) = interval(&values, 1, 1000, 0.95).expect("defined");
        let found = interval_of(50, 1, 1000, 0.95, mean).expect("defined");
        assert_relative_eq!(found.0, low, max_relative = 1e-12);
        assert_relative_eq!(found.1, high, max_relative = 1e-12);
        assert_eq!(interval_of(50, 1, 1000, 0.95, |_| None), None);
        assert_eq!(interval_of(1, 1, 1000, 0.95, |_| Some(1.0)), None);
        assert_eq!(interval_of(5, 1, 0, 0.95, |_| Some(1.0)), None);
    }

    #[test]
    fn of_two_values_a_quarter_of_the_means_is_either() {
        let (low, high) = interval(&[0.0, 1.0], 0, 4000, 0.6).expect("defined");
        assert_eq!((low, high), (0.0, 1.0));
        assert_eq!(interval(&[0.0, 1.0], 0, 4000, 0.4), Some((0.5, 0.5)));
    }

    // values = [(i*i*7 + 3*i) % 101 / 100 for i in range(200)]
    // scipy.stats.bootstrap((values,), np.mean, n_resamples=200000, method="percentile",
    //     rng=np.random.default_rng(0)).confidence_interval     (scipy 1.17.1)
    #[test]
    fn the_interval_of_scipy_up_to_chance() {
        let values: Vec<f64> =
            (0..200).map(|i| f64::from((i * i * 7 + 3 * i) % 101) / 100.0).collect();
        let (low, high) = interval(&values, 7, 20_000, 0.95).expect("defined");
        assert_relative_eq!(low, 0.43109875, epsilon = 2e-3);
        assert_relative_eq!(high, 0.5158, epsilon = 2e-3);
    }

    #[test]
    fn quantiles_lie_between_values() {
        // np.percentile([1, 2, 4, 8], [0, 25, 50, 90, 100])
        let sorted = [1.0, 2.0, 4.0, 8.0];
        let found = [0.0, 0.25, 0.5, 0.9, 1.0].map(|share| quantile(&sorted, share));
        for (found, expected) in found.into_iter().zip([1.0, 1.75, 3.0, 6.8, 8.0]) {
            assert_relative_eq!(found, expected, max_relative = 1e-12);
        }
        assert_eq!(quantile(&[3.0], 0.975), 3.0);
    }

    proptest! {
        #[test]
        fn intervals_lie_within_the_values_and_grow_with_the_level(
            values in prop::collection::vec(-5f64..5.0, 2..20),
            seed in any::<u64>(),
        ) {
            let (low, high) = interval(&values, seed, 200, 0.8).expect("defined");
            let (lower, higher) = interval(&values, seed, 200, 0.99).expect("defined");
            let min = values.iter().copied().fold(f64::INFINITY, f64::min);
            let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            prop_assert!(min - 1e-9 <= lower && lower <= low && low <= high);
            prop_assert!(high <= higher && higher <= max + 1e-9);
        }
    }
}
