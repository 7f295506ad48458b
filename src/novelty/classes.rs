//! Means of classes and the covariance within them.

use ndarray::{Array2, ArrayView2, Axis};

/// Class means and the covariance that the classes have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Classes {
    /// A row a class that has samples, K×D.
    pub means: Array2<f64>,
    /// Which class each row is.
    pub labels: Vec<usize>,
    /// Σ_c Σ_{i∈c} (xᵢ−μ_c)(xᵢ−μ_c)ᵀ / n, D×D: pooled within classes, ddof = 0.
    pub covariance: Array2<f64>,
}

impl Classes {
    /// From n×D rows and the class of each; all the same class where there are no labels.
    ///
    /// # Panics
    /// If there are labels, but not one a row.
    pub fn of(rows: ArrayView2<'_, f64>, labels: Option<&[usize]>) -> Self {
        let (count, width) = rows.dim();
        let labels = labels.map_or_else(|| vec![0; count], <[usize]>::to_vec);
        assert_eq!(labels.len(), count, "one label a row");
        let mut known = labels.clone();
        known.sort_unstable();
        known.dedup();
        let mut means = Array2::zeros((known.len(), width));
        let mut residuals = rows.to_owned();
        for (class, mut mean) in known.iter().zip(means.rows_mut()) {
            let members: Vec<usize> = (0..count).filter(|&i| labels[i] == *class).collect();
            let first = rows.row(members[0]).to_owned();
            let shifted = &rows.select(Axis(0), &members) - &first;
            mean.assign(&(&first + &(shifted.sum_axis(Axis(0)) / members.len() as f64)));
            for i in members {
                let mut row = residuals.row_mut(i);
                row -= &mean;
            }
        }
        let covariance = residuals.t().dot(&residuals) / count.max(1) as f64;
        Self { means, labels: known, covariance }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use ndarray::array;

    #[test]
    fn classes_have_their_means_and_one_covariance() {
        let rows = array![[1.0, 0.0], [3.0, 0.0], [10.0, 5.0], [10.0, 9.0]];
        let found = Classes::of(rows.view(), Some(&[4, 4, 1, 1]));
        assert_eq!(found.labels, [1, 4]);
        assert_relative_eq!(found.means, array![[10.0, 7.0], [2.0, 0.0]]);
        assert_relative_eq!(found.covariance, array![[0.5, 0.0], [0.0, 2.0]]);
    }

    #[test]
    fn without_labels_it_is_the_covariance() {
        let rows = array![[1.0, 4.0], [3.0, 0.0]];
        let found = Classes::of(rows.view(), None);
        assert_relative_eq!(found.means, array![[2.0, 2.0]]);
        assert_relative_eq!(found.covariance, array![[1.0, -2.0], [-2.0, 4.0]]);
    }
}
