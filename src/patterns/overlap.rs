//! What two channels have in common: the samples that drive both most, against chance.

use std::collections::HashMap;

use super::receptive::Window;

/// Windows that overlap by so much of their union show the same place.
pub const SAME_PLACE: f64 = 0.5;

/// A sample of a channel and where in it the unit looks; `None` where that depends on nothing of the image.
pub type Seen = (usize, Option<Window>);

/// Samples that two channels share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shared {
    /// Samples among those of both.
    pub images: usize,
    /// Those of them whose windows overlap by at least half of their union.
    pub places: usize,
    /// Mean overlap of the windows of the shared samples; NaN without any.
    pub overlap: f64,
}

impl Shared {
    /// What two lists of samples share, each with the size of the image that its network sees.
    pub fn of(a: &[Seen], image_a: (usize, usize), b: &[Seen], image_b: (usize, usize)) -> Self {
        let of_b: HashMap<usize, Option<Window>> = b.iter().copied().collect();
        let (mut images, mut places, mut sum) = (0, 0, 0.0);
        for (sample, own) in a {
            let Some(other) = of_b.get(sample) else { continue };
            let both = own.zip(*other);
            let overlap = both.map_or(0.0, |(own, other)| own.overlap(image_a, &other, image_b));
            images += 1;
            places += usize::from(overlap >= SAME_PLACE);
            sum += overlap;
        }
        Self { images, places, overlap: sum / images as f64 }
    }
}

/// Chance that lists of samples drawn at random share some: the hypergeometric distribution.
#[derive(Debug, Clone)]
pub struct Overlap {
    /// ln k! for k from 0 to the number of samples.
    factorials: Vec<f64>,
}

impl Overlap {
    /// Of lists out of so many samples.
    pub fn of(samples: usize) -> Self {
        let mut factorials = vec![0.0];
        let mut sum = 0.0;
        for k in 1..=samples {
            sum += (k as f64).ln();
            factorials.push(sum);
        }
        Self { factorials }
    }

    fn choose(&self, n: usize, k: usize) -> f64 {
        self.factorials[n] - self.factorials[k] - self.factorials[n - k]
    }

    /// Probability that two lists of `a` and `b` samples drawn at random out of n share `shared` or more.
    ///
    /// ```text
    /// Σ_{x ≥ shared} C(a, x)·C(n − a, b − x) / C(n, b)
    /// ```
    ///
    /// # Panics
    /// If a list is longer than n.
    ///
    /// ```
    /// # use repsim::patterns::Overlap;
    /// assert!((Overlap::of(4).tail(2, 2, 1) - 5.0 / 6.0).abs() < 1e-12);
    /// ```
    pub fn tail(&self, a: usize, b: usize, shared: usize) -> f64 {
        let n = self.factorials.len() - 1;
        let least = (a + b).saturating_sub(n);
        if shared <= least {
            return 1.0;
        }
        let term =
            |x: usize| (self.choose(a, x) + self.choose(n - a, b - x) - self.choose(n, b)).exp();
        (shared..=a.min(b)).map(term).sum::<f64>().min(1.0)
    }
}

/// Probabilities corrected for their number, so that the chance of one or more false finds among all is no more
/// than what they are held against (Holm 1979): of m values in rising order the i-th, from 0, times m − i,
/// no less than those before and at most 1. In the order given.
///
/// ```
/// # use repsim::patterns::holm;
/// assert_eq!(holm(&[0.5, 0.125, 0.25]), [0.5, 0.375, 0.5]);
/// ```
pub fn holm(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let (mut found, mut least) = (vec![0.0; values.len()], 0.0f64);
    for (rank, &place) in order.iter().enumerate() {
        least = least.max(values[place] * (values.len() - rank) as f64).min(1.0);
        found[place] = least;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn tails_sum_what_counting_gives() {
        // 10 samples, lists of 4 and 3: C(4, x)·C(6, 3 − x) of C(10, 3) = 120.
        let chance = Overlap::of(10);
        let counted = [1.0, 100.0 / 120.0, 40.0 / 120.0, 4.0 / 120.0];
        for (shared, wanted) in counted.into_iter().enumerate() {
            assert_relative_eq!(chance.tail(4, 3, shared), wanted, max_relative = 1e-12);
            assert_relative_eq!(chance.tail(3, 4, shared), wanted, max_relative = 1e-12);
        }
        assert_eq!(Overlap::of(5).tail(4, 4, 3), 1.0, "any two such lists share three");
    }

    #[test]
    fn shared_samples_are_told_from_shared_places() {
        let window = |left: usize| Some(Window { top: 0, left, bottom: 3, right: left + 3 });
        let a = [(3, window(0)), (5, window(0)), (7, window(0)), (9, None)];
        let b = [(7, window(0)), (3, window(2)), (9, window(0)), (8, window(0))];
        let shared = Shared::of(&a, (8, 8), &b, (8, 8));
        assert_eq!((shared.images, shared.places), (3, 1));
        assert_relative_eq!(shared.overlap, (1.0 + 8.0 / 24.0) / 3.0, max_relative = 1e-12);
        assert!(Shared::of(&a[..1], (8, 8), &b[..1], (8, 8)).overlap.is_nan());
    }
}
