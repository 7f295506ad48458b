//! The report of `repsim fid`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capture::Reduce;
use crate::data::{ArrayLayout, Preprocess};
use crate::frechet::classes::ClassDistance;
use crate::frechet::kid::Kid;
use crate::frechet::{Alone, Metric, Scores};
use crate::linalg::Route;
use crate::report::{Number, Report, Warning};

/// Distances of image sets from a reference.
pub type FidReport = Report<FidSettings, FidResults>;

/// All that changes a number of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FidSettings {
    /// The metrics taken.
    pub metrics: Vec<Metric>,
    /// The layer as it was asked for; without one the default.
    pub layer: Option<String>,
    /// From feature maps to rows.
    pub reduce: Reduce,
    /// What was done to images; values from different resizings must not be compared. Without
    /// images nothing was.
    pub preprocess: Option<Preprocess>,
    /// The neighbour whose distance is the radius of a sample, for precision, recall, density and
    /// coverage.
    pub k: usize,
    /// Subsets of KID.
    pub kid_subsets: usize,
    /// Samples in a subset of KID, at most.
    pub kid_subset_size: usize,
    /// Seed of the random subsets of KID and FID∞, and of the clusters of C_T.
    pub subset_seed: u64,
    /// Parts of the samples for the Inception Score.
    #[serde(default = "ten")]
    pub isc_splits: usize,
    /// Whether samples were shuffled before that, in the order of torch-fidelity.
    #[serde(default)]
    pub isc_shuffle: bool,
    /// The layer of sFID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sfid_layer: Option<String>,
    /// How many of its channels are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sfid_channels: Option<usize>,
    /// The score above which the command exits with 1.
    pub fail_above: Option<f64>,
    /// Samples in a batch.
    pub batch_size: usize,
    /// Most samples used of a set.
    pub limit: Option<usize>,
    /// The order of the axes of arrays of pictures, where it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<ArrayLayout>,
    /// That of the reference, where it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_layout: Option<ArrayLayout>,
    /// Seed of the random subset of samples; without one the first are taken.
    pub seed: Option<u64>,
    /// Which element of a tuple that the model returns was taken for its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_index: Option<usize>,
    /// Whether the model ran frozen, with batch norms folded.
    pub optimize: bool,
    /// How exactly it computed, where not in float32 or its own type: `tf32`, `f16` or `bf16`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    /// Where it ran; nowhere where no model was needed.
    pub device: Option<String>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FidResults {
    /// The layer whose output are the features, `output` for the model's own; `null` where no model
    /// ran.
    pub layer: Option<String>,
    /// D, the number of features.
    pub width: usize,
    /// The set that the candidates are held against.
    pub reference: Reference,
    /// One for each candidate, in the order given.
    pub candidates: Vec<Candidate>,
}

/// Parts of the samples that reports have which do not say.
fn ten() -> usize {
    10
}

/// The reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reference {
    /// Its path as given.
    pub path: String,
    /// Samples; `null` for statistics that do not say.
    pub n: Option<usize>,
    /// Its Inception Score, where that is wanted and the model gives logits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isc: Option<Number>,
    /// Its Vendi Score, where that is wanted and samples are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendi: Option<Number>,
}

impl Reference {
    /// With what is said of it by itself.
    pub fn new(path: String, n: Option<usize>, alone: &Alone) -> Self {
        let isc = alone.inception.map(|found| found.mean.into());
        Self { path, n, isc, vendi: alone.vendi.map(Number::from) }
    }
}

/// What was found of one candidate. A metric that was not wanted is left out; one that has no value
/// is `null`, and `nulls` says why.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// Its path as given.
    pub path: String,
    /// Samples; `null` for statistics that do not say, or where reading failed.
    pub n: Option<usize>,
    /// The Fréchet distance: `mean_term` + `trace_term`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fid: Option<Number>,
    /// ‖μ₁−μ₂‖².
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_term: Option<Number>,
    /// tr Σ₁ + tr Σ₂ − 2·tr √(Σ₁Σ₂).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_term: Option<Number>,
    /// Directions that both covariances fill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<usize>,
    /// How tr √(Σ₁Σ₂) was found: `eigenvalues`, `singular-values`, or `equal` where Σ₁ is Σ₂.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Most that rounding can have moved tr √(Σ₁Σ₂), relative to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative_error: Option<Number>,
    /// KID, the mean over subsets; negative values mean no difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<Number>,
    /// Standard deviation over subsets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid_std: Option<Number>,
    /// Why it is `null` where `kid` is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid_std_null: Option<String>,
    /// Samples in a subset: fewer than asked for where a set has fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid_subset_size: Option<usize>,
    /// Share of the candidate's samples within the reference's manifold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<Number>,
    /// Share of the reference's samples within the candidate's manifold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recall: Option<Number>,
    /// Neighbourhoods of the reference that hold a sample of the candidate, on average, over k.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub density: Option<Number>,
    /// Share of the reference's neighbourhoods that hold a sample of the candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Number>,
    /// FID extrapolated to infinitely many samples of the candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fid_inf: Option<Number>,
    /// Share of the variance of the distances that the extrapolating line explains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fid_inf_r_squared: Option<Number>,
    /// sFID, the Fréchet distance of all positions of a spatial layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sfid: Option<Number>,
    /// The mean over classes of the Fréchet distance of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_fid: Option<Number>,
    /// The distance of each class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassFid>,
    /// CMMD, times 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmmd: Option<Number>,
    /// The Inception Score, the mean over splits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isc: Option<Number>,
    /// Standard deviation over splits; `null` of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isc_std: Option<Number>,
    /// The Vendi Score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendi: Option<Number>,
    /// Percent of the candidate's samples that are not copies of the reference's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authpct: Option<Number>,
    /// C_T: far below 0 for copies of the reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ct: Option<Number>,
    /// Clusters of the reference that hold too few of the candidate's samples to count for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ct_left_out: Option<usize>,
    /// Why metrics are `null`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nulls: Vec<NullMetric>,
    /// Why the candidate could not be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The Fréchet distance of one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClassFid {
    /// Its name, or its number in files of features.
    pub class: String,
    /// Samples of the reference.
    pub n_reference: usize,
    /// Samples of the candidate.
    pub n: usize,
    /// The distance.
    pub fid: Number,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null: Option<String>,
}

impl From<&ClassDistance> for ClassFid {
    fn from(found: &ClassDistance) -> Self {
        let ([n_reference, n], fid) = (found.counts, found.value.as_ref().ok().copied().into());
        Self { class: found.class.clone(), n_reference, n, fid, null: found.value.clone().err() }
    }
}

/// Why a metric has no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NullMetric {
    /// The metric.
    pub metric: Metric,
    /// What is wrong.
    pub reason: String,
}

impl Candidate {
    /// A candidate that was measured.
    pub fn measured(path: String, n: Option<usize>, metrics: &[Metric], scores: &Scores) -> Self {
        let mut row = Self { path, n, ..Self::default() };
        for metric in metrics {
            row.enter(*metric, scores);
        }
        let null = |(metric, reason): &(Metric, String)| NullMetric {
            metric: *metric,
            reason: reason.clone(),
        };
        row.nulls = scores.absent.iter().map(null).collect();
        row
    }

    /// A candidate that failed.
    pub fn failed(path: String, error: &crate::error::Error) -> Self {
        Self { path, error: Some(error.to_string()), ..Self::default() }
    }

    fn enter(&mut self, metric: Metric, scores: &Scores) {
        let number = |value: Option<f64>| Some(Number::from(value));
        match metric {
            Metric::Fid => {
                let found = scores.distance.as_ref();
                self.fid = number(found.map(|d| d.value));
                self.mean_term = number(found.map(|d| d.mean_term));
                self.trace_term = number(found.map(|d| d.trace_term));
                self.relative_error = number(found.map(|d| d.relative_error));
                self.rank = found.map(|d| d.rank);
                self.method = found.map(|d| name(d.route).to_owned());
            }
            Metric::Kid => {
                self.kid = number(scores.kid.map(|k| k.mean));
                self.kid_std = number(scores.kid.and_then(|k| k.std));
                self.kid_std_null = scores.kid.and_then(|k| no_spread(&k)).map(str::to_owned);
                self.kid_subset_size = scores.kid.map(|k| k.subset_size);
            }
            Metric::Prdc => {
                self.precision = number(scores.prdc.map(|p| p.precision));
                self.recall = number(scores.prdc.map(|p| p.recall));
                self.density = number(scores.prdc.map(|p| p.density));
                self.coverage = number(scores.prdc.map(|p| p.coverage));
            }
            Metric::FidInf => {
                self.fid_inf = number(scores.infinity.as_ref().map(|i| i.value));
                self.fid_inf_r_squared = number(scores.infinity.as_ref().map(|i| i.r_squared));
            }
            Metric::Sfid => self.sfid = number(scores.sfid),
            Metric::ClassFid => {
                self.class_fid = number(scores.class_fid);
                self.classes = scores.classes.iter().map(ClassFid::from).collect();
            }
            Metric::Cmmd => self.cmmd = number(scores.cmmd.map(|found| found.value)),
            Metric::Isc => {
                self.isc = number(scores.alone.inception.map(|found| found.mean));
                self.isc_std = number(scores.alone.inception.and_then(|found| found.std));
            }
            Metric::Vendi => self.vendi = number(scores.alone.vendi),
            Metric::Authpct => self.authpct = number(scores.authpct),
            Metric::Ct => {
                self.ct = number(scores.copying.map(|found| found.value));
                self.ct_left_out = scores.copying.map(|found| found.left_out);
            }
        }
    }

    /// The columns of a row for scripts: name and value, those of metrics that were wanted.
    pub fn columns(metrics: &[Metric]) -> Vec<&'static str> {
        metrics.iter().flat_map(|metric| columns_of(*metric)).copied().collect()
    }

    /// The metric that a column is of.
    pub fn metric_of(column: &str) -> Option<Metric> {
        Metric::ALL.into_iter().find(|metric| columns_of(*metric).contains(&column))
    }

    /// The value of one of [`Candidate::columns`].
    pub fn value(&self, column: &str) -> Option<f64> {
        let found = match column {
            "fid" => self.fid,
            "mean_term" => self.mean_term,
            "trace_term" => self.trace_term,
            "kid" => self.kid,
            "kid_std" => self.kid_std,
            "precision" => self.precision,
            "recall" => self.recall,
            "density" => self.density,
            "coverage" => self.coverage,
            "fid_inf" => self.fid_inf,
            "sfid" => self.sfid,
            "class_fid" => self.class_fid,
            "cmmd" => self.cmmd,
            "isc" => self.isc,
            "isc_std" => self.isc_std,
            "vendi" => self.vendi,
            "authpct" => self.authpct,
            "ct" => self.ct,
            _ => None,
        };
        found?.get()
    }

    /// What `--fail-above` looks at: the value of the first of the metrics that is a distance.
    pub fn score(&self, metrics: &[Metric]) -> Option<f64> {
        let metric = metrics.iter().find(|m| m.is_distance())?;
        self.value(columns_of(*metric).first()?)
    }
}

fn columns_of(metric: Metric) -> &'static [&'static str] {
    match metric {
        Metric::Fid => &["fid", "mean_term", "trace_term"],
        Metric::Kid => &["kid", "kid_std"],
        Metric::Prdc => &["precision", "recall", "density", "coverage"],
        Metric::FidInf => &["fid_inf"],
        Metric::Sfid => &["sfid"],
        Metric::ClassFid => &["class_fid"],
        Metric::Cmmd => &["cmmd"],
        Metric::Isc => &["isc", "isc_std"],
        Metric::Vendi => &["vendi"],
        Metric::Authpct => &["authpct"],
        Metric::Ct => &["ct"],
    }
}

/// Why there is no standard deviation over subsets.
fn no_spread(kid: &Kid) -> Option<&'static str> {
    match kid {
        Kid { std: Some(_), .. } => None,
        Kid { subsets: 1, .. } => Some("there is one subset only (--kid-subsets)"),
        _ => Some("every subset is the whole of both sets (--kid-subset-size)"),
    }
}

fn name(route: Route) -> &'static str {
    match route {
        Route::Eigenvalues => "eigenvalues",
        Route::SingularValues => "singular-values",
        Route::Equal => "equal",
    }
}

/// Warns of sets with so few samples that their distance says more of their number than of them.
/// `sets` holds the path of each and how many samples it has.
pub fn few_samples(sets: &[(String, Option<usize>)], width: usize) -> Option<Warning> {
    let few =
        |(path, n): &(String, Option<usize>)| Some((path.clone(), n.filter(|n| *n <= width)?));
    let few: Vec<_> = sets.iter().filter_map(few).collect();
    let (path, n) = few.first()?;
    let names = and_others(path, few.len());
    let text = format!(
        "{names}: {n} samples of {width} features; the covariance has rank {} at most, and the \
         Fréchet distance is too high by an amount that grows as n falls; compare it only at the \
         same n, use more samples, or take --metrics kid, which has no such bias",
        n.saturating_sub(1)
    );
    let places: Vec<&str> = few.iter().map(|(path, _)| path.as_str()).collect();
    Some(Warning::new("few-samples", places.join(", "), text))
}

/// Warns where subsets of KID are smaller than asked for.
pub fn small_subsets(rows: &[Candidate], asked: usize) -> Option<Warning> {
    let small = |row: &&Candidate| row.kid_subset_size.is_some_and(|used| used < asked);
    let first = rows.iter().find(small)?;
    let used = first.kid_subset_size?;
    let text = format!(
        "the subsets of KID of {} hold {used} samples, not {asked}, for one of the sets has no more: \
         they overlap so much that the standard deviation says little; give --kid-subset-size",
        and_others(&first.path, rows.iter().filter(small).count())
    );
    Some(Warning::new("small-subsets", places(rows.iter().filter(small)), text))
}

/// Warns of Inception Scores that the number of samples in a split bounds: with m samples it is at most m.
pub fn small_splits(rows: &[Candidate], splits: usize) -> Option<Warning> {
    let held = |row: &Candidate| Some((row.n? / splits.max(1), row.isc?.get()?));
    let small = |row: &&Candidate| held(row).is_some_and(|(m, score)| (m as f64) < 10.0 * score);
    let first = rows.iter().find(small)?;
    let (samples, score) = held(first)?;
    let text = format!(
        "the Inception Score of {} is {score:.2} in splits of {samples} samples, where it can be no more than \
         {samples} and is too low; use more samples or fewer --isc-splits",
        and_others(&first.path, rows.iter().filter(small).count())
    );
    Some(Warning::new("small-splits", places(rows.iter().filter(small)), text))
}

/// Warns where FID∞ is read off numbers of samples at which its bias is not linear.
pub fn short_extrapolation(rows: &[Candidate], width: usize) -> Option<Warning> {
    let short = |row: &&Candidate| {
        row.fid_inf.is_some_and(|v| v.get().is_some()) && row.n.is_some_and(|n| n < 4 * width)
    };
    let first = rows.iter().find(short)?;
    let text = format!(
        "FID∞ of {} goes on from {} samples of {width} features, where the bias of FID is not yet \
         linear in 1/n; use more samples",
        and_others(&first.path, rows.iter().filter(short).count()),
        first.n?
    );
    Some(Warning::new("short-extrapolation", places(rows.iter().filter(short)), text))
}

/// Warns of embeddings whose distances are far beyond σ of the kernel of CMMD.
pub fn saturated_kernel(path: &str, scores: &Scores) -> Option<Warning> {
    scores.cmmd.filter(|found| found.saturated)?;
    let text = format!(
        "cmmd of {path}: samples of the two sets lie so far apart for σ = 10 that the kernel between them is near 0, \
         and the value says little; CMMD is meant for embeddings of length 1 (papers: CLIP ViT-L/14 at 336 pixels, \
         normalised)"
    );
    Some(Warning::new("kernel-saturated", path, text))
}

/// Warns of metrics without a value: once a metric and reason.
pub fn null_metrics(rows: &[Candidate]) -> Vec<Warning> {
    let mut groups: Vec<(&NullMetric, Vec<&str>)> = vec![];
    for row in rows {
        for null in &row.nulls {
            match groups.iter_mut().find(|(known, _)| *known == null) {
                Some((_, paths)) => paths.push(&row.path),
                None => groups.push((null, vec![&row.path])),
            }
        }
    }
    let warning = |(null, paths): (&NullMetric, Vec<&str>)| {
        let of = and_others(paths[0], paths.len());
        let text = format!("{} of {of} has no value: {}", null.metric, null.reason);
        Warning::new("null-metric", paths.join(", "), text)
    };
    groups.into_iter().map(warning).collect()
}

fn places<'a>(rows: impl Iterator<Item = &'a Candidate>) -> String {
    rows.map(|row| row.path.as_str()).collect::<Vec<_>>().join(", ")
}

/// The first of several sets, and how many there are besides.
fn and_others(first: &str, count: usize) -> String {
    match count {
        0 | 1 => first.to_owned(),
        2 => format!("{first} and 1 other"),
        more => format!("{first} and {} others", more - 1),
    }
}
