//! Which channel of one layer corresponds to which of another.
//!
//! All take K_A×K_B correlations, a row a channel of A and a column a channel of B, NaN where there
//! is none (a channel is constant). The largest is the largest with its sign: a channel is not
//! matched with its negative while there is any better.

use ndarray::{Array2, ArrayView2, Axis};
use pathfinding::kuhn_munkres::{Weights, kuhn_munkres};

/// How many steps a correlation of 1 is divided into, so that sums are compared exactly.
const STEPS: f64 = (1u64 << 32) as f64;

/// Two channels that correspond.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// The channel of A: a row.
    pub a: usize,
    /// The channel of B: a column.
    pub b: usize,
    /// Their correlation, with its sign.
    pub correlation: f64,
}

/// For each channel of A the channel of B with the largest correlation, of equals the first. A
/// channel of B may serve many. `None` for a channel without any correlation.
pub fn best(correlations: ArrayView2<'_, f64>) -> Vec<Option<Pair>> {
    let best_of = |a: usize| {
        let pairs = (0..correlations.ncols()).filter_map(|b| pair(correlations, a, b));
        pairs.reduce(|best, next| if next.correlation > best.correlation { next } else { best })
    };
    (0..correlations.nrows()).map(best_of).collect()
}

/// Pairs from the largest correlation down, each channel in one at most; of equals the first in
/// row-major order. It ends when one side has no channel left that correlates, so the last pairs
/// may have negative correlations.
pub fn greedy(correlations: ArrayView2<'_, f64>) -> Vec<Pair> {
    let mut order: Vec<Pair> = pairs(correlations).collect();
    order.sort_by(|x, y| y.correlation.total_cmp(&x.correlation));
    let mut free_a = vec![true; correlations.nrows()];
    let mut free_b = vec![true; correlations.ncols()];
    order.retain(|&Pair { a, b, .. }| {
        let free = free_a[a] && free_b[b];
        if free {
            (free_a[a], free_b[b]) = (false, false);
        }
        free
    });
    order
}

/// The one-to-one matching with the largest sum of correlations, in order of A's channels: the
/// Hungarian method (Kuhn 1955, Munkres 1957).
///
/// ```text
/// max_π Σ_a r(a, π(a))      each a and each b once
/// ```
///
/// There are as many pairs as can be: min(K_A, K_B), less what constant channels take away; among
/// such matchings the sum is the largest. Sums are exact: correlations are rounded to steps of 2⁻³²
/// for it. Time grows with min(K_A, K_B)²·max(K_A, K_B).
pub fn one_to_one(correlations: ArrayView2<'_, f64>) -> Vec<Pair> {
    let (rows, columns) = (alive(correlations), alive(correlations.reversed_axes()));
    let kept = correlations.select(Axis(0), &rows).select(Axis(1), &columns);
    let matched = assignment(kept.view()).into_iter();
    let mut found: Vec<Pair> =
        matched.filter_map(|(a, b)| pair(correlations, rows[a], columns[b])).collect();
    found.sort_unstable_by_key(|pair| pair.a);
    found
}

/// The rows that have a correlation.
fn alive(correlations: ArrayView2<'_, f64>) -> Vec<usize> {
    let rows = correlations.rows().into_iter().enumerate();
    rows.filter(|(_, row)| row.iter().any(|r| r.is_finite())).map(|(i, _)| i).collect()
}

/// The row and column of each pair of the largest matching.
fn assignment(correlations: ArrayView2<'_, f64>) -> Vec<(usize, usize)> {
    if correlations.is_empty() {
        return Vec::new();
    }
    if correlations.nrows() > correlations.ncols() {
        let turned = assignment(correlations.reversed_axes());
        return turned.into_iter().map(|(b, a)| (a, b)).collect();
    }
    let (_, columns) = kuhn_munkres(&Steps::of(correlations));
    columns.into_iter().enumerate().collect()
}

/// All pairs that have a correlation, in row-major order.
fn pairs(correlations: ArrayView2<'_, f64>) -> impl Iterator<Item = Pair> {
    let (rows, columns) = correlations.dim();
    (0..rows).flat_map(move |a| (0..columns).filter_map(move |b| pair(correlations, a, b)))
}

fn pair(correlations: ArrayView2<'_, f64>, a: usize, b: usize) -> Option<Pair> {
    let correlation = correlations[(a, b)];
    correlation.is_finite().then_some(Pair { a, b, correlation })
}

/// Correlations in whole steps, with no more rows than columns.
struct Steps(Array2<i64>);

impl Steps {
    /// A pair without correlation weighs less than all others can make up for.
    fn of(correlations: ArrayView2<'_, f64>) -> Self {
        let none = -(2.0 * correlations.nrows() as f64 + 1.0);
        let weight = |r: f64| if r.is_finite() { r.clamp(-1.0, 1.0) } else { none };
        let rows = correlations.as_standard_layout();
        Self(rows.mapv(|r| (weight(r) * STEPS).round() as i64))
    }
}

impl Weights<i64> for Steps {
    fn rows(&self) -> usize {
        self.0.nrows()
    }

    fn columns(&self) -> usize {
        self.0.ncols()
    }

    fn at(&self, row: usize, column: usize) -> i64 {
        self.0[(row, column)]
    }

    fn neg(&self) -> Self {
        Self(-&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use approx::assert_relative_eq;
    use ndarray::array;
    use proptest::prelude::*;

    const NAN: f64 = f64::NAN;

    fn places(pairs: &[Pair]) -> Vec<(usize, usize)> {
        pairs.iter().map(|pair| (pair.a, pair.b)).collect()
    }

    fn sum(pairs: &[Pair]) -> f64 {
        pairs.iter().map(|pair| pair.correlation).sum()
    }

    #[test]
    fn greed_takes_the_largest_and_the_hungarian_method_the_sum() {
        let r = array![[0.9, 0.8, -1.0], [0.8, 0.1, 0.0]];
        assert_eq!(places(&greedy(r.view())), [(0, 0), (1, 1)]);
        assert_eq!(places(&one_to_one(r.view())), [(0, 1), (1, 0)]);
        assert_eq!(places(&one_to_one(r.t())), [(0, 1), (1, 0)]);
        let best: Vec<Pair> = best(r.view()).into_iter().flatten().collect();
        assert_eq!(places(&best), [(0, 0), (1, 0)]);
        assert_eq!(best[1].correlation, 0.8);
    }

    #[test]
    fn signs_count_and_of_equals_the_first_is_taken() {
        let r = array![[-0.9, 0.2, 0.2], [-0.3, -0.3, -0.4]];
        let best: Vec<Pair> = best(r.view()).into_iter().flatten().collect();
        assert_eq!(places(&best), [(0, 1), (1, 0)]);
        assert_eq!(places(&greedy(r.view())), [(0, 1), (1, 0)]);
    }

    #[test]
    fn constant_channels_are_left_out() {
        let r = array![[NAN, NAN, NAN], [0.1, NAN, 0.9], [0.2, NAN, -0.5], [0.3, NAN, 0.8]];
        assert_eq!(best(r.view())[0], None);
        assert_eq!(places(&greedy(r.view())), [(1, 2), (3, 0)]);
        assert_eq!(places(&one_to_one(r.view())), [(1, 2), (3, 0)]);
        assert_eq!(places(&one_to_one(r.t())), [(0, 3), (2, 1)]);
        let none = Array2::from_elem((2, 2), NAN);
        assert!(greedy(none.view()).is_empty() && one_to_one(none.view()).is_empty());
    }

    #[test]
    fn there_are_as_many_pairs_as_can_be() {
        let r = array![[1.0, -1.0], [-1.0, NAN]];
        assert_eq!(places(&one_to_one(r.view())), [(0, 1), (1, 0)]);
    }

    #[test]
    fn without_channels_there_are_no_pairs() {
        for shape in [(0, 0), (0, 3), (3, 0)] {
            let r = Array2::zeros(shape);
            assert!(greedy(r.view()).is_empty() && one_to_one(r.view()).is_empty());
            assert_eq!(best(r.view()), vec![None; shape.0]);
        }
    }

    // i, j = np.indices((30, 40)); r = ((i*i*17 + j*j*23 + i*j*41) % 199 - 99) / 99
    // rows, columns = scipy.optimize.linear_sum_assignment(r, maximize=True)
    // r[rows, columns].sum()     (scipy 1.17.1)
    #[test]
    fn the_sum_of_scipy() {
        let r = Array2::from_shape_fn((30, 40), |(i, j)| {
            (((i * i * 17 + j * j * 23 + i * j * 41) % 199) as f64 - 99.0) / 99.0
        });
        let found = one_to_one(r.view());
        assert_eq!(found.len(), 30);
        assert_relative_eq!(sum(&found), 28.52525252525252, max_relative = 1e-9);
        assert_relative_eq!(sum(&one_to_one(r.t())), 28.52525252525252, max_relative = 1e-9);
    }

    /// The number of pairs and the sum of the best matching from row `a` on, by trying all.
    fn by_trial(r: ArrayView2<'_, f64>, a: usize, taken: &mut Vec<usize>) -> (usize, f64) {
        if a == r.nrows() {
            return (0, 0.0);
        }
        let mut found = by_trial(r, a + 1, taken);
        for pair in (0..r.ncols()).filter_map(|b| pair(r, a, b)) {
            if !taken.contains(&pair.b) {
                taken.push(pair.b);
                let (count, sum) = by_trial(r, a + 1, taken);
                taken.pop();
                let with = (count + 1, sum + pair.correlation);
                found = if with > found { with } else { found };
            }
        }
        found
    }

    fn correlations() -> impl Strategy<Value = Array2<f64>> {
        let value = prop_oneof![4 => (-8..=8i8).prop_map(|v| f64::from(v) / 8.0), 1 => Just(NAN)];
        (1usize..6, 1usize..6).prop_flat_map(move |(rows, columns)| {
            prop::collection::vec(value.clone(), rows * columns)
                .prop_map(move |r| Array2::from_shape_vec((rows, columns), r).expect("fits"))
        })
    }

    fn each_once(pairs: &[Pair]) -> bool {
        let once = |of: fn(&Pair) -> usize| pairs.iter().map(of).collect::<BTreeSet<_>>().len();
        once(|pair| pair.a) == pairs.len() && once(|pair| pair.b) == pairs.len()
    }

    proptest! {
        #[test]
        fn the_sum_is_the_largest_there_is(r in correlations()) {
            let found = one_to_one(r.view());
            prop_assert!(each_once(&found));
            prop_assert_eq!((found.len(), sum(&found)), by_trial(r.view(), 0, &mut Vec::new()));
            prop_assert!(found.iter().all(|p| r[(p.a, p.b)] == p.correlation));
        }

        #[test]
        fn greed_leaves_no_better_pair(r in correlations()) {
            let found = greedy(r.view());
            prop_assert!(each_once(&found));
            prop_assert!(found.windows(2).all(|w| w[0].correlation >= w[1].correlation));
            for free in pairs(r.view()) {
                let beats = |p: &Pair| p.a == free.a || p.b == free.b;
                let first = found.iter().find(|p| beats(p));
                prop_assert!(first.is_some_and(|p| p.correlation >= free.correlation));
            }
        }
    }
}
