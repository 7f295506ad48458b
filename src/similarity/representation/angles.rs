//! Angles between samples, of features that are not centred.

use ndarray::{Array1, Array2, ArrayView1, Axis, concatenate, s};

use super::{Absence, Neighbours, PackedSymmetric, Representation, Source, Spectrum};
use super::{kept, over_diagonal, squared_norms};
use crate::linalg::distances::row_blocks;

impl Representation {
    /// The k nearest neighbours of each sample by the cosine of their angle, some samples at a time.
    ///
    /// # Errors
    /// k distinct samples or fewer, a sample whose features are all zero, or angles that are rounding.
    pub(in crate::similarity) fn neighbours(&self) -> Result<&Neighbours, Absence> {
        let (samples, k) = (self.distinct(), self.options.neighbours);
        kept(&self.neighbours, || {
            if samples < self.samples() && samples <= k {
                return Err(Absence::TooFewDistinct { samples, needs: k + 1 });
            }
            let norms = self.norms()?;
            let mut found = Neighbours::within(self.samples(), k)?;
            self.source.each_cosines(&norms, &mut |row| found.add(row));
            Ok(found)
        })
    }

    /// F, n×r with FFᵀ = XXᵀ, of features that are not centred: the features themselves where they are no more than
    /// samples, with a column of zeros beside a single one.
    ///
    /// # Errors
    /// As [`Representation::cosines`], or no convergence.
    pub(in crate::similarity) fn uncentred_factor(&self) -> Result<&Array2<f64>, Absence> {
        // LAPACK's wrapper refuses the strides of some matrices of one row or column.
        let beside_zeros =
            |factor: Array2<f64>| concatenate![Axis(1), factor, Array2::zeros((factor.nrows(), 1))];
        kept(&self.uncentred, || {
            self.norms()?;
            match &self.source {
                Source::Features(x) if x.ncols() == 1 => Ok(beside_zeros(x.to_owned())),
                Source::Features(x) if x.ncols() <= x.nrows() => Ok(x.to_owned()),
                source => {
                    let found = Spectrum::of_gram(&source.products());
                    let found = found.map_err(|_| Absence::NotConverged)?;
                    Ok(beside_zeros(&found.basis * &Array1::from_vec(found.values)))
                }
            }
        })
    }

    /// The same as [`Representation::cosines`], kept.
    ///
    /// # Errors
    /// As there.
    pub(in crate::similarity) fn angles(&self) -> Result<&PackedSymmetric, Absence> {
        kept(&self.angles, || self.cosines())
    }

    /// Cosines of the angles between samples, not centred.
    ///
    /// # Errors
    /// A sample whose features are all zero, or angles that are rounding.
    fn cosines(&self) -> Result<PackedSymmetric, Absence> {
        self.norms()?;
        Ok(over_diagonal(self.source.products()))
    }

    /// The norm of each sample's features.
    ///
    /// # Errors
    /// As [`Representation::cosines`].
    pub(in crate::similarity) fn norms(&self) -> Result<Vec<f64>, Absence> {
        if self.far {
            return Err(Absence::FarOff);
        }
        let squares = match &self.source {
            Source::Features(x) => squared_norms(x),
            Source::Gram { products, .. } => {
                (0..products.sums.len()).map(|i| products.get(i, i)).collect()
            }
        };
        match squares.iter().position(|square| *square <= 0.0) {
            Some(sample) => Err(Absence::ZeroSample(sample)),
            None => Ok(squares.into_iter().map(f64::sqrt).collect()),
        }
    }

    /// The mean 1 − cos within classes and between all, each class with the same weight: of directions uᵢ = xᵢ/‖xᵢ‖
    /// with means mₖ of classes and m of these,
    ///
    /// ```text
    /// 1/K·Σₖ (1 − ‖mₖ‖²)      1 − ‖m‖²
    /// ```
    ///
    /// `classes` gives each sample one of `count` classes, none of which is empty. No n×n matrix is made.
    ///
    /// # Errors
    /// As [`Representation::cosines`].
    pub(in crate::similarity) fn spread(
        &self,
        classes: &[usize],
        count: usize,
    ) -> Result<[f64; 2], Absence> {
        let norms = self.norms()?;
        let mut sizes = vec![0.0; count];
        classes.iter().for_each(|&class| sizes[class] += 1.0);
        let means = match &self.source {
            Source::Features(x) => {
                let mut means = Array2::<f64>::zeros((count, x.ncols()));
                for ((row, &class), norm) in x.rows().into_iter().zip(classes).zip(&norms) {
                    means.row_mut(class).scaled_add(1.0 / (norm * sizes[class]), &row);
                }
                means.dot(&means.t())
            }
            Source::Gram { products, .. } => {
                let mut between = Array2::<f64>::zeros((count, count));
                for (i, &own) in classes.iter().enumerate() {
                    for (j, &other) in classes.iter().enumerate() {
                        let cosine = products.get(i, j) / norms[i] / norms[j];
                        between[(own, other)] += cosine / (sizes[own] * sizes[other]);
                    }
                }
                between
            }
        };
        let k = count as f64;
        Ok([1.0 - means.diag().sum() / k, 1.0 - means.sum() / (k * k)])
    }
}

impl Source {
    /// Calls `each` with the cosines of every sample with all samples, in their order; `norms` are theirs.
    fn each_cosines(&self, norms: &[f64], each: &mut dyn FnMut(ArrayView1<'_, f64>)) {
        let n = norms.len();
        let all = Array1::from(norms.to_vec());
        match self {
            Self::Features(x) => {
                for block in row_blocks(n, n) {
                    let mut cosines = x.slice(s![block.clone(), ..]).dot(&x.t());
                    for (mut row, norm) in cosines.rows_mut().into_iter().zip(&norms[block]) {
                        row /= *norm;
                        row /= &all;
                        each(row.view());
                    }
                }
            }
            Self::Gram { products, .. } => {
                for (i, norm) in norms.iter().enumerate() {
                    let of = |j: usize| products.get(i, j) / norm / norms[j];
                    each((0..n).map(of).collect::<Array1<f64>>().view());
                }
            }
        }
    }
}
