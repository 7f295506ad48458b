//! The report of `repsim distance`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capture::Reduce;
use crate::data::{ArrayLayout, Preprocess};
use crate::novelty::Bin;
use crate::report::{Number, Report};

/// How far samples lie from a reference.
pub type DistanceReport = Report<DistanceSettings, DistanceResults>;

/// All that changes a number of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DistanceSettings {
    /// The layer as it was asked for; without one the default.
    pub layer: Option<String>,
    /// From feature maps to rows.
    pub reduce: Reduce,
    /// What was done to images.
    pub preprocess: Option<Preprocess>,
    /// Which nearest neighbour's distance is taken.
    pub k: usize,
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
pub struct DistanceResults {
    /// The layer whose output are the features; `null` where no model ran.
    pub layer: Option<String>,
    /// D, the number of features.
    pub width: usize,
    /// Samples of the reference.
    pub n_reference: usize,
    /// Samples that were measured.
    pub n: usize,
    /// Classes of the reference that have a mean of their own; empty without labels.
    pub classes: Vec<String>,
    /// Distance from the nearest class mean under the covariance within classes.
    pub mahalanobis: MahalanobisResult,
    /// Distance from the k-th nearest sample of the reference.
    pub neighbour: NeighbourResult,
    /// Whether the distances tell right predictions from wrong ones; `null` where that cannot be
    /// known, and `nulls` says why.
    pub prediction: Option<PredictionResult>,
    /// The samples that lie farthest by the Mahalanobis distance, the farthest first, 100 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub farthest: Vec<SampleRow>,
    /// Why values are `null`.
    pub nulls: Vec<NullValue>,
}

/// Mahalanobis distances: d² = (x−μ)ᵀ Σ⁻¹ (x−μ).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MahalanobisResult {
    /// `within-classes` (one covariance for all classes, Lee et al. 2018) or `whole`.
    pub covariance: String,
    /// `oas`: oracle approximating shrinkage (Chen et al. 2010).
    pub estimator: String,
    /// Share of the identity in the covariance, 0 to 1.
    pub shrinkage: f64,
    /// Of the samples that were measured.
    pub samples: Spread,
    /// Of the reference's own samples, to hold them against.
    pub reference: Spread,
    /// Share of the samples beyond the 95 % quantile of the reference's own.
    pub beyond_reference: f64,
}

/// Distances from the k-th nearest reference sample (Sun et al. 2022).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NeighbourResult {
    /// Which neighbour.
    pub k: usize,
    /// Features are scaled to length 1 first, so distances lie between 0 and 2.
    pub normalized: bool,
    /// Of the samples that were measured.
    pub samples: Spread,
    /// The same within the class where it is smallest; `null` without labels in the reference.
    pub in_class: Option<Spread>,
}

/// How values are spread.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// The smallest.
    pub min: f64,
    /// Half of them are below.
    pub median: f64,
    /// 95 % of them are below.
    pub q95: f64,
    /// The largest.
    pub max: f64,
}

/// Whether the distances tell right predictions from wrong ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PredictionResult {
    /// The classes that the logits are taken to stand for, in their order; empty where they have no
    /// names.
    pub classes: Vec<String>,
    /// Share of predictions that are right.
    pub accuracy: f64,
    /// Predictions that are wrong.
    pub wrong: usize,
    /// Probability that a wrong prediction lies farther than a right one: 0.5 says nothing.
    pub auroc: Aurocs,
    /// Accuracy in ten groups of samples, from the nearest to the farthest.
    pub deciles: Deciles,
}

/// Area under the ROC curve of each score, wrong predictions as positives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Aurocs {
    /// Of the Mahalanobis distance.
    pub mahalanobis: Number,
    /// Of the distance from the k-th neighbour.
    pub neighbour: Number,
    /// Of the same within the class where it is smallest.
    pub neighbour_in_class: Number,
    /// Of 1 − the probability of the class that is said (the maximum of the softmax): the baseline,
    /// which needs no reference.
    pub confidence: Number,
}

/// Groups of samples by each score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Deciles {
    /// By the Mahalanobis distance.
    pub mahalanobis: Vec<Decile>,
    /// By the distance from the k-th neighbour.
    pub neighbour: Vec<Decile>,
    /// By 1 − the maximum softmax probability.
    pub confidence: Vec<Decile>,
}

/// Samples whose scores follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decile {
    /// Samples.
    pub count: usize,
    /// The lowest score.
    pub from: f64,
    /// The highest score.
    pub to: f64,
    /// Share of right predictions.
    pub accuracy: f64,
}

/// Why something has no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NullValue {
    /// The field.
    pub field: String,
    /// What is wrong.
    pub reason: String,
}

/// What was found of one sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SampleRow {
    /// Its name.
    pub sample: String,
    /// Mahalanobis distance from the nearest class mean.
    pub mahalanobis: f64,
    /// That class; `null` without labels in the reference.
    pub nearest_class: Option<String>,
    /// Distance from the k-th nearest sample of the reference.
    pub neighbour: f64,
    /// The same within the class where it is smallest; `null` without labels in the reference.
    pub neighbour_in_class: Option<f64>,
    /// Its class, where that is known.
    pub label: Option<String>,
    /// The class predicted.
    pub predicted: Option<String>,
    /// Whether the prediction is right.
    pub correct: Option<bool>,
    /// The maximum softmax probability.
    pub confidence: Option<f64>,
}

impl From<&Bin> for Decile {
    fn from(bin: &Bin) -> Self {
        Self { count: bin.count, from: bin.from, to: bin.to, accuracy: bin.accuracy }
    }
}

impl Spread {
    /// Of finite values, at least one; quantiles are values that are there (the nearest rank).
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let rank = (share * sorted.len() as f64).ceil() as usize;
            sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
        };
        Self { min: at(0.0), median: at(0.5), q95: at(0.95), max: at(1.0) }
    }
}
