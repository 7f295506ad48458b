//! The report of `repsim patterns`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::maps::MapGrid;
use crate::data::Preprocess;
use crate::report::{Number, ReadSettings, Report};

/// Which input patterns the channels of layers answer to, and whether those of two networks answer to the
/// same ones.
pub type PatternsReport = Report<PatternsSettings, PatternsResults>;

/// All that changes a number of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PatternsSettings {
    /// The layers as they were asked for; without any the last with a spatial map that the output depends on.
    pub layers: Vec<String>,
    /// Those of the second model, where others were asked for.
    pub layers_b: Vec<String>,
    /// The grid that tokens were to fold to, `14x14`, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<String>,
    /// Which channels are reported: `all`, or `3,7,12`.
    pub channels: String,
    /// Samples with the largest values that are kept of each channel.
    pub top: usize,
    /// Those with the smallest.
    pub bottom: usize,
    /// Those with the largest of each class.
    pub class_patches: usize,
    /// Correlation from which a channel counts as highly correlated with its partner.
    pub correlated: f64,
    /// Most rows of the sheet a layer.
    pub rows: usize,
    /// What was done to the images: one entry a model, or one for both.
    pub preprocess: Vec<Preprocess>,
    /// Which samples were used, and how they were read.
    #[serde(flatten)]
    pub read: ReadSettings,
    /// Which element of a tuple that the model returns was taken for its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_index: Option<usize>,
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
pub struct PatternsResults {
    /// Images seen.
    pub n: usize,
    /// The classes, in the order of histograms and class means; empty where they are not known.
    pub classes: Vec<PatternsClass>,
    /// Why nothing is said of classes, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_classes: Option<String>,
    /// One for each layer of the first model.
    pub layers: Vec<PatternsLayer>,
    /// One for each layer of the second.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers_b: Vec<PatternsLayer>,
    /// Each layer of the first model and the one of the second that it is held against.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub comparisons: Vec<PatternsComparison>,
    /// Where there is more than one layer of both: for each layer the one of the other model that answers to
    /// most of its patterns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counterparts: Vec<Counterpart>,
}

/// A class of the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PatternsClass {
    /// Its name.
    pub name: String,
    /// Images of it.
    pub count: usize,
}

/// The channels of one layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PatternsLayer {
    /// Its name.
    pub layer: String,
    /// Rows and columns of positions; 1 and 1 of a layer without positions.
    pub size: (usize, usize),
    /// How its positions lie; none of a layer without positions, of which a patch is the whole image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<MapGrid>,
    /// Which part of the image a unit depends on.
    pub field: FieldInfo,
    /// Its channels, or those that were asked for.
    pub channels: Vec<PatternsChannel>,
}

/// How receptive fields were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FieldSource {
    /// Followed through the operators of the graph: kernels, strides, paddings and dilations, over branches the
    /// box around all.
    Exact,
    /// Measured by gradients of single units with respect to a few inputs: a unit may depend on more.
    Measured,
    /// It is not known, and the whole image stands for it.
    Whole,
}

/// The receptive fields of a layer: part of the image as the network sees it, clipped at its borders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldInfo {
    /// How they were found.
    pub source: FieldSource,
    /// Why they are not exact, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The most rows and the most columns that a unit depends on.
    pub size: (usize, usize),
    /// Rows and columns of the image.
    pub image: (usize, usize),
    /// Whether channels have different ones.
    pub by_channel: bool,
}

/// A channel: when it is active, for what, and the patches that drive it most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PatternsChannel {
    /// Its number, from 0.
    pub channel: usize,
    /// Mean of its values over all images and positions; this and the others `null` where a value is not finite.
    pub mean: Number,
    /// The smallest.
    pub min: Number,
    /// The largest.
    pub max: Number,
    /// Share of all positions of all images where it is above zero.
    pub active: Number,
    /// Share of the images in which it is above zero somewhere.
    pub active_images: Number,
    /// Whether it has values below zero: class means, and with them selectivity, are then those of values that
    /// partly cancel.
    pub below_zero: bool,
    /// What it says about classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<ClassFigures>,
    /// The images with its largest values, the largest first, each with the position of that; fewer than asked
    /// for where it is at its minimum in all others.
    pub top: Vec<Patch>,
    /// With its smallest values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bottom: Vec<Patch>,
    /// With its largest values of each class, in the order of the classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_class: Vec<Vec<Patch>>,
}

/// What a channel says about classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClassFigures {
    /// How many of the top images are of each class.
    pub histogram: Vec<usize>,
    /// Entropy of that in bits; `null` where there are no top images.
    pub entropy: Number,
    /// Its mean over images and positions of each class.
    pub means: Vec<Number>,
    /// Class selectivity index of these means (Morcos et al. 2018), 0 to 1.
    pub selectivity: Number,
    /// Why there is no index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The class with the largest mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred: Option<String>,
}

/// An image that drives a channel, and the part of it that the unit depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Patch {
    /// The image.
    pub sample: String,
    /// Its class, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The value of the channel.
    pub value: Number,
    /// Row and column of the position in the layer; of equal values the first.
    pub position: (usize, usize),
    /// The part of the image as the network sees it: top, left, bottom, right, both ends inside. `null` where the
    /// unit depends on nothing of it.
    pub window: Option<(usize, usize, usize, usize)>,
}

/// The channels of a layer of the first model held against those of one of the second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PatternsComparison {
    /// The layer of the first model.
    pub layer_a: String,
    /// The layer of the second.
    pub layer_b: String,
    /// Images that two lists of the top images share by chance, on average.
    pub shared_by_chance: Number,
    /// Mean share of the top images that matched channels have in common.
    pub mean_shared: Number,
    /// Mean share of the top images that they have in common at the same place.
    pub mean_same_place: Number,
    /// Share of the matched channels that answer to the same patterns.
    pub same_share: Number,
    /// Each channel of the first model beside the one of the second whose maps correlate most with its own.
    pub matched: Vec<MatchedChannel>,
    /// Of those the channels of the first model that correlate highly while their patterns differ.
    pub correlated_but_different: Vec<usize>,
    /// Channels of the first model that correlate with none, with the nearest of the second by patches.
    pub unmatched_a: Vec<NearestChannel>,
    /// Channels of the second model that are the best of none, with the nearest of the first by patches.
    pub unmatched_b: Vec<NearestChannel>,
}

/// Two channels that are matched by their correlation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MatchedChannel {
    /// The channel of the first model.
    pub a: usize,
    /// The channel of the second.
    pub b: usize,
    /// Pearson's correlation of their maps over all images and positions.
    pub correlation: Number,
    /// Images among the top of both.
    pub shared: usize,
    /// Those of them where the two look at the same place: windows overlap by at least half of their union.
    pub same_place: usize,
    /// Mean overlap (intersection over union) of the windows of the shared images; `null` without any.
    pub overlap: Number,
    /// Probability that lists drawn at random share as many images (hypergeometric); `null` where a list is empty.
    pub p: Number,
    /// The same corrected for the number of channels (Holm).
    pub p_adjusted: Number,
    /// An upper limit of the probability that lists drawn at random share as many images at the same place: that of
    /// sharing so many images, corrected for the number of channels (Holm).
    pub p_place_adjusted: Number,
    /// Whether they answer to the same patterns: `p_place_adjusted` is at most 0.05.
    pub same: bool,
}

/// A channel without a partner, and the channel of the other model that shares most with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NearestChannel {
    /// The channel.
    pub channel: usize,
    /// The one of the other model; `null` where none shares an image.
    pub nearest: Option<usize>,
    /// Images among the top of both.
    pub shared: usize,
    /// Those of them at the same place.
    pub same_place: usize,
    /// Why it is unmatched: `constant`, `not finite`, `all of the other are constant or not finite`, or `best of
    /// none`.
    pub why: String,
}

/// The layer of the other model that answers to most patterns of a layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Counterpart {
    /// Whose layer it is: `a` or `b`.
    pub model: String,
    /// The layer.
    pub layer: String,
    /// The layer of the other model; `null` where none answers to any.
    pub nearest: Option<String>,
    /// Share of the layer's channels whose top images one channel there shares beyond chance (5 %, corrected for all
    /// pairs of channels by Bonferroni).
    pub answered: Number,
    /// Whether it counts as a counterpart: at least a tenth of the channels.
    pub is_counterpart: bool,
}
