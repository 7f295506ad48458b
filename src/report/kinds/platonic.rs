//! The report of `repsim platonic`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::compare::{LayerResult, MeasureOptions, MeasureResult};
use super::distance::NullValue;
use crate::capture::Reduce;
use crate::report::{ChanceSettings, Number, ReadSettings, Report};

/// Many models against each other.
pub type PlatonicReport = Report<PlatonicSettings, PlatonicResults>;

/// All that changes a number of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlatonicSettings {
    /// Name of the measure.
    pub measure: String,
    /// Options of the measure.
    pub options: MeasureOptions,
    /// From feature maps to rows.
    pub reduce: Reduce,
    /// Principal components kept of each layer before it is measured; all without.
    pub pca: Option<usize>,
    /// How values were held against chance.
    #[serde(flatten)]
    pub chance: ChanceSettings,
    /// The layers as they were asked for; without any the input of the last linear layer.
    pub layers: Vec<String>,
    /// Which element of a tuple that a model returns are its logits.
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

/// What was found: of every matrix a row and a column a model, in the order given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlatonicResults {
    /// The models.
    pub models: Vec<ModelResult>,
    /// Samples.
    pub n: usize,
    /// The measure of all pairs of models.
    pub measure: MeasureResult,
    /// Names of the models in an order in which alike ones stand side by side: the leaves of the
    /// clustering.
    pub order: Vec<String>,
    /// Hierarchical clustering by average linkage.
    pub merges: Vec<MergeResult>,
    /// Spearman's correlation of how well models align on average with their accuracy: above 0 where
    /// the accurate ones are more alike; of 3 models or more.
    pub rank_correlation: Number,
    /// Its two-sided p-value by permutation: the share of the orders of the accuracies, all of them of up
    /// to 8 models and 9999 random ones of more, that give one as far from 0; of 3 models it cannot be
    /// below 1/3.
    #[serde(default)]
    pub rank_correlation_p: Number,
    /// Why values are `null`.
    pub nulls: Vec<NullValue>,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelResult {
    /// The name of its file, or of the array.
    pub name: String,
    /// Its layer, and what is known of that alone.
    pub layer: LayerResult,
    /// Mean of the measure over the other models.
    pub mean_alignment: Number,
    /// Share of the samples that it predicts rightly; `null` where that is not known.
    pub accuracy: Number,
    /// Why values are `null`.
    pub nulls: Vec<NullValue>,
}

/// Two clusters that were merged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MergeResult {
    /// The members of the first.
    pub first: Vec<String>,
    /// The members of the second.
    pub second: Vec<String>,
    /// The mean distance between them: of a similarity, how much is missing to the best value.
    pub distance: f64,
}

impl PlatonicResults {
    /// Names of the models, in the order of the matrix.
    pub fn names(&self) -> Vec<String> {
        self.models.iter().map(|model| model.name.clone()).collect()
    }
}
