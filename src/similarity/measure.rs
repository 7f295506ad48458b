//! The measures of `compare`, by name.

use std::fmt;
use std::str::FromStr;

use super::absence::Absence;
use super::catalogue;
use super::facts::{CKA, Facts};
use super::hsic::Bias;
use super::pair::{Pair, components_for};
use super::{options::Options, representation::Representation};
use crate::error::{Error, Result as Checked, did_you_mean};
use crate::linalg::PackedSymmetric;

/// How far rounding takes a value out of its range.
const BEYOND: f64 = 1e-9;

/// Declares the measures, each with what is known of it.
macro_rules! measures {
    ($($(#[$doc:meta])* $variant:ident: $facts:path;)*) => {
        /// A measure of how alike two representations X, n×D_A, and Y, n×D_B, are.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Measure {
            $($(#[$doc])* $variant,)*
        }

        /// All measures.
        pub const MEASURES: &[Measure] = &[$(Measure::$variant),*];

        impl Measure {
            /// What is known of it.
            pub const fn facts(self) -> &'static Facts {
                match self {
                    $(Self::$variant => &$facts,)*
                }
            }
        }
    };
}

measures! {
    /// Linear CKA (Kornblith et al. 2019), HSIC(K, L)/√(HSIC(K, K)·HSIC(L, L)).
    Cka: CKA;
    /// Linear HSIC, unbiased (Song et al. 2012) or biased (Gretton et al. 2005).
    Hsic: catalogue::HSIC;
    /// Representational similarity analysis (Kriegeskorte et al. 2008): Spearman's correlation of
    /// the distances 1 − r(xᵢ, xⱼ), i < j, with r Pearson's correlation over the features. Equal
    /// distances share the mean of their ranks.
    Rsa: catalogue::RSA;
    /// The cosine of the same distances, not centred: Σ ab/√(Σa²·Σb²) over i < j.
    RdmCosine: catalogue::RDM_COSINE;
    /// The squared orthogonal Procrustes distance 2 − 2‖XᵀY‖_* of centred features of Frobenius norm
    /// 1 (Schönemann 1966; Ding et al. 2021).
    Procrustes: catalogue::PROCRUSTES;
    /// The Procrustes angle arccos‖XᵀY‖_*, in radians (Williams et al. 2021).
    ProcrustesAngle: catalogue::PROCRUSTES_ANGLE;
    /// The Procrustes distance of size and shape √(‖X‖² + ‖Y‖² − 2‖XᵀY‖_*) of centred features, not scaled; the
    /// narrower layer is padded with zeros (Williams et al. 2021).
    SizeAndShape: catalogue::SIZE_AND_SHAPE;
    /// The angular shape metric of Williams et al. (2021) after partial whitening,
    ///
    /// ```text
    /// X̃ = X(αI + (1−α)(XᵀX)^(−1/2))      arccos ‖X̃ᵀỸ‖_*/(‖X̃‖‖Ỹ‖)
    /// ```
    ///
    /// with centred X, Y: a singular value s becomes αs + (1−α), one of zero stays zero.
    ShapeMetric: catalogue::SHAPE_METRIC;
    /// SVCCA (Raghu et al. 2017): the mean canonical correlation of the fewest principal components
    /// that hold 99 % of the variance, Σs² ≥ 0.99·total.
    Svcca: catalogue::SVCCA;
    /// Projection-weighted CCA (Morcos et al. 2018): Σαᵢρᵢ/Σαᵢ with αᵢ = Σⱼ|⟨hᵢ, xⱼ⟩|, where hᵢ are
    /// the canonical variates of X and xⱼ its centred features.
    Pwcca: catalogue::PWCCA;
    /// R²_CCA (Kornblith et al. 2019): Σρᵢ²/min(r_A, r_B) over the canonical correlations, with the
    /// ranks of the centred features in place of their number.
    CcaR2: catalogue::CCA_R2;
    /// R²_LR (Kornblith et al. 2019): the share of the variance of Y that a linear map of X explains
    /// by least squares, ‖U_AᵀY‖²/‖Y‖².
    LinearRegression: catalogue::LINEAR_REGRESSION;
    /// Mutual k-nearest neighbours (Huh et al. 2024): the mean over samples of |N_A ∩ N_B|/k, by the
    /// cosine of features that are not centred, the sample itself left out, of equals the first.
    MutualKnn: catalogue::MUTUAL_KNN;
    /// Centred kernel nearest-neighbour alignment (Huh et al. 2024): unbiased CKA of the cosines
    /// between neighbours in both.
    Cknna: catalogue::CKNNA;
    /// The mean Jaccard index |N_A ∩ N_B|/|N_A ∪ N_B| of the same neighbours.
    Jaccard: catalogue::JACCARD;
    /// Second-order cosine similarity (Hamilton et al. 2016): the mean over samples of the cosine of their cosine
    /// distances 1 − cos to all samples that are among the k nearest in either layer.
    SecondOrderCosine: catalogue::SECOND_ORDER_COSINE;
    /// Aligned cosine similarity (Hamilton et al. 2016): the mean over samples of cos(Qᵀxᵢ, yᵢ), with Q the orthogonal
    /// map that turns the features, not centred, best onto each other (Schönemann 1966); the narrower layer is padded
    /// with zeros.
    AlignedCosine: catalogue::ALIGNED_COSINE;
    /// Hard correlation match (Li et al. 2015): the mean correlation of units that are matched one to one, each of the
    /// layer with fewer of them, so that the sum is largest. A constant unit correlates by 0.
    HardCorrelation: catalogue::HARD_CORRELATION;
    /// The soft-matching distance (Khosla & Williams 2024) of centred units of norm 1,
    ///
    /// ```text
    /// √ min_P Σᵢⱼ Pᵢⱼ‖xᵢ − yⱼ‖²      P ≥ 0, Σⱼ Pᵢⱼ = 1/D_A, Σᵢ Pᵢⱼ = 1/D_B
    /// ```
    ///
    /// by exact optimal transport; √(2 − 2r) with r the mean correlation of matched units.
    SoftMatching: catalogue::SOFT_MATCHING;
    /// The unbiased squared distance correlation (Székely & Rizzo 2013), ⟨Ã, B̃⟩/√(⟨Ã, Ã⟩⟨B̃, B̃⟩) of
    /// U-centred matrices of Euclidean distances.
    DistanceCorrelation: catalogue::DISTANCE_CORRELATION;
}

impl Measure {
    /// Whether it is of single units, so that no Gram matrix gives it.
    pub const fn takes_units(self) -> bool {
        matches!(self, Self::Pwcca | Self::SoftMatching | Self::HardCorrelation)
    }

    /// Whether it is of all pairs of samples, so that matrices over the samples are made.
    const fn takes_matrix(self) -> bool {
        matches!(
            self,
            Self::Cka
                | Self::Hsic
                | Self::Rsa
                | Self::RdmCosine
                | Self::DistanceCorrelation
                | Self::SecondOrderCosine
        )
    }

    /// Whether it matches units one by one: up to [`MOST_UNITS`](super::MOST_UNITS) of them.
    pub const fn matches_units(self) -> bool {
        matches!(self, Self::SoftMatching | Self::HardCorrelation)
    }

    /// Whether it takes the features themselves of a layer of so many.
    pub const fn takes_units_of(self, features: usize) -> bool {
        self.takes_units() && !(self.matches_units() && features > super::MOST_UNITS)
    }

    /// Whether swapping the layers changes nothing, with these options.
    pub fn is_symmetric(self, options: &Options) -> bool {
        options.both_ways || self.facts().symmetric
    }

    /// Its value for a pair of layers, with the options of the first.
    ///
    /// # Errors
    /// Why there is none.
    pub fn value(self, pair: &Pair<'_>) -> Result<f64, Absence> {
        if self.facts().symmetric || !pair.a().options().both_ways {
            return self.one_way(pair);
        }
        let inverse = pair.inverse();
        Ok((self.one_way(pair)? + self.one_way(&pair.swapped(inverse.as_deref()))?) / 2.0)
    }

    /// Its value for a part of the samples, in the size that it has of `samples`: a distance summed over samples grows
    /// with the root of their number.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn of_part(self, part: &Pair<'_>, samples: usize) -> Result<f64, Absence> {
        let grown = samples as f64 / part.a().samples() as f64;
        let value = self.value(part)?;
        Ok(if self == Self::SizeAndShape { value * grown.sqrt() } else { value })
    }

    fn one_way(self, pair: &Pair<'_>) -> Result<f64, Absence> {
        let (a, b, order) = (pair.a(), pair.b(), pair.order());
        let value = match self {
            Self::Cka => a.kernel()?.cosine(b.kernel()?, order),
            Self::Hsic => a.kernel()?.hsic(b.kernel()?, order),
            Self::Rsa => a.ranks()?.cosine(b.ranks()?, order),
            Self::RdmCosine => a.rdm()?.cosine(b.rdm()?, order),
            Self::Procrustes => pair.procrustes()?,
            Self::ProcrustesAngle => pair.procrustes_angle()?,
            Self::SizeAndShape => pair.size_and_shape()?,
            Self::ShapeMetric => pair.shape_metric()?,
            Self::Svcca => pair.svcca()?,
            Self::Pwcca => pair.pwcca()?,
            Self::CcaR2 => pair.cca_r2()?,
            Self::LinearRegression => pair.linear_regression()?,
            Self::MutualKnn => a.neighbours()?.mutual(b.neighbours()?, order),
            Self::Cknna => a.neighbours()?.cknna(b.neighbours()?, order)?,
            Self::Jaccard => a.neighbours()?.jaccard(b.neighbours()?, order),
            Self::SecondOrderCosine => {
                let angles = [a.angles()?, b.angles()?];
                a.neighbours()?.second_order(b.neighbours()?, (order, pair.inverse()), angles)?
            }
            Self::AlignedCosine => pair.aligned_cosine()?,
            Self::HardCorrelation => pair.hard_correlation()?,
            Self::SoftMatching => pair.soft_matching()?,
            Self::DistanceCorrelation => a.distances()?.cosine(b.distances()?, order),
        };
        match value.is_finite() {
            true => Ok(rounded_into(value, self.range(a.options()))),
            false => Err(Absence::OutOfRange),
        }
    }

    /// How many directions of a layer it takes: for SVCCA those that hold the share of the variance, else
    /// the rank of the centred features.
    ///
    /// # Errors
    /// [`Absence::NotConverged`].
    pub fn directions(self, layer: &Representation) -> Result<usize, Absence> {
        let spectrum = layer.spectrum()?;
        Ok(match self {
            Self::Svcca => components_for(&spectrum.values, layer.options().variance),
            _ => spectrum.rank(),
        })
    }

    /// The least and the greatest value with these options: unbiased estimates of what cannot be
    /// negative can.
    pub fn range(self, options: &Options) -> (f64, f64) {
        let (least, most) = self.facts().range;
        match (self, options.bias) {
            (Self::Cka | Self::Hsic, Bias::Unbiased) => (-most, most),
            _ => (least, most),
        }
    }
}

/// Bytes that a layer of n samples and D features keeps once it was asked for these measures, besides
/// its features or their Gram matrix: singular vectors, matrices over the samples, scaled units.
pub fn kept_bytes(measures: &[Measure], samples: usize, features: usize) -> u64 {
    let any = |those: &[Measure]| u64::from(measures.iter().any(|m| those.contains(m)));
    let matrices = any(&[Measure::Cka, Measure::Hsic])
        + any(&[Measure::Rsa, Measure::RdmCosine])
        + any(&[Measure::Rsa])
        + any(&[Measure::DistanceCorrelation])
        + any(&[Measure::SecondOrderCosine]);
    let (n, d) = (samples as u64, features as u64);
    let directions = n.min(d);
    let numbers = n * directions
        + any(&[Measure::Procrustes, Measure::ProcrustesAngle, Measure::SizeAndShape])
            * n
            * directions
        + any(&[Measure::AlignedCosine]) * n * directions
        + any(&[Measure::Pwcca]) * directions * d
        + u64::from(measures.iter().any(|m| m.matches_units() && m.takes_units_of(features)))
            * n
            * d;
    matrices * PackedSymmetric::bytes(samples) + 8 * numbers
}

/// Bytes that a thread takes besides while it makes what a layer of n samples and D features keeps: two matrices over the
/// samples, where a measure is of those, or the centred features and their singular vectors.
pub fn working_bytes(measures: &[Measure], samples: usize, features: usize) -> u64 {
    let rows = 2 * 8 * samples as u64 * samples.min(features) as u64;
    let whole = measures.iter().any(|measure| measure.takes_matrix());
    rows.max(if whole { 2 * PackedSymmetric::bytes(samples) } else { 0 })
}

/// A value at most [`BEYOND`] past an end of the range, which rounding does, becomes that end.
fn rounded_into(value: f64, (least, most): (f64, f64)) -> f64 {
    let within = value.clamp(least, most);
    if (value - within).abs() <= BEYOND { within } else { value }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.facts().name)
    }
}

impl FromStr for Measure {
    type Err = Error;

    /// Finds a measure by its name; the error names the nearest.
    fn from_str(text: &str) -> Checked<Self> {
        if let Some(found) = MEASURES.iter().find(|m| m.facts().name == text) {
            return Ok(*found);
        }
        let names: Vec<&str> = MEASURES.iter().map(|m| m.facts().name).collect();
        if text.trim().is_empty() {
            let remedy = format!("choose from {}", names.join(", "));
            return Err(Error::usage("a measure without a name", remedy));
        }
        Err(Error::usage(format!("there is no measure '{text}'"), did_you_mean(text, &names)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() -> Checked<()> {
        for measure in MEASURES {
            assert_eq!(measure.to_string().parse::<Measure>()?, *measure);
        }
        Ok(())
    }

    #[test]
    fn a_wrong_name_is_told_the_nearest() {
        for (wrong, right) in [("mutual_knn", "mutual-knn"), ("svca", "svcca"), ("rsaa", "rsa")] {
            let text = wrong.parse::<Measure>().map_or_else(|e| e.to_string(), |m| m.to_string());
            assert!(text.contains(&format!("did you mean {right}?")), "{text}");
        }
    }
}
