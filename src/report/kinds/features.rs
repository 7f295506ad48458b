//! The report of `repsim features`, which is the index of the folder that it wrote.

use std::io::BufReader;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capture::Reduce;
use crate::data::FloatFormat;
use crate::error::{Error, Result};
use crate::files;
use crate::report::{AnyReport, Number, ReadSettings, Report, SchemaId};

/// An index of outputs of layers in files.
pub type FeaturesReport = Report<FeaturesSettings, FeaturesResults>;

impl FeaturesReport {
    /// Reads an index, which grows with the samples: as it comes, however long it is.
    ///
    /// # Errors
    /// There is no such file, or it is not such an index: what it is instead.
    pub fn read(path: &Path) -> Result<Self> {
        let file = files::open(path).map_err(|e| Error::io("read", path, e))?;
        if let Ok(report) = serde_json::from_reader::<_, Self>(BufReader::new(file))
            && report.schema == SchemaId::current("features")
        {
            return Ok(report);
        }
        // What is wrong with it is said as of any report.
        match AnyReport::read(path)? {
            AnyReport::Features(report) => Ok(*report),
            _ => {
                let problem = "it is a report of another kind";
                Err(Error::file(
                    "read",
                    path,
                    problem,
                    "write the folder again with repsim features",
                ))
            }
        }
    }
}

/// All that changes what is in the files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FeaturesSettings {
    /// Patterns of the layers; empty for the default, with the input of the last linear layer.
    pub layers: Vec<String>,
    /// What became of outputs: `flatten` where they are whole.
    pub reduce: Reduce,
    /// The type of the numbers; without one float64 of what was computed in it, and else float32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<FloatFormat>,
    /// Rows of more features were projected to so many numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<usize>,
    /// Seed of the projections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection_seed: Option<u64>,
    /// Which samples were used, and how they were read.
    #[serde(flatten)]
    pub read: ReadSettings,
    /// Which element of a tuple that the model returns was taken for its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_index: Option<usize>,
    /// What else of the command changes what the model gives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub run: Vec<String>,
    /// How stored samples became pixels: the version of the decoders, and the layout of an array.
    pub pixels: String,
    /// Whether the model ran frozen, with batch norms folded.
    pub optimize: bool,
    /// How exactly it computed, where not in float32 or its own type: `tf32`, `f16` or `bf16`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    /// Where it ran.
    pub device: String,
}

/// What is in the folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FeaturesResults {
    /// Samples: rows of every file of a layer.
    pub n: usize,
    /// The layers, in the order in which they finish.
    pub layers: Vec<KeptLayer>,
    /// What the model itself gives for each sample, where that is N×K floats or N of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<KeptLayer>,
    /// The place of the largest output for each sample where there are several; `null` where outputs are not finite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictions: Option<Vec<Option<usize>>>,
    /// Names of the samples, in the order of the rows.
    pub names: Vec<String>,
    /// The class of each sample, where the data have labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<usize>>,
    /// Names of the classes, where they have any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Of each sample the first one of the same bytes, where any two have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<Vec<usize>>,
}

/// A layer in a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KeptLayer {
    /// Its name.
    pub name: String,
    /// The file, in the folder of this index: `.npy`, or of bfloat16 `.safetensors`.
    pub file: String,
    /// SHA-256 of it.
    pub sha256: String,
    /// The type of its numbers.
    pub dtype: FloatFormat,
    /// The shape of its array, the samples first.
    pub shape: Vec<usize>,
    /// For each axis of the array behind the samples which one it is of the output as N×C×positions, from 0; whole
    /// outputs lie as they did in memory. Empty of reduced ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<usize>,
    /// How many of these axes lay around that of the samples in memory.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub around: usize,
    /// Of channel means what they were taken over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub averaged: Option<AveragedFile>,
    /// The projection that its rows went through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projected: Option<Projected>,
    /// Another layer whose tensor it gave in the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<String>,
    /// The first sample for which it is NaN or infinite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_finite: Option<String>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// How large the numbers were that means were taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AveragedFile {
    /// A file of float64: a row a batch, of each channel the sum over the samples of the squared mean of |x| over
    /// the positions.
    pub file: String,
    /// SHA-256 of it.
    pub sha256: String,
    /// Its shape.
    pub shape: [usize; 2],
}

/// A random projection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Projected {
    /// D, the features before.
    pub from: usize,
    /// K, the numbers behind it.
    pub to: usize,
    /// Its seed.
    pub seed: u64,
    /// √(2/K): at most so large is the standard deviation of a squared distance as a share of it.
    pub deviation: f64,
    /// The ε within which all squared distances between the samples stay by the lemma of Johnson and Lindenstrauss,
    /// as shares of these: K ≥ 4·ln n / (ε²/2 − ε³/3); `null` where K is too small for n samples to have one.
    pub distortion: Number,
}
