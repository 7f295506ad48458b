//! Probes by distance.

use ndarray::{Array2, ArrayView2, Axis, s};

use crate::linalg::distances::{row_blocks, squared_distances};

/// The k nearest of the fitted rows to each other row, nearest first; of equal distances the row that comes first.
///
/// # Panics
/// If the rows differ in width.
pub fn nearest(
    fitted: ArrayView2<'_, f64>,
    others: ArrayView2<'_, f64>,
    k: usize,
) -> Vec<Vec<usize>> {
    let k = k.min(fitted.nrows());
    let mut found = Vec::with_capacity(others.nrows());
    for block in row_blocks(others.nrows(), fitted.nrows().max(fitted.ncols())) {
        let distances = squared_distances(others.slice(s![block, ..]), fitted);
        for row in distances.rows() {
            let by = |a: &usize, b: &usize| row[*a].total_cmp(&row[*b]).then(a.cmp(b));
            let mut order: Vec<usize> = (0..row.len()).collect();
            if k < order.len() {
                order.select_nth_unstable_by(k, by);
                order.truncate(k);
            }
            order.sort_unstable_by(by);
            found.push(order);
        }
    }
    found
}

/// The most frequent class among the neighbours of each row, each with one vote, the lowest class of equals: as
/// scikit-learn's `KNeighborsClassifier`.
pub fn vote(neighbours: &[Vec<usize>], labels: &[usize], classes: usize) -> Vec<usize> {
    let of = |places: &Vec<usize>| {
        let mut votes = vec![0_usize; classes];
        places.iter().for_each(|&i| votes[labels[i]] += 1);
        let most = votes.iter().copied().max().unwrap_or(0);
        votes.iter().position(|&count| count == most).unwrap_or(0)
    };
    neighbours.iter().map(of).collect()
}

/// The class whose mean over the fitted rows lies nearest to each other row, the lowest of equals: as scikit-learn's
/// `NearestCentroid` with Euclidean distances. Classes without a row are never predicted.
///
/// # Panics
/// If the rows differ in width.
pub fn nearest_means(
    (fitted, labels): (ArrayView2<'_, f64>, &[usize]),
    others: ArrayView2<'_, f64>,
    classes: usize,
) -> Vec<usize> {
    let members = |class: usize| -> Vec<usize> {
        (0..labels.len()).filter(|&i| labels[i] == class).collect()
    };
    let known: Vec<usize> = (0..classes).filter(|class| labels.contains(class)).collect();
    let mut means = Array2::zeros((known.len(), fitted.ncols()));
    for (&class, mut mean) in known.iter().zip(means.rows_mut()) {
        let own = members(class);
        mean.assign(&(fitted.select(Axis(0), &own).sum_axis(Axis(0)) / own.len() as f64));
    }
    let place = nearest(means.view(), others, 1).into_iter().map(|row| row.first().copied());
    place.map(|place| place.map_or(0, |place| known[place])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn equal_distances_and_equal_votes_go_to_the_first() {
        let fitted = array![[1.0], [-1.0], [2.0], [-2.0]];
        let found = nearest(fitted.view(), array![[0.0], [3.0]].view(), 3);
        assert_eq!(found, [[0, 1, 2], [2, 0, 1]]);
        assert_eq!(vote(&found, &[1, 0, 2, 2], 3), [0, 0]);
        assert_eq!(vote(&found, &[1, 0, 1, 2], 3), [1, 1]);
        assert_eq!(nearest(fitted.view(), array![[0.0]].view(), 9)[0].len(), 4);
    }

    #[test]
    fn means_of_classes_that_occur_are_compared() {
        let fitted = array![[0.0, 0.0], [2.0, 0.0], [9.0, 9.0]];
        // The last is as near to either mean.
        let others = array![[1.0, 1.0], [8.0, 8.0], [5.0, 4.5]];
        assert_eq!(nearest_means((fitted.view(), &[3, 3, 1]), others.view(), 4), [3, 1, 1]);
    }
}
