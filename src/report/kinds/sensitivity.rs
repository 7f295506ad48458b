//! The report of `repsim sensitivity`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::distance::NullValue;
use crate::classifier::OutputForm;
use crate::data::Preprocess;
use crate::functional::{Ablation, Perturbation};
use crate::report::{Number, ReadSettings, Report};

/// What predictions rest on, and how they hold.
pub type SensitivityReport = Report<SensitivitySettings, SensitivityResults>;

/// All that changes a number of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SensitivitySettings {
    /// Which score is looked at: `predicted`, `label`, `class 3`, `class 3 against 5`. The class of an
    /// image is that of the intact run, whatever is changed afterwards.
    pub target: String,
    /// The layers as they were asked for; without any the last with a spatial map.
    pub layers: Vec<String>,
    /// What channels were replaced by; importance is ranked by the first.
    pub ablations: Vec<Ablation>,
    /// How pixels were perturbed.
    pub perturbations: Vec<Perturbation>,
    /// ε of FGSM and PGD, of pixels in 0…1.
    pub epsilon: Vec<f64>,
    /// Steps of PGD.
    pub pgd_steps: usize,
    /// The size of a step of PGD, as a share of ε.
    pub pgd_step: f64,
    /// Standard deviations of the noise, of pixels in 0…1.
    pub noise: Vec<f64>,
    /// What the attacks raise: `cross entropy of the label`, or `of the predicted class` where the
    /// labels are not known; `null` without attacks.
    pub loss: Option<String>,
    /// Seed of the noise and of the bootstrap.
    pub random_seed: u64,
    /// The element of a tuple that counts as the model's output.
    pub output_index: Option<usize>,
    /// What was done to the images.
    pub preprocess: Preprocess,
    /// Which samples were used, and how they were read.
    #[serde(flatten)]
    pub read: ReadSettings,
    /// Whether the model ran frozen, with batch norms folded.
    pub optimize: bool,
    /// How exactly it computed, where not in float32 or its own type: `tf32`, `f16` or `bf16`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    /// Where it ran.
    pub device: String,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SensitivityResults {
    /// Images used.
    pub n: usize,
    /// Share of them that the intact model predicts rightly; `null` where labels are not known.
    pub accuracy: Number,
    /// What the score that is looked at is made of: what the field names here call a logit is an output
    /// of this form.
    #[serde(default)]
    pub score_form: OutputForm,
    /// The mean of the score that is looked at: a logit, or the difference of two; where `score_form` says
    /// so a probability, or the difference of two.
    pub mean_logit: Number,
    /// One a layer.
    pub layers: Vec<LayerResult>,
    /// One a kind and strength of perturbation.
    pub robustness: Vec<RobustnessResult>,
    /// One an image.
    pub images: Vec<ImageResult>,
    /// Why values are `null`.
    pub nulls: Vec<NullValue>,
}

/// The channels of a layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LayerResult {
    /// Its name.
    pub name: String,
    /// Shape of one sample's output.
    pub shape: Vec<i64>,
    /// One a channel, in their order.
    pub channels: Vec<ChannelResult>,
    /// How sensitivity and importance agree, one an ablation.
    pub correlations: Vec<CorrelationResult>,
    /// Channels in the upper quarter by importance, where the score falls, and in the lower half by
    /// sensitivity; those first whose ranks lie farthest apart.
    pub important_not_sensitive: Vec<usize>,
    /// Channels in the upper quarter by sensitivity and in the lower half by importance.
    pub sensitive_not_important: Vec<usize>,
    /// Channels with the same value at all positions of all images: their sensitivity is 0.
    pub constant: usize,
    /// Those of them that are 0.
    pub dead: usize,
}

/// One channel, over all images and positions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChannelResult {
    /// From 0.
    pub channel: usize,
    /// mean |∂S/∂A| with S the score and A the channel.
    pub gradient: Number,
    /// The mean of the channel.
    pub mean: Number,
    /// Its standard deviation, over n.
    pub std: Number,
    /// `gradient` · `std`.
    pub sensitivity: Number,
    /// By how much the score falls with the channel at 0: the mean over images.
    pub drop_zero: Number,
    /// The same with the channel at its mean.
    pub drop_mean: Number,
    /// Share of images predicted rightly with the channel at 0.
    pub accuracy_zero: Number,
    /// The same with the channel at its mean.
    pub accuracy_mean: Number,
    /// Its place by sensitivity, 1 for the largest; equal values share the mean of theirs.
    pub rank_sensitivity: Number,
    /// Its place by the fall of the score under the first ablation; `null` where all falls are 0 up to
    /// rounding.
    pub rank_importance: Number,
}

/// Spearman's rank correlation of sensitivity with the fall of the score, over channels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CorrelationResult {
    /// What the channels were replaced by.
    pub ablation: Ablation,
    /// The correlation; `null` where either is the same for all channels, or all falls are 0 up to
    /// rounding: with a linear head behind the layer and one class for all images, channels at their
    /// mean leave the mean score as it is.
    pub spearman: Number,
    /// 95 % bootstrap interval over channels.
    pub interval: Option<(f64, f64)>,
}

/// How predictions hold under one perturbation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RobustnessResult {
    /// Its kind.
    pub perturbation: Perturbation,
    /// σ of the noise, or ε, of pixels in 0…1.
    pub strength: f64,
    /// Share of images whose prediction is another than that of the intact image; `null` where a logit of
    /// one of them is not finite.
    pub flip_rate: Number,
    /// 95 % Wilson score interval of that share (Wilson 1927).
    pub flip_interval: Option<(f64, f64)>,
    /// By how much the score that is looked at changes: the mean over images.
    pub logit_change: Number,
    /// 95 % bootstrap interval of that mean, over images.
    pub logit_interval: Option<(f64, f64)>,
    /// Share of images predicted rightly; `null` where labels are not known.
    pub accuracy: Number,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ImageResult {
    /// Its name.
    pub sample: String,
    /// Its class, where that is known.
    pub label: Option<String>,
    /// The class with the highest logit; `null` where a logit is not finite.
    pub prediction: Option<String>,
    /// The class whose logit is looked at; `null` where that is the predicted one and not known.
    pub target: Option<String>,
    /// The class it is held against, for a contrast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
    /// The score that is looked at.
    pub logit: Number,
    /// The highest logit less the second highest.
    pub margin: Number,
    /// One a kind of perturbation.
    pub perturbed: Vec<PerturbedResult>,
}

/// One image under one kind of perturbation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PerturbedResult {
    /// The kind.
    pub perturbation: Perturbation,
    /// The smallest of the strengths at which the prediction is another; `null` where it holds at all,
    /// and where logits are not finite.
    pub flips_at: Option<f64>,
    /// By how much the score that is looked at changes, one a strength.
    pub logit_changes: Vec<Number>,
}
