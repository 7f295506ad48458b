//! Inner products of n×n matrices: HSIC, CKA and distance correlation, also of permuted and of
//! resampled samples.

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

    /// HSIC of samples of which sample i was drawn wᵢ times, as [`weighted_hsic`].
    pub(super) fn resampled_hsic(&self, other: &Self, weights: &[f64]) -> Option<f64> {
        match self.centring {
            Centring::Unbiased => weighted_hsic(&self.matrix, &other.matrix, weights),
            Centring::Double => Some(weighted_biased_hsic(&self.matrix, &other.matrix, weights)),
        }
    }

    /// [`Centred::cosine`] of resampled samples.
    pub(super) fn resampled_cosine(&self, other: &Self, weights: &[f64]) -> Option<f64> {
        let own = self.resampled_hsic(self, weights)?.sqrt()
            * other.resampled_hsic(other, weights)?.sqrt();
        Some(self.resampled_hsic(other, weights)? / own)
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

/// Sums over pairs of samples i ≠ j, each with the weight wᵢwⱼ.
struct Sums {
    /// Σ wᵢwⱼAᵢⱼBᵢⱼ, and the same with the squares of the weights.
    products: [f64; 2],
    /// aᵢ = Σⱼ wⱼAᵢⱼ and bᵢ.
    rows: [Vec<f64>; 2],
    /// sᵢ = Σⱼ wⱼ²AᵢⱼBᵢⱼ.
    squared: Vec<f64>,
}

fn sums(a: &PackedSymmetric, b: &PackedSymmetric, w: &[f64]) -> Sums {
    let zeros = || vec![0.0; w.len()];
    let mut found = Sums { products: [0.0; 2], rows: [zeros(), zeros()], squared: zeros() };
    let drawn: Vec<usize> = (0..w.len()).filter(|&i| w[i] > 0.0).collect();
    for (place, &i) in drawn.iter().enumerate() {
        for &j in &drawn[..place] {
            let (x, y, both) = (a.get(i, j), b.get(i, j), w[i] * w[j]);
            found.products[0] += 2.0 * both * x * y;
            found.products[1] += 2.0 * both * both * x * y;
            for (row, v) in found.rows.iter_mut().zip([x, y]) {
                row[i] += w[j] * v;
                row[j] += w[i] * v;
            }
            found.squared[i] += w[j] * w[j] * x * y;
            found.squared[j] += w[i] * w[i] * x * y;
        }
    }
    found
}

/// Σᵢ wᵢᵖ over the samples.
fn power(w: &[f64], p: i32) -> f64 {
    w.iter().map(|w| w.powi(p)).sum()
}

/// Unbiased HSIC of weighted samples: the U-statistic over four samples i, j, q, r that all differ,
/// copies of a sample never taken for others,
///
/// ```text
/// Σ w w KᵢⱼLᵢⱼ/Σ w w  −  2 Σ w w w KᵢⱼLᵢᵣ/Σ w w w  +  Σ w w w w KᵢⱼL_qr/Σ w w w w
/// ```
///
/// With weights of 1 it is HSIC₁. `None` where fewer than four samples have weight.
fn weighted_hsic(k: &PackedSymmetric, l: &PackedSymmetric, w: &[f64]) -> Option<f64> {
    if w.iter().filter(|w| **w > 0.0).count() < 4 {
        return None;
    }
    let Sums { products: [two, two_squared], rows: [a, b], squared } = sums(k, l, w);
    let over = |p: i32| -> f64 {
        let term = |i: usize| w[i].powi(p) * (a[i] * b[i] - squared[i]);
        (0..w.len()).map(term).sum()
    };
    let whole = |rows: &[f64]| -> f64 { rows.iter().zip(w).map(|(r, w)| r * w).sum() };
    let four = whole(&a) * whole(&b) - 4.0 * over(2) - 2.0 * two_squared;
    let [p1, p2, p3, p4] = [1, 2, 3, 4].map(|p| power(w, p));
    let pairs = p1 * p1 - p2;
    let triples = p1.powi(3) - 3.0 * p1 * p2 + 2.0 * p3;
    let fours = p1.powi(4) - 6.0 * p1 * p1 * p2 + 3.0 * p2 * p2 + 8.0 * p1 * p3 - 6.0 * p4;
    Some(two / pairs - 2.0 * over(1) / triples + four / fours)
}

/// Biased HSIC of weighted samples, tr(KHLH)/(n−1)² with H = I − 1pᵀ and p = w/Σw.
fn weighted_biased_hsic(k: &PackedSymmetric, l: &PackedSymmetric, w: &[f64]) -> f64 {
    let total = power(w, 1);
    let Sums { products: [mut two, _], rows: [mut a, mut b], .. } = sums(k, l, w);
    for (i, w) in w.iter().enumerate() {
        let (x, y) = (k.get(i, i), l.get(i, i));
        two += w * w * x * y;
        a[i] += w * x;
        b[i] += w * y;
    }
    let weighted = |of: &dyn Fn(usize) -> f64| (0..w.len()).map(|i| w[i] * of(i)).sum::<f64>();
    let (three, of_a, of_b) =
        (weighted(&|i| a[i] * b[i]), weighted(&|i| a[i]), weighted(&|i| b[i]));
    (two - 2.0 * three / total + of_a * of_b / (total * total)) / ((total - 1.0) * (total - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use ndarray::Array2;

    fn matrix(n: usize, seed: usize) -> PackedSymmetric {
        let wave = |i: usize, j: usize| ((i * 31 + j * 17 + seed * 7) as f64 * 0.7).sin();
        let x = Array2::from_shape_fn((n, 4), |(i, j)| wave(i, j));
        crate::linalg::gram(x.view())
    }

    /// The definition: every choice of four samples, drawn as often as their weights say.
    fn by_definition(k: &PackedSymmetric, l: &PackedSymmetric, w: &[f64]) -> f64 {
        let n = w.len();
        let (mut two, mut three, mut four) = ([0.0; 2], [0.0; 2], [0.0; 2]);
        let add = |sum: &mut [f64; 2], weight: f64, v: f64| {
            sum[0] += weight * v;
            sum[1] += weight;
        };
        for i in 0..n {
            for j in (0..n).filter(|j| *j != i) {
                add(&mut two, w[i] * w[j], k.get(i, j) * l.get(i, j));
                for q in (0..n).filter(|q| ![i, j].contains(q)) {
                    add(&mut three, w[i] * w[j] * w[q], k.get(i, j) * l.get(i, q));
                    for r in (0..n).filter(|r| ![i, j, q].contains(r)) {
                        add(&mut four, w[i] * w[j] * w[q] * w[r], k.get(i, j) * l.get(q, r));
                    }
                }
            }
        }
        two[0] / two[1] - 2.0 * three[0] / three[1] + four[0] / four[1]
    }

    #[test]
    fn weights_count_as_defined() {
        let (k, l) = (matrix(7, 0), matrix(7, 2));
        for w in [[1.0; 7], [2.0, 0.0, 1.0, 1.0, 3.0, 1.0, 0.0]] {
            let found = weighted_hsic(&k, &l, &w).expect("four samples");
            assert_relative_eq!(found, by_definition(&k, &l, &w), max_relative = 1e-10);
        }
        assert_eq!(weighted_hsic(&k, &l, &[2.0, 2.0, 3.0, 0.0, 0.0, 0.0, 0.0]), None);
    }

    #[test]
    fn weights_of_one_change_nothing() -> Result<(), Absence> {
        for centring in [Centring::Unbiased, Centring::Double] {
            let of = |seed| Centred::new(&matrix(9, seed), centring);
            let (a, b) = (of(0)?, of(1)?);
            let found = a.resampled_hsic(&b, &[1.0; 9]).unwrap_or(f64::NAN);
            assert_relative_eq!(found, a.hsic(&b, None), max_relative = 1e-10);
        }
        Ok(())
    }

    #[test]
    fn the_biased_one_takes_copies_for_samples() -> Result<(), Absence> {
        let (k, l) = (matrix(6, 0), matrix(6, 1));
        let rows = [0, 0, 2, 3, 5, 5, 5];
        let w = [2.0, 0.0, 1.0, 1.0, 0.0, 3.0];
        let of = |m: &PackedSymmetric| Centred::new(&m.select(&rows), Centring::Double);
        let wanted = of(&k)?.hsic(&of(&l)?, None);
        assert_relative_eq!(weighted_biased_hsic(&k, &l, &w), wanted, max_relative = 1e-10);
        Ok(())
    }
}
