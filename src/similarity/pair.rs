//! Two representations side by side, and the measures of them.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::OnceLock;

use ndarray::{Array1, Array2, ArrayView2, Axis, CowArray, Ix2, s};
use ndarray_linalg::{JobSvd, SVDDC};

use super::absence::Absence;
use super::inner::place;
use super::matching::one_to_one;
use super::representation::Representation;
use super::transport::{column_distances, least_cost};
use crate::error::{Error, Result as Checked};
use crate::linalg::distances::row_blocks;
use crate::linalg::{RootTrace, Spectrum, left_singular, nuclear_norm, singular_values};

/// The most units that are matched one by one: the time grows with their cube, and a pair of layers of so many takes up
/// to half a minute.
pub const MOST_UNITS: usize = 2048;

/// Below this order singular values take no longer than eigenvalues.
const SMALL: usize = 32;
/// What rounding may do to ‖XᵀY‖_* of features of Frobenius norm 1.
const ROUNDING: f64 = 1e-10;
/// Where it is above this, its arc cosine needs all digits.
const ALIKE: f64 = 0.99;

/// Two layers over the same samples, in the same order or in one that is given for the second.
///
/// What several measures share (the products of singular vectors) is made once.
#[derive(Debug)]
pub struct Pair<'a> {
    a: &'a Representation,
    b: &'a Representation,
    order: Option<&'a [usize]>,
    overlap: OnceLock<Array2<f64>>,
    rotated: OnceLock<Result<f64, Absence>>,
}

impl<'a> Pair<'a> {
    /// Row i of A beside row i of B.
    ///
    /// # Errors
    /// The numbers of samples differ.
    pub fn new(a: &'a Representation, b: &'a Representation) -> Checked<Self> {
        match a.samples() == b.samples() {
            true => Ok(Self::of_same(a, b)),
            false => Err(Error::shape(
                "compare two layers",
                ("the first", &[a.samples(), a.width()]),
                ("the second", &[b.samples(), b.width()]),
                "give both the same samples",
            )),
        }
    }

    /// The same layers with row i of A beside row `order[i]` of B: nothing of either is computed
    /// again. `order` must hold each sample once.
    pub fn permuted<'b>(&self, order: &'b [usize]) -> Pair<'b>
    where
        'a: 'b,
    {
        Pair::unmeasured(self.a, self.b, Some(order))
    }

    /// Two layers over the same number of samples.
    pub(super) fn of_same(a: &'a Representation, b: &'a Representation) -> Self {
        Self::unmeasured(a, b, None)
    }

    fn unmeasured(
        a: &'a Representation,
        b: &'a Representation,
        order: Option<&'a [usize]>,
    ) -> Self {
        Self { a, b, order, overlap: OnceLock::new(), rotated: OnceLock::new() }
    }

    /// The order of A's samples beside B's in its own, where there is an order.
    pub(super) fn inverse(&self) -> Option<Vec<usize>> {
        let order = self.order?;
        let mut inverse = vec![0; order.len()];
        order.iter().enumerate().for_each(|(i, &j)| inverse[j] = i);
        Some(inverse)
    }

    /// The second layer as the first, with the [`Pair::inverse`] of the order.
    pub(super) fn swapped<'b>(&self, inverse: Option<&'b [usize]>) -> Pair<'b>
    where
        'a: 'b,
    {
        Pair::unmeasured(self.b, self.a, inverse)
    }

    /// The first layer.
    pub fn a(&self) -> &'a Representation {
        self.a
    }

    /// The second layer.
    pub fn b(&self) -> &'a Representation {
        self.b
    }

    /// The order of B's samples, where it is another than A's.
    pub(super) fn order(&self) -> Option<&[usize]> {
        self.order
    }

    /// Singular vectors of both, and their products U_AᵀU_B, r_A×r_B: its singular values are the
    /// canonical correlations.
    fn overlap(&self) -> Result<(&Spectrum, &Spectrum, &Array2<f64>), Absence> {
        let (left, right) = (self.a.spectrum()?, self.b.spectrum()?);
        let made = self.overlap.get_or_init(|| match self.order {
            None => left.basis.t().dot(&right.basis),
            Some(order) => left.basis.t().dot(&right.basis.select(Axis(0), order)),
        });
        Ok((left, right, made))
    }

    /// ‖W_A U_AᵀU_B W_B‖_*/(‖W_A‖‖W_B‖) with diagonal weights of the singular values.
    fn alignment(&self, weight: impl Fn(f64) -> f64) -> Result<f64, Absence> {
        let (left, right, overlap) = self.overlap()?;
        let of = |spectrum: &Spectrum| -> Array1<f64> {
            spectrum.values.iter().map(|s| weight(*s)).collect()
        };
        let (rows, columns) = (of(left), of(right));
        let scale = (rows.dot(&rows) * columns.dot(&columns)).sqrt();
        let weighted = overlap * &columns * &rows.insert_axis(Axis(1));
        let nuclear: f64 = singular(weighted.view())?.iter().sum();
        Ok((nuclear / scale).min(1.0))
    }

    /// ‖XᵀY‖_* of features of Frobenius norm 1.
    fn rotated(&self) -> Result<f64, Absence> {
        *self.rotated.get_or_init(|| {
            if self.order.is_none() && std::ptr::eq(self.a, self.b) {
                return Ok(1.0);
            }
            let (left, right) = (self.a.factor()?, self.b.factor()?);
            let product = match self.order {
                None => left.t().dot(right),
                Some(order) => left.t().dot(&right.select(Axis(0), order)),
            };
            let scale = frobenius(left) * frobenius(right);
            let near =
                |found: &RootTrace| found.error <= ROUNDING * scale && found.value <= ALIKE * scale;
            let found = nuclear_norm(product.view(), SMALL, near);
            Ok((found.map_err(|_| Absence::NotConverged)?.value / scale).min(1.0))
        })
    }

    /// d² = 2 − 2‖XᵀY‖_*.
    pub(super) fn procrustes(&self) -> Result<f64, Absence> {
        Ok(2.0 - 2.0 * self.rotated()?)
    }

    /// arccos‖XᵀY‖_*.
    pub(super) fn procrustes_angle(&self) -> Result<f64, Absence> {
        Ok(self.rotated()?.acos())
    }

    /// √(‖X‖² + ‖Y‖² − 2‖XᵀY‖_*), as the distance of the sizes and what the shapes add.
    pub(super) fn size_and_shape(&self) -> Result<f64, Absence> {
        let cosine = self.rotated()?;
        let (left, right) = (frobenius(self.a.factor()?), frobenius(self.b.factor()?));
        let apart = left - right;
        Ok((apart * apart + 2.0 * left * right * (1.0 - cosine)).sqrt())
    }

    /// arccos‖X̃ᵀỸ‖_*/(‖X̃‖‖Ỹ‖) with singular values αs + (1 − α).
    pub(super) fn shape_metric(&self) -> Result<f64, Absence> {
        let alpha = self.a.options().alpha;
        if alpha == 0.0 {
            self.refuse_filled()?;
        }
        Ok(self.alignment(|s| alpha * s + (1.0 - alpha))?.acos())
    }

    /// Number of samples that differ from every other in either layer.
    pub fn distinct(&self) -> usize {
        let (Some(a), Some(b)) = (self.a.copies(), self.b.copies()) else {
            return self.a.samples();
        };
        let both = (0..a.len()).map(|i| (a[i], b[place(self.order, i)]));
        both.collect::<HashSet<_>>().len()
    }

    /// Both layers leave directions free.
    fn refuse_filled(&self) -> Result<(), Absence> {
        self.refuse(self.a, self.a.spectrum()?.rank())?;
        self.refuse(self.b, self.b.spectrum()?.rank())
    }

    /// Refuses a layer that fills all directions of the samples.
    fn refuse(&self, layer: &Representation, rank: usize) -> Result<(), Absence> {
        let (samples, features) = (self.distinct(), layer.width());
        match rank + 1 >= samples {
            true => Err(Absence::Filled { rank, samples, features }),
            false => Ok(()),
        }
    }

    /// Σρ²/min(r_A, r_B).
    pub(super) fn cca_r2(&self) -> Result<f64, Absence> {
        self.refuse_filled()?;
        let (left, right, overlap) = self.overlap()?;
        let squares: f64 = overlap.iter().map(|v| v * v).sum();
        Ok(squares / left.rank().min(right.rank()) as f64)
    }

    /// The mean canonical correlation of the leading principal components.
    pub(super) fn svcca(&self) -> Result<f64, Absence> {
        let (left, right, overlap) = self.overlap()?;
        let share = self.a.options().variance;
        let kept = (components_for(&left.values, share), components_for(&right.values, share));
        self.refuse(self.a, kept.0)?;
        self.refuse(self.b, kept.1)?;
        let correlations = singular(overlap.slice(s![..kept.0, ..kept.1]))?;
        Ok(correlations.iter().map(|r| r.min(1.0)).sum::<f64>() / kept.0.min(kept.1) as f64)
    }

    /// Σαᵢρᵢ/Σαᵢ with αᵢ = Σⱼ|⟨hᵢ, xⱼ⟩|.
    pub(super) fn pwcca(&self) -> Result<f64, Absence> {
        self.refuse_filled()?;
        let loadings = self.a.loadings()?;
        let (_, _, overlap) = self.overlap()?;
        let (vectors, correlations) =
            left_singular(overlap.view()).map_err(|_| Absence::NotConverged)?;
        let variates = vectors.t().dot(loadings);
        let (mut weighted, mut total) = (0.0, 0.0);
        for (row, r) in variates.rows().into_iter().zip(correlations) {
            let alpha: f64 = row.iter().map(|v| v.abs()).sum();
            weighted += alpha * r.min(1.0);
            total += alpha;
        }
        Ok(weighted / total)
    }

    /// ‖U_AᵀY‖²/‖Y‖².
    pub(super) fn linear_regression(&self) -> Result<f64, Absence> {
        self.refuse(self.a, self.a.spectrum()?.rank())?;
        let (_, right, overlap) = self.overlap()?;
        let columns = overlap.columns().into_iter().zip(&right.values);
        let explained: f64 = columns.map(|(c, s)| s * s * c.dot(&c)).sum();
        Ok(explained / right.values.iter().map(|s| s * s).sum::<f64>())
    }

    /// The mean over samples of the cosine after the best orthogonal map, with factors F of the features, FFᵀ = XXᵀ:
    /// with FᵀG = UΣVᵀ the rows of FU and GV are compared.
    pub(super) fn aligned_cosine(&self) -> Result<f64, Absence> {
        let (left, right) = (self.a.uncentred_factor()?, self.b.uncentred_factor()?);
        let right: CowArray<'_, f64, Ix2> = match self.order {
            None => right.view().into(),
            Some(order) => CowArray::from(right.select(Axis(0), order)),
        };
        let (u, _, vt) =
            left.t().dot(&right).svddc(JobSvd::Some).map_err(|_| Absence::NotConverged)?;
        let (u, vt) = u.zip(vt).ok_or(Absence::NotConverged)?;
        Ok(mean_cosine((left.view(), u.view()), (right.view(), vt.t())))
    }

    /// Units that can be matched one by one.
    fn units(&self) -> Result<(&'a Array2<f64>, &'a Array2<f64>), Absence> {
        let features = self.a.width().max(self.b.width());
        match features > MOST_UNITS {
            true => Err(Absence::TooWide { features, most: MOST_UNITS }),
            false => Ok((self.a.units()?, self.b.units()?)),
        }
    }

    /// The mean correlation of units in the best one-to-one matching.
    pub(super) fn hard_correlation(&self) -> Result<f64, Absence> {
        let (left, right) = self.units()?;
        let correlations = match self.order {
            None => left.t().dot(right),
            Some(order) => left.t().dot(&right.select(Axis(0), order)),
        };
        let pairs = one_to_one(correlations.view());
        Ok(pairs.iter().map(|pair| pair.correlation).sum::<f64>() / pairs.len() as f64)
    }

    /// √min_P Σ Pᵢⱼ‖xᵢ − yⱼ‖² over soft matchings of units.
    pub(super) fn soft_matching(&self) -> Result<f64, Absence> {
        let (left, right) = self.units()?;
        let costs = match self.order {
            None => column_distances(left.view(), right.view()),
            Some(order) => column_distances(left.view(), right.select(Axis(0), order).view()),
        };
        Ok(least_cost(costs.view()).max(0.0).sqrt())
    }

    /// How many canonical correlations are 1 whatever the data: r_A + r_B − (n − 1), where that is
    /// more than none.
    ///
    /// # Errors
    /// [`Absence::NotConverged`].
    pub fn forced_correlations(&self) -> Result<usize, Absence> {
        let directions = self.distinct() - 1;
        let filled = self.a.spectrum()?.rank() + self.b.spectrum()?.rank();
        Ok(filled.saturating_sub(directions))
    }
}

/// The mean over rows of the cosine of the rows of FU and GV, with U and V orthogonal: some rows at a time.
fn mean_cosine(
    (left, u): (ArrayView2<'_, f64>, ArrayView2<'_, f64>),
    (right, v): (ArrayView2<'_, f64>, ArrayView2<'_, f64>),
) -> f64 {
    let norms = |rows: ArrayView2<'_, f64>| rows.map_axis(Axis(1), |row| row.dot(&row).sqrt());
    let of = |rows: Range<usize>| {
        let (left, right) = (left.slice(s![rows.clone(), ..]), right.slice(s![rows, ..]));
        let products = (left.dot(&u) * right.dot(&v)).sum_axis(Axis(1));
        (products / (norms(left) * norms(right))).sum()
    };
    let (n, columns) = (left.nrows(), left.ncols().max(right.ncols()));
    row_blocks(n, columns).map(of).sum::<f64>() / n as f64
}

/// √ΣF².
fn frobenius(factor: &Array2<f64>) -> f64 {
    let rows = factor.rows().into_iter();
    rows.map(|row| row.dot(&row)).sum::<f64>().sqrt()
}

fn singular(matrix: ndarray::ArrayView2<'_, f64>) -> Result<Vec<f64>, Absence> {
    singular_values(matrix).map_err(|_| Absence::NotConverged)
}

/// The fewest components that hold a share of the variance, Σs² ≥ share·total (Raghu et al. 2017):
/// of the squares of the singular values, not of the values.
pub fn components_for(values: &[f64], share: f64) -> usize {
    let total: f64 = values.iter().map(|s| s * s).sum();
    let mut sum = 0.0;
    let enough = |s: &f64| {
        sum += s * s;
        sum >= share * total
    };
    values.iter().position(enough).map_or(values.len(), |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variance_is_kept_not_the_singular_values() {
        assert_eq!(components_for(&[3.0, 1.0, 1.0], 0.8), 1);
        assert_eq!(components_for(&[3.0, 1.0, 1.0], 0.9), 2);
        assert_eq!(components_for(&[2.0, 2.0], 1.0), 2);
        assert_eq!(components_for(&[], 0.99), 0);
    }
}
