//! Settings that several kinds of reports have in common; each stands among the kind's own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::ArrayLayout;

/// Which samples were used, and how they were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReadSettings {
    /// Samples in a batch.
    pub batch_size: usize,
    /// Most samples used.
    pub limit: Option<usize>,
    /// The order of the axes of arrays of pictures, where it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<ArrayLayout>,
    /// Seed of the random subset, and of the random order where batches of an estimator need one; without one
    /// the classes are taken evenly, and the order is always the same.
    pub seed: Option<u64>,
}

/// How values were held against chance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChanceSettings {
    /// Random orders of the samples that values are held against.
    pub permutations: usize,
    /// Random halves of the samples for the intervals.
    pub bootstrap: usize,
    /// Share of the halves within an interval.
    pub level: f64,
    /// Seed of both.
    pub random_seed: u64,
}
