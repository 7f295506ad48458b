//! Options of `repsim maps`.

use std::path::PathBuf;

use crate::analysis::{MapChannels, Maps};
use crate::cli::args::{DataArgs, ModelArgs, OutputArgs, PreprocessArgs, PreprocessBArgs};
use crate::cli::gate::GateArgs;
use crate::cli::limits;
use crate::cli::picture;
use crate::cli::results::ResultArgs;
use crate::error::{Error, Result};
use crate::render::ColorMap;
use crate::torchscript::Grid;
use crate::view::maps::sheet::Scale;

/// Options of `repsim maps`.
#[derive(clap::Args)]
pub struct Args {
    /// A model: .pt2 of torch.export, or TorchScript
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    #[command(flatten)]
    pub results: ResultArgs,
    /// Layers, by name or glob; may be repeated [default: the last with a spatial map that the output
    /// depends on; of a vision transformer the last norm of all tokens]
    #[arg(
        long,
        short,
        value_name = "NAME",
        alias = "layer",
        allow_hyphen_values = true,
        help_heading = "Layers"
    )]
    pub layers: Vec<String>,
    /// Rows and columns into which a layer's tokens are folded, without the class token: 14x14
    /// [default: what fits the number of tokens and the proportions of the image]
    #[arg(long, value_name = "ROWSxCOLUMNS", value_parser = limits::grid, help_heading = "Layers")]
    pub grid: Option<Grid>,
    #[command(flatten)]
    pub channels: ChannelArgs,
    #[command(flatten)]
    pub partner: MatchArgs,
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

/// Which channels are shown.
#[derive(clap::Args)]
pub struct ChannelArgs {
    /// Show these channels, by number from 0: 3,7,12
    #[arg(long, value_name = "LIST", value_delimiter = ',', help_heading = "Layers",
          value_parser = limits::NUMBER, conflicts_with_all = ["first", "most_active"])]
    pub pick: Vec<usize>,
    /// Show the first K channels
    #[arg(long, value_name = "K", value_parser = limits::COUNT, help_heading = "Layers",
          conflicts_with = "most_active")]
    pub first: Option<usize>,
    /// Show the K channels with the largest mean in the first image [default: 8]
    #[arg(long, value_name = "K", value_parser = limits::COUNT, help_heading = "Layers")]
    pub most_active: Option<usize>,
}

/// Another model beside it.
#[derive(clap::Args)]
pub struct MatchArgs {
    /// Beside each channel, show the channel of this model whose maps correlate most with its maps,
    /// over all images
    #[arg(long = "match", value_name = "MODEL_B", help_heading = "Matching")]
    pub model_b: Option<PathBuf>,
    /// Layers of MODEL_B, one for each of --layers, in that order [default: those of the same name]
    #[arg(
        long,
        value_name = "NAME",
        alias = "layer-b",
        requires = "model_b",
        help_heading = "Matching"
    )]
    pub layers_b: Vec<String>,
}

/// What is written beside the report.
#[derive(clap::Args)]
pub struct FileArgs {
    /// Draw one picture, with one row per image and one column per channel: FILE.png or FILE.svg
    #[arg(long, short, value_name = "FILE", alias = "sheet", help_heading = "Files")]
    pub plot: Option<PathBuf>,
    /// Images shown, spread evenly over the data; the first is the reference
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = limits::ROWS,
          help_heading = "Files")]
    pub rows: usize,
    /// Range of the colours: channel (of the channel over the images shown, so that rows can be
    /// compared), map (of each map alone) or layer (so that channels can be compared)
    #[arg(long, value_name = "RANGE", default_value = "channel", help_heading = "Files")]
    pub scale: ScaleArg,
    /// Colours: viridis, magma, grey, jet
    #[arg(long, value_name = "NAME", default_value = "viridis", help_heading = "Files")]
    pub colormap: ColorMap,
    /// Write the maps shown to FILE.npz, one float32 array N×K×H×W per layer
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    pub maps: Option<PathBuf>,
}

/// What the colours of a map are relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ScaleArg {
    /// The range of its channel over the images shown.
    Channel,
    /// Its own range.
    Map,
    /// The range of the channels shown of its layer.
    Layer,
}

impl Args {
    /// What is looked at.
    ///
    /// # Errors
    /// Files that cannot be written, or options that mean nothing.
    pub fn request(&self) -> Result<Maps> {
        if let Some(path) = self.files.maps.as_ref().filter(|p| !picture::is(p, "npz")) {
            let problem = "maps are an .npz archive";
            return Err(Error::file("write", path, problem, "end its name in .npz"));
        }
        if self.partner.model_b.is_none() && self.preprocess_b.any() {
            let problem = "options for B were given, but there is no B";
            return Err(Error::usage(problem, "name a second model with --match"));
        }
        self.files.plot.as_deref().map_or(Ok(()), picture::check)?;
        let models = 1 + usize::from(self.partner.model_b.is_some());
        Ok(Maps {
            partner: self.partner.model_b.clone(),
            layers: self.layers.clone(),
            layers_b: self.partner.layers_b.clone(),
            grid: self.grid,
            channels: self.channels.request(),
            rows: self.files.rows,
            scale: self.files.scale.request(),
            output_index: self.outputs.output_index,
            data: self.data.request(),
            preprocessing: self.preprocess.request(),
            preprocessing_b: self.preprocess_b.request(),
            running: self.run.request(models)?,
            ..Maps::new(&self.model)
        })
    }
}

impl ChannelArgs {
    fn request(&self) -> Option<MapChannels> {
        let pick = (!self.pick.is_empty()).then(|| MapChannels::These(self.pick.clone()));
        let counted =
            self.first.map(MapChannels::First).or(self.most_active.map(MapChannels::MostActive));
        pick.or(counted)
    }
}

impl ScaleArg {
    fn request(self) -> Scale {
        match self {
            Self::Channel => Scale::Channel,
            Self::Map => Scale::Map,
            Self::Layer => Scale::Layer,
        }
    }
}
