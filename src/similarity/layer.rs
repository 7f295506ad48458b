//! Measures of one layer alone: how compressed it is, and how its classes lie apart.
//!
//! Layers that fill few directions, or whose samples are nearly all alike, mislead every measure of
//! two layers.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::s;

use super::absence::Absence;
use super::representation::Representation;
use crate::linalg::centre_columns;
use crate::linalg::distances::{row_blocks, squared_distances};

/// Mean 1 − cos of samples below which it is rounding.
const ALIKE: f64 = 1e-14;
/// Share of the largest ratios that TwoNN leaves out.
const DISCARDED: f64 = 0.1;

/// What is known of a layer alone, or why it is not.
#[derive(Debug, Clone, PartialEq)]
pub struct Alone {
    /// [`effective_rank`].
    pub effective_rank: Result<f64, Absence>,
    /// [`participation_ratio`].
    pub participation_ratio: Result<f64, Absence>,
    /// [`intrinsic_dimension`].
    pub intrinsic_dimension: Result<f64, Absence>,
    /// [`class_separation`], where the classes are known.
    pub class_separation: Option<Result<f64, Absence>>,
}

impl Alone {
    /// Of a layer, and of its samples' classes where they are known.
    pub fn of(layer: &Representation, labels: Option<&[usize]>) -> Self {
        Self {
            effective_rank: effective_rank(layer),
            participation_ratio: participation_ratio(layer),
            intrinsic_dimension: intrinsic_dimension(layer),
            class_separation: labels.map(|labels| class_separation(layer, labels)),
        }
    }
}

/// The effective rank (Roy & Vetterli 2007) of the centred features,
///
/// ```text
/// exp(−Σ pᵢ ln pᵢ)      pᵢ = sᵢ/Σs
/// ```
///
/// with singular values s: from 1, one direction, to min(n − 1, D), all alike.
///
/// # Errors
/// [`Absence::NotConverged`].
pub fn effective_rank(layer: &Representation) -> Result<f64, Absence> {
    let values = &layer.spectrum()?.values;
    let total: f64 = values.iter().sum();
    Ok((-values.iter().map(|s| s / total).map(|p| p * p.ln()).sum::<f64>()).exp())
}

/// The participation ratio (Σλ)²/Σλ² of the variances λ of the principal components (Gao et al.
/// 2017): from 1 to min(n − 1, D).
///
/// # Errors
/// [`Absence::NotConverged`].
pub fn participation_ratio(layer: &Representation) -> Result<f64, Absence> {
    let variances = layer.spectrum()?.values.iter().map(|s| s * s);
    let (sum, squares) = variances.fold((0.0, 0.0), |(s, q), v| (s + v, q + v * v));
    Ok(sum * sum / squares)
}

/// The intrinsic dimension by TwoNN (Facco et al. 2017): with μᵢ the ratio of the Euclidean distances
/// of sample i to its second and its first neighbour, N samples and μ₍₁₎ ≤ … ≤ μ₍ₙ₎, the slope
/// through the origin of −ln(1 − i/N) over ln μ₍ᵢ₎, the largest tenth left out.
///
/// Samples that have an equal one have no ratio and do not count.
///
/// # Errors
/// Fewer than three samples that differ, or all ratios are 1.
pub fn intrinsic_dimension(layer: &Representation) -> Result<f64, Absence> {
    let n = layer.samples();
    if n < 3 {
        return Err(Absence::TooFew { samples: n, needs: 3 });
    }
    let ratio = |[one, two]: [f64; 2]| (two / one).sqrt();
    let mut ratios: Vec<f64> =
        two_nearest(layer).into_iter().map(ratio).filter(|r| r.is_finite()).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    let kept = (ratios.len() as f64 * (1.0 - DISCARDED)) as usize;
    if kept < 2 {
        return Err(Absence::TooFew { samples: ratios.len(), needs: 3 });
    }
    slope(&ratios, kept)
}

/// The squared distances of each sample to its first and its second neighbour. Of features they are computed for so
/// many samples at a time that no n×n matrix is needed.
fn two_nearest(layer: &Representation) -> Vec<[f64; 2]> {
    let n = layer.samples();
    let Ok(features) = layer.features() else {
        let squares = layer.squared_distances();
        return (0..n).map(|i| least_two(i, (0..n).map(|j| squares.get(i, j)))).collect();
    };
    let mut rows = features.to_owned();
    centre_columns(&mut rows);
    let mut found = Vec::with_capacity(n);
    for block in row_blocks(n, n) {
        let squares = squared_distances(rows.slice(s![block.clone(), ..]), rows.view());
        let own = block.zip(squares.rows());
        found.extend(own.map(|(i, row)| least_two(i, row.iter().copied())));
    }
    found
}

/// The least two of the distances of a sample, that to itself left out.
fn least_two(own: usize, distances: impl Iterator<Item = f64>) -> [f64; 2] {
    let others = distances.enumerate().filter(|(j, _)| *j != own).map(|(_, d)| d);
    others.fold([f64::INFINITY; 2], |[one, two], d| match d {
        d if d < one => [d, one],
        d => [one, two.min(d)],
    })
}

fn slope(ratios: &[f64], kept: usize) -> Result<f64, Absence> {
    let (mut products, mut squares) = (0.0, 0.0);
    for (i, ratio) in ratios[..kept].iter().enumerate() {
        let (x, y) = (ratio.ln(), -(1.0 - (i + 1) as f64 / ratios.len() as f64).ln());
        products += x * y;
        squares += x * x;
    }
    if squares > 0.0 { Ok(products / squares) } else { Err(Absence::Singles) }
}

/// How sparse the features of a layer are, batch by batch.
///
/// `zeros` is the share of numbers that are exactly zero, as ReLU leaves them. `hoyer` is the
/// sparseness of Hoyer (2004), the mean over samples of
///
/// ```text
/// (√D − Σ|x|/√Σx²) / (√D − 1)
/// ```
///
/// 0 where all features are equal in size, 1 where one alone is not zero. Samples that are zero
/// everywhere have none and do not count.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sparsity {
    numbers: usize,
    zeros: usize,
    sparseness: f64,
    counted: usize,
}

impl Sparsity {
    /// Of features at hand.
    pub fn of(features: ndarray::ArrayView2<'_, f64>) -> Self {
        let mut found = Self::default();
        for row in features.rows() {
            let zeros = row.iter().filter(|v| **v == 0.0).count();
            found.add(row.len(), zeros, row.iter().map(|v| v.abs()).sum(), row.dot(&row).sqrt());
        }
        found
    }

    /// Adds a sample: D, how many of its features are zero, Σ|x| and √Σx².
    pub fn add(&mut self, features: usize, zeros: usize, sum: f64, norm: f64) {
        self.numbers += features;
        self.zeros += zeros;
        let root = (features as f64).sqrt();
        if features > 1 && norm > 0.0 {
            self.sparseness += (root - sum / norm) / (root - 1.0);
            self.counted += 1;
        }
    }

    /// The share of numbers that are zero.
    ///
    /// # Errors
    /// There is no sample.
    pub fn zeros(&self) -> Result<f64, Absence> {
        match self.numbers {
            0 => Err(Absence::TooFew { samples: 0, needs: 1 }),
            count => Ok(self.zeros as f64 / count as f64),
        }
    }

    /// The sparseness.
    ///
    /// # Errors
    /// Samples of one feature, or all are zero everywhere.
    pub fn hoyer(&self) -> Result<f64, Absence> {
        match self.counted {
            0 if self.zeros == self.numbers => Err(Absence::ZeroSample(0)),
            0 => Err(Absence::TooNarrow { features: 1, needs: 2 }),
            count => Ok(self.sparseness / count as f64),
        }
    }
}

/// Class separation (Kornblith et al. 2021), with K classes of Nₖ samples each,
///
/// ```text
/// 1 − Σₖ Σᵢⱼ d(xₖᵢ, xₖⱼ)/(K·Nₖ²) / Σₖₗ Σᵢⱼ d(xₖᵢ, xₗⱼ)/(K²·Nₖ·Nₗ)
/// ```
///
/// where d is 1 − the cosine of features that are not centred: 0 where classes do not differ, 1
/// where each is one direction. `labels` gives each sample's class.
///
/// # Errors
/// Fewer labels than samples, fewer than two classes, a sample that is zero everywhere, or no
/// distance at all.
pub fn class_separation(layer: &Representation, labels: &[usize]) -> Result<f64, Absence> {
    let n = layer.samples();
    if labels.len() != n {
        return Err(Absence::TooFew { samples: labels.len(), needs: n });
    }
    let classes: BTreeSet<usize> = labels.iter().copied().collect();
    if classes.len() < 2 {
        layer.norms()?;
        return Err(Absence::OneClass);
    }
    let places: BTreeMap<usize, usize> = classes.into_iter().zip(0..).collect();
    let of: Vec<usize> = labels.iter().map(|label| places[label]).collect();
    let [within, all] = layer.spread(&of, places.len())?;
    if all > ALIKE { Ok(1.0 - within / all) } else { Err(Absence::Singles) }
}
