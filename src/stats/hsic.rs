//! Sums of HSIC over batches, for all pairs of layers at once.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, s};
use serde::{Deserialize, Serialize};

use super::Sum;
use crate::linalg::{CentredRows, Centring, PackedSymmetric};

/// Entries of each centred Gram matrix that are stacked for one matrix product.
const CHUNK: usize = 1 << 15;

/// Weighted sums of HSIC between the layers of A and of B over batches.
///
/// Of every batch it takes one Gram matrix a layer, all of the same order n, and adds
///
/// ```text
/// n · HSIC(Kₐ, L_b)      HSIC = ⟨K̃, L̃⟩ / c,   c = (n−1)² or n(n−3)
/// ```
///
/// with K̃ doubly centred (the biased estimator of Gretton et al. 2005) or U-centred (the unbiased
/// one of Song et al. 2012, n ≥ 4). The mean over batches is that of Nguyen, Raghu & Kornblith
/// 2021, each batch weighing by its samples; with one batch of all samples it is HSIC itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HsicSums {
    centring: Centring,
    #[serde(with = "super::packed")]
    ab: Array2<f64>,
    #[serde(with = "super::packed")]
    aa: Array1<f64>,
    #[serde(with = "super::packed")]
    bb: Array1<f64>,
    weight: f64,
}

/// HSIC between all layers of A and of B, and of each with itself.
#[derive(Debug, Clone, PartialEq)]
pub struct HsicTable {
    /// A row a layer of A, a column a layer of B.
    pub ab: Array2<f64>,
    /// Of each layer of A with itself.
    pub aa: Array1<f64>,
    /// Of each layer of B with itself.
    pub bb: Array1<f64>,
}

impl HsicSums {
    /// Nothing added yet, for so many layers of A and of B.
    pub fn new(centring: Centring, layers_a: usize, layers_b: usize) -> Self {
        Self {
            centring,
            ab: Array2::zeros((layers_a, layers_b)),
            aa: Array1::zeros(layers_a),
            bb: Array1::zeros(layers_b),
            weight: 0.0,
        }
    }

    /// The fewest samples a batch must have.
    pub fn least_samples(&self) -> usize {
        least_samples(self.centring)
    }

    /// Adds a batch: a Gram matrix a layer, or `None` for a layer without one, whose sums stay as
    /// they are. `b` is `None` where A is compared with itself.
    ///
    /// # Panics
    /// If the number of matrices is not the number of layers, or their orders differ.
    pub fn add(&mut self, a: &[Option<PackedSymmetric>], b: Option<&[Option<PackedSymmetric>]>) {
        let Some(n) = a.iter().chain(b.unwrap_or(&[])).flatten().map(PackedSymmetric::order).next()
        else {
            return;
        };
        // n · ⟨K̃, L̃⟩ / c
        let factor = n as f64 / normaliser(self.centring, n);
        let a = centred(a, self.centring);
        match b.map(|b| centred(b, self.centring)) {
            Some(b) => self.add_products(&a, &b, n, factor),
            None => self.add_own_products(&a, n, factor),
        }
        self.weight += n as f64;
    }

    fn add_products(
        &mut self,
        a: &[Option<CentredRows<'_>>],
        b: &[Option<CentredRows<'_>>],
        n: usize,
        factor: f64,
    ) {
        for (first, last) in chunks(n) {
            let (a, b) = (stack(a, first, last), stack(b, first, last));
            general_mat_mul(factor, &a, &b.t(), 1.0, &mut self.ab);
            add_squares(&mut self.aa, &a, factor);
            add_squares(&mut self.bb, &b, factor);
        }
    }

    fn add_own_products(&mut self, a: &[Option<CentredRows<'_>>], n: usize, factor: f64) {
        for (first, last) in chunks(n) {
            let a = stack(a, first, last);
            general_mat_mul(factor, &a, &a.t(), 1.0, &mut self.ab);
        }
        self.aa.assign(&self.ab.diag());
        self.bb.assign(&self.aa);
    }

    /// The same sums of other layers: each of A and of B has those of the layer whose place is given.
    #[must_use]
    pub fn rearranged(&self, a: &dyn Fn(usize) -> usize, b: &dyn Fn(usize) -> usize) -> Self {
        Self {
            centring: self.centring,
            ab: Array2::from_shape_fn(self.ab.dim(), |(i, j)| self.ab[(a(i), b(j))]),
            aa: (0..self.aa.len()).map(|i| self.aa[a(i)]).collect(),
            bb: (0..self.bb.len()).map(|j| self.bb[b(j)]).collect(),
            weight: self.weight,
        }
    }

    /// Whether they are of so many layers of A and of B.
    pub fn are_of(&self, centring: Centring, layers_a: usize, layers_b: usize) -> bool {
        let of_each = self.aa.len() == layers_a && self.bb.len() == layers_b;
        self.centring == centring && self.ab.dim() == (layers_a, layers_b) && of_each
    }

    /// The means over what was added; zeros if nothing was.
    pub fn mean(&self) -> HsicTable {
        let scale = if self.weight > 0.0 { 1.0 / self.weight } else { 0.0 };
        HsicTable { ab: &self.ab * scale, aa: &self.aa * scale, bb: &self.bb * scale }
    }
}

impl Sum for HsicSums {
    fn merge(&mut self, later: Self) {
        self.ab += &later.ab;
        self.aa += &later.aa;
        self.bb += &later.bb;
        self.weight += later.weight;
    }
}

fn centred(grams: &[Option<PackedSymmetric>], centring: Centring) -> Vec<Option<CentredRows<'_>>> {
    grams.iter().map(|k| k.as_ref().map(|k| centring.of(k))).collect()
}

/// The fewest samples the estimator with this centring is defined for.
pub fn least_samples(centring: Centring) -> usize {
    match centring {
        Centring::Double => 2,
        Centring::Unbiased => 4,
    }
}

/// What an inner product of centred matrices of order n is divided by: (n−1)² or n(n−3).
pub fn normaliser(centring: Centring, n: usize) -> f64 {
    let n = n as f64;
    match centring {
        Centring::Double => (n - 1.0) * (n - 1.0),
        Centring::Unbiased => n * (n - 3.0),
    }
}

/// Ranges of rows whose lower triangles have about `CHUNK` entries.
fn chunks(n: usize) -> Vec<(usize, usize)> {
    let mut ranges = Vec::new();
    let (mut first, mut entries) = (0, 0);
    for i in 0..n {
        entries += i + 1;
        if entries >= CHUNK || i + 1 == n {
            ranges.push((first, i + 1));
            (first, entries) = (i + 1, 0);
        }
    }
    ranges
}

/// Rows `first..last` of every centred matrix, one matrix a row of the result.
fn stack(grams: &[Option<CentredRows<'_>>], first: usize, last: usize) -> Array2<f64> {
    let width = (first..last).map(|i| i + 1).sum();
    let mut stacked = Array2::zeros((grams.len(), width));
    for (gram, mut row) in grams.iter().zip(stacked.rows_mut()) {
        let (Some(gram), Some(mut rest)) = (gram, row.as_slice_mut()) else { continue };
        for i in first..last {
            let (out, tail) = rest.split_at_mut(i + 1);
            gram.write_weighted(i, out);
            rest = tail;
        }
    }
    stacked
}

fn add_squares(sums: &mut Array1<f64>, stacked: &Array2<f64>, factor: f64) {
    for (sum, row) in sums.iter_mut().zip(stacked.rows()) {
        *sum += factor * row.dot(&row.slice(s![..]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::gram;
    use approx::assert_relative_eq;

    fn layer(n: usize, seed: usize) -> Option<PackedSymmetric> {
        let x = Array2::from_shape_fn((n, 4), |(i, j)| {
            ((i * (seed + 3) + j * 5 + i * j) % (7 + seed)) as f64
        });
        Some(gram(x.view()))
    }

    #[test]
    fn a_model_with_itself_is_the_same_either_way() {
        for centring in [Centring::Double, Centring::Unbiased] {
            let layers = [layer(9, 0), layer(9, 1), layer(9, 2)];
            let mut own = HsicSums::new(centring, 3, 3);
            own.add(&layers, None);
            let mut pair = HsicSums::new(centring, 3, 3);
            pair.add(&layers, Some(&layers));
            assert_relative_eq!(own.mean().ab, pair.mean().ab, max_relative = 1e-12);
            assert_relative_eq!(own.mean().bb, pair.mean().bb, max_relative = 1e-12);
        }
    }

    #[test]
    fn chunks_cover_every_row_once() {
        for n in [1, 2, 300, 1000] {
            let ranges = chunks(n);
            assert_eq!(ranges.first().map(|r| r.0), Some(0));
            assert_eq!(ranges.last().map(|r| r.1), Some(n));
            assert!(ranges.windows(2).all(|w| w[0].1 == w[1].0));
        }
    }

    #[test]
    fn a_missing_layer_leaves_the_others_alone() {
        let mut sums = HsicSums::new(Centring::Unbiased, 2, 1);
        sums.add(&[None, layer(8, 1)], Some(&[layer(8, 2)]));
        let table = sums.mean();
        assert_eq!((table.aa[0], table.ab[(0, 0)]), (0.0, 0.0));
        assert!(table.aa[1] > 0.0 && table.bb[0] > 0.0);
    }
}
