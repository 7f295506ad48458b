//! The report of `repsim track`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::compare::{MeasureFacts, MeasureOptions};
use crate::capture::Reduce;
use crate::report::{Number, ReadSettings, Report};

/// The layers of a network over the checkpoints of its training.
pub type TrackReport = Report<TrackSettings, TrackResults>;

/// All that changes a number of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrackSettings {
    /// Name of the measure.
    pub measure: String,
    /// Options of the measure.
    pub options: MeasureOptions,
    /// From feature maps to rows.
    pub reduce: Reduce,
    /// How far from the value of the last checkpoint with itself a layer may lie and be settled.
    pub tolerance: f64,
    /// The layer at which all checkpoints are compared with each other, where one was named.
    pub at: Option<String>,
    /// Patterns of the layers; empty for the default: modules down to depth two, and blocks that repeat
    /// deeper down.
    pub layers: Vec<String>,
    /// Which element of a tuple that the model returns was taken for its output.
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

/// What was found. Lists over checkpoints are in the order of the checkpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrackResults {
    /// The checkpoints, in the order given.
    pub checkpoints: Vec<CheckpointResult>,
    /// The model that they are held against besides, where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<ReferenceResult>,
    /// Samples.
    pub n: usize,
    /// Name of the measure.
    pub measure: String,
    /// What is known of it.
    pub facts: MeasureFacts,
    /// The layers that all checkpoints have, in the order in which they finish in the last one.
    pub layers: Vec<LayerTrack>,
    /// Layers that not all checkpoints have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_common: Vec<String>,
    /// Spearman's rank correlation, over layers, of depth with the place of the checkpoint at which the
    /// layer settles: 1 where layers settle from the input to the output (bottom-up convergence, Raghu et
    /// al. 2017), −1 from the output to the input, 0 without an order.
    pub bottom_up: Number,
    /// Its two-sided p-value by permutation.
    pub bottom_up_p: Number,
    /// The largest fall of a checkpoint against the one before.
    pub largest_drop: Option<Drop>,
    /// All checkpoints against each other at one layer.
    pub pairwise: Pairwise,
    /// Why values are `null`.
    pub nulls: Vec<TrackNull>,
}

/// A checkpoint as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckpointResult {
    /// The name of its file, or of its weights.
    pub name: String,
    /// Share of the samples that it predicts rightly; `null` where that is not known.
    pub accuracy: Number,
    /// How far its accuracy lies below that of the checkpoint before.
    pub accuracy_drop: Number,
    /// The largest fall of a layer against the checkpoint before: how much less alike it is than equal
    /// layers are, 1 − CKA; `null` where a layer that has values elsewhere has none.
    pub drop: Number,
    /// The layer that fell most.
    pub drop_layer: Option<String>,
}

/// A model beside the checkpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReferenceResult {
    /// The name of its file.
    pub name: String,
    /// Share of the samples that it predicts rightly; `null` where that is not known.
    pub accuracy: Number,
}

/// A layer over the checkpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LayerTrack {
    /// Its name.
    pub name: String,
    /// D, the number of its features in the last checkpoint.
    pub width: usize,
    /// Each checkpoint with the last one; the last with itself.
    pub with_last: Vec<Number>,
    /// Each checkpoint with the one before; `null` for the first.
    pub with_previous: Vec<Number>,
    /// Each checkpoint with the reference, at the layer of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with_reference: Option<Vec<Number>>,
    /// Place, from 0, of the first checkpoint from which the layer stays within the tolerance of the
    /// last one; a checkpoint without a value is not within it.
    pub settled: Option<usize>,
    /// The name of that checkpoint.
    pub settled_at: Option<String>,
}

/// How far a layer of a checkpoint fell against the one before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Drop {
    /// The checkpoint.
    pub checkpoint: String,
    /// The layer.
    pub layer: String,
    /// How much less alike it is to the checkpoint before than equal layers are.
    pub value: f64,
}

/// All checkpoints against each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pairwise {
    /// At this layer.
    pub layer: String,
    /// A row and a column a checkpoint.
    pub values: Vec<Vec<Number>>,
}

/// Why a value is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrackNull {
    /// The field: `with_last`, `with_previous`, `with_reference`, `settled`, `accuracy`, `drop`, `pairwise`,
    /// `bottom_up`.
    pub field: String,
    /// The layer; `null` where it is so with all.
    pub layer: Option<String>,
    /// The checkpoint; `null` where it is so with all, or is of none.
    pub checkpoint: Option<String>,
    /// What is wrong.
    pub reason: String,
}

impl TrackResults {
    /// Names of the checkpoints.
    pub fn names(&self) -> Vec<String> {
        self.checkpoints.iter().map(|checkpoint| checkpoint.name.clone()).collect()
    }

    /// Which of the nulls is that of a field at a layer of a checkpoint.
    pub fn place_of_null(&self, field: &str, layer: &str, checkpoint: &str) -> Option<usize> {
        let is = |named: &Option<String>, name: &str| named.as_deref().is_none_or(|n| n == name);
        let of = |null: &TrackNull| {
            null.field == field && is(&null.layer, layer) && is(&null.checkpoint, checkpoint)
        };
        self.nulls.iter().position(of)
    }

    /// Why a value is missing.
    pub fn reason(&self, field: &str, layer: &str, checkpoint: &str) -> Option<&str> {
        Some(&self.nulls[self.place_of_null(field, layer, checkpoint)?].reason)
    }
}
