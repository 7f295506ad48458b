//! `repsim features`: what layers give, written once for all later questions.

use std::path::PathBuf;

use super::args::{self, DataArgs, LayerArgs, ModelArgs, OutputArgs, PreprocessArgs};
use super::command;
use super::limits;
use super::output::Messages;
use super::shard::ShardArgs;
use crate::analysis::{Features, Job};
use crate::capture::Reduce;
use crate::data::FloatFormat;
use crate::error::Result;

/// Options of `repsim features`.
#[derive(clap::Args)]
#[command(mut_arg("dtype", |option| option.long("compute-dtype")))]
pub struct Args {
    /// The model: .pt2 of torch.export, or TorchScript
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The folder to write: one file per layer, and features.json; an unfinished one is continued
    #[arg(id = "features_folder", long = "output", short = 'o', value_name = "FOLDER")]
    output: PathBuf,
    #[command(flatten)]
    layers: LayerArgs,
    /// How outputs are stored: flatten (whole, so that later commands can use any --reduce), gap (channel means);
    /// for tokens also tokens-mean, cls, last
    #[arg(long, value_name = "HOW", default_value = "flatten", help_heading = "Files",
          value_parser = args::one_row)]
    reduce: Reduce,
    /// Type of the numbers in the files: f32, f16, bf16 (as .safetensors, for NumPy's format has no such type)
    /// or f64 [default: f32, or f64 for layers computed in it]
    #[arg(
        id = "file_dtype",
        long = "dtype",
        value_name = "TYPE",
        value_enum,
        help_heading = "Files"
    )]
    dtype: Option<StoredArg>,
    /// Project rows of more than K features to K numbers, by a sparse random projection that keeps distances in the
    /// mean (seed: --seed)
    #[arg(long, value_name = "K", help_heading = "Files", value_parser = limits::COUNT)]
    project: Option<usize>,
    #[command(flatten)]
    outputs: OutputArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    preprocess: PreprocessArgs,
    #[command(flatten)]
    run: ModelArgs,
    #[command(flatten)]
    shard: ShardArgs,
}

/// A type of floats in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum StoredArg {
    /// 32 bits.
    F32,
    /// 16 bits, with a significand of 11.
    F16,
    /// 16 bits, with a significand of 8.
    Bf16,
    /// 64 bits.
    F64,
}

impl From<StoredArg> for FloatFormat {
    fn from(asked: StoredArg) -> Self {
        match asked {
            StoredArg::F32 => Self::F32,
            StoredArg::F16 => Self::F16,
            StoredArg::Bf16 => Self::Bf16,
            StoredArg::F64 => Self::F64,
        }
    }
}

impl Args {
    fn request(&self) -> Result<Features> {
        Ok(Features {
            layers: self.layers.layers.clone(),
            reduce: self.reduce,
            dtype: self.dtype.map(FloatFormat::from),
            project: self.project,
            output_index: self.outputs.output_index,
            data: self.data.request(),
            preprocessing: self.preprocess.request(),
            running: self.run.request(1)?,
            command: command::given(),
            ..Features::new(&self.model, &self.output)
        })
    }
}

/// Writes the folder, or the part of it that a shard has.
///
/// # Errors
/// As [`Features::run`].
pub fn run(args: &Args, messages: &Messages) -> Result<()> {
    let request = args.request()?;
    if args.shard.is_asked() {
        let work = |job: Job<'_>| request.shard(job, messages);
        return args.shard.run_in(&args.output, messages, work);
    }
    let report = match args.shard.states()? {
        Some(states) => request.merged(states, messages)?,
        None => request.run(messages)?,
    };
    messages.note(&format!("{}: {}", args.output.display(), report.lead()));
    Ok(())
}
