//! Matrix products.

use ndarray::ArrayView2;

use super::PackedSymmetric;

/// The Gram matrix XXᵀ of an n×D matrix of features.
pub fn gram(features: ArrayView2<'_, f64>) -> PackedSymmetric {
    PackedSymmetric::from_square(features.dot(&features.t()).view())
}
