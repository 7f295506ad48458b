//! Where features come from: what `fid`, `stats` and `distance` share.

use std::path::PathBuf;

use super::args::{self, LoadArgs, ModelArgs, OutputArgs, PreprocessArgs, TextArgs};
use super::limits;
use crate::analysis::Extraction;
use crate::capture::Reduce;
use crate::error::Result;

/// Where features come from.
#[derive(clap::Args)]
pub struct ExtractArgs {
    /// The model that gives the features of images, of arrays for its inputs or of texts: .pt2 of torch.export, or
    /// TorchScript
    #[arg(long, value_name = "MODEL", help_heading = "Features")]
    pub model: Option<PathBuf>,
    /// The layer whose output is used, or NAME:input for the input of the last linear layer; in
    /// files with several arrays, the array [default: the input of the last linear layer; what an
    /// extractor for FID returns]
    #[arg(long, short, value_name = "NAME", alias = "layer", help_heading = "Features")]
    pub layers: Option<String>,
    /// How a feature map becomes a row: gap (its channel means), flatten (all of it); for tokens
    /// also tokens-mean (without class tokens), cls (the first), last
    #[arg(long, value_name = "HOW", default_value = "gap", help_heading = "Features",
          value_parser = args::one_row)]
    pub reduce: Reduce,
    /// Memory for covariances and kept features
    #[arg(long, value_name = "SIZE", default_value = "4GiB", help_heading = "Features",
          value_parser = limits::bytes)]
    pub memory: u64,
    #[command(flatten)]
    pub outputs: OutputArgs,
    #[command(flatten)]
    pub texts: TextArgs,
    #[command(flatten)]
    pub load: LoadArgs,
    #[command(flatten)]
    pub preprocess: PreprocessArgs,
    #[command(flatten)]
    pub run: ModelArgs,
}

impl ExtractArgs {
    /// Where features come from.
    ///
    /// # Errors
    /// Weights without a model.
    pub fn request(&self) -> Result<Extraction> {
        self.run.weights.refuse(self.model.is_none(), "a run without --model")?;
        let models = usize::from(self.model.is_some());
        Ok(Extraction {
            model: self.model.clone(),
            layer: self.layers.clone(),
            reduce: self.reduce,
            memory: self.memory,
            output_index: self.outputs.output_index,
            first_channels: None,
            texts: self.texts.request(),
            load: self.load.request(),
            preprocessing: self.preprocess.request(),
            running: self.run.request(models)?,
        })
    }
}
