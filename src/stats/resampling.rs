//! Random orders and halves, and the range of what they give.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A source of random orders and halves: a ChaCha8 stream, the same for the same seed.
#[derive(Debug, Clone)]
pub struct Draws(ChaCha8Rng);

impl Draws {
    /// Begins from a seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// The numbers 0 to `count` − 1 in a random order, each order as likely as any other: Fisher and
    /// Yates' shuffle.
    pub fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for i in (1..count).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }

    /// Half of the numbers 0 to `count` − 1, rounded down, each once, in their order.
    pub fn half(&mut self, count: usize) -> Vec<usize> {
        let mut half = self.order(count);
        half.truncate(count / 2);
        half.sort_unstable();
        half
    }

    /// A number from 0 to `count` − 1.
    fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.0.next_u64()) * count as u128) >> 64) as usize
    }
}

/// The range that holds a share `level` of the values, with as many below as above, interpolated
/// between whole positions as NumPy's percentiles are. `None` without values, where one is not a
/// number, or for a level that is not between 0 and 1.
pub fn percentiles(mut values: Vec<f64>, level: f64) -> Option<(f64, f64)> {
    let sound = !values.is_empty() && values.iter().all(|v| !v.is_nan());
    if !sound || !(0.0..=1.0).contains(&level) {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    Some((quantile(&values, tail), quantile(&values, 1.0 - tail)))
}

/// The value at a share of the way through sorted values.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let low = sorted[place.floor() as usize];
    low + (sorted[place.ceil() as usize] - low) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_and_a_half_hold_each_once() {
        let mut draws = Draws::new(3);
        let mut order = draws.order(50);
        assert_ne!(order, (0..50).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
        let half = draws.half(51);
        assert!(half.len() == 25 && half.is_sorted_by(|x, y| x < y) && half[24] < 51);
        assert_eq!(Draws::new(3).order(50), Draws::new(3).order(50));
        assert_ne!(Draws::new(3).order(50), Draws::new(4).order(50));
    }

    #[test]
    fn every_order_is_as_likely() {
        let mut counts = std::collections::BTreeMap::<Vec<usize>, usize>::new();
        let mut draws = Draws::new(5);
        (0..6000).for_each(|_| *counts.entry(draws.order(3)).or_default() += 1);
        // 6 orders of 1000 each; the deviation is 29.
        assert!(
            counts.len() == 6 && counts.values().all(|c| (880..1120).contains(c)),
            "{counts:?}"
        );
    }

    #[test]
    fn the_percentiles_of_numpy() {
        // np.percentile([1, 2, 4, 8], [25, 75])
        let found = percentiles(vec![8.0, 1.0, 4.0, 2.0], 0.5);
        assert_eq!(found, Some((1.75, 5.0)));
        assert_eq!(percentiles(vec![], 0.5), None);
        assert_eq!(percentiles(vec![1.0, f64::NAN], 0.5), None);
        assert_eq!(percentiles(vec![1.0], 1.5), None);
    }
}
