//! The report of `repsim compare`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::distance::NullValue;
use crate::capture::Reduce;
use crate::classifier::OutputForm;
use crate::report::{ChanceSettings, Number, ReadSettings, Report};
use crate::similarity::{self, Bias, Invariance, Measure};

/// A comparison by several measures.
pub type CompareReport = Report<CompareSettings, CompareResults>;

/// All that changes a number of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CompareSettings {
    /// Names of the measures.
    pub measures: Vec<String>,
    /// Options of the measures.
    pub options: MeasureOptions,
    /// From feature maps to rows.
    pub reduce: Reduce,
    /// Principal components kept of each layer before it is measured; all without.
    pub pca: Option<usize>,
    /// How values were held against chance.
    #[serde(flatten)]
    pub chance: ChanceSettings,
    /// Which samples were used, and how they were read.
    #[serde(flatten)]
    pub read: ReadSettings,
    /// Patterns of the layers of A; empty for the default: modules down to depth two, and blocks that
    /// repeat deeper down.
    pub layers: Vec<String>,
    /// Patterns of the layers of B.
    pub layers_b: Vec<String>,
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

/// Options of measures; each uses its own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeasureOptions {
    /// k of mutual-knn, cknna, jaccard and second-order-cosine.
    pub neighbours: usize,
    /// α of shape-metric: 1 rotates only, 0 allows any invertible linear map.
    pub alpha: f64,
    /// Share of the variance that svcca keeps.
    pub variance: f64,
    /// Which estimator of HSIC, of cka and hsic.
    pub bias: Bias,
}

/// What was found: of every matrix a row a layer of A, a column a layer of B.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CompareResults {
    /// Layers of A, in the order in which they finish.
    pub layers_a: Vec<String>,
    /// Layers of B; those of A where it was compared with itself.
    pub layers_b: Vec<String>,
    /// Samples.
    pub n: usize,
    /// One a measure.
    pub measures: Vec<MeasureResult>,
    /// What two models themselves give, held against each other; of stored features where both files have an array
    /// `logits`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<OutputResults>,
    /// One a layer of A, then one of B: what is known of the layer alone.
    pub layers: Vec<LayerResult>,
}

/// What two models say of the same samples: output i of A is taken for the same class as output i of B.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutputResults {
    /// K, the number of outputs; 0 where they are not compared.
    pub outputs: usize,
    /// What the outputs of A and of B were taken for.
    pub forms: Vec<OutputForm>,
    /// Samples for which A and B name different classes.
    pub differing: usize,
    /// The accuracies of A and of B, where the classes of the samples are known.
    pub accuracies: [Number; 2],
    /// One a measure; of each, smaller is more alike.
    pub measures: Vec<OutputMeasure>,
}

/// One measure of what two models say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutputMeasure {
    /// Its name: `disagreement`, `min-max-disagreement`, `jensen-shannon` or `accuracy-difference`.
    pub name: String,
    /// What it is, in a sentence.
    pub what: String,
    /// The value.
    pub value: Number,
    /// Its 95 % interval over samples: of a share Wilson's (1927), of the others by bootstrap.
    pub interval: Option<(f64, f64)>,
    /// Why there is no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What is known of a measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeasureFacts {
    /// What it compares, in a sentence.
    #[serde(default)]
    pub what: String,
    /// Whether swapping the layers changes nothing.
    pub symmetric: bool,
    /// Whether it is a metric, up to what it is invariant to.
    pub metric: bool,
    /// The least and the greatest value; `null` where there is none.
    pub range: [Number; 2],
    /// Whether a larger value means more alike.
    pub larger_is_more_alike: bool,
    /// What leaves it as it is: isotropic-scaling, orthogonal, linear, unit-order, translation,
    /// sample-order.
    pub invariances: Vec<String>,
    /// Whether it means nothing unless there are more samples than features.
    pub needs_more_samples_than_features: bool,
    /// What a reader has to know.
    pub caveats: Vec<String>,
}

/// One measure of all pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeasureResult {
    /// Its name.
    pub name: String,
    /// What is known of it.
    pub facts: MeasureFacts,
    /// The values.
    pub values: Vec<Vec<Number>>,
    /// (1 + b)/(1 + P), where b of P permutations of the samples are at least as alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_values: Option<Vec<Vec<Number>>>,
    /// (value − mean of the null)/(best − mean of the null): 0 by chance, 1 for a layer with itself;
    /// `null` also where the measure has no best value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibrated: Option<Vec<Vec<Number>>>,
    /// The mean of the null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null_means: Option<Vec<Vec<Number>>>,
    /// The ends of the interval over samples: of the values v of random halves of m = ⌊n/2⌋ of them,
    /// value + √(m/(n−m))·(quantiles of v − median of v), within the range (Shao & Wu 1989; Wu 1990).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intervals: Option<Vec<Vec<[Number; 2]>>>,
    /// The layer of B most like each layer of A; of a model with itself, the most alike other one.
    pub best_matches: Vec<Option<BestMatch>>,
    /// Why values, and what is held beside them, are `null`.
    pub nulls: Vec<PairNull>,
}

/// The layer of B most like a layer of A.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BestMatch {
    /// Layer of A.
    pub layer_a: String,
    /// Layer of B; of equals the one of the same name, else the first.
    pub layer_b: String,
    /// The value.
    pub value: f64,
}

/// Why a pair of layers has no value, or all pairs of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PairNull {
    /// What is `null`: `values`, and with it all that is beside it, or `p_values`, with `calibrated`
    /// and `null_means`, or `calibrated` or `intervals` alone.
    #[serde(default = "values")]
    pub field: String,
    /// Layer of A; `null` where it is so with all of them.
    pub layer_a: Option<String>,
    /// Layer of B; `null` where it is so with all of them.
    pub layer_b: Option<String>,
    /// What is wrong.
    pub reason: String,
}

/// What is known of a layer alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LayerResult {
    /// `A` or `B`; of many models the name of its own.
    pub model: String,
    /// Its name.
    pub name: String,
    /// D, the number of features.
    pub width: usize,
    /// Principal components that were measured, where they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub components: Option<usize>,
    /// Share of the variance that they hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variance_kept: Option<f64>,
    /// exp of the entropy of the singular values (Roy & Vetterli 2007).
    pub effective_rank: Number,
    /// (Σλ)²/Σλ² of the variances of the principal components.
    pub participation_ratio: Number,
    /// Intrinsic dimension by TwoNN (Facco et al. 2017).
    pub intrinsic_dimension: Number,
    /// Share of the features that are exactly zero.
    pub zeros: Number,
    /// Sparseness of Hoyer (2004), the mean over samples.
    pub sparseness: Number,
    /// Class separation (Kornblith et al. 2021); `null` without labels.
    pub class_separation: Number,
    /// Whether so few directions hold its variance that any measure is about these alone.
    pub compressed: bool,
    /// Why values are `null`.
    pub nulls: Vec<NullValue>,
}

/// A participation ratio below which a layer counts as compressed.
pub const COMPRESSED: f64 = 3.0;

impl MeasureOptions {
    /// As the measures take them.
    pub fn of(options: &similarity::Options) -> Self {
        let similarity::Options { neighbours, alpha, variance, bias, both_ways: _ } = *options;
        Self { neighbours, alpha, variance, bias }
    }
}

/// What a [`PairNull`] is about that does not say it.
fn values() -> String {
    "values".to_owned()
}

impl MeasureFacts {
    /// As data of the report, the range that of the estimator asked for.
    pub fn of(measure: Measure, options: &similarity::Options) -> Self {
        let (facts, range) = (measure.facts(), measure.range(options));
        let averaged = (!facts.symmetric && options.both_ways)
            .then_some("The mean of both directions; what is said of it is said of one.");
        let caveats = averaged.into_iter().chain(facts.caveats.iter().copied());
        Self {
            what: facts.what.to_owned(),
            symmetric: measure.is_symmetric(options),
            metric: facts.metric,
            range: [range.0.into(), range.1.into()],
            larger_is_more_alike: facts.larger_is_more_alike,
            invariances: facts.invariances.iter().map(|i| name_of(*i).to_owned()).collect(),
            needs_more_samples_than_features: facts.needs_more_samples,
            caveats: caveats.map(str::to_owned).collect(),
        }
    }
}

/// What an invariance is called in reports.
pub fn name_of(invariance: Invariance) -> &'static str {
    match invariance {
        Invariance::IsotropicScaling => "isotropic-scaling",
        Invariance::Orthogonal => "orthogonal",
        Invariance::Linear => "linear",
        Invariance::UnitOrder => "unit-order",
        Invariance::Translation => "translation",
        Invariance::SampleOrder => "sample-order",
    }
}

impl MeasureResult {
    /// Why a pair has no value.
    pub fn reason(&self, a: &str, b: &str) -> Option<&str> {
        Some(&self.without_value().get(self.place_without_value(a, b)?)?.reason)
    }

    /// Why values are `null`: those of `nulls` that are about values.
    pub fn without_value(&self) -> Vec<&PairNull> {
        self.nulls.iter().filter(|null| null.field == "values").collect()
    }

    /// Which of these is that of a pair.
    pub fn place_without_value(&self, a: &str, b: &str) -> Option<usize> {
        let is = |named: &Option<String>, layer: &str| named.as_deref().is_none_or(|n| n == layer);
        let of = |null: &&PairNull| is(&null.layer_a, a) && is(&null.layer_b, b);
        self.without_value().iter().position(of)
    }

    /// Row and column of the best match of a row.
    pub fn best_place(&self, i: usize, layers_b: &[String]) -> Option<(usize, usize)> {
        let name = &self.best_matches.get(i)?.as_ref()?.layer_b;
        Some((i, layers_b.iter().position(|layer| layer == name)?))
    }

    /// The interval of a pair, where it has one.
    pub fn interval(&self, i: usize, j: usize) -> Option<(f64, f64)> {
        let [low, high] = self.intervals.as_ref()?.get(i)?.get(j)?;
        Some((low.get()?, high.get()?))
    }

    /// The p-value of a pair, where it has one.
    pub fn p_value(&self, i: usize, j: usize) -> Option<f64> {
        self.p_values.as_ref()?.get(i)?.get(j)?.get()
    }

    /// Row and column of the best match of each row.
    pub fn best_columns(&self, layers_b: &[String]) -> Vec<(usize, usize)> {
        (0..self.best_matches.len()).filter_map(|i| self.best_place(i, layers_b)).collect()
    }
}
