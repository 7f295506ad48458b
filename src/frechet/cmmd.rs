//! CMMD: the maximum mean discrepancy of embeddings with a Gaussian kernel.

use ndarray::{ArrayView2, s};

use crate::linalg::distances::{row_blocks, squared_distances};

/// σ of the kernel.
pub const SIGMA: f64 = 10.0;

/// What the discrepancy is multiplied by, so that it has digits before the point.
pub const SCALE: f64 = 1000.0;

/// The mean kernel between two sets below which nearly every pair counts as infinitely far apart.
const SATURATED: f64 = 1e-3;

/// The reference's side, which serves any number of candidates.
#[derive(Debug, Clone)]
pub struct Reference<'a> {
    rows: ArrayView2<'a, f64>,
    within: f64,
}

/// The discrepancy of two sets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cmmd {
    /// 0 for equal sets.
    pub value: f64,
    /// Whether samples of the two sets lie so far apart for σ that the kernel between them is near 0: the value
    /// says little then.
    pub saturated: bool,
}

impl<'a> Reference<'a> {
    /// The reference, n×D: a row a sample.
    pub fn new(rows: ArrayView2<'a, f64>) -> Self {
        Self { rows, within: within(rows) }
    }

    /// The discrepancy of a candidate, m×D (Jayasumana et al. 2024), with the biased estimator of the published
    /// code, in which the n pairs of a sample with itself count:
    ///
    /// ```text
    /// k(x, y) = exp(−‖x − y‖² / 2σ²),  σ = 10
    /// CMMD    = 1000·[ mean k(xᵢ, xⱼ) + mean k(yᵢ, yⱼ) − 2·mean k(xᵢ, yⱼ) ]
    /// ```
    ///
    /// Rows are taken as they are; the paper's are embeddings of CLIP ViT-L/14 at 336 pixels of length 1.
    ///
    /// # Panics
    /// If the widths of the rows differ.
    pub fn against(&self, candidate: ArrayView2<'_, f64>) -> Cmmd {
        let between = total(self.rows, candidate) / (self.rows.nrows() * candidate.nrows()) as f64;
        let value = SCALE * (self.within + within(candidate) - 2.0 * between);
        Cmmd { value, saturated: 1.0 + between < SATURATED }
    }
}

/// The mean of k − 1 over all pairs of rows; of its two equal halves one is computed.
fn within(rows: ArrayView2<'_, f64>) -> f64 {
    let n = rows.nrows();
    let mut sum = 0.0;
    for block in row_blocks(n, n) {
        let own = rows.slice(s![block.clone(), ..]);
        sum += total(own, own) + 2.0 * total(own, rows.slice(s![..block.start, ..]));
    }
    sum / (n * n) as f64
}

/// k − 1 summed over all pairs of a row of one and a row of the other: kernels are near 1 for embeddings of length
/// 1, and what they differ by keeps its digits. The ones of the three means cancel.
fn total(x: ArrayView2<'_, f64>, y: ArrayView2<'_, f64>) -> f64 {
    let kernel = |squared: &f64| (-squared / (2.0 * SIGMA * SIGMA)).exp_m1();
    let of_block = |block: std::ops::Range<usize>| {
        squared_distances(x.slice(s![block, ..]), y).iter().map(kernel).sum::<f64>()
    };
    row_blocks(x.nrows(), y.nrows()).map(of_block).sum()
}
