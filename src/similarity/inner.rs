//! Inner products of n×n matrices: HSIC, CKA and distance correlation, also of permuted samples.

use super::absence::Absence;
use crate::linalg::{Centring, PackedSymmetric};
use crate::stats::least_samples;

/// Inner product of a matrix with itself, relative to the square of its mean diagonal or entry,
/// below which it is rounding.
const ROUNDING: f64 = 1e-20;

/// A centred n×n matrix and its inner product with itself.
#[derive(Debug, Clone)]
pub(super) struct Centred {
    matrix: PackedSymmetric,
    centring: Centring,
    own: f64,
}

impl Centred {
    /// Centres a Gram matrix, or one of distances.
    ///
    /// # Errors
    /// Fewer samples than the centring needs, or a matrix that it leaves nothing of.
    pub(super) fn new(matrix: &PackedSymmetric, centring: Centring) -> Result<Self, Absence> {
        let (samples, needs) = (matrix.order(), least_samples(centring));
        if samples < needs {
            return Err(Absence::TooFew { samples, needs });
        }
        let largest =
            (0..samples).flat_map(|i| matrix.row(i)).fold(0.0, |m: f64, v| m.max(v.abs()));
        let mut made = Self { matrix: centring.of(matrix).to_packed(), centring, own: 0.0 };
        made.own = made.product(&made, None);
        match made.own.is_finite() {
            false => Err(Absence::OutOfRange),
            true if made.own <= ROUNDING * largest * largest => Err(Absence::Singles),
            true => Ok(made),
        }
    }

    /// Σᵢⱼ AᵢⱼB_{π(i)π(j)}.
    fn product(&self, other: &Self, order: Option<&[usize]>) -> f64 {
        let (a, b) = (&self.matrix, &other.matrix);
        let diagonal = |i: usize| a.get(i, i) * b.get(place(order, i), place(order, i));
        2.0 * below_diagonal(a, b, order) + (0..a.order()).map(diagonal).sum::<f64>()
    }

    /// HSIC: the product over n(n−3) where it is unbiased (Song et al. 2012), over (n−1)² where it
    /// is biased (Gretton et al. 2005).
    pub(super) fn hsic(&self, other: &Self, order: Option<&[usize]>) -> f64 {
        let n = self.matrix.order() as f64;
        let divisor = match self.centring {
            Centring::Unbiased => n * (n - 3.0),
            Centring::Double => (n - 1.0) * (n - 1.0),
        };
        self.product(other, order) / divisor
    }

    /// ⟨A, B⟩/√(⟨A, A⟩⟨B, B⟩): CKA of Gram matrices, the squared distance correlation of distances.
    pub(super) fn cosine(&self, other: &Self, order: Option<&[usize]>) -> f64 {
        self.product(other, order) / (self.own.sqrt() * other.own.sqrt())
    }
}

/// π(i), or i.
pub(super) fn place(order: Option<&[usize]>, i: usize) -> usize {
    order.map_or(i, |order| order[i])
}

/// Σ_{j<i} AᵢⱼB_{π(i)π(j)}.
pub(super) fn below_diagonal(
    a: &PackedSymmetric,
    b: &PackedSymmetric,
    order: Option<&[usize]>,
) -> f64 {
    let row = |i: usize| -> f64 {
        let left = &a.row(i)[..i];
        match order {
            None => left.iter().zip(b.row(i)).map(|(x, y)| x * y).sum(),
            Some(order) => left.iter().zip(order).map(|(x, &j)| x * b.get(order[i], j)).sum(),
        }
    };
    (0..a.order()).map(row).sum()
}
