//! Which probes there are.

use std::fmt;
use std::str::FromStr;

/// A probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Ridge regression on indicators of the classes.
    Ridge,
    /// Multinomial logistic regression.
    Logistic,
    /// The most frequent class among the k nearest samples.
    Neighbours,
    /// The class whose mean is nearest.
    NearestMean,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ridge, Self::Logistic, Self::Neighbours, Self::NearestMean];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ridge => "ridge",
            Self::Logistic => "logistic",
            Self::Neighbours => "knn",
            Self::NearestMean => "nearest-mean",
        }
    }

    /// Whether a strength of regularisation is chosen for it.
    pub fn is_linear(self) -> bool {
        matches!(self, Self::Ridge | Self::Logistic)
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| "expected ridge, logistic, knn or nearest-mean".to_owned())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
