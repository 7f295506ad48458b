//! Options of `repsim maps`.

use std::fmt;
use std::path::PathBuf;

use ndarray::{ArrayView4, Axis, s};

use crate::cli::args::{DataArgs, ModelArgs, OutputArgs, PreprocessArgs, PreprocessBArgs};
use crate::cli::gate::GateArgs;
use crate::cli::limits;
use crate::cli::picture;
use crate::error::{Error, Result};
use crate::render::ColorMap;
use crate::torchscript::Grid;

/// Channels of a layer that are shown where nothing else was asked for.
const SHOWN: usize = 8;

/// Options of `repsim maps`.
#[derive(clap::Args)]
pub struct Args {
    /// A model: .pt2 of torch.export, or TorchScript
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// Write the report as JSON to a file, - for standard output [default: standard output, or a
    /// table on a terminal]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Layers, by name or glob; may be repeated [default: the last with a spatial map that the output
    /// depends on; of a vision transformer the last norm of all tokens]
    #[arg(long, value_name = "NAME", allow_hyphen_values = true, help_heading = "Layers")]
    pub layer: Vec<String>,
    /// Rows and columns that a layer's tokens fold to, the class token left out: 14x14 [default: where
    /// their number fits the proportions of the image]
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
    /// Show beside each channel the one of this model whose maps correlate most with its own, over
    /// all images
    #[arg(long = "match", value_name = "MODEL_B", help_heading = "Matching")]
    pub model_b: Option<PathBuf>,
    /// Layers of MODEL_B, one for each of --layer, in that order [default: those of the same name]
    #[arg(long, value_name = "NAME", requires = "model_b", help_heading = "Matching")]
    pub layer_b: Vec<String>,
}

/// What is written beside the report.
#[derive(clap::Args)]
pub struct FileArgs {
    /// Draw one picture, a row an image and a column a channel: FILE.png or FILE.svg
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    pub sheet: Option<PathBuf>,
    /// Images shown, spread evenly over the data; the first is the reference
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = limits::ROWS,
          help_heading = "Files")]
    pub rows: usize,
    /// What colours are relative to: channel (its range over the images shown, so that rows can be
    /// compared), map (each for itself) or layer (so that channels can be compared)
    #[arg(long, value_name = "RANGE", default_value = "channel", help_heading = "Files")]
    pub scale: Scale,
    /// Colours: viridis, magma, grey, jet
    #[arg(long, value_name = "NAME", default_value = "viridis", help_heading = "Files")]
    pub colormap: ColorMap,
    /// Write the maps shown: FILE.npz with a float32 array N×K×H×W a layer
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    pub maps: Option<PathBuf>,
}

/// What the colours of a map are relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scale {
    /// The range of its channel over the images shown.
    Channel,
    /// Its own range.
    Map,
    /// The range of the channels shown of its layer.
    Layer,
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Channel => "channel",
            Self::Map => "map",
            Self::Layer => "layer",
        })
    }
}

/// Which channels of a layer are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// These.
    These(Vec<usize>),
    /// So many from the first on.
    First(usize),
    /// So many with the largest mean in the first image, the largest first.
    MostActive(usize),
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::These(list) => {
                let numbers: Vec<String> = list.iter().map(usize::to_string).collect();
                f.write_str(&numbers.join(","))
            }
            Self::First(count) => write!(f, "first {count}"),
            Self::MostActive(count) => write!(f, "most active {count}"),
        }
    }
}

impl Choice {
    /// How many of so many channels are shown.
    pub fn count(&self, channels: usize) -> usize {
        match self {
            Self::These(list) => list.len(),
            Self::First(shown) | Self::MostActive(shown) => channels.min(*shown),
        }
    }

    /// The channels of N×K×H×W maps.
    ///
    /// # Errors
    /// There is no channel of a number.
    pub fn of(&self, layer: &str, maps: ArrayView4<'_, f32>) -> Result<Vec<usize>> {
        let count = maps.len_of(Axis(1));
        match self {
            Self::These(list) => match list.iter().find(|channel| **channel >= count) {
                Some(channel) => Err(Error::usage(
                    format!("there is no channel {channel}: {layer} has {count}"),
                    format!("name channels from 0 to {}", count - 1),
                )),
                None => Ok(list.clone()),
            },
            Self::First(shown) => Ok((0..count.min(*shown)).collect()),
            Self::MostActive(shown) => Ok(most_active(maps, *shown)),
        }
    }
}

/// The channels with the largest mean in the first image, of equals the first.
fn most_active(maps: ArrayView4<'_, f32>, shown: usize) -> Vec<usize> {
    let mean = |channel: usize| {
        let map = maps.slice(s![0, channel, .., ..]);
        let mean = map.iter().map(|&v| f64::from(v)).sum::<f64>() / map.len().max(1) as f64;
        if mean.is_finite() { mean } else { f64::NEG_INFINITY }
    };
    let mut order: Vec<(usize, f64)> = (0..maps.len_of(Axis(1))).map(|c| (c, mean(c))).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    order.into_iter().take(shown).map(|(channel, _)| channel).collect()
}

impl Args {
    /// Refuses outputs that cannot be written and options that mean nothing.
    ///
    /// # Errors
    /// What was wrong with them.
    pub fn check(&self) -> Result<()> {
        let pick = &self.channels.pick;
        if let Some((_, twice)) = pick.iter().enumerate().find(|(i, c)| pick[..*i].contains(c)) {
            let problem = format!("channel {twice} is picked twice");
            return Err(Error::usage(problem, "name each channel once in --pick"));
        }
        if let Some(path) = self.files.maps.as_ref().filter(|p| !picture::is(p, "npz")) {
            let problem = "maps are an .npz archive";
            return Err(Error::file("write", path, problem, "end its name in .npz"));
        }
        if self.partner.model_b.is_none() && self.preprocess_b.any() {
            let problem = "options for B were given, but there is no B";
            return Err(Error::usage(problem, "name a second model with --match"));
        }
        self.files.sheet.as_deref().map_or(Ok(()), picture::check)
    }

    /// Which channels are shown.
    pub fn choice(&self) -> Choice {
        let ChannelArgs { pick, first, most_active } = &self.channels;
        match (pick.is_empty(), first) {
            (false, _) => Choice::These(pick.clone()),
            (true, Some(count)) => Choice::First(*count),
            (true, None) => Choice::MostActive(most_active.unwrap_or(SHOWN)),
        }
    }

    /// The layers of the second model as they were asked for.
    pub fn layers_b(&self) -> &[String] {
        match self.partner.layer_b.is_empty() {
            true => &self.layer,
            false => &self.partner.layer_b,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array4;

    #[test]
    fn channels_are_chosen() -> Result<()> {
        let mut maps = Array4::<f32>::zeros((2, 4, 2, 2));
        maps[(0, 2, 0, 1)] = 3.0;
        maps[(0, 1, 0, 0)] = -1.0;
        maps[(0, 3, 0, 0)] = f32::NAN;
        maps[(1, 0, 0, 0)] = 9.0;
        let of = |choice: Choice| choice.of("layer", maps.view());
        assert_eq!(of(Choice::MostActive(3))?, [2, 0, 1]);
        assert_eq!(of(Choice::MostActive(9))?.len(), 4);
        assert_eq!(of(Choice::First(2))?, [0, 1]);
        assert_eq!(of(Choice::These(vec![3, 0]))?, [3, 0]);
        let error = of(Choice::These(vec![4])).err().map(|e| e.to_string());
        assert!(error.is_some_and(|e| e.contains("channel 4") && e.contains("0 to 3")));
        Ok(())
    }
}
