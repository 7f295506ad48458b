//! Representational dissimilarity matrices (Kriegeskorte et al. 2008).

use super::absence::Absence;
use super::inner::below_diagonal;
use crate::linalg::PackedSymmetric;

/// The n(n−1)/2 dissimilarities between samples, or their ranks.
#[derive(Debug, Clone)]
pub(super) struct Rdm {
    /// The values below the diagonal; the diagonal is not used.
    matrix: PackedSymmetric,
    /// Σ_{j<i} of the squares.
    own: f64,
}

impl Rdm {
    /// 1 − r of each pair.
    ///
    /// # Errors
    /// Fewer than three samples, or all correlate by 1.
    pub(super) fn of_correlations(correlations: &PackedSymmetric) -> Result<Self, Absence> {
        let samples = correlations.order();
        if samples < 3 {
            return Err(Absence::TooFew { samples, needs: 3 });
        }
        Self::new(PackedSymmetric::from_fn(samples, |i, j| 1.0 - correlations.get(i, j)))
    }

    fn new(matrix: PackedSymmetric) -> Result<Self, Absence> {
        let own = below_diagonal(&matrix, &matrix, None);
        match own > 0.0 {
            true => Ok(Self { matrix, own }),
            false => Err(Absence::Singles),
        }
    }

    /// The ranks of the dissimilarities less their mean; equal ones share the mean of their ranks.
    ///
    /// # Errors
    /// All are equal.
    pub(super) fn ranked(&self) -> Result<Self, Absence> {
        let n = self.matrix.order();
        let values: Vec<f64> = (0..n).flat_map(|i| self.matrix.row(i)[..i].to_vec()).collect();
        let mut ranks = ranks(&values).into_iter();
        let mean = (values.len() as f64 + 1.0) / 2.0;
        let mut matrix = PackedSymmetric::from_fn(n, |_, _| 0.0);
        for i in 0..n {
            matrix.row_mut(i)[..i].iter_mut().zip(&mut ranks).for_each(|(v, r)| *v = r - mean);
        }
        Self::new(matrix)
    }

    /// Σ AB/√(ΣA²·ΣB²) over the pairs: the cosine of two matrices, Spearman's correlation of ranks.
    pub(super) fn cosine(&self, other: &Self, order: Option<&[usize]>) -> f64 {
        below_diagonal(&self.matrix, &other.matrix, order) / (self.own.sqrt() * other.own.sqrt())
    }
}

/// Ranks from 1; equal values share the mean of their ranks.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|&i, &j| values[i] == values[j]) {
        let rank = before as f64 + (tied.len() as f64 + 1.0) / 2.0;
        tied.iter().for_each(|&i| ranks[i] = rank);
        before += tied.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_their_ranks() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0, 3.0]), [4.0, 1.0, 4.0, 2.0, 4.0]);
        assert_eq!(ranks(&[]), [0.0; 0]);
    }
}
