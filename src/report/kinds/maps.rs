//! The report of `repsim maps`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::Preprocess;
use crate::report::{Number, ReadSettings, Report};

/// The feature maps of layers, and which channels of two networks see alike.
pub type MapsReport = Report<MapsSettings, MapsResults>;

/// All that changes a number of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MapsSettings {
    /// The layers as they were asked for; without any the last with a spatial map that
    /// the output depends on.
    pub layers: Vec<String>,
    /// The grid that tokens were to fold to, `14x14`, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<String>,
    /// Those of the second model, where others were asked for.
    pub layers_b: Vec<String>,
    /// Which channels are shown: `most active 8`, `first 8`, `3,7,12`.
    pub channels: String,
    /// Images shown, spread evenly over the data.
    pub rows: usize,
    /// What colours are relative to: the range of `channel`, of `map` or of `layer`.
    pub scale: String,
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
pub struct MapsResults {
    /// Images that the channels' statistics and correlations are over.
    pub n: usize,
    /// The images shown, in the order of `layers[].shown[].maps`.
    pub images: Vec<MapsImage>,
    /// One for each layer of the first model.
    pub layers: Vec<MapsLayer>,
}

/// An image shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MapsImage {
    /// Its name.
    pub sample: String,
    /// Its class, where that is known.
    pub label: Option<String>,
}

/// The feature maps of one layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MapsLayer {
    /// Its name.
    pub layer: String,
    /// Height and width of its maps.
    pub size: (usize, usize),
    /// Its positions; not in reports of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<MapGrid>,
    /// The channels shown, in the order of the columns.
    pub shown: Vec<ShownChannel>,
    /// All channels, over all images.
    pub channels: Vec<ChannelInfo>,
    /// The channels of the second model held against them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matching: Option<Matching>,
}

/// How a layer's positions lie in its maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MapGrid {
    /// Rows.
    pub rows: i64,
    /// Columns.
    pub columns: i64,
    /// Tokens in front that have no place in the image, such as a class token: they are left out.
    pub left_out: i64,
}

impl MapGrid {
    /// `14×14`, and how many tokens are left out.
    pub fn in_words(&self) -> String {
        let Self { rows, columns, left_out } = self;
        match left_out {
            0 => format!("{rows}×{columns}"),
            1 => format!("{rows}×{columns}, 1 token in front left out"),
            more => format!("{rows}×{columns}, {more} tokens in front left out"),
        }
    }
}

/// A channel over all images and positions; all `null` where a value is not finite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChannelInfo {
    /// Its number, from 0.
    pub channel: usize,
    /// Mean of its values.
    pub mean: Number,
    /// Their standard deviation.
    pub std: Number,
    /// The smallest.
    pub min: Number,
    /// The largest.
    pub max: Number,
    /// Share of its values above zero.
    pub active: Number,
}

/// A channel on the sheet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShownChannel {
    /// Its number.
    pub channel: usize,
    /// Its values in each image shown.
    pub maps: Vec<MapInfo>,
    /// The channel of the second model whose maps correlate most with its own; `null` where the
    /// channel is constant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner: Option<Partner>,
}

/// One feature map in numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MapInfo {
    /// Mean of its values.
    pub mean: Number,
    /// The smallest.
    pub min: Number,
    /// The largest.
    pub max: Number,
}

/// The channel of the second model beside one of the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Partner {
    /// Its number.
    pub channel: usize,
    /// Pearson's correlation of the two over all images and positions.
    pub correlation: Number,
    /// Its values in each image shown.
    pub maps: Vec<MapInfo>,
}

/// Which channel of the first model corresponds to which of the second, by Pearson's correlation of
/// their maps over all images and positions. Channels that are constant are in no pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Matching {
    /// The layer of the second model.
    pub layer_b: String,
    /// Its channels.
    pub channels_b: usize,
    /// Height and width of its maps.
    pub size_b: (usize, usize),
    /// Height and width at which maps were correlated.
    pub size: (usize, usize),
    /// Channels that are constant over all images and correlate with none: of the first model, of
    /// the second.
    pub constant: (usize, usize),
    /// For each channel of the first model the one with the largest correlation; a channel of the
    /// second may be there many times.
    pub best: Pairs,
    /// Each channel at most once, the largest correlations first.
    pub greedy: Pairs,
    /// Each channel at most once, with the largest sum of correlations (Kuhn 1955, Munkres 1957).
    pub one_to_one: Pairs,
}

/// Channels that correspond.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pairs {
    /// Mean of their correlations.
    pub mean_correlation: Number,
    /// A channel of the first model, one of the second, and their correlation.
    pub pairs: Vec<(usize, usize, Number)>,
}
