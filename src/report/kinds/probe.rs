//! The report of `repsim probe`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capture::Reduce;
use crate::report::{Number, ReadSettings, Report};

/// How well classes, or numbers, can be read out of layers.
pub type ProbeReport = Report<ProbeSettings, ProbeResults>;

/// All that changes a number of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeSettings {
    /// The probes: `ridge`, `logistic`, `knn`, `nearest-mean`.
    pub probes: Vec<String>,
    /// From feature maps to rows.
    pub reduce: Reduce,
    /// Whether features were brought to mean 0 and variance 1, by the samples that a probe was fitted on.
    pub standardize: bool,
    /// Folds, each of which was measured on by probes that were fitted on the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folds: Option<usize>,
    /// Share of the samples of each class that probes were fitted on, where there were no folds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit_fraction: Option<f64>,
    /// Penalties α that ridge regression chose among, by the error of leaving each sample out.
    pub alphas: Vec<f64>,
    /// Inverse strengths C that logistic regression chose among, by its accuracy on folds of the samples to fit on.
    pub costs: Vec<f64>,
    /// These folds.
    pub inner_folds: usize,
    /// k of the nearest neighbours.
    pub neighbours: usize,
    /// Seed of the folds, or of the split.
    pub split_seed: u64,
    /// How often labels were shuffled, and probes fitted to them.
    #[serde(default = "once")]
    pub shuffles: usize,
    /// Seed of the shuffled labels.
    pub shuffle_seed: u64,
    /// Seed of the re-initialised weights; `null` where none were.
    pub control_seed: Option<u64>,
    /// Patterns of the layers; empty for the default: modules down to depth two, and blocks that repeat deeper down.
    pub layers: Vec<String>,
    /// Which element of a tuple that a model returns was taken for its logits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_index: Option<usize>,
    /// Which samples were used, and how they were read.
    #[serde(flatten)]
    pub read: ReadSettings,
    /// Whether the models ran frozen, with batch norms folded.
    pub optimize: bool,
    /// How exactly they computed, where not in float32 or each in its own type: `tf32`, `f16` or `bf16`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    /// Where they ran.
    pub device: String,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeResults {
    /// What was read out.
    pub task: Task,
    /// Samples.
    pub n: usize,
    /// Samples that a probe was fitted on; the fewest of all folds.
    pub n_fit: usize,
    /// Samples that were measured on, of all folds together.
    pub n_measured: usize,
    /// The classes; empty where numbers were read out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ProbeClass>,
    /// Share of the samples measured on that are of the most frequent class: what a probe reaches without features;
    /// 0, the R² of the mean, where numbers were read out.
    pub chance: f64,
    /// The file that holds the class of each sample, where it is one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes_file: Option<ClassesFile>,
    /// The numbers that were read out, and the file that holds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Targets>,
    /// The models, in the order given; the first is the one that others are held against.
    pub models: Vec<ProbeModel>,
    /// The pixels as a layer: images as the models take them, averaged to at most 32×32; `null` where there are none.
    pub pixels: Option<ProbeLayer>,
    /// Why there are no pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_pixels: Option<String>,
    /// What can be read out beside CKA with the first model, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<ProbeAgainst>,
}

/// What is read out of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Classes: scores are accuracies.
    Classes,
    /// Numbers: scores are means of R² over targets.
    Numbers,
}

/// A class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeClass {
    /// Its name, or its number.
    pub name: String,
    /// Samples of it.
    pub count: usize,
}

/// A file of classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClassesFile {
    /// Its path as given.
    pub path: String,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// A file of numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Targets {
    /// Its path as given.
    pub path: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Names of its columns.
    pub names: Vec<String>,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeModel {
    /// The name of its file.
    pub name: String,
    /// Share of the samples that the model itself predicts rightly; `null` where that is not known.
    pub accuracy: Number,
    /// What the same probes were held against besides: `redrawn` (the model with re-initialised weights), or the name
    /// of a control; `null` where there is none.
    pub control: Option<String>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_control: Option<String>,
    /// Its layers, in the order in which they finish.
    pub layers: Vec<ProbeLayer>,
}

/// A layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeLayer {
    /// Its name.
    pub name: String,
    /// D.
    pub width: usize,
    /// What each probe found, in the order of the settings.
    pub probes: Vec<ProbeScore>,
    /// Unbiased linear CKA with the layer of the same name of the first model; `null` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cka: Option<Number>,
}

/// What a probe reads out of a layer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ProbeScore {
    /// Which probe.
    pub probe: String,
    /// Accuracy on the samples that it was not fitted on, or the mean of R² over targets; `null` where there is none.
    pub score: Number,
    /// Its 95 % Wilson score interval (Wilson 1927), of accuracies, over samples as if folds were independent.
    pub interval: Option<(f64, f64)>,
    /// The same where labels are shuffled, the mean over all times.
    pub shuffled: Number,
    /// The standard deviation of that over the times, and so of `selectivity`; `null` of one time.
    #[serde(default)]
    pub shuffled_sd: Number,
    /// `score` − `shuffled`: what the features tell beyond what such a probe makes of any labels (Hewitt & Liang 2019).
    pub selectivity: Number,
    /// The same probe on the layer of this name of the control.
    pub control: Number,
    /// Its 95 % Wilson score interval.
    pub control_interval: Option<(f64, f64)>,
    /// The strength that was chosen in each fold: α of ridge regression, C of logistic; of numbers that of each target,
    /// fold after fold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chosen: Vec<f64>,
    /// Fits of the solver that did not reach its tolerance, of those on the labels.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unconverged: usize,
    /// Accuracy on the samples of each class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per_class: Vec<Number>,
    /// How many samples of each class (row) it takes for which (column).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confusion: Vec<Vec<usize>>,
    /// R² of each target; `null` of one that is constant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub r2: Vec<Number>,
    /// Why values are `null`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why those of the control are `null`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_reason: Option<String>,
}

/// What can be read out, beside structure: over the layers of all models but the first that have both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeAgainst {
    /// The model that the others are held against.
    pub reference: String,
    /// The probe.
    pub probe: String,
    /// Layers.
    pub layers: usize,
    /// Spearman's rank correlation of CKA with how near the score lies to that of the reference, −|difference|: above 0
    /// where layers that are alike tell the same.
    pub spearman: Number,
    /// Layers that differ in both orders most, those first.
    pub disagreements: Vec<ProbeDisagreement>,
}

/// A layer of which structure and what can be read out say different things.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeDisagreement {
    /// The model.
    pub model: String,
    /// The layer.
    pub layer: String,
    /// Its CKA with the reference.
    pub cka: f64,
    /// Its score less that of the reference.
    pub difference: f64,
    /// Its place by CKA, 1 for the largest.
    pub rank_cka: f64,
    /// Its place by the size of the difference, 1 for the smallest.
    pub rank_difference: f64,
}

/// Labels were shuffled once in reports of earlier versions.
fn once() -> usize {
    1
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl ProbeResults {
    /// What scores are called.
    pub fn score_name(&self) -> &'static str {
        match self.task {
            Task::Classes => "accuracy",
            Task::Numbers => "R²",
        }
    }
}
