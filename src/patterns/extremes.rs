//! The samples with the largest or smallest values, kept in a heap.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Which values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The largest.
    Largest,
    /// The smallest.
    Smallest,
}

/// Where a channel is largest, or smallest, in a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// The value.
    pub value: f32,
    /// The sample, by its place in the data.
    pub sample: usize,
    /// The position, counted row by row.
    pub position: usize,
}

/// The K samples with the largest or smallest values of all that were offered, of equal values those first
/// in the data, in whatever order they come. NaN is never kept. Memory is K.
///
/// ```
/// # use repsim::patterns::{End, Extremes, Peak};
/// let mut top = Extremes::new(End::Largest, 2);
/// for (sample, value) in [1.0, 3.0, 3.0, 2.0].into_iter().enumerate() {
///     top.push(Peak { value, sample, position: 0 });
/// }
/// let samples: Vec<usize> = top.sorted().iter().map(|peak| peak.sample).collect();
/// assert_eq!(samples, [1, 2]);
/// ```
#[derive(Debug, Clone)]
pub struct Extremes {
    end: End,
    keep: usize,
    /// The worst of those kept at its root.
    heap: BinaryHeap<Ranked>,
}

/// A peak, of which a better one is less.
#[derive(Debug, Clone, Copy)]
struct Ranked {
    peak: Peak,
    end: End,
}

impl Extremes {
    /// Nothing yet, of which `keep` will be kept.
    pub fn new(end: End, keep: usize) -> Self {
        Self { end, keep, heap: BinaryHeap::new() }
    }

    /// Offers a sample.
    pub fn push(&mut self, peak: Peak) {
        if self.keep == 0 || peak.value.is_nan() {
            return;
        }
        let ranked = Ranked { peak, end: self.end };
        if self.heap.len() < self.keep {
            self.heap.push(ranked);
        } else if self.heap.peek().is_some_and(|worst| ranked < *worst) {
            self.heap.pop();
            self.heap.push(ranked);
        }
    }

    /// Those kept, the best first.
    pub fn sorted(&self) -> Vec<Peak> {
        self.heap.clone().into_sorted_vec().into_iter().map(|ranked| ranked.peak).collect()
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        // −0 and 0 are one value.
        let (own, others) = (self.peak.value + 0.0, other.peak.value + 0.0);
        let by_value = match self.end {
            End::Largest => others.total_cmp(&own),
            End::Smallest => own.total_cmp(&others),
        };
        by_value.then(self.peak.sample.cmp(&other.peak.sample))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kept(end: End, keep: usize, peaks: &[Peak]) -> Vec<(f32, usize)> {
        let mut found = Extremes::new(end, keep);
        peaks.iter().for_each(|peak| found.push(*peak));
        found.sorted().iter().map(|peak| (peak.value, peak.sample)).collect()
    }

    proptest! {
        #[test]
        fn they_are_those_of_sorting_in_any_order(
            values in prop::collection::vec(-3i8..4, 0..30), keep in 0usize..8, turn in 0usize..30,
        ) {
            let mut peaks: Vec<Peak> = values.iter().enumerate()
                .map(|(sample, &v)| Peak { value: f32::from(v) / 2.0, sample, position: 0 }).collect();
            let mut sorted: Vec<(f32, usize)> = peaks.iter().map(|p| (p.value, p.sample)).collect();
            sorted.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let by = turn % peaks.len().max(1);
            peaks.rotate_left(by);
            let count = keep.min(sorted.len());
            prop_assert_eq!(kept(End::Largest, keep, &peaks), sorted[..count].to_vec());
            sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            prop_assert_eq!(kept(End::Smallest, keep, &peaks), sorted[..count].to_vec());
        }
    }

    #[test]
    fn what_is_no_number_is_left_out_and_zeros_are_equal() {
        let values = [f32::NAN, -0.0, 0.0, f32::NEG_INFINITY];
        let peaks: Vec<Peak> =
            (0..4).map(|sample| Peak { value: values[sample], sample, position: 0 }).collect();
        let samples: Vec<usize> = kept(End::Largest, 4, &peaks).iter().map(|kept| kept.1).collect();
        assert_eq!(samples, [1, 2, 3]);
    }
}
