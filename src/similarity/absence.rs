//! Why a measure has no value.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a measure has no value for a pair of layers, or for a layer. `S` is what a sample is named by: its
/// number among those compared, or its own name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Absence<S = usize> {
    /// A NaN or an infinity in the features of this sample.
    NotFinite(S),
    /// The features of this sample are so large that their products leave float32.
    Overflow(S),
    /// The features are so large that what is computed of them leaves float64.
    OutOfRange,
    /// The layer gives the same features for every sample.
    Constant,
    /// This sample has the same value in every feature: it correlates with no other.
    ConstantSample(S),
    /// This sample has zero in every feature: it has no angle with any other.
    ZeroSample(S),
    /// More than half of all pairs of samples are equal: the RBF kernel has no bandwidth.
    NoSpread,
    /// No two samples are more alike than any other two, so that nothing is left to compare.
    Singles,
    /// Too few samples.
    TooFew {
        /// How many there are.
        samples: usize,
        /// How many there must be.
        needs: usize,
    },
    /// Too few samples that are not copies of others.
    TooFewDistinct {
        /// How many there are.
        samples: usize,
        /// How many there must be.
        needs: usize,
    },
    /// The features lie so far from zero, beside how far they lie apart, that angles between samples
    /// are rounding.
    FarOff,
    /// Too few features.
    TooNarrow {
        /// How many there are.
        features: usize,
        /// How many there must be.
        needs: usize,
    },
    /// Too many features for a measure whose time grows with their cube.
    TooWide {
        /// How many there are.
        features: usize,
        /// How many there may be.
        most: usize,
    },
    /// The features fill every direction that so many samples have: any other layer is a linear map
    /// of them, whatever it is.
    Filled {
        /// Directions that the features fill.
        rank: usize,
        /// Number of distinct samples.
        samples: usize,
        /// Number of features.
        features: usize,
    },
    /// The layers have more directions to be distinguished than half of the samples has.
    HalfFilled {
        /// Directions of the layers.
        rank: usize,
        /// Samples of a half.
        samples: usize,
    },
    /// Halves of the samples all give one value, and not that of the whole.
    Saturated,
    /// The measure needs the features, and there is but their Gram matrix.
    NeedsFeatures,
    /// There are fewer than two classes with samples.
    OneClass,
    /// LAPACK's iteration did not converge.
    NotConverged,
}

impl Absence {
    /// The reason in words, a sample by its name in place of its number.
    pub fn of_samples(&self, names: &[String]) -> String {
        let sample = match self {
            Self::NotFinite(i)
            | Self::Overflow(i)
            | Self::ConstantSample(i)
            | Self::ZeroSample(i) => *i,
            _ => return self.to_string(),
        };
        let name = names.get(sample).cloned().unwrap_or_else(|| sample.to_string());
        self.to_string().replace(&format!("sample {sample}"), &format!("sample {name}"))
    }
}

impl<S: fmt::Display> fmt::Display for Absence<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinite(sample) => write!(f, "NaN or infinite for sample {sample}"),
            Self::Overflow(sample) => {
                write!(f, "too large for sample {sample}: products leave the range of float32")
            }
            Self::OutOfRange => f.write_str("its values are too large: the measure leaves float64"),
            Self::Constant => f.write_str("constant: the same features for every sample"),
            Self::ConstantSample(sample) => {
                write!(f, "all features of sample {sample} are equal: no correlation with others")
            }
            Self::ZeroSample(sample) => {
                write!(f, "all features of sample {sample} are zero: no angle with others")
            }
            Self::NoSpread => {
                f.write_str("the median distance of its samples (of a batch) is zero: no bandwidth")
            }
            Self::Singles => f.write_str("no two samples are more alike than any others"),
            Self::TooFew { samples, needs } => {
                write!(f, "{samples} samples, and the measure needs at least {needs}")
            }
            Self::TooFewDistinct { samples, needs } => write!(
                f,
                "only {samples} samples are distinct, and the measure needs at least {needs}"
            ),
            Self::FarOff => f.write_str(
                "its features lie so far from zero that angles between samples are rounding: subtract \
                 their mean first",
            ),
            Self::TooNarrow { features, needs } => {
                write!(f, "{features} features, and the measure needs at least {needs}")
            }
            Self::TooWide { features, most } => write!(
                f,
                "{features} features, and units are matched up to {most}: reduce maps by --reduce gap"
            ),
            Self::Filled { rank, samples, features } => write!(
                f,
                "trivially 1: {features} features fill {rank} of the {} directions that {samples} \
                 samples have; give more samples or keep fewer components with --pca K",
                samples.saturating_sub(1)
            ),
            Self::HalfFilled { rank, samples } => write!(
                f,
                "{rank} directions have to be distinguished, and {samples} samples have {}; give more samples \
                 or keep fewer components with --pca K",
                samples.saturating_sub(1)
            ),
            Self::Saturated => f.write_str("all have the same value: they are too small"),
            Self::NeedsFeatures => {
                f.write_str("it needs the features, and only their Gram matrix was kept")
            }
            Self::OneClass => f.write_str("fewer than two classes have samples"),
            Self::NotConverged => f.write_str("its singular values could not be computed"),
        }
    }
}
