//! All metrics wanted, of one candidate after the other against one reference.

use std::fmt;
use std::str::FromStr;

use ndarray::{Array2, ArrayView2};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::infinity::{Infinity, infinity};
use super::kid::{self, Kid};
use super::prdc::{Manifold, Prdc, prdc};
use super::{Distance, Gaussian};
use crate::error::Result;

/// What may be measured between two sets of features.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// The Fréchet distance (Heusel et al. 2017).
    Fid,
    /// The kernel distance (Bińkowski et al. 2018).
    Kid,
    /// Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).
    Prdc,
    /// The Fréchet distance extrapolated to infinitely many samples (Chong & Forsyth 2020).
    FidInf,
}

impl Metric {
    /// Whether mean and covariance of the candidate do not suffice.
    pub fn needs_samples(self) -> bool {
        self != Self::Fid
    }

    /// Whether mean and covariance of the reference do not suffice.
    pub fn needs_samples_of_reference(self) -> bool {
        matches!(self, Self::Kid | Self::Prdc)
    }

    /// Whether it is larger the farther two sets lie apart.
    pub fn is_distance(self) -> bool {
        self != Self::Prdc
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "fid" => Ok(Self::Fid),
            "kid" => Ok(Self::Kid),
            "prdc" => Ok(Self::Prdc),
            "fid-inf" => Ok(Self::FidInf),
            _ => Err("expected fid, kid, prdc or fid-inf".to_owned()),
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fid => "fid",
            Self::Kid => "kid",
            Self::Prdc => "prdc",
            Self::FidInf => "fid-inf",
        })
    }
}

/// What changes the numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The metrics wanted.
    pub metrics: Vec<Metric>,
    /// Subsets of KID.
    pub kid: kid::Settings,
    /// The neighbour whose distance is the radius of a sample, for precision and the like.
    pub k: usize,
    /// Seed of the random subsets of FID∞.
    pub seed: u64,
}

impl Settings {
    /// Whether a metric is wanted.
    pub fn wants(&self, metric: Metric) -> bool {
        self.metrics.contains(&metric)
    }

    /// Whether mean and covariance do not suffice.
    pub fn need_samples(&self) -> bool {
        self.metrics.iter().any(|m| m.needs_samples())
    }
}

/// A set of features as the metrics take it.
#[derive(Debug, Clone)]
pub struct FeatureSet {
    /// Its mean and covariance.
    pub gaussian: Gaussian,
    /// A row a sample, where they were kept.
    pub rows: Option<Array2<f64>>,
}

/// What was measured of a candidate; a metric that was not wanted, or has no value, is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores {
    /// The Fréchet distance.
    pub distance: Option<Distance>,
    /// The kernel distance.
    pub kid: Option<Kid>,
    /// Precision, recall, density and coverage.
    pub prdc: Option<Prdc>,
    /// The extrapolated distance.
    pub infinity: Option<Infinity>,
    /// Why metrics that were wanted have no value.
    pub absent: Vec<(Metric, String)>,
}

/// A reference with all that is computed of it once.
pub struct Scorer<'a> {
    settings: &'a Settings,
    reference: &'a FeatureSet,
    kid: Option<kid::Reference<'a>>,
    manifold: Option<Result<Manifold>>,
}

impl<'a> Scorer<'a> {
    /// Takes a reference in.
    ///
    /// # Errors
    /// KID was asked for, and the reference has fewer than two samples.
    pub fn new(reference: &'a FeatureSet, settings: &'a Settings) -> Result<Self> {
        let rows = || reference.rows.as_ref().map(|rows| rows.view());
        let of = |metric| rows().filter(|_| settings.wants(metric));
        let kid =
            of(Metric::Kid).map(|rows| kid::Reference::new(rows, settings.kid)).transpose()?;
        let mean = reference.gaussian.mean();
        let manifold = of(Metric::Prdc).map(|rows| Manifold::new(rows, mean, settings.k));
        Ok(Self { settings, reference, kid, manifold })
    }

    /// Measures a candidate. A metric that cannot be taken does not stop the others.
    ///
    /// # Errors
    /// The two do not have the same features.
    pub fn score(&self, candidate: &FeatureSet) -> Result<Scores> {
        let mut scores = Scores::default();
        let distance = self.reference.gaussian.distance(&candidate.gaussian)?;
        scores.distance = self.settings.wants(Metric::Fid).then_some(distance);
        for &metric in self.settings.metrics.iter().filter(|m| m.needs_samples()) {
            let missing = match (&self.reference.rows, &candidate.rows) {
                (_, None) => "the candidate",
                (None, _) if metric.needs_samples_of_reference() => "the reference",
                _ => continue,
            };
            let reason = format!("{missing} is given by statistics alone, and it needs samples");
            scores.absent.push((metric, reason));
        }
        if let Some(rows) = &candidate.rows {
            self.of_samples(rows.view(), &mut scores);
        }
        Ok(scores)
    }

    fn of_samples(&self, rows: ArrayView2<'_, f64>, scores: &mut Scores) {
        if let Some(kid) = &self.kid {
            scores.kid = keep(Metric::Kid, kid.against(rows), &mut scores.absent);
        }
        if let Some(real) = &self.manifold {
            let found = self.prdc(real, rows);
            scores.prdc = keep(Metric::Prdc, found, &mut scores.absent);
        }
        if self.settings.wants(Metric::FidInf) {
            let found = infinity(&self.reference.gaussian, rows, self.settings.seed);
            scores.infinity = keep(Metric::FidInf, found, &mut scores.absent);
        }
    }

    fn prdc(&self, real: &Result<Manifold>, rows: ArrayView2<'_, f64>) -> Result<Prdc, String> {
        let text = |side: &str, e: &dyn fmt::Display| format!("{side}: {e}");
        let real = real.as_ref().map_err(|e| text("the reference", e))?;
        let fake = Manifold::new(rows, self.reference.gaussian.mean(), self.settings.k);
        let fake = fake.map_err(|e| text("the candidate", &e))?;
        prdc(real, &fake).map_err(|e| e.to_string())
    }
}

/// The value, or the reason why there is none.
fn keep<T, E: fmt::Display>(
    metric: Metric,
    found: Result<T, E>,
    absent: &mut Vec<(Metric, String)>,
) -> Option<T> {
    found.map_err(|error| absent.push((metric, error.to_string()))).ok()
}
