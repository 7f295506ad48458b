//! What a report was made from.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::accuracy::ModelAccuracy;
use crate::capture::Reduce;
use crate::classifier::OutputForm;
use crate::data::statistics::Origin;
use crate::data::{
    ArrayLayout, Dataset, Enlarged, FloatFormat, Preprocess, Skipped, SourceKind, Summary,
    Tokenized,
};
use crate::error::{Error, Result};
use crate::files;

/// The inputs of a run; what it did not take is left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Inputs {
    /// The models, in the order given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelInput>,
    /// The samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataInput>,
    /// Files of stored representations, in the order given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<FeatureInput>,
    /// Sets that are held against each other: the reference first, then those that could be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<SetInput>,
    /// The file of defaults that options were taken from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<DefaultsInput>,
}

/// A file of defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DefaultsInput {
    /// Its path.
    pub path: String,
    /// The options that came from it: `--limit=500`.
    pub options: Vec<String>,
}

/// A set of samples, in whichever form it was given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SetInput {
    /// Images.
    Images(DataInput),
    /// Stored features.
    Features(FeatureInput),
    /// Mean and covariance.
    Statistics(StatisticsInput),
}

/// A file of mean and covariance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatisticsInput {
    /// Its path as given.
    pub path: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Samples, if it says.
    pub n: Option<usize>,
    /// How it was made, if it says.
    pub origin: Option<Origin>,
}

/// A TorchScript archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelInput {
    /// Its path as given.
    pub path: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The weights that were put into it, where they are not its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsInput>,
    /// Whether it was frozen when it was exported, so that its layers are operators.
    pub frozen: bool,
    /// The type of floats that it was cast to: `float16`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// The part of what it returns that was taken for its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_key: Option<String>,
    /// Operators that reach beyond the model, if it was trusted with them.
    pub untrusted_operators: Vec<String>,
    /// What kept it from other files, processes and networks: `operators` (its code was held against those that
    /// only compute, before it ran), `landlock` and `seccomp` (the operating system held the process).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_by: Vec<String>,
    /// Seed of the random numbers it drew, where values depend on them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draw_seed: Option<u64>,
    /// What went into its inputs, where they are more than one tensor of float32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<FedInput>,
    /// The layers looked at, in the order in which they finish.
    pub layers: Vec<LayerInfo>,
    /// What its N×K outputs are, where the run saw some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputForm>,
    /// How often it is right, an entry a data set with labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accuracy: Vec<ModelAccuracy>,
    /// The folder that its outputs came from, where it did not run itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Box<FolderInput>>,
}

/// A folder of outputs that `repsim features` wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FolderInput {
    /// Its path as given.
    pub path: String,
    /// SHA-256 of its index, `features.json`, which holds those of its files.
    pub sha256: String,
    /// The program that wrote it, and its version.
    pub tool: String,
    /// What became of outputs: `flatten` where they are whole.
    pub reduce: Reduce,
    /// The types of the numbers.
    pub dtypes: Vec<FloatFormat>,
    /// Rows of more features were projected to so many numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<usize>,
    /// Seed of the projections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection_seed: Option<u64>,
    /// Samples in a batch of the run.
    pub batch_size: usize,
    /// Whether the model ran frozen, with batch norms folded.
    pub optimize: bool,
    /// Where it ran.
    pub device: String,
    /// What the samples were that it ran on.
    pub data: String,
    /// SHA-256 over the sorted names of those and their bytes.
    pub fingerprint: String,
}

/// Weights that were put into a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WeightsInput {
    /// Path of the checkpoint as given.
    pub path: String,
    /// SHA-256 of the file; of several files that of the lines that `sha256sum` prints of them, the index
    /// first, without folders.
    pub sha256: String,
    /// Number of files.
    pub files: usize,
    /// How they are stored: `torch-zip`, `torch-legacy` (before PyTorch 1.6), `safetensors` or `sharded`.
    pub format: String,
    /// Where in the checkpoint the weights are, as a dotted path; `.` for the top.
    pub key: String,
    /// What was done to their names to make them those of the model: `without 'module.'`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed: Option<String>,
    /// Parameters and buffers that were set.
    pub tensors: usize,
    /// Those that the checkpoint has not, or in another shape: the model keeps its own.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missing: usize,
    /// Tensors of the checkpoint that the model has not, or in another shape.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unused: usize,
}

/// What went into an input of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FedInput {
    /// The name of the input in `forward`.
    pub name: String,
    /// The array of the data; empty for a file of one without a name.
    pub array: String,
    /// The type of the values it was given, as PyTorch writes it.
    pub dtype: String,
    /// Shape of a sample.
    pub shape: Vec<usize>,
}

/// One layer of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LayerInfo {
    /// Dotted name, with `:2` and so on for later calls of the same module.
    pub name: String,
    /// Class of the module, or the operator.
    #[serde(rename = "type")]
    pub type_name: String,
    /// What it is: convolution, normalization, activation, ….
    pub kind: String,
    /// Shape of one sample's output.
    pub shape: Vec<i64>,
    /// Number of parameters, its children's included.
    pub parameters: u64,
    /// How often its module runs in a forward pass.
    pub calls: usize,
    /// The axis of its output that holds the samples, counted from 0; `shape` is without it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sample_axis: usize,
    /// The axis of its output that holds the channels, counted from 0 with that of the samples.
    #[serde(default)]
    pub channel_axis: Option<usize>,
    /// How that axis was found: by the `operator`s that made the output, `given` by --channel-axis, or
    /// `guessed` from the number of axes.
    #[serde(default)]
    pub channel_axis_by: Option<String>,
    /// Tokens in front of the others that come from a parameter and not from the input (class and
    /// register tokens), where the output is tokens and it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_tokens: Option<usize>,
    /// Other layers that give this very tensor: of such layers only one is looked at where none are
    /// named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Whether its output is complex; the real and the imaginary part of a channel then count as two,
    /// in the shape too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub complex: bool,
    /// What its values depend on beside the sample: `draw` for random numbers drawn in the run, `batch`
    /// for the other samples of the batch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// A data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DataInput {
    /// Its path as given.
    pub path: String,
    /// What the path holds.
    pub kind: SourceKind,
    /// Samples used.
    pub count: usize,
    /// SHA-256 over the sorted names of the samples used and their bytes as stored.
    pub fingerprint: String,
    /// The order of the axes of an array of pictures, as given by --layout or found from its shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<ArrayLayout>,
    /// How texts became tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokensInput>,
    /// Samples whose `attention_mask` leaves some of their tokens out as padding.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub padded: usize,
    /// Samples left out because they could not be read.
    pub skipped: Vec<Skipped>,
    /// Files beside them that look like pictures of kinds that are not read, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
    /// The classes and how many of the samples used are of each; empty for data without labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassCount>,
    /// The sample that resizing enlarged most, where that is by more than 3 times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enlarged: Option<Enlarged>,
    /// What was done to the samples: one entry a model, or one for all.
    pub preprocess: Vec<Preprocess>,
}

/// How texts became tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokensInput {
    /// The tokenizer, as given.
    pub tokenizer: String,
    /// SHA-256 of its file.
    pub sha256: String,
    /// Tokens a sample, padding included.
    pub length: usize,
    /// Texts of which tokens were cut off.
    pub cut: usize,
    /// Texts that were padded.
    pub padded: usize,
}

impl TokensInput {
    fn new(made: &Tokenized) -> Self {
        Self {
            tokenizer: made.tokenizer.display().to_string(),
            sha256: made.sha256.clone(),
            length: made.length,
            cut: made.cut,
            padded: made.padded,
        }
    }
}

/// A class of a data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClassCount {
    /// Its name: that of its folder or of the format, or its number.
    pub name: String,
    /// Samples of it that were used.
    pub count: usize,
}

/// A file of stored representations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FeatureInput {
    /// Its path as given.
    pub path: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Its arrays and their shapes.
    pub arrays: Vec<ArrayInfo>,
}

/// One stored array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArrayInfo {
    /// Its name.
    pub name: String,
    /// Its shape, the samples first.
    pub shape: Vec<usize>,
    /// The axis that holds the channels, where it was given by --channel-axis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_axis: Option<usize>,
}

impl Inputs {
    /// Names of the models or feature files, for axes and tables.
    pub fn names(&self) -> Vec<String> {
        let models = self.models.iter().map(ModelInput::name);
        models.chain(self.features.iter().map(|f| file_name(&f.path))).collect()
    }
}

fn file_name(path: &str) -> String {
    Path::new(path).file_name().map_or(path.into(), |name| name.to_string_lossy()).into_owned()
}

impl ModelInput {
    /// The name of its file, with that of its weights where they are not its own: `arch.pt + e9.pth`.
    pub fn name(&self) -> String {
        let own = file_name(&self.path);
        match &self.weights {
            None => own,
            Some(weights) if weights.key == "." => format!("{own} + {}", file_name(&weights.path)),
            Some(weights) => format!("{own} + {} ({})", file_name(&weights.path), weights.key),
        }
    }

    /// The path that distinguishes it best: that of its weights where they are not its own.
    pub fn telling_path(&self) -> &str {
        self.weights.as_ref().map_or(&self.path, |weights| &weights.path)
    }

    /// What makes it the network that it is: the hash of its file, and of its weights with their key.
    pub fn identity(&self) -> String {
        match &self.weights {
            None => self.sha256.clone(),
            Some(weights) => format!("{}+{}", self.sha256, weights.identity()),
        }
    }
}

impl WeightsInput {
    /// What tells these weights from others: the hash of the files, and where in them they are.
    pub fn identity(&self) -> String {
        match self.key.as_str() {
            "." => self.sha256.clone(),
            key => format!("{}:{key}", self.sha256),
        }
    }
}

impl SetInput {
    /// What tells two sets apart: the fingerprint of images, the hash of a file.
    pub fn fingerprint(&self) -> &str {
        match self {
            Self::Images(data) => &data.fingerprint,
            Self::Features(file) => &file.sha256,
            Self::Statistics(file) => &file.sha256,
        }
    }
}

impl DataInput {
    /// What was read of a data set, and what was done to it.
    pub fn new(dataset: &Dataset, summary: Option<Summary>, preprocess: &[Preprocess]) -> Self {
        let padded = summary.as_ref().map_or(0, |read| read.padded);
        let (count, fingerprint, mut skipped, enlarged) = match summary {
            Some(read) => (read.samples, read.fingerprint, read.skipped, read.enlarged),
            None => (0, None, vec![], None),
        };
        in_order_of(dataset, &mut skipped);
        Self {
            path: dataset.path().display().to_string(),
            kind: dataset.kind(),
            count,
            fingerprint: fingerprint.unwrap_or_default(),
            classes: class_counts(dataset, &skipped),
            layout: dataset.layout(),
            tokens: dataset.tokenized().map(TokensInput::new),
            padded,
            skipped,
            unread: dataset.unread().to_vec(),
            enlarged,
            preprocess: preprocess.to_vec(),
        }
    }
}

/// Puts samples left out in the order of the data, whatever order it was read in.
fn in_order_of(dataset: &Dataset, skipped: &mut [Skipped]) {
    if skipped.len() > 1 {
        let places: HashMap<String, usize> =
            (0..dataset.len()).map(|i| (dataset.name(i), i)).collect();
        skipped.sort_by_key(|sample| places.get(&sample.name).copied());
    }
}

/// Samples a class, without those that were left out.
fn class_counts(dataset: &Dataset, skipped: &[Skipped]) -> Vec<ClassCount> {
    let Some(labels) = dataset.labels() else { return vec![] };
    let left_out: HashSet<&str> = skipped.iter().map(|sample| sample.name.as_str()).collect();
    let known = 0..dataset.classes().len();
    let mut counts: BTreeMap<usize, usize> = known.map(|class| (class, 0)).collect();
    for (i, &class) in labels.iter().enumerate() {
        if left_out.is_empty() || !left_out.contains(dataset.name(i).as_str()) {
            *counts.entry(class).or_default() += 1;
        }
    }
    let named = |(class, count)| ClassCount { name: dataset.class_name(class), count };
    counts.into_iter().map(named).collect()
}

/// SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// The file cannot be read.
pub fn sha256_of_file(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut file = files::open(path).map_err(|e| Error::io("read", path, e))?;
    std::io::copy(&mut file, &mut HashWriter(&mut hasher))
        .map_err(|e| Error::io("read", path, e))?;
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
