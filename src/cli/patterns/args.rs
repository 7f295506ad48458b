//! Options of `repsim patterns`.

use std::path::PathBuf;

use crate::analysis::Patterns;
use crate::cli::args::{DataArgs, ModelArgs, OutputArgs, PreprocessArgs, PreprocessBArgs};
use crate::cli::gate::GateArgs;
use crate::cli::limits;
use crate::cli::picture;
use crate::cli::results::ResultArgs;
use crate::error::{Error, Result};
use crate::torchscript::Grid;

/// Options of `repsim patterns`.
#[derive(clap::Args)]
pub struct Args {
    /// A model: .pt2 of torch.export, or TorchScript
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// A second model: its channels are matched with those of MODEL by the correlation of their maps, and
    /// compared by the patches that drive both
    #[arg(value_name = "OTHER")]
    pub other: Option<PathBuf>,
    #[command(flatten)]
    pub results: ResultArgs,
    #[command(flatten)]
    pub units: UnitArgs,
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub outputs: OutputArgs,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub preprocess: PreprocessArgs,
    #[command(flatten)]
    pub preprocess_b: PreprocessBArgs,
    #[command(flatten)]
    pub run: ModelArgs,
    #[command(flatten)]
    pub gate: GateArgs,
}

/// Which units are looked at, and what is kept of each.
#[derive(clap::Args)]
pub struct UnitArgs {
    /// Layers, by name or glob; may be repeated. For a layer without positions a patch is the whole
    /// image [default: the last with a spatial map that the output depends on]
    #[arg(
        long,
        short,
        value_name = "NAME",
        alias = "layer",
        allow_hyphen_values = true,
        help_heading = "Layers"
    )]
    pub layers: Vec<String>,
    /// Layers of OTHER, one for each of --layers, in that order [default: those of the same name]
    #[arg(
        long,
        value_name = "NAME",
        alias = "layer-b",
        requires = "other",
        help_heading = "Layers"
    )]
    pub layers_b: Vec<String>,
    /// Rows and columns into which a layer's tokens are folded, without the class token: 14x14
    /// [default: what fits the number of tokens and the proportions of the image]
    #[arg(long, value_name = "ROWSxCOLUMNS", value_parser = limits::grid, help_heading = "Layers")]
    pub grid: Option<Grid>,
    /// Report these channels of MODEL, by number from 0: 3,7,12 [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = limits::NUMBER,
          help_heading = "Layers")]
    pub pick: Vec<usize>,
    /// Images kept per channel: those with its largest values, each with the position of the maximum [default: 9, or
    /// all where there are fewer]
    #[arg(long, value_name = "K", value_parser = limits::COUNT, help_heading = "Patches")]
    pub top: Option<usize>,
    /// Also keep the K images with its smallest values; after a ReLU these are often 0, and ties go to the first
    /// images
    #[arg(long, value_name = "K", value_parser = limits::COUNT, help_heading = "Patches")]
    pub bottom: Option<usize>,
    /// Also keep the K images of each class with its largest values; on the sheet, one row per
    /// class
    #[arg(long, value_name = "K", value_parser = limits::COUNT, help_heading = "Patches")]
    pub class_patches: Option<usize>,
    /// Correlation from which matched channels count as alike and are listed where their patterns
    /// differ
    #[arg(long, value_name = "R", default_value_t = 0.5, value_parser = limits::SHARE,
          requires = "other", help_heading = "Patches")]
    pub correlated: f64,
}

/// What is written beside the report.
#[derive(clap::Args)]
pub struct FileArgs {
    /// Draw the patches, one row per channel, with OTHER next to those of its partner: FILE.png or
    /// FILE.svg
    #[arg(long, short, value_name = "FILE", alias = "sheet", help_heading = "Files")]
    pub plot: Option<PathBuf>,
    /// Largest number of channels of a layer on the sheet, where none are picked
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = limits::ROWS,
          help_heading = "Files")]
    pub rows: usize,
}

impl Args {
    /// What is looked at.
    ///
    /// # Errors
    /// Files that cannot be written, or options that mean nothing.
    pub fn request(&self) -> Result<Patterns> {
        if self.other.is_none() && self.preprocess_b.any() {
            let problem = "options for B were given, but there is no B";
            return Err(Error::usage(problem, "name a second model behind the first"));
        }
        self.files.plot.as_deref().map_or(Ok(()), picture::check)?;
        let units = &self.units;
        let models = 1 + usize::from(self.other.is_some());
        Ok(Patterns {
            partner: self.other.clone(),
            layers: units.layers.clone(),
            layers_b: units.layers_b.clone(),
            grid: units.grid,
            pick: units.pick.clone(),
            top: units.top,
            bottom: units.bottom.unwrap_or(0),
            class_patches: units.class_patches.unwrap_or(0),
            correlated: units.correlated,
            rows: self.files.rows,
            output_index: self.outputs.output_index,
            data: self.data.request(),
            preprocessing: self.preprocess.request(),
            preprocessing_b: self.preprocess_b.request(),
            running: self.run.request(models)?,
            ..Patterns::new(&self.model)
        })
    }
}
