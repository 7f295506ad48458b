//! The report of `repsim stitch`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::Preprocess;
use crate::report::{Number, ReadSettings, Report};

/// Whether one network can use another's features.
pub type StitchReport = Report<StitchSettings, StitchResults>;

/// All that changes a number of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StitchSettings {
    /// How the stitches were fitted: `direct` (least squares on activations), `trained` (from there by
    /// Adam on the task) or `identity`.
    pub fit: String,
    /// Share of the samples that stitches were fitted on; the rest was measured on.
    pub fit_fraction: f64,
    /// Seed of the split.
    pub split_seed: u64,
    /// ρ of the ridge ρ·tr(S)/C, where it was given; `null` where each was chosen.
    pub ridge: Option<f64>,
    /// Seed of the weights of the random network.
    pub control_seed: u64,
    /// Passes over the samples by Adam; `null` without training.
    pub epochs: Option<usize>,
    /// The learning rate of Adam; `null` without training.
    pub learning_rate: Option<f64>,
    /// Seed of the order of samples in training; `null` without.
    pub train_seed: Option<u64>,
    /// Layers of A as they were asked for; without any those with the name of one of B.
    pub layers: Vec<String>,
    /// Layers of B as they were asked for.
    pub layers_b: Vec<String>,
    /// What stitching was held against: `cka`, or nothing.
    pub against: Option<String>,
    /// The element of a tuple that counts as a model's output.
    pub output_index: Option<usize>,
    /// What was done to the images, for A and, where it was another, for B.
    pub preprocess: Vec<Preprocess>,
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
pub struct StitchResults {
    /// Samples that stitches were fitted on.
    pub n_fit: usize,
    /// Those of them that the ridge was chosen on; 0 where it was given, or where there were too few.
    pub n_ridge: usize,
    /// Samples that were measured on: no stitch has seen them.
    pub n: usize,
    /// Their positions in the data set (what `limit` left of it), ascending.
    pub held_out: Vec<usize>,
    /// Accuracy of A on them; `null` where labels are not known.
    pub accuracy_a: Number,
    /// Accuracy of B on them.
    pub accuracy_b: Number,
    /// Why accuracies are `null`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_accuracy: Option<String>,
    /// Layers of A.
    pub layers_a: Vec<String>,
    /// Layers of B.
    pub layers_b: Vec<String>,
    /// One a pair, by the layer of A and then that of B.
    pub pairs: Vec<PairResult>,
    /// Stitching held against a measure of structure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<AgainstResult>,
}

/// A up to one layer, and B behind another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PairResult {
    /// The layer whose output is used.
    pub layer_a: String,
    /// The layer whose output it takes the place of.
    pub layer_b: String,
    /// Accuracy of the stitched network; `null` where labels are not known.
    pub accuracy: Number,
    /// Its 95 % Wilson score interval (Wilson 1927).
    pub interval: Option<(f64, f64)>,
    /// Accuracy of A.
    pub accuracy_a: Number,
    /// Accuracy of B.
    pub accuracy_b: Number,
    /// Share of samples for which the stitched network predicts what B predicts.
    pub agreement: Number,
    /// Mean KL(p‖q) in nats, p the probabilities of B and q those of the stitched network.
    pub kl: Number,
    /// `accuracy_b` − `accuracy`: what is lost by using A's features.
    pub penalty: Number,
    /// The same without what A has learnt, and without the image.
    pub controls: Controls,
    /// The transformation; `null` where there is none.
    pub stitch: Option<StitchResult>,
    /// CKA of the two layers on the same samples, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cka: Option<Number>,
    /// Why values are `null`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a stitched network is held against.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Controls {
    /// A network with A's architecture whose weights are re-initialised, stitched in the same way.
    pub random_weights: ControlResult,
    /// A stitch that gives the mean of each channel of B, whatever the image.
    pub mean: ControlResult,
}

/// How a control predicts.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ControlResult {
    /// Its accuracy; `null` where labels are not known.
    pub accuracy: Number,
    /// Share of samples for which it predicts what B predicts.
    pub agreement: Number,
    /// Mean KL divergence from B's probabilities, in nats.
    pub kl: Number,
}

/// The transformation between the layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StitchResult {
    /// Channels it takes.
    pub channels_a: usize,
    /// Channels it gives.
    pub channels_b: usize,
    /// Height and width it takes and gives, where maps were resized.
    pub resized: Option<[[i64; 2]; 2]>,
    /// Directions in which A's channels differ, out of `channels_a`; `null` for the identity.
    pub rank: Option<usize>,
    /// ρ of the ridge ρ·tr(S)/C; `null` for the identity.
    pub ridge: Option<f64>,
    /// Share of the variance of B's layer that the least-squares map explains over the samples it was
    /// fitted on.
    pub explained: Number,
    /// Mean loss of each epoch, where the stitch was trained; `null` where it was not finite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub losses: Option<Vec<Number>>,
}

/// Stitching beside a measure of structure, over all pairs that have both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgainstResult {
    /// `cka`: unbiased, linear, of whole feature maps, on the samples that were measured on.
    pub measure: String,
    /// What of stitching: `accuracy`, or `agreement` where labels are not known.
    pub value: String,
    /// Pairs that have both.
    pub pairs: usize,
    /// Spearman's rank correlation of the two over pairs.
    pub spearman: Number,
    /// Its 95 % bootstrap interval over pairs, which are not independent of each other.
    pub interval: Option<(f64, f64)>,
    /// The pairs whose ranks lie farthest apart, those first.
    pub disagreements: Vec<Disagreement>,
}

/// A pair that one measure puts high and the other low.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Disagreement {
    /// The layer of A.
    pub layer_a: String,
    /// The layer of B.
    pub layer_b: String,
    /// Its value of stitching.
    pub stitching: Number,
    /// Its place by that, 1 for the largest; equal values share the mean of theirs.
    pub rank_stitching: f64,
    /// Its CKA.
    pub cka: Number,
    /// Its place by that.
    pub rank_cka: f64,
}
