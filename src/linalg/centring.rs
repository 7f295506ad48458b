//! Centring of features and of Gram matrices.

use ndarray::{Array2, Axis};

use serde::{Deserialize, Serialize};

use super::PackedSymmetric;

/// How a Gram matrix is centred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Centring {
    /// HKH with H = I − 11ᵀ/n: every row sums to zero.
    Double,
    /// Székely & Rizzo's U-centring (2014), for n ≥ 4: the diagonal is set to zero and
    /// K_ij − (r_i + r_j)/(n−2) + S/((n−1)(n−2)) taken elsewhere, where r are the row sums and S
    /// the sum of the matrix without its diagonal. ⟨Ũ, Ṽ⟩/(n(n−3)) is Song's HSIC₁.
    Unbiased,
}

/// The centred matrix, made row by row.
pub struct CentredRows<'a> {
    matrix: &'a PackedSymmetric,
    centring: Centring,
    offsets: Vec<f64>,
    total: f64,
}

impl Centring {
    /// Prepares the centring of a matrix: one pass for its row sums.
    pub fn of(self, matrix: &PackedSymmetric) -> CentredRows<'_> {
        let n = matrix.order() as f64;
        let mut sums = matrix.off_diagonal_row_sums();
        if self == Self::Double {
            sums.iter_mut().zip(matrix.diagonal()).for_each(|(s, d)| *s += d);
        }
        let sum: f64 = sums.iter().sum();
        let (each, all) = match self {
            Self::Double => (n, n * n),
            Self::Unbiased => (n - 2.0, (n - 1.0) * (n - 2.0)),
        };
        sums.iter_mut().for_each(|s| *s /= each);
        CentredRows { matrix, centring: self, offsets: sums, total: sum / all }
    }
}

impl CentredRows<'_> {
    /// Writes row i up to the diagonal so that the inner product of two packed matrices is that of
    /// the squares: entries below the diagonal, which stand for two, are multiplied by √2.
    pub fn write_weighted(&self, i: usize, out: &mut [f64]) {
        let row = self.matrix.row(i);
        let shift = self.total - self.offsets[i];
        for ((o, v), offset) in out.iter_mut().zip(row).zip(&self.offsets) {
            *o = std::f64::consts::SQRT_2 * (v - offset + shift);
        }
        out[i] = match self.centring {
            Centring::Double => row[i] - self.offsets[i] + shift,
            Centring::Unbiased => 0.0,
        };
    }

    /// The whole centred matrix.
    pub fn to_packed(&self) -> PackedSymmetric {
        let entry = |i: usize, j: usize| {
            self.matrix.get(i, j) - self.offsets[i] - self.offsets[j] + self.total
        };
        PackedSymmetric::from_fn(self.matrix.order(), |i, j| match self.centring {
            Centring::Unbiased if i == j => 0.0,
            _ => entry(i, j),
        })
    }

    /// Trace of the doubly centred matrix: the sum of the squared norms of the centred features.
    pub fn scatter(&self) -> f64 {
        let n = self.matrix.order() as f64;
        let trace: f64 = self.matrix.diagonal().sum();
        match self.centring {
            Centring::Double => trace - self.total * n,
            Centring::Unbiased => trace - (trace + self.total * (n - 1.0) * (n - 2.0)) / n,
        }
    }
}

/// Subtracts each column's mean; rows are samples.
///
/// A second time takes off what rounding left of a mean that is large beside the deviations.
pub fn centre_columns(features: &mut Array2<f64>) {
    for _ in 0..2 {
        if let Some(mean) = features.mean_axis(Axis(0)) {
            *features -= &mean;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use ndarray::Array2;

    fn example(n: usize) -> PackedSymmetric {
        let x = Array2::from_shape_fn((n, 3), |(i, j)| ((i * 7 + j * 3) % 5) as f64 + 10.0);
        PackedSymmetric::from_square(x.dot(&x.t()).view())
    }

    fn square(k: &PackedSymmetric, centring: Centring) -> Array2<f64> {
        let centred = centring.of(k);
        let mut out = Array2::zeros((k.order(), k.order()));
        for i in 0..k.order() {
            let mut row = vec![0.0; i + 1];
            centred.write_weighted(i, &mut row);
            for (j, v) in row.iter().enumerate() {
                let v = if i == j { *v } else { v / std::f64::consts::SQRT_2 };
                out[(i, j)] = v;
                out[(j, i)] = v;
            }
        }
        out
    }

    #[test]
    fn rows_of_the_centred_matrix_sum_to_zero() {
        for centring in [Centring::Double, Centring::Unbiased] {
            let centred = square(&example(6), centring);
            for row in centred.rows() {
                assert_abs_diff_eq!(row.sum(), 0.0, epsilon = 1e-9);
            }
        }
    }

    #[test]
    fn the_whole_is_what_its_rows_are() {
        for centring in [Centring::Double, Centring::Unbiased] {
            let k = example(6);
            let whole = centring.of(&k).to_packed().to_square();
            assert_abs_diff_eq!(whole, square(&k, centring), epsilon = 1e-9);
        }
    }

    #[test]
    fn a_large_mean_leaves_nothing_behind() {
        let mut x = Array2::from_shape_fn((101, 2), |(i, j)| 1e8 + ((i * 7 + j) % 11) as f64 / 8.0);
        centre_columns(&mut x);
        for column in x.columns() {
            assert_abs_diff_eq!(column.sum(), 0.0, epsilon = 1e-12);
        }
    }

    #[test]
    fn scatter_is_the_trace_either_way() {
        let k = example(6);
        let trace = square(&k, Centring::Double).diag().sum();
        assert_abs_diff_eq!(Centring::Double.of(&k).scatter(), trace, epsilon = 1e-9);
        assert_abs_diff_eq!(Centring::Unbiased.of(&k).scatter(), trace, epsilon = 1e-9);
    }
}
