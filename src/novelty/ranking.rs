//! Scores against what was right: the area under the ROC curve, and accuracy by decile.

/// Number of groups that samples are divided into.
const GROUPS: usize = 10;

/// Samples whose scores follow each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Number of samples.
    pub count: usize,
    /// The lowest score.
    pub from: f64,
    /// The highest score.
    pub to: f64,
    /// Share of the samples that are correct.
    pub accuracy: f64,
    /// Mean score.
    pub mean: f64,
}

/// Area under the ROC curve: the probability that a positive sample has the higher score than a
/// negative one, ties counting one half (Mann & Whitney 1947).
///
/// ```text
/// (R₊ − n₊(n₊+1)/2) / (n₊ n₋)      R₊ the sum of the positive samples' ranks, ties sharing theirs
/// ```
///
/// `None` where no sample is positive, none is negative, or a score is NaN.
///
/// # Panics
/// If the lengths differ.
pub fn auroc(scores: &[f64], positive: &[bool]) -> Option<f64> {
    assert_eq!(scores.len(), positive.len(), "one score a sample");
    let positives = positive.iter().filter(|p| **p).count() as f64;
    let negatives = positive.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 || scores.iter().any(|s| s.is_nan()) {
        return None;
    }
    let (mut before, mut ranks) = (0, 0.0);
    for ties in ascending(scores).chunk_by(|&a, &b| scores[a] == scores[b]) {
        let rank = before as f64 + (ties.len() + 1) as f64 / 2.0;
        ranks += rank * ties.iter().filter(|&&i| positive[i]).count() as f64;
        before += ties.len();
    }
    Some((ranks - positives * (positives + 1.0) / 2.0) / (positives * negatives))
}

/// Accuracy in ten groups of samples by ascending score, their sizes as equal as can be; fewer than
/// ten samples make a group each. Samples of equal score are taken in their order, so a score can
/// end one group and begin the next. NaN counts as the highest score.
///
/// # Panics
/// If the lengths differ.
pub fn deciles(scores: &[f64], correct: &[bool]) -> Vec<Bin> {
    assert_eq!(scores.len(), correct.len(), "one score a sample");
    let order = ascending(scores);
    let groups = order.len().min(GROUPS);
    let start = |group: usize| group * order.len() / groups;
    (0..groups).map(|g| bin(&order[start(g)..start(g + 1)], scores, correct)).collect()
}

/// The bin of some samples, in ascending order of their scores.
fn bin(samples: &[usize], scores: &[f64], correct: &[bool]) -> Bin {
    let count = samples.len();
    let right = samples.iter().filter(|&&i| correct[i]).count();
    let sum: f64 = samples.iter().map(|&i| scores[i]).sum();
    Bin {
        count,
        from: scores[samples[0]],
        to: scores[samples[count - 1]],
        accuracy: right as f64 / count as f64,
        mean: sum / count as f64,
    }
}

/// Samples by ascending score, those of equal score in their order; NaN of either sign last.
fn ascending(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    let key = |i: usize| (scores[i].is_nan(), scores[i] + 0.0);
    order.sort_by(|&a, &b| {
        let (a, b) = (key(a), key(b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    #[test]
    fn known_areas() {
        let positive = [false, false, true, true];
        assert_eq!(auroc(&[1.0, 2.0, 3.0, 4.0], &positive), Some(1.0));
        assert_eq!(auroc(&[4.0, 3.0, 2.0, 1.0], &positive), Some(0.0));
        assert_eq!(auroc(&[7.0; 4], &positive), Some(0.5));
        // scikit-learn's example
        assert_eq!(auroc(&[0.1, 0.4, 0.35, 0.8], &positive), Some(0.75));
        assert_eq!(auroc(&[0.0, -0.0, f64::INFINITY, 0.0], &positive), Some(0.75));
    }

    #[test]
    fn an_area_that_is_not_defined() {
        assert_eq!(auroc(&[1.0, 2.0], &[true, true]), None);
        assert_eq!(auroc(&[1.0, 2.0], &[false, false]), None);
        assert_eq!(auroc(&[1.0, f64::NAN], &[false, true]), None);
        assert_eq!(auroc(&[], &[]), None);
    }

    proptest! {
        #[test]
        fn the_area_is_the_share_of_pairs(
            samples in prop::collection::vec((0..6u8, any::<bool>()), 2..40),
        ) {
            let (scores, positive): (Vec<f64>, Vec<bool>) =
                samples.iter().map(|&(s, p)| (f64::from(s), p)).unzip();
            let of = |p: bool| samples.iter().filter(move |s| s.1 == p).map(|s| s.0);
            let pairs: Vec<f64> = of(true)
                .flat_map(|a| of(false).map(move |b| (f64::from(a > b) + f64::from(a >= b)) / 2.0))
                .collect();
            let mean = pairs.iter().sum::<f64>() / pairs.len() as f64;
            match auroc(&scores, &positive) {
                Some(area) => assert_relative_eq!(area, mean, epsilon = 1e-12),
                None => prop_assert!(pairs.is_empty()),
            }
        }
    }

    #[test]
    fn deciles_hold_every_sample_in_groups_of_equal_size() {
        let scores: Vec<f64> = (0..23).map(|i| f64::from((i * 7) % 23)).collect();
        let correct: Vec<bool> = scores.iter().map(|s| *s < 11.0).collect();
        let bins = deciles(&scores, &correct);
        assert_eq!(bins.len(), 10);
        assert_eq!(bins.iter().map(|b| b.count).sum::<usize>(), 23);
        assert!(bins.iter().all(|b| b.count == 2 || b.count == 3));
        assert!(bins.windows(2).all(|w| w[0].to < w[1].from));
        assert_eq!(bins[0], Bin { count: 2, from: 0.0, to: 1.0, accuracy: 1.0, mean: 0.5 });
        assert_eq!(bins[9].accuracy, 0.0);
    }

    #[test]
    fn few_samples_make_a_group_each_and_ties_keep_their_order() {
        let bins = deciles(&[1.0, 0.0, 1.0], &[true, false, false]);
        assert_eq!(bins.iter().map(|b| b.accuracy).collect::<Vec<_>>(), [0.0, 1.0, 0.0]);
        assert!(deciles(&[], &[]).is_empty());
        assert!(deciles(&[-f64::NAN, 1.0], &[true, true])[1].to.is_nan());
    }
}
