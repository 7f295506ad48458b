//! All metrics wanted, of one candidate after the other against one reference.

use std::fmt;
use std::str::FromStr;

use ndarray::{Array1, Array2, ArrayView2};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::authenticity::Training;
use super::classes::{ClassDistance, ClassGaussians, mean_over_classes};
use super::cmmd::{self, Cmmd};
use super::copying::{Copying, Split};
use super::inception::{self, Inception, Outputs, inception};
use super::infinity::{Infinity, infinity};
use super::kid::{self, Kid};
use super::prdc::{Manifold, Prdc, prdc};
use super::vendi::vendi;
use super::{Distance, Gaussian, check_widths};
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
    /// The Fréchet distance of a spatial layer (Nash et al. 2021).
    Sfid,
    /// The mean over classes of the Fréchet distance of each (Miyato & Koyama 2018).
    ClassFid,
    /// The maximum mean discrepancy with a Gaussian kernel (Jayasumana et al. 2024).
    Cmmd,
    /// The Inception Score (Salimans et al. 2016).
    Isc,
    /// The Vendi Score (Friedman & Dieng 2023).
    Vendi,
    /// The share of samples that are not copies (Alaa et al. 2022).
    Authpct,
    /// The test of data copying (Meehan et al. 2020).
    Ct,
}

impl Metric {
    /// Every one of them.
    pub const ALL: [Self; 11] = [
        Self::Fid,
        Self::Kid,
        Self::Prdc,
        Self::FidInf,
        Self::Sfid,
        Self::ClassFid,
        Self::Cmmd,
        Self::Isc,
        Self::Vendi,
        Self::Authpct,
        Self::Ct,
    ];

    /// The word for it on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fid => "fid",
            Self::Kid => "kid",
            Self::Prdc => "prdc",
            Self::FidInf => "fid-inf",
            Self::Sfid => "sfid",
            Self::ClassFid => "class-fid",
            Self::Cmmd => "cmmd",
            Self::Isc => "isc",
            Self::Vendi => "vendi",
            Self::Authpct => "authpct",
            Self::Ct => "ct",
        }
    }

    /// Whether mean and covariance of the candidate do not suffice.
    pub fn needs_samples(self) -> bool {
        !matches!(self, Self::Fid | Self::Sfid)
    }

    /// Whether mean and covariance of the reference do not suffice.
    pub fn needs_samples_of_reference(self) -> bool {
        self.needs_samples() && !matches!(self, Self::FidInf | Self::Isc | Self::Vendi)
    }

    /// Whether it is larger the farther two sets lie apart.
    pub fn is_distance(self) -> bool {
        matches!(
            self,
            Self::Fid | Self::Kid | Self::FidInf | Self::Sfid | Self::ClassFid | Self::Cmmd
        )
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|metric| metric.name() == text);
        named.ok_or_else(|| {
            let [before @ .., last] = Self::ALL.map(Self::name);
            format!("expected {} or {last}", before.join(", "))
        })
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What changes the numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The metrics wanted.
    pub metrics: Vec<Metric>,
    /// Subsets of KID.
    pub kid: kid::Settings,
    /// The neighbour whose distance is the radius of a sample, for precision, recall, density and
    /// coverage.
    pub k: usize,
    /// How samples are split for the Inception Score.
    pub isc: inception::Settings,
    /// Seed of the random subsets of FID∞, and of the clusters of the test of data copying.
    pub seed: u64,
}

impl Settings {
    /// Whether a metric is wanted.
    pub fn wants(&self, metric: Metric) -> bool {
        self.metrics.contains(&metric)
    }

    /// Whether a metric takes the covariance of the features of whole sets.
    pub fn need_covariance(&self) -> bool {
        self.wants(Metric::Fid) || self.wants(Metric::FidInf)
    }

    /// Whether mean and covariance do not suffice.
    pub fn need_samples(&self) -> bool {
        self.metrics.iter().any(|m| m.needs_samples())
    }
}

/// A set of features as the metrics take it.
#[derive(Debug, Clone)]
pub struct FeatureSet {
    /// The mean of its features.
    pub mean: Array1<f64>,
    /// Its mean and covariance; `None` where no metric needs them.
    pub gaussian: Option<Gaussian>,
    /// A row a sample, where they were kept.
    pub rows: Option<Array2<f64>>,
    /// What is known of its samples beside their features.
    pub beside: Beside,
}

/// What is known of samples beside their features.
#[derive(Debug, Clone)]
pub struct Beside {
    /// What a classifier gave for each, or why that is not known.
    pub outputs: Result<Outputs, String>,
    /// The class of each, or why that is not known.
    pub classes: Result<Vec<String>, String>,
}

impl Default for Beside {
    fn default() -> Self {
        let unknown = "it is given by statistics alone, and it needs samples";
        Self { outputs: Err(unknown.to_owned()), classes: Err(unknown.to_owned()) }
    }
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
    /// The Fréchet distance of a spatial layer, which is measured elsewhere.
    pub sfid: Option<f64>,
    /// The discrepancy with a Gaussian kernel.
    pub cmmd: Option<Cmmd>,
    /// The distance of each class, also where their mean has no value.
    pub classes: Vec<ClassDistance>,
    /// Their mean.
    pub class_fid: Option<f64>,
    /// Percent of the samples that are not copies.
    pub authpct: Option<f64>,
    /// The test of data copying.
    pub copying: Option<Copying>,
    /// What is said of the set by itself.
    pub alone: Alone,
    /// Why metrics that were wanted have no value.
    pub absent: Vec<(Metric, String)>,
}

/// What is said of one set by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Alone {
    /// The Inception Score.
    pub inception: Option<Inception>,
    /// The Vendi Score.
    pub vendi: Option<f64>,
}

/// A reference with all that is computed of it once.
pub struct Scorer<'a> {
    settings: &'a Settings,
    reference: &'a FeatureSet,
    kid: Option<kid::Reference<'a>>,
    manifold: Option<Result<Manifold>>,
    cmmd: Option<cmmd::Reference<'a>>,
    classes: Option<Result<ClassGaussians, String>>,
    training: Option<Result<Training<'a>, String>>,
    split: Option<Result<Split, String>>,
}

impl<'a> Scorer<'a> {
    /// Takes a reference in, and the held-out samples that the test of data copying needs.
    ///
    /// # Errors
    /// KID was asked for, and the reference has fewer than two samples.
    pub fn new(
        reference: &'a FeatureSet,
        held_out: Option<&FeatureSet>,
        settings: &'a Settings,
    ) -> Result<Self> {
        let rows = || reference.rows.as_ref().map(|rows| rows.view());
        let of = |metric| rows().filter(|_| settings.wants(metric));
        let kid =
            of(Metric::Kid).map(|rows| kid::Reference::new(rows, settings.kid)).transpose()?;
        let mean = reference.mean.view();
        let manifold = of(Metric::Prdc).map(|rows| Manifold::new(rows, mean, settings.k));
        let split = of(Metric::Ct).map(|rows| {
            let held_out = held_out.ok_or("no held-out samples were given")?;
            let held_out = held_out.rows.as_ref();
            let held_out = held_out.ok_or("the held-out set is given by statistics alone")?;
            Split::new(rows, held_out.view(), settings.seed)
        });
        Ok(Self {
            settings,
            reference,
            kid,
            manifold,
            cmmd: of(Metric::Cmmd).map(cmmd::Reference::new),
            classes: of(Metric::ClassFid).map(|rows| classes(reference, rows)),
            training: of(Metric::Authpct).map(Training::new),
            split,
        })
    }

    /// What is said of the reference by itself.
    pub fn alone(&self) -> Alone {
        self.of_itself(self.reference, &mut vec![])
    }

    /// Measures a candidate. A metric that cannot be taken does not stop the others.
    ///
    /// # Errors
    /// The two do not have the same features.
    pub fn score(&self, candidate: &FeatureSet) -> Result<Scores> {
        let mut scores = Scores::default();
        check_widths(self.reference.mean.len(), candidate.mean.len())?;
        let both = self.reference.gaussian.as_ref().zip(candidate.gaussian.as_ref());
        if let Some((reference, candidate)) = both.filter(|_| self.settings.wants(Metric::Fid)) {
            scores.distance = Some(reference.distance(candidate)?);
        }
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
            self.of_classes(candidate, rows.view(), &mut scores);
            scores.alone = self.of_itself(candidate, &mut scores.absent);
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
        let gaussian = self.reference.gaussian.as_ref();
        if let Some(gaussian) = gaussian.filter(|_| self.settings.wants(Metric::FidInf)) {
            let found = infinity(gaussian, rows, self.settings.seed);
            scores.infinity = keep(Metric::FidInf, found, &mut scores.absent);
        }
        scores.cmmd = self.cmmd.as_ref().map(|reference| reference.against(rows));
        if let Some(training) = &self.training {
            let found = training.as_ref().map(|training| training.authentic(rows));
            scores.authpct = keep(Metric::Authpct, found, &mut scores.absent);
        }
        if let Some(split) = &self.split {
            let found = split.as_ref().map_err(Clone::clone).and_then(|split| split.against(rows));
            scores.copying = keep(Metric::Ct, found, &mut scores.absent);
        }
    }

    fn of_classes(&self, candidate: &FeatureSet, rows: ArrayView2<'_, f64>, scores: &mut Scores) {
        let Some(own) = &self.classes else { return };
        let own = own.as_ref().map_err(|e| format!("the reference: {e}"));
        let distances = own.and_then(|own| {
            let other = classes(candidate, rows).map_err(|e| format!("the candidate: {e}"))?;
            Ok(own.distances(&other))
        });
        let found = distances.and_then(|distances| {
            scores.classes = distances;
            mean_over_classes(&scores.classes)
        });
        scores.class_fid = keep(Metric::ClassFid, found, &mut scores.absent);
    }

    fn of_itself(&self, set: &FeatureSet, absent: &mut Vec<(Metric, String)>) -> Alone {
        let wants = |metric| self.settings.wants(metric) && set.rows.is_some();
        let outputs = set.beside.outputs.as_ref().map_err(Clone::clone);
        let score = || outputs.and_then(|outputs| inception(outputs, self.settings.isc));
        let inception = wants(Metric::Isc).then(|| keep(Metric::Isc, score(), absent)).flatten();
        let rows = set.rows.as_ref().filter(|_| wants(Metric::Vendi));
        let vendi = rows.and_then(|rows| keep(Metric::Vendi, vendi(rows.view()), absent));
        Alone { inception, vendi }
    }

    fn prdc(&self, real: &Result<Manifold>, rows: ArrayView2<'_, f64>) -> Result<Prdc, String> {
        let text = |side: &str, e: &dyn fmt::Display| format!("{side}: {e}");
        let real = real.as_ref().map_err(|e| text("the reference", e))?;
        let fake = Manifold::new(rows, self.reference.mean.view(), self.settings.k);
        let fake = fake.map_err(|e| text("the candidate", &e))?;
        prdc(real, &fake).map_err(|e| e.to_string())
    }
}

fn classes(set: &FeatureSet, rows: ArrayView2<'_, f64>) -> Result<ClassGaussians, String> {
    Ok(ClassGaussians::new(rows, set.beside.classes.as_ref()?))
}

/// The value, or the reason why there is none.
fn keep<T, E: fmt::Display>(
    metric: Metric,
    found: Result<T, E>,
    absent: &mut Vec<(Metric, String)>,
) -> Option<T> {
    found.map_err(|error| absent.push((metric, error.to_string()))).ok()
}
