//! The options of `repsim platonic`.

use std::path::PathBuf;

use crate::capture::Reduce;
use crate::capture::represent::Wanted;
use crate::cli::args::{self, DataArgs, ModelArgs, PreprocessArgs};
use crate::cli::compare::{ChanceArgs, OptionArgs, check_components};
use crate::cli::gate::GateArgs;
use crate::cli::limits;
use crate::cli::picture;
use crate::cli::sides::check_stored;
use crate::error::{Error, Result};
use crate::report::compare::MeasureOptions;
use crate::report::platonic::PlatonicSettings;
use crate::similarity::{Measure, Options};

/// Options of `repsim platonic`.
#[derive(clap::Args)]
pub struct Args {
    /// Two or more models: .pt2 of torch.export, or TorchScript
    #[arg(value_name = "MODEL", required_unless_present = "features")]
    pub models: Vec<PathBuf>,
    /// Align stored representations instead: .npz, .npy or .safetensors files, an array a model,
    /// rows matched by index
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["models", "data"])]
    pub features: Vec<PathBuf>,
    /// Write the report as JSON to a file, - for standard output [default: standard output, or a
    /// table on a terminal]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Draw the matrix, alike models side by side: FILE.png or FILE.svg
    #[arg(long, value_name = "FILE")]
    pub heatmap: Option<PathBuf>,
    /// How two models are compared: any measure of `repsim compare`, one that is not symmetric by the
    /// mean of both directions
    #[arg(long, value_name = "MEASURE", default_value = "mutual-knn", help_heading = "Measure")]
    pub measure: Measure,
    /// Reduce each layer to its first K principal components before it is measured
    #[arg(long, value_name = "K", value_parser = limits::COUNT, help_heading = "Measure")]
    pub pca: Option<usize>,
    /// Rows of features: gap (means over positions), flatten (a sample's whole feature map), or of
    /// tokens tokens-mean (without class tokens), cls (the first), last
    #[arg(long, value_name = "HOW", default_value = "gap", value_parser = args::one_row,
          help_heading = "Measure")]
    pub reduce: Reduce,
    #[command(flatten)]
    pub options: OptionArgs,
    #[command(flatten)]
    pub chance: ChanceArgs,
    /// The layer to compare, of all models or, repeated, of each in turn [default: the input of the
    /// last linear layer; of stored representations every array]
    #[arg(long, value_name = "NAME", help_heading = "Layers")]
    pub layer: Vec<String>,
    /// Names of the classes, a line for each logit, for the accuracies [default: the sub-folders of the
    /// data in the order of their names, where they are as many as the logits]
    #[arg(long, value_name = "FILE", help_heading = "Models")]
    pub labels: Option<PathBuf>,
    /// Which element of a tuple that a model returns are its logits, from 0 (-o, --output is the file of
    /// the report)
    #[arg(long, value_name = "INDEX", value_parser = limits::INDEX, help_heading = "Models")]
    pub output_index: Option<usize>,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub preprocess: PreprocessArgs,
    #[command(flatten)]
    pub run: ModelArgs,
    #[command(flatten)]
    pub gate: GateArgs,
}

/// Refuses fewer than two models.
///
/// # Errors
/// There are fewer.
pub fn check_count(count: usize) -> Result<()> {
    match count < 2 {
        true => Err(Error::usage(
            "one model aligns with no other",
            "give two models or more, or compare its layers with repsim compare",
        )),
        false => Ok(()),
    }
}

impl Args {
    /// Refuses options that do not go together, and outputs that cannot be written.
    ///
    /// # Errors
    /// The first of them.
    pub fn check(&self) -> Result<()> {
        let files = self.models.len().max(self.features.len());
        if self.features.is_empty() {
            check_count(self.models.len())?;
        }
        if self.layer.len() > 1 && self.layer.len() != files {
            let problem = format!("--layer is given {} times for {files} models", self.layer.len());
            return Err(Error::usage(problem, "give it once for all, or once for each in turn"));
        }
        let of_data = self.data.load.any() || self.preprocess.any() || self.output_index.is_some();
        check_stored(!self.features.is_empty(), of_data || self.labels.is_some())?;
        self.run.weights.refuse(!self.features.is_empty(), "--features")?;
        self.heatmap.as_deref().map_or(Ok(()), picture::check)
    }

    /// Refuses more components than the samples have.
    ///
    /// # Errors
    /// There are too few samples.
    pub fn check_components(&self, samples: usize) -> Result<()> {
        check_components(self.pca, samples)
    }

    /// What is wanted of the layers.
    ///
    /// # Errors
    /// An option of the measure is out of its range.
    pub fn wanted(&self) -> Result<Wanted> {
        Ok(Wanted {
            reduce: self.reduce,
            options: Options { both_ways: true, ..self.options.options(&[self.measure])? },
            measures: vec![self.measure],
            components: self.pca,
            memory: self.options.memory,
            halves: self.chance.halves(&self.run),
        })
    }

    /// What the report says of the options.
    pub fn recorded(&self, options: &Options, device: &str) -> PlatonicSettings {
        PlatonicSettings {
            measure: self.measure.to_string(),
            options: MeasureOptions::of(options),
            reduce: self.reduce,
            pca: self.pca,
            permutations: self.chance.permutations,
            bootstrap: self.chance.bootstrap,
            level: self.chance.level(),
            random_seed: self.chance.random_seed(),
            layers: self.layer.clone(),
            output_index: self.output_index,
            batch_size: self.data.load.batch_size,
            limit: self.data.load.limit,
            layout: self.data.load.layout,
            seed: self.data.load.seed,
            optimize: !self.run.no_optimize,
            device: device.to_owned(),
        }
    }
}
