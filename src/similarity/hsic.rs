//! The Hilbert–Schmidt independence criterion.

use std::fmt;
use std::str::FromStr;

use ndarray::ArrayView2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::linalg::Centring;
use crate::stats::{LayerMoments, PairMoments, least_samples};

/// Which estimator of HSIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Bias {
    /// HSIC₁ of Song et al. (2012): ⟨Ũ, Ṽ⟩/(n(n−3)) of the U-centred Gram matrices, n ≥ 4. Its
    /// expectation is that of the population; it can be negative.
    #[default]
    Unbiased,
    /// Gretton et al. (2005): tr(KHLH)/(n−1)², n ≥ 2. CKA of independent features is then about
    /// D/(n+D) instead of 0.
    Biased,
}

impl Bias {
    /// How Gram matrices are centred for it.
    pub fn centring(self) -> Centring {
        match self {
            Self::Unbiased => Centring::Unbiased,
            Self::Biased => Centring::Double,
        }
    }

    /// The fewest samples it is defined for.
    pub fn least_samples(self) -> usize {
        least_samples(self.centring())
    }
}

impl FromStr for Bias {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "unbiased" => Ok(Self::Unbiased),
            "biased" => Ok(Self::Biased),
            _ => Err("expected unbiased or biased".to_owned()),
        }
    }
}

impl fmt::Display for Bias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unbiased => "unbiased",
            Self::Biased => "biased",
        })
    }
}

/// HSIC with linear kernels of two n×D matrices of features, by way of the D₁×D₂ products: cheaper
/// than Gram matrices where n² > D₁·D₂, and the same number.
///
/// ```text
/// biased    ‖XᵀY‖²_F / (n−1)²
/// unbiased  [‖XᵀY‖²_F − n/(n−2) Σᵢ‖xᵢ‖²‖yᵢ‖² + ‖X‖²_F‖Y‖²_F/((n−1)(n−2))] / (n(n−3))
/// ```
///
/// with centred X and Y.
pub fn hsic_of_features(x: ArrayView2<'_, f64>, y: ArrayView2<'_, f64>, bias: Bias) -> f64 {
    let of = |z: ArrayView2<'_, f64>| {
        let mut moments = LayerMoments::new(z.ncols());
        moments.add_rows(z);
        moments
    };
    let mut pair = PairMoments::new(x.ncols(), y.ncols());
    pair.add_rows(x, y);
    pair.hsic(&of(x), &of(y), bias.centring())
}
