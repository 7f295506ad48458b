//! Orders, ranks and correlations of values.

use std::cmp::Ordering;

/// The top tenth of the pixels is one in so many.
const TENTH: usize = 10;

/// Indices of values in descending order, those of equal value in their order; NaN last.
///
/// The values of a map in row-major order give the order in which its pixels are taken away or
/// shown: see [`order`](super::auc::order).
pub fn descending(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| before(values, a, b));
    order
}

/// Indices, ascending, of the tenth of the values that are highest: ⌈n/10⌉ of n, so at least one;
/// of equal values the first.
pub fn top_tenth(values: &[f64]) -> Vec<usize> {
    let count = values.len().div_ceil(TENTH);
    let mut top: Vec<usize> = (0..values.len()).collect();
    if count < top.len() {
        top.select_nth_unstable_by(count, |&a, &b| before(values, a, b));
    }
    top.truncate(count);
    top.sort_unstable();
    top
}

/// Higher values first, then lower indices; NaN of either sign last, −0 as 0.
fn before(values: &[f64], a: usize, b: usize) -> Ordering {
    let (x, y) = (values[a], values[b]);
    y.partial_cmp(&x).unwrap_or_else(|| x.is_nan().cmp(&y.is_nan())).then(a.cmp(&b))
}

/// Ranks from 1 in ascending order; equal values share the mean of theirs. NaN counts as lowest.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut ranks = vec![0.0; values.len()];
    let mut above = 0;
    for ties in descending(values).chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = (values.len() - above) as f64 - (ties.len() - 1) as f64 / 2.0;
        ties.iter().for_each(|&i| ranks[i] = rank);
        above += ties.len();
    }
    ranks
}

/// Pearson's correlation of two lists of equal length.
///
/// ```text
/// r = Σ(aᵢ − ā)(bᵢ − b̄) / √(Σ(aᵢ − ā)² · Σ(bᵢ − b̄)²)
/// ```
///
/// `None` where either is constant, or a value is not finite.
///
/// # Panics
/// If the lengths differ.
pub fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    assert_eq!(a.len(), b.len(), "values in pairs");
    Some(cosine(&standardised(a)?, &standardised(b)?))
}

/// Spearman's rank correlation of two lists of equal length: [`pearson`] of their [`ranks`], in
/// which equal values share the mean of theirs (Spearman 1904).
///
/// `None` where either is constant, or a value is not finite.
///
/// # Panics
/// If the lengths differ.
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    assert_eq!(a.len(), b.len(), "values in pairs");
    let finite = a.iter().chain(b).all(|v| v.is_finite());
    if finite { pearson(&ranks(a), &ranks(b)) } else { None }
}

/// Values less their mean, at length 1; `None` where they are constant or not all finite.
pub(super) fn standardised(values: &[f64]) -> Option<Vec<f64>> {
    let origin = *values.first()?;
    let count = values.len() as f64;
    let mean = values.iter().map(|v| v - origin).sum::<f64>() / count;
    let centred = values.iter().map(|v| v - origin - mean);
    let length = centred.clone().map(|v| v * v).sum::<f64>().sqrt();
    let varies = length.is_finite() && length > 0.0 && values.iter().any(|v| *v != origin);
    varies.then(|| centred.map(|v| v / length).collect())
}

/// The inner product of two lists of length 1.
pub(super) fn cosine(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>().clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    #[test]
    fn orders_keep_ties_and_put_nan_last() {
        let values = [1.0, -f64::NAN, 3.0, 0.0, -0.0, 3.0, f64::NAN, f64::NEG_INFINITY];
        assert_eq!(descending(&values), [2, 5, 0, 3, 4, 7, 1, 6]);
        assert!(descending(&[]).is_empty());
    }

    #[test]
    fn the_top_tenth_is_rounded_up() {
        assert!(top_tenth(&[]).is_empty());
        assert_eq!(top_tenth(&[5.0]), [0]);
        assert_eq!(top_tenth(&[0.0; 11]), [0, 1]);
        let mut values = [0.0; 20];
        values[17] = 2.0;
        values[4] = 1.0;
        assert_eq!(top_tenth(&values), [4, 17]);
    }

    #[test]
    fn equal_values_share_their_ranks() {
        assert_eq!(ranks(&[10.0, 20.0, 10.0, 5.0]), [2.5, 4.0, 2.5, 1.0]);
        assert_eq!(ranks(&[7.0; 3]), [2.0; 3]);
        assert_eq!(ranks(&[-0.0, 0.0]), [1.5, 1.5]);
    }

    // a, b = [3, 1, 4, 1, 5, 9, 2, 6], [2, 7, 1, 8, 2, 8, 1, 8]
    // scipy.stats.pearsonr(a, b), scipy.stats.spearmanr(a, b)     (scipy 1.17.1)
    #[test]
    fn values_of_scipy() {
        let a = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        let b = [2.0, 7.0, 1.0, 8.0, 2.0, 8.0, 1.0, 8.0];
        assert_relative_eq!(
            pearson(&a, &b).expect("defined"),
            0.20965531907301,
            max_relative = 1e-12
        );
        assert_relative_eq!(
            spearman(&a, &b).expect("defined"),
            0.19885368120992,
            max_relative = 1e-12
        );
    }

    #[test]
    fn what_does_not_vary_has_no_correlation() {
        assert_eq!(pearson(&[0.1; 3], &[1.0, 2.0, 3.0]), None);
        assert_eq!(spearman(&[1.0, 2.0], &[4.0, 4.0]), None);
        assert_eq!(spearman(&[1.0, f64::NAN], &[1.0, 2.0]), None);
        assert_eq!(spearman(&[1.0, f64::INFINITY], &[1.0, 2.0]), None);
        assert_eq!(pearson(&[1.0, f64::INFINITY], &[1.0, 2.0]), None);
        assert_eq!(pearson(&[], &[]), None);
        assert_eq!(pearson(&[1.0], &[1.0]), None);
    }

    #[test]
    fn a_large_mean_costs_no_digits() {
        let a = [3.0, 1.0, 4.0, 1.5];
        let b = [2.0, 7.0, 1.0, 8.0];
        let far = a.map(|v| v + 2f64.powi(40));
        let near = pearson(&a, &b).expect("defined");
        assert_relative_eq!(pearson(&far, &b).expect("defined"), near, max_relative = 1e-14);
    }

    proptest! {
        #[test]
        fn the_top_tenth_begins_the_order(values in prop::collection::vec(-3..3i8, 0..64)) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let mut expected = descending(&values);
            expected.truncate(values.len().div_ceil(10));
            expected.sort_unstable();
            prop_assert_eq!(top_tenth(&values), expected);
        }

        #[test]
        fn ranks_count_what_is_lower(values in prop::collection::vec(-4..4i8, 1..40)) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let count = |f: &dyn Fn(&f64) -> bool| values.iter().filter(|v| f(v)).count() as f64;
            for (value, rank) in values.iter().zip(ranks(&values)) {
                let expected = count(&|v| v < value) + (count(&|v| v == value) + 1.0) / 2.0;
                prop_assert_eq!(rank, expected);
            }
        }

        #[test]
        fn rising_functions_leave_spearman_alone(
            pairs in prop::collection::vec((-4..4i8, -4..4i8), 2..40),
        ) {
            let (a, b): (Vec<f64>, Vec<f64>) =
                pairs.iter().map(|&(a, b)| (f64::from(a), f64::from(b))).unzip();
            let bent: Vec<f64> = a.iter().map(|v| v.exp()).collect();
            let turned: Vec<f64> = a.iter().map(|v| -v.powi(3)).collect();
            let found = spearman(&a, &b);
            prop_assert_eq!(found, spearman(&bent, &b));
            prop_assert_eq!(found, spearman(&b, &a));
            match (found, spearman(&turned, &b)) {
                (Some(r), Some(s)) => assert_relative_eq!(r, -s, epsilon = 1e-12),
                (r, s) => prop_assert!(r.is_none() && s.is_none()),
            }
        }
    }
}
