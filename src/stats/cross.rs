//! HSIC with linear kernels from moments of features: for many samples of few features.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use crate::linalg::Centring;

/// Sums over the samples of one layer: n, Σx and Σ‖x‖².
///
/// The features should come with a provisional centre subtracted (the mean of the first batch):
/// HSIC does not depend on it, its rounding does.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerMoments {
    n: f64,
    sum: Array1<f64>,
    squares: f64,
}

/// Sums over the samples of a pair of layers: Σxyᵀ, Σ‖x‖²‖y‖², Σx‖y‖² and Σy‖x‖².
#[derive(Debug, Clone, PartialEq)]
pub struct PairMoments {
    products: Array2<f64>,
    norms: f64,
    x_by_y: Array1<f64>,
    y_by_x: Array1<f64>,
}

/// What a batch adds to [`PairMoments`], computed where the features are.
pub struct PairProducts {
    /// Σxyᵀ.
    pub products: Array2<f64>,
    /// Σ‖x‖²‖y‖².
    pub norms: f64,
    /// Σx‖y‖².
    pub x_by_y: Array1<f64>,
    /// Σy‖x‖².
    pub y_by_x: Array1<f64>,
}

impl LayerMoments {
    /// Nothing yet, for a layer of so many features.
    pub fn new(features: usize) -> Self {
        Self { n: 0.0, sum: Array1::zeros(features), squares: 0.0 }
    }

    /// Adds n samples with their sum and the sum of their squared norms.
    pub fn add(&mut self, n: usize, sum: ArrayView1<'_, f64>, squares: f64) {
        self.n += n as f64;
        self.sum += &sum;
        self.squares += squares;
    }

    /// Adds the rows of a matrix.
    pub fn add_rows(&mut self, rows: ArrayView2<'_, f64>) {
        let squares = rows.iter().map(|v| v * v).sum();
        self.add(rows.nrows(), rows.sum_axis(Axis(0)).view(), squares);
    }

    /// Number of samples.
    pub fn samples(&self) -> usize {
        self.n as usize
    }

    /// The sum of the squared norms of the centred samples.
    pub fn scatter(&self) -> f64 {
        self.squares - self.sum.dot(&self.sum) / self.n.max(1.0)
    }

    fn mean(&self) -> Array1<f64> {
        &self.sum / self.n.max(1.0)
    }
}

impl PairMoments {
    /// Nothing yet, for layers of so many features.
    pub fn new(x_features: usize, y_features: usize) -> Self {
        Self {
            products: Array2::zeros((x_features, y_features)),
            norms: 0.0,
            x_by_y: Array1::zeros(x_features),
            y_by_x: Array1::zeros(y_features),
        }
    }

    /// Forgets what was added.
    pub fn clear(&mut self) {
        *self = Self::new(self.products.nrows(), self.products.ncols());
    }

    /// Adds a batch.
    pub fn add(&mut self, batch: &PairProducts) {
        self.products += &batch.products;
        self.norms += batch.norms;
        self.x_by_y += &batch.x_by_y;
        self.y_by_x += &batch.y_by_x;
    }

    /// Adds the rows of two matrices.
    pub fn add_rows(&mut self, x: ArrayView2<'_, f64>, y: ArrayView2<'_, f64>) {
        let norms = |z: ArrayView2<'_, f64>| z.map_axis(Axis(1), |row| row.dot(&row));
        let (qx, qy) = (norms(x), norms(y));
        self.add(&PairProducts {
            products: x.t().dot(&y),
            norms: qx.dot(&qy),
            x_by_y: x.t().dot(&qy),
            y_by_x: y.t().dot(&qx),
        });
    }

    /// HSIC of the pair. With d, e the means and C = Σxyᵀ − n·deᵀ,
    ///
    /// ```text
    /// biased    ‖C‖²_F/(n−1)²
    /// unbiased  [‖C‖²_F − n/(n−2)·Q + S_x·S_y/((n−1)(n−2))]/(n(n−3))
    /// Q = Σ‖x−d‖²‖y−e‖²
    ///   = Σ‖x‖²‖y‖² − 2e·Σy‖x‖² − 2d·Σx‖y‖² + 4dᵀ(Σxyᵀ)e
    ///     + ‖e‖²Σ‖x‖² + ‖d‖²Σ‖y‖² − 3n‖d‖²‖e‖²
    /// ```
    pub fn hsic(&self, x: &LayerMoments, y: &LayerMoments, centring: Centring) -> f64 {
        let n = x.n;
        let (d, e) = (x.mean(), y.mean());
        let column = |v: &Array1<f64>| v.clone().insert_axis(Axis(1));
        let c = &self.products - &(column(&d) * e.clone().insert_axis(Axis(0)) * n);
        let squares: f64 = c.iter().map(|v| v * v).sum();
        match centring {
            Centring::Double => squares / ((n - 1.0) * (n - 1.0)),
            Centring::Unbiased => {
                let norms = self.centred_norms(x, y, &d, &e);
                let all = x.scatter() * y.scatter() / ((n - 1.0) * (n - 2.0));
                (squares - n / (n - 2.0) * norms + all) / (n * (n - 3.0))
            }
        }
    }

    fn centred_norms(
        &self,
        x: &LayerMoments,
        y: &LayerMoments,
        d: &Array1<f64>,
        e: &Array1<f64>,
    ) -> f64 {
        let (dd, ee) = (d.dot(d), e.dot(e));
        self.norms - 2.0 * e.dot(&self.y_by_x) - 2.0 * d.dot(&self.x_by_y)
            + 4.0 * d.dot(&self.products.dot(e))
            + ee * x.squares
            + dd * y.squares
            - 3.0 * x.n * dd * ee
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::gram;
    use crate::stats::HsicSums;
    use approx::assert_relative_eq;

    fn features(n: usize, d: usize, seed: usize) -> Array2<f64> {
        Array2::from_shape_fn((n, d), |(i, j)| {
            (((i + 1) * (seed + 3) * 7 + j * j * 5 + i * j) % 13) as f64 / 3.0 + 2.0
        })
    }

    #[test]
    fn features_and_gram_matrices_give_the_same() {
        let (x, y) = (features(20, 3, 1), features(20, 5, 2));
        for centring in [Centring::Double, Centring::Unbiased] {
            let mut sums = HsicSums::new(centring, 1, 1);
            sums.add(&[Some(gram(x.view()))], Some(&[Some(gram(y.view()))]));
            let (mut a, mut b) = (LayerMoments::new(3), LayerMoments::new(5));
            let mut pair = PairMoments::new(3, 5);
            for (from, to) in [(0, 7), (7, 20)] {
                let rows = ndarray::s![from..to, ..];
                a.add_rows(x.slice(rows));
                b.add_rows(y.slice(rows));
                pair.add_rows(x.slice(rows), y.slice(rows));
            }
            assert_relative_eq!(
                pair.hsic(&a, &b, centring),
                sums.mean().ab[(0, 0)],
                max_relative = 1e-9
            );
        }
    }
}
