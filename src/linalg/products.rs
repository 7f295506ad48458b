//! Matrix products.

use ndarray::{ArrayView2, s};

use super::PackedSymmetric;
use super::distances::row_blocks;

/// The Gram matrix XXᵀ of an n×D matrix of features: some rows at a time, so that no square is made.
pub fn gram(features: ArrayView2<'_, f64>) -> PackedSymmetric {
    let n = features.nrows();
    let mut packed = PackedSymmetric::with_order(n);
    for block in row_blocks(n, n) {
        let before = features.slice(s![..block.end, ..]);
        packed.push_rows(features.slice(s![block, ..]).dot(&before.t()).view());
    }
    packed
}
