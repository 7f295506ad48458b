//! AuthPct: the share of generated samples that are not copies of training samples.

use ndarray::{ArrayView2, s};

use super::prdc::squared_radii;
use crate::linalg::distances::{row_blocks, squared_distances};

/// The training set with the distance of each sample to its nearest other.
#[derive(Debug, Clone)]
pub struct Training<'a> {
    rows: ArrayView2<'a, f64>,
    squared_nearest: Vec<f64>,
}

impl<'a> Training<'a> {
    /// The training set, n×D: a row a sample.
    ///
    /// # Errors
    /// Fewer than 2 rows.
    pub fn new(rows: ArrayView2<'a, f64>) -> Result<Self, String> {
        if rows.nrows() < 2 {
            return Err("it needs 2 training samples or more".to_owned());
        }
        Ok(Self { rows, squared_nearest: squared_radii(&rows.to_owned(), 1) })
    }

    /// AuthPct (Alaa et al. 2022), as dgm-eval computes it: a generated sample is authentic where its nearest
    /// training sample lies nearer to another training sample than to it. In percent, 0 to 100; of two equally
    /// near training samples the first is taken.
    ///
    /// # Panics
    /// If the widths of the rows differ.
    pub fn authentic(&self, generated: ArrayView2<'_, f64>) -> f64 {
        let mut authentic = 0;
        for block in row_blocks(generated.nrows(), self.rows.nrows()) {
            let distances = squared_distances(generated.slice(s![block, ..]), self.rows);
            for row in distances.rows() {
                let nearest = row.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
                authentic +=
                    usize::from(nearest.is_some_and(|(i, d)| self.squared_nearest[i] < *d));
            }
        }
        100.0 * authentic as f64 / generated.nrows() as f64
    }
}
