//! Options of A, and of a B that may be missing or have fewer options: what `cka` and `compare`
//! share.

use std::path::PathBuf;

use super::args::{DataArgs, LayerArgs, ModelArgs, OutputArgs, PreprocessArgs, PreprocessBArgs};
use crate::analysis::Sides;
use crate::error::{Error, Result};

/// What is compared.
#[derive(clap::Args)]
pub struct SubjectArgs {
    /// Models (.pt2 of torch.export, or TorchScript), or folders of `repsim features`: one is compared with
    /// itself, two with each other; of more, which only `repsim cka` takes, every pair
    #[arg(value_name = "MODEL", num_args = 1.., required_unless_present = "features")]
    pub models: Vec<PathBuf>,
    /// Compare stored representations instead: one or two .npz, .npy or .safetensors files with one
    /// array per layer; rows of one index are the same sample
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["models", "data"])]
    pub features: Vec<PathBuf>,
}

/// Which of their layers, on which samples.
#[derive(clap::Args)]
pub struct SideArgs {
    #[command(flatten)]
    layers: LayerArgs,
    /// Layers of B, where they differ from those of A
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true, help_heading = "Layers")]
    layers_b: Vec<String>,
    #[command(flatten)]
    outputs: OutputArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    preprocess: PreprocessArgs,
    #[command(flatten)]
    preprocess_b: PreprocessBArgs,
    #[command(flatten)]
    run: ModelArgs,
}

impl SideArgs {
    /// What is compared by a command, on what.
    ///
    /// # Errors
    /// More than two sides, or options that would be ignored.
    pub fn request(&self, command: &str, subjects: &SubjectArgs) -> Result<Sides> {
        let SubjectArgs { models, features } = subjects;
        if command != "cka" {
            check_two(command, models)?;
        }
        check_two_files(features)?;
        let for_b = self.preprocess_b.any() || !self.layers_b.is_empty();
        check_b(models.len() + features.len(), for_b)?;
        let of_data = self.outputs.output_index.is_some()
            || self.data.load.any()
            || self.preprocess.any()
            || self.preprocess_b.any();
        check_stored(!features.is_empty(), of_data)?;
        self.run.weights.refuse(!features.is_empty(), "--features")?;
        Ok(Sides {
            models: models.clone(),
            features: features.clone(),
            layers: self.layers.layers.clone(),
            layers_b: self.layers_b.clone(),
            output_index: self.outputs.output_index,
            data: self.data.request(),
            preprocessing: self.preprocess.request(),
            preprocessing_b: self.preprocess_b.request(),
            running: self.run.request(models.len())?,
        })
    }
}

/// Refuses options for B where there is none.
///
/// # Errors
/// There is one side, and such an option.
pub fn check_b(sides: usize, for_b: bool) -> Result<()> {
    match sides == 1 && for_b {
        false => Ok(()),
        true => Err(Error::usage(
            "options for B were given, but there is no B",
            "name a second one, or leave the -b options out",
        )),
    }
}

/// Refuses more than two models.
///
/// # Errors
/// There are more.
pub fn check_two(command: &str, models: &[PathBuf]) -> Result<()> {
    if models.len() <= 2 {
        return Ok(());
    }
    let given: Vec<String> = models.iter().map(|path| path.display().to_string()).collect();
    Err(Error::usage(
        format!("{command} compares one or two models, and {} were given", models.len()),
        format!("repsim platonic {} --data DATA aligns many, one layer each", given.join(" ")),
    ))
}

/// Refuses more files of stored features than are compared.
///
/// # Errors
/// There are more than two.
pub fn check_two_files(files: &[PathBuf]) -> Result<()> {
    if files.len() <= 2 {
        return Ok(());
    }
    let problem = format!("--features takes one or two files, not {}", files.len());
    Err(Error::usage(problem, "repsim platonic --features aligns many"))
}

/// Refuses options for images where stored features are compared.
///
/// # Errors
/// Both were given.
pub fn check_stored(features: bool, for_images: bool) -> Result<()> {
    match features && for_images {
        false => Ok(()),
        true => Err(Error::usage(
            "options for images were given, but --features has none",
            "leave out --limit, --preprocess and the like",
        )),
    }
}
