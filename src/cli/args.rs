//! Groups of options that commands share.

use std::path::PathBuf;

use clap::{Args, ColorChoice, ValueEnum};

use super::weights::WeightsArgs;
use super::{given, limits};
use crate::analysis::{ChannelAxis, GivenInput, Precision};
use crate::capture::Reduce;
use crate::data::{ArrayLayout, Channels, Crop, FloatRange, Interpolation, Preset, Range, Resize};
use crate::torchscript::device::DeviceChoice;

/// How much is said.
#[derive(Args)]
pub struct TalkArgs {
    /// Print neither progress nor the table, only warnings and errors
    #[arg(long, short, global = true, help_heading = "Messages")]
    pub quiet: bool,
    /// Print libtorch's whole error messages, and what was decided automatically
    #[arg(long, short, global = true, conflicts_with = "quiet", help_heading = "Messages")]
    pub verbose: bool,
    /// Colours of messages and help: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Messages",
        hide_possible_values = true
    )]
    pub color: ColorChoice,
    /// Read defaults of options from this file [default: repsim.toml in the working folder or one above it]
    #[arg(
        long,
        global = true,
        value_name = "FILE.toml",
        conflicts_with = "no_config",
        help_heading = "Messages"
    )]
    pub config: Option<PathBuf>,
    /// Read no defaults from a file
    #[arg(long, global = true, help_heading = "Messages")]
    pub no_config: bool,
}

/// Which samples, of one data set.
#[derive(Args)]
pub struct DataArgs {
    /// A folder of images, a file of arrays, or texts: sub-folders are classes; arrays are .npy, .npz, .safetensors,
    /// CIFAR-10 or MNIST files, with an array for each input of a network; texts need --tokenizer
    #[arg(long, short, value_name = "PATH", help_heading = "Data")]
    pub data: Option<PathBuf>,
    #[command(flatten)]
    pub texts: TextArgs,
    #[command(flatten)]
    pub load: LoadArgs,
}

/// How texts become token ids.
#[derive(Args)]
pub struct TextArgs {
    /// Read the data as texts, one sample a line, and tokenize them with this tokenizer.json
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    pub tokenizer: Option<PathBuf>,
    /// Length, in tokens, that texts are cut or padded to [default: that of the longest]
    #[arg(long, value_name = "N", requires = "tokenizer", help_heading = "Data",
          value_parser = limits::TOKENS)]
    pub max_length: Option<usize>,
}

/// How samples are chosen and read.
#[derive(Args)]
pub struct LoadArgs {
    /// Use at most N samples, evenly from all classes: the first of each, or random ones with
    /// --seed
    #[arg(long, short = 'n', value_name = "N", help_heading = "Data", value_parser = limits::COUNT)]
    pub limit: Option<usize>,
    /// Samples in a batch
    #[arg(long, short, value_name = "N", default_value_t = 64, help_heading = "Data",
          value_parser = limits::BATCH)]
    pub batch_size: usize,
    /// Leave out files that cannot be decoded, and list them in the report
    #[arg(long, help_heading = "Data")]
    pub skip_unreadable: bool,
    /// Order of the axes of image arrays: nchw or nhwc [default: inferred from their shape]
    #[arg(long, value_name = "ORDER", help_heading = "Data")]
    pub layout: Option<ArrayLayout>,
    /// Threads that decode and resize [default: half of --threads, at least 1]
    #[arg(long, value_name = "N", help_heading = "Data", value_parser = limits::THREADS)]
    pub workers: Option<usize>,
}

/// What is done to the samples, for both models.
#[derive(Args)]
pub struct PreprocessArgs {
    /// Steps to begin from: imagenet, cifar10, raw, or own (those of MODEL.repsim.toml beside the model)
    /// [default: own where there is that file, else imagenet for image folders, cifar10 for CIFAR-10
    /// files, else raw]
    #[arg(long, value_name = "PRESET", value_parser = preset, help_heading = "Preprocessing")]
    pub preprocess: Option<Preset>,
    /// Resize: the shorter side (256), HEIGHTxWIDTH, none, or as FID tools do: clean (clean-fid) or
    /// legacy-pytorch (pytorch-fid), to 299x299 or, as clean:64, to another size
    #[arg(long, value_name = "SIZE", help_heading = "Preprocessing",
          value_parser = limits::resize)]
    pub resize: Option<Resize>,
    /// Filter of the resizing: nearest, box, bilinear, bicubic, lanczos, …
    #[arg(long, value_name = "FILTER", help_heading = "Preprocessing")]
    pub interpolation: Option<Interpolation>,
    /// Crop the centre: a side (224), HEIGHTxWIDTH, or none
    #[arg(long, value_name = "SIZE", help_heading = "Preprocessing", value_parser = limits::crop)]
    pub crop: Option<Crop>,
    /// Channels: rgb (grey is repeated), grey, or keep
    #[arg(long, value_name = "CHANNELS", value_parser = Channels::named, help_heading = "Preprocessing")]
    pub channels: Option<Channels>,
    /// Range that pixel values are scaled to: 0..1, -1..1 or 0..255
    #[arg(long, value_name = "RANGE", allow_hyphen_values = true, help_heading = "Preprocessing")]
    pub range: Option<Range>,
    /// Range of the values in arrays of float images: 0..1, -1..1, 0..255, or keep to use them unchanged [default:
    /// 0..1; without mean, std and --range also values that are normalised already]
    #[arg(long, value_name = "RANGE", allow_hyphen_values = true, help_heading = "Preprocessing")]
    pub float_range: Option<FloatRange>,
    /// Mean to subtract: one number, or one per channel (0.485,0.456,0.406)
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        allow_hyphen_values = true,
        value_parser = limits::MEAN,
        help_heading = "Preprocessing"
    )]
    pub mean: Option<Vec<f64>>,
    /// Standard deviation to divide by: one number, or one per channel (0.229,0.224,0.225)
    #[arg(long, value_name = "LIST", value_delimiter = ',', help_heading = "Preprocessing",
          value_parser = limits::DEVIATION)]
    pub std: Option<Vec<f64>>,
}

/// What is done to the samples for B, where it is something else.
#[derive(Args)]
pub struct PreprocessBArgs {
    /// Steps for B to begin from; those given for A then do not apply to B
    #[arg(long, value_name = "PRESET", value_parser = preset, help_heading = "Preprocessing of B")]
    pub preprocess_b: Option<Preset>,
    /// As --resize, for B
    #[arg(long, value_name = "SIZE", help_heading = "Preprocessing of B",
          value_parser = limits::resize)]
    pub resize_b: Option<Resize>,
    /// As --interpolation, for B
    #[arg(long, value_name = "FILTER", help_heading = "Preprocessing of B")]
    pub interpolation_b: Option<Interpolation>,
    /// As --crop, for B
    #[arg(long, value_name = "SIZE", help_heading = "Preprocessing of B",
          value_parser = limits::crop)]
    pub crop_b: Option<Crop>,
    /// As --channels, for B
    #[arg(long, value_name = "CHANNELS", value_parser = Channels::named,
          help_heading = "Preprocessing of B")]
    pub channels_b: Option<Channels>,
    /// As --range, for B
    #[arg(
        long,
        value_name = "RANGE",
        allow_hyphen_values = true,
        help_heading = "Preprocessing of B"
    )]
    pub range_b: Option<Range>,
    /// As --mean, for B
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        allow_hyphen_values = true,
        value_parser = limits::MEAN,
        help_heading = "Preprocessing of B"
    )]
    pub mean_b: Option<Vec<f64>>,
    /// As --std, for B
    #[arg(long, value_name = "LIST", value_delimiter = ',', help_heading = "Preprocessing of B",
          value_parser = limits::DEVIATION)]
    pub std_b: Option<Vec<f64>>,
}

/// How models are loaded and run.
#[derive(Args)]
pub struct ModelArgs {
    /// Where to run: auto, cpu, cuda or cuda:N; commands with --shard also take cuda:all or a comma-separated
    /// list, and run one process per device, each on a part of the samples
    #[arg(long, value_name = "DEVICE", default_value = "auto", help_heading = "Models",
          value_parser = limits::device)]
    pub device: DeviceChoice,
    /// Compute threads [default: all cores]
    #[arg(long, short, value_name = "N", help_heading = "Models", value_parser = limits::THREADS)]
    pub threads: Option<usize>,
    /// Run the modules as exported, without freezing them and folding batch norms
    #[arg(long, help_heading = "Models")]
    pub no_optimize: bool,
    /// Seed of everything that is random. With --limit it also makes the choice of samples random [default: 0,
    /// and the first samples of each class]
    #[arg(long, value_name = "SEED", help_heading = "Random numbers", value_parser = limits::SEED)]
    pub seed: Option<u64>,
    /// Seed of the random numbers that a model draws in evaluation (active dropout, noise) [default: follows
    /// from --seed]
    #[arg(long, value_name = "SEED", help_heading = "Random numbers", value_parser = limits::SEED,
          hide_short_help = true)]
    pub draw_seed: Option<u64>,
    /// Let a model that changes its own buffers or attributes keep these changes between runs [default: each run
    /// begins with what the archive holds]
    #[arg(long, help_heading = "Models")]
    pub keep_state: bool,
    /// Load archives whose code reads or writes files or reaches other processes
    #[arg(long, help_heading = "Models")]
    pub trust_model: bool,
    /// Load archives without judging their code, held by the operating system alone
    #[arg(long, hide = true, conflicts_with = "trust_model")]
    pub only_confined: bool,
    #[command(flatten)]
    pub weights: WeightsArgs,
    /// The value of an argument of the models' forward that is not a tensor: sr=16000, scale=0.5, flag=true; for
    /// `repsim layers` also the shape and type of a tensor: x=2x47:f32 (i64, bool, …; with commas for a tuple); may
    /// be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = given::input, help_heading = "Models")]
    pub input: Vec<GivenInput>,
    /// Floating-point type to compute in, where it is not the file's: f32, f16, bf16 or f64
    #[arg(long, value_name = "TYPE", value_enum, help_heading = "Models")]
    pub dtype: Option<FloatArg>,
    /// Precision of the models: f32 (each in its own type), tf32 (CUDA: float32 products from 11 significant bits),
    /// f16 or bf16 (weights and activations of 16 bits). Sums over their outputs stay in float32 and float64
    #[arg(long, value_name = "HOW", default_value = "f32", help_heading = "Models")]
    pub precision: Precision,
    /// Which part of a model's return value is its output: a key of a dictionary, a name or index in a tuple, with
    /// dots for nested parts: logits, state.0
    #[arg(long, value_name = "KEY", help_heading = "Models")]
    pub output_key: Option<String>,
    /// --output-key of model A, where the models differ
    #[arg(long, value_name = "KEY", conflicts_with = "output_key", help_heading = "Models")]
    pub output_key_a: Option<String>,
    /// The same for model B
    #[arg(long, value_name = "KEY", conflicts_with = "output_key", help_heading = "Models")]
    pub output_key_b: Option<String>,
    /// Which axis of a layer's output holds the channels, where it is detected wrongly or not at all: LAYER by name
    /// or glob, AXIS from 0 (the samples); may be repeated
    #[arg(long, value_name = "LAYER=AXIS", value_parser = given::channel_axis, help_heading = "Layers")]
    pub channel_axis: Vec<ChannelAxis>,
}

/// A type of floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FloatArg {
    /// 32 bits.
    F32,
    /// 16 bits, with a significand of 11.
    F16,
    /// 16 bits, with a significand of 8.
    Bf16,
    /// 64 bits.
    F64,
}

/// Which output.
#[derive(Args)]
pub struct OutputArgs {
    /// Index, from 0, of the logits in the tuple that a model returns, for the accuracy (-o, --output is the file of
    /// the report)
    #[arg(long, value_name = "INDEX", help_heading = "Models", value_parser = limits::INDEX)]
    pub output_index: Option<usize>,
}

/// Which layers.
#[derive(Args)]
pub struct LayerArgs {
    /// Layers by name or glob: 'layer?', 'layer4.*.bn*', '**' for all, '!PATTERN' to leave out;
    /// may be repeated [default: all modules down to depth two, and the blocks that repeat deeper down; of
    /// layers that give the same tensor one]
    #[arg(
        long,
        short,
        value_name = "PATTERN",
        allow_hyphen_values = true,
        help_heading = "Layers"
    )]
    pub layers: Vec<String>,
}

/// How features become rows.
#[derive(Args)]
pub struct ReduceArgs {
    /// Rows of features: flatten (a sample's whole feature map), gap (its channel means), spatial
    /// (each position, or token, a row); for tokens also tokens-mean (without class tokens), cls
    /// (the first token), last
    #[arg(long, value_name = "HOW", default_value = "flatten", help_heading = "Measure")]
    pub reduce: Reduce,
}

/// How a feature map becomes one row.
pub fn one_row(text: &str) -> Result<Reduce, String> {
    match text.parse() {
        Ok(Reduce::Spatial) | Err(_) => {
            Err("expected flatten, gap, tokens-mean, cls or last".to_owned())
        }
        Ok(reduce) => Ok(reduce),
    }
}

fn preset(text: &str) -> Result<Preset, String> {
    text.parse().map_err(|e: crate::error::Error| e.to_string())
}
