//! An order in which alike things stand side by side.

use kodama::{Method, linkage};
use ndarray::ArrayView2;

/// Two clusters that were merged. Numbers below N are things, N + i is the cluster of merge i.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Merge {
    /// The clusters.
    pub clusters: (usize, usize),
    /// The mean distance between their members.
    pub distance: f64,
    /// Members of both.
    pub size: usize,
}

/// Hierarchical clustering by average linkage (Sokal & Michener 1958) of symmetric distances between N
/// things, and the order of its leaves: of two clusters that are merged, the one with the lower first
/// number stands first. A distance that is not finite counts as the largest.
pub fn cluster(distances: ArrayView2<'_, f64>) -> (Vec<Merge>, Vec<usize>) {
    let n = distances.nrows();
    if n < 2 {
        return (vec![], (0..n).collect());
    }
    let finite = distances.iter().copied().filter(|d| d.is_finite());
    let most = finite.fold(0.0, f64::max);
    let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
    let known = |v: f64| if v.is_finite() { v } else { most };
    let mut condensed: Vec<f64> = pairs.map(|pair| known(distances[pair])).collect();
    let dendrogram = linkage(&mut condensed, n, Method::Average);
    let mut members: Vec<Vec<usize>> = (0..n).map(|i| vec![i]).collect();
    let mut merges = vec![];
    for step in dendrogram.steps() {
        let clusters = (step.cluster1, step.cluster2);
        merges.push(Merge { clusters, distance: step.dissimilarity, size: step.size });
        let (one, two) = (members[clusters.0].clone(), members[clusters.1].clone());
        let first = |cluster: &[usize]| cluster.iter().min().copied();
        let ordered = if first(&one) <= first(&two) { [one, two] } else { [two, one] };
        members.push(ordered.concat());
    }
    (merges, members.pop().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    #[test]
    fn alike_things_stand_side_by_side() {
        let places: [f64; 5] = [0.0, 10.0, 0.5, 11.0, 30.0];
        let distances = Array2::from_shape_fn((5, 5), |(i, j)| (places[i] - places[j]).abs());
        let (merges, order) = cluster(distances.view());
        assert_eq!(order, [0, 2, 1, 3, 4]);
        let found: Vec<_> = merges.iter().map(|m| (m.clusters, m.distance, m.size)).collect();
        // The mean of 10, 11, 9.5 and 10.5, and that of 30, 29.5, 20 and 19.
        let expected =
            [((0, 2), 0.5, 2), ((1, 3), 1.0, 2), ((5, 6), 10.25, 4), ((4, 7), 24.625, 5)];
        assert_eq!(found, expected);
    }

    #[test]
    fn odd_inputs_have_an_order() {
        assert_eq!(cluster(Array2::zeros((0, 0)).view()), (vec![], vec![]));
        assert_eq!(cluster(array![[0.0]].view()), (vec![], vec![0]));
        let unknown = array![[0.0, f64::NAN, 1.0], [f64::NAN, 0.0, 3.0], [1.0, 3.0, 0.0]];
        assert_eq!(cluster(unknown.view()).1, [0, 2, 1]);
    }
}
