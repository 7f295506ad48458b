//! The options of `repsim platonic`.

use std::path::PathBuf;

use crate::analysis::Platonic;
use crate::capture::Reduce;
use crate::cli::args::{self, DataArgs, ModelArgs, PreprocessArgs};
use crate::cli::compare::{ChanceArgs, OptionArgs};
use crate::cli::gate::GateArgs;
use crate::cli::limits;
use crate::cli::picture::RangeArgs;
use crate::cli::results::ResultArgs;
use crate::cli::sides::check_stored;
use crate::error::Result;
use crate::similarity::{Measure, Options};

/// Options of `repsim platonic`.
#[derive(clap::Args)]
pub struct Args {
    /// Two or more models (.pt2 of torch.export, or TorchScript), or folders of `repsim features`
    #[arg(value_name = "MODEL", required_unless_present = "features")]
    pub models: Vec<PathBuf>,
    /// Align stored representations instead: .npz, .npy or .safetensors files with one array per
    /// model; rows of one index are the same sample
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["models", "data"])]
    pub features: Vec<PathBuf>,
    #[command(flatten)]
    pub results: ResultArgs,
    /// Draw the matrix, alike models side by side: FILE.png or FILE.svg
    #[arg(long, short, value_name = "FILE", alias = "heatmap")]
    pub plot: Option<PathBuf>,
    #[command(flatten)]
    pub range: RangeArgs,
    /// How two models are compared: any measure of `repsim compare`; where it is not symmetric, the
    /// mean of both directions
    #[arg(long, value_name = "MEASURE", default_value = "mutual-knn", help_heading = "Measure")]
    pub measure: Measure,
    /// Reduce each layer to its first K principal components before measuring
    #[arg(long, value_name = "K", value_parser = limits::COUNT, help_heading = "Measure")]
    pub pca: Option<usize>,
    /// Rows of features: gap (means over positions), flatten (a sample's whole feature map); for
    /// tokens also tokens-mean (without class tokens), cls (the first), last
    #[arg(long, value_name = "HOW", default_value = "gap", value_parser = args::one_row,
          help_heading = "Measure")]
    pub reduce: Reduce,
    #[command(flatten)]
    pub options: OptionArgs,
    #[command(flatten)]
    pub chance: ChanceArgs,
    /// The layer to compare, of all models or, repeated, of each in turn [default: the input of the
    /// last linear layer; of stored representations every array]
    #[arg(long, short, value_name = "NAME", alias = "layer", help_heading = "Layers")]
    pub layers: Vec<String>,
    /// Names of the classes, one line per logit, for the accuracies [default: the sub-folders of the
    /// data in alphabetical order, if there are as many as logits]
    #[arg(long, value_name = "FILE", help_heading = "Models")]
    pub labels: Option<PathBuf>,
    /// Index, from 0, of the logits in the tuple that a model returns (-o, --output is the file of the report)
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

impl Args {
    /// What is aligned.
    ///
    /// # Errors
    /// Options that do not go together, or that are for nothing that is asked for.
    pub fn request(&self) -> Result<Platonic> {
        let of_data = self.data.load.any() || self.preprocess.any() || self.output_index.is_some();
        check_stored(!self.features.is_empty(), of_data || self.labels.is_some())?;
        self.run.weights.refuse(!self.features.is_empty(), "--features")?;
        Ok(Platonic {
            models: self.models.clone(),
            features: self.features.clone(),
            layers: self.layers.clone(),
            measure: self.measure,
            options: Options { both_ways: true, ..self.options.options(&[self.measure])? },
            components: self.pca,
            reduce: self.reduce,
            memory: self.options.memory,
            chance: self.chance.request()?,
            labels: self.labels.clone(),
            output_index: self.output_index,
            data: self.data.request(),
            preprocessing: self.preprocess.request(),
            running: self.run.request(self.models.len())?,
        })
    }
}
