//! The report of `repsim saliency`.

use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::maps::MapGrid;
use crate::data::Preprocess;
use crate::report::{Number, ReadSettings, Report};
use crate::saliency::Method;
use crate::saliency::faithfulness::Fill;

/// What predictions look at.
pub type SaliencyReport = Report<SaliencySettings, SaliencyResults>;

/// All that changes a number of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SaliencySettings {
    /// The methods.
    pub methods: Vec<Method>,
    /// What is explained: `predicted`, `label`, `class 3`, `class 3 against 5`.
    pub target: String,
    /// The layers as they were asked for; without any the last with a spatial map that
    /// the output depends on.
    pub layers: Vec<String>,
    /// The grid that tokens were to fold to, `14x14`, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<String>,
    /// The input that was explained, where the data were no images: maps of token ids are those of their
    /// embedding, 1×T, and 0 at padding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Whether gradients are summed over channels with their sign; else their largest absolute
    /// value is taken.
    pub signed: bool,
    /// Noisy copies of an image, for SmoothGrad; random places on the way from the baseline, for Gradient SHAP.
    pub samples: usize,
    /// Standard deviation of the noise of SmoothGrad, as a share of the range of the image's values.
    pub noise: f64,
    /// The same of Gradient SHAP, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shap_noise: Option<f64>,
    /// Copies of an image with patches filled in, for LIME and KernelSHAP, where those were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perturbations: Option<usize>,
    /// α of the Lasso of LIME, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lime_alpha: Option<f64>,
    /// Seed of the noise, of what is drawn else and of the bootstrap.
    pub random_seed: u64,
    /// How `sanity` re-initialised parameters: `normal with each tensor's mean and deviation`, and what stays
    /// as it was; without the test `null`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redrawn: Option<String>,
    /// Steps of integrated gradients.
    pub steps: usize,
    /// What the path begins from and what windows are filled with, a value a channel, in what the
    /// network takes.
    pub baseline: Vec<f32>,
    /// Side of the windows of occlusion, and of the patches of LIME and KernelSHAP.
    pub window: usize,
    /// From one window to the next.
    pub stride: usize,
    /// The element of a tuple that counts as the model's output.
    pub output_index: Option<usize>,
    /// What was done to the images.
    pub preprocess: Preprocess,
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
pub struct SaliencyResults {
    /// The maps that each image has, in the order of `images[].maps`.
    pub columns: Vec<ColumnInfo>,
    /// One for each image.
    pub images: Vec<ImageResult>,
    /// How alike the maps of two columns are, for every pair.
    pub comparison: Vec<PairResult>,
    /// The means of `comparison` as matrices, where there are several columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matrices: Option<AgreementMatrices>,
    /// Maps in which nothing stands out.
    pub degenerate: usize,
    /// Deletion and insertion, where they were asked for: a fill a column.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faithfulness: Vec<FaithfulnessResult>,
    /// The test of random weights on the first batch, where it was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sanity: Vec<SanityResult>,
}

/// Whether a map names the pixels that the prediction rests on (Petsiuk, Das & Saenko 2018): areas
/// under the curve of the class's probability over the share of pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaithfulnessResult {
    /// Name of the column.
    pub column: String,
    /// What pixels are replaced by.
    pub fill: Fill,
    /// Pixels are taken away, the highest first: smaller is better.
    pub deletion: Mean,
    /// Pixels are put in, the highest first: larger is better.
    pub insertion: Mean,
    /// Deletion in a random order: the baseline.
    pub random_deletion: Mean,
    /// Insertion in a random order.
    pub random_insertion: Mean,
}

/// How alike maps are before and after weights were re-initialised (Adebayo et al. 2018).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SanityResult {
    /// Name of the column.
    pub column: String,
    /// The parameters of this module, and of all after it, were re-initialised.
    pub redrawn_down_to: String,
    /// Spearman's correlation of the maps: near 0 for a map that depends on what was learned.
    pub spearman: Mean,
    /// Their structural similarity.
    pub ssim: Mean,
}

/// One map of each image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ColumnInfo {
    /// Name, unlike that of any other column.
    pub name: String,
    /// Which of the models.
    pub model: usize,
    /// The method.
    pub method: Method,
    /// The layer of a class activation map.
    pub layer: Option<String>,
    /// Its positions; not in reports of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<MapGrid>,
}

/// What was found of one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ImageResult {
    /// Its name.
    pub sample: String,
    /// Its class, where that is known.
    pub label: Option<String>,
    /// What each model says of it.
    pub predictions: Vec<PredictionInfo>,
    /// A summary of each map.
    pub maps: Vec<MapSummary>,
    /// The derivative from its definition, of chosen pixels or patches, where that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub finite_differences: Vec<FiniteDifference>,
}

/// (S(x + h·d) − S(x)) / h for falling h, where d is 1 on a patch, in every channel, and 0 elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FiniteDifference {
    /// Which of the models.
    pub model: usize,
    /// First row of the patch.
    pub row: usize,
    /// First column of the patch.
    pub column: usize,
    /// Its side: 1 for a pixel.
    pub side: usize,
    /// What autograd says of the derivative along d.
    pub autograd: Number,
    /// The h at which the quotient comes closest; below it rounding takes over.
    pub best_h: f64,
    /// One for each h.
    pub steps: Vec<FiniteStep>,
}

/// The quotient at one h.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FiniteStep {
    /// h, in what the network takes.
    pub h: f64,
    /// (S(x + h·d) − S(x)) / h.
    pub quotient: Number,
    /// Its distance from autograd's value, relative to that.
    pub relative_error: Number,
}

/// What a model says of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PredictionInfo {
    /// The class explained; `null` where that is the predicted one and a logit is not finite.
    pub target: Option<String>,
    /// The class it is held against, for a contrast.
    pub against: Option<String>,
    /// The score explained: a logit, or the difference of two (of probabilities where the model's outputs
    /// are those).
    pub score: Number,
    /// The classes with the highest logits, the highest first; none where a logit is not finite.
    pub top: Vec<ClassScore>,
    /// For integrated gradients: Σ of the map less S(x) − S(baseline), which is 0 in the limit of many
    /// steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completeness_error: Option<Number>,
}

/// A class with what the model gives for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClassScore {
    /// Its name, or its number.
    pub class: String,
    /// The logit; `null` where the model's outputs are probabilities.
    pub logit: Number,
    /// Its probability: the softmax of the logits, or the output itself where that is one.
    pub probability: Number,
}

/// A map in a few numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MapSummary {
    /// Share of the map's absolute values inside the tenth of its pixels where they are largest.
    pub mass_in_top: Number,
    /// Centre of mass of the absolute values: row and column, 0 to 1.
    pub centre: Option<(f64, f64)>,
    /// Entropy of the absolute values over that of a uniform map: 0 for one pixel, 1 for all alike.
    pub entropy: Number,
    /// The smallest value.
    pub min: Number,
    /// The largest value.
    pub max: Number,
    /// Zero everywhere, or not finite: the map says nothing.
    pub degenerate: bool,
}

/// How alike the maps of two columns are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PairResult {
    /// Name of a column.
    pub a: String,
    /// Name of another.
    pub b: String,
    /// Pearson's correlation of the pixels.
    pub pearson: Mean,
    /// Spearman's rank correlation.
    pub spearman: Mean,
    /// Structural similarity (Wang et al. 2004) of the maps brought to 0…1.
    pub ssim: Mean,
    /// Share that the highest tenths of the pixels have in common: intersection over union.
    pub overlap: Mean,
}

/// The mean agreement of every column with every other: symmetric matrices, a row and a column a
/// column of maps, 1 on the diagonal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgreementMatrices {
    /// Names of the columns, in the order of rows and columns.
    pub names: Vec<String>,
    /// Pearson's correlation.
    pub pearson: Vec<Vec<Number>>,
    /// Spearman's rank correlation.
    pub spearman: Vec<Vec<Number>>,
    /// Structural similarity.
    pub ssim: Vec<Vec<Number>>,
    /// Share that the highest tenths of the pixels have in common.
    pub overlap: Vec<Vec<Number>>,
    /// Why values are `null`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nulls: Vec<NullAgreement>,
}

/// Why two columns have no agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NullAgreement {
    /// The measure: `pearson`, `spearman`, `ssim` or `overlap`.
    pub measure: String,
    /// Name of a column.
    pub a: String,
    /// Name of another.
    pub b: String,
    /// The reason.
    pub reason: String,
}

/// A value of each image, and their mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Mean {
    /// The mean over the images that have a value.
    pub mean: Number,
    /// 95 % bootstrap interval of the mean, over images.
    pub interval: Option<(f64, f64)>,
    /// Images that have a value.
    pub count: usize,
    /// In the order of `images`; `null` where a map is constant or says nothing.
    pub per_image: Vec<Number>,
    /// Why values are `null`, where some are: how many, and what is wrong with the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Picks one measure of a pair.
pub type Measure = fn(&PairResult) -> &Mean;

/// A matrix of the mean of one measure between all columns, 1 on the diagonal, NaN for `null`.
pub fn matrix(columns: &[ColumnInfo], pairs: &[PairResult], value: Measure) -> Array2<f64> {
    let place = |name: &str| columns.iter().position(|column| column.name == name);
    let mut matrix = Array2::eye(columns.len());
    for pair in pairs {
        if let (Some(a), Some(b)) = (place(&pair.a), place(&pair.b)) {
            let found = value(pair).mean.get().unwrap_or(f64::NAN);
            matrix[(a, b)] = found;
            matrix[(b, a)] = found;
        }
    }
    matrix
}
