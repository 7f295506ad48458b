//! What is done to a sample before a network sees it, every step explicit.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resize::Interpolation;
use crate::error::{Error, Result};

/// The longest side a picture may be resized or cropped to, in pixels.
pub const LONGEST_SIDE: usize = 1 << 15;

/// The side of the pictures that the FID Inception takes, in pixels.
const INCEPTION: usize = 299;

/// The steps from a decoded sample to what a network takes, in this order:
///
/// ```text
/// decode ─► channels ─► resize (8 bit, as Pillow) ─► centre crop ─► range ─► (x − mean) / std
/// ```
///
/// The order and the rounding are torchvision's (`Resize`, `CenterCrop`, `ToTensor`, `Normalize`
/// on PIL images). [`Resize::Clean`] and [`Resize::LegacyPytorch`] do not round: `range`, `mean` and
/// `std` then apply to floats, and `interpolation` to nothing. Float images are brought from
/// `float_range` to `range` and are never rounded. Rows that are not images accept no step at all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Preprocess {
    /// The preset these steps began from; it changes nothing itself.
    pub preset: Preset,
    /// How many channels a picture is given.
    pub channels: Channels,
    /// The size a picture is resized to.
    pub resize: Resize,
    /// How resizing weighs pixels; `clean` and `legacy_pytorch` bring their own way instead.
    pub interpolation: Interpolation,
    /// The part that is kept after resizing.
    pub crop: Crop,
    /// What the bytes 0 to 255 become.
    pub range: Range,
    /// What float images hold.
    #[serde(default, skip_serializing_if = "FloatRange::is_unit")]
    pub float_range: FloatRange,
    /// Subtracted from each channel: one value for all, one each, or none.
    pub mean: Vec<f64>,
    /// Divides each channel: one value for all, one each, or none.
    pub std: Vec<f64>,
}

/// A named set of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Shorter side 256, bilinear; centre crop 224; ImageNet's mean and standard deviation.
    Imagenet,
    /// No resizing; CIFAR-10's mean and standard deviation.
    Cifar10,
    /// Bytes to 0…1 and nothing else.
    Raw,
    /// What a file beside the model states; without it bytes to 0…1 and nothing else.
    Own,
}

/// How many channels a picture is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// As many as the picture has (alpha is always dropped).
    Keep,
    /// One: Pillow's `L`, (19595·R + 38470·G + 7471·B + 32768) / 65536.
    Grey,
    /// Three: a grey picture is repeated.
    Rgb,
}

impl Channels {
    /// Channels by number or by name: `rgb` or `3`, `grey` or `1`, `keep`.
    ///
    /// # Errors
    /// None of these: what is expected.
    pub fn named(text: &str) -> Result<Self, String> {
        match text {
            "rgb" => Ok(Self::Rgb),
            "grey" | "gray" => Ok(Self::Grey),
            _ => text.parse().map_err(|_| "expected rgb (or 3), grey (or 1), or keep".to_owned()),
        }
    }
}

/// The size a picture is resized to, and how.
///
/// | option | filter | between passes | result | whose values |
/// |---|---|---|---|---|
/// | `256`, `256x224` | `--interpolation`, antialiased | bytes | bytes | Pillow's, torchvision's |
/// | `clean` | bicubic, antialiased | floats | floats held to 0…255 | clean-fid's |
/// | `legacy-pytorch` | bilinear, not antialiased | floats | floats | pytorch-fid's |
///
/// The last two are the ways in which tools resize for the Fréchet Inception distance (Parmar,
/// Zhang and Zhu 2022, "On aliased resizing and surprising subtleties in GAN evaluation"). Float
/// images are resized with the same filters but never rounded or held to a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// Not resized.
    None,
    /// The shorter side becomes this long, the other `⌊side · long / short⌋`.
    ShorterSide(usize),
    /// Exactly this size, whatever the proportions.
    Exact {
        /// Pixels.
        height: usize,
        /// Pixels.
        width: usize,
    },
    /// Exactly this size as clean-fid does it: Pillow's antialiased bicubic on each channel as
    /// float32 (mode `F`), held to 0…255, not rounded.
    Clean {
        /// Pixels.
        height: usize,
        /// Pixels.
        width: usize,
    },
    /// Exactly this size as pytorch-fid does it inside the network: `torch.nn.functional.interpolate`
    /// with `mode="bilinear", align_corners=False`, not antialiased, not rounded.
    LegacyPytorch {
        /// Pixels.
        height: usize,
        /// Pixels.
        width: usize,
    },
}

/// The part of a picture that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Crop {
    /// All of it.
    None,
    /// The centre; a picture that is smaller is padded with zeros.
    Centre {
        /// Pixels.
        height: usize,
        /// Pixels.
        width: usize,
    },
}

/// What the bytes 0 to 255 become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Range {
    /// 0 to 1: `v / 255`.
    #[serde(rename = "0..1")]
    Unit,
    /// −1 to 1: `2·(v / 255) − 1`.
    #[serde(rename = "-1..1")]
    Signed,
    /// 0 to 255: `v`.
    #[serde(rename = "0..255")]
    Bytes,
}

/// What float images hold, which is brought to the [`Range`] that bytes are brought to.
///
/// Every value is held against it as the samples are read. Where the values of 0 to 1 are left as they
/// are (no other range, mean or standard deviation), values that are in none of the ranges and within ±20
/// are taken to be normalised already, and are left as they are too; sets of both kinds are warned of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum FloatRange {
    /// 0 to 1.
    #[default]
    #[serde(rename = "0..1")]
    Unit,
    /// −1 to 1.
    #[serde(rename = "-1..1")]
    Signed,
    /// 0 to 255.
    #[serde(rename = "0..255")]
    Bytes,
    /// Anything: taken as it is, and not brought to a range.
    #[serde(rename = "keep")]
    Keep,
}

impl FloatRange {
    /// Whether it is that of float images of which nothing else was said.
    fn is_unit(&self) -> bool {
        *self == Self::Unit
    }
}

impl Preprocess {
    /// The steps a preset stands for.
    pub fn preset(preset: Preset) -> Self {
        let raw = Self {
            preset,
            channels: Channels::Keep,
            resize: Resize::None,
            interpolation: Interpolation::Bilinear,
            crop: Crop::None,
            range: Range::Unit,
            float_range: FloatRange::Unit,
            mean: vec![],
            std: vec![],
        };
        match preset {
            Preset::Raw | Preset::Own => raw,
            Preset::Cifar10 => Self {
                channels: Channels::Rgb,
                mean: vec![0.4914, 0.4822, 0.4465],
                std: vec![0.2470, 0.2435, 0.2616],
                ..raw
            },
            Preset::Imagenet => Self {
                channels: Channels::Rgb,
                resize: Resize::ShorterSide(256),
                crop: Crop::Centre { height: 224, width: 224 },
                mean: vec![0.485, 0.456, 0.406],
                std: vec![0.229, 0.224, 0.225],
                ..raw
            },
        }
    }

    /// What a black pixel becomes: one value, or one a channel.
    pub fn of_black(&self) -> Vec<f32> {
        self.of_pixel(if self.range == Range::Signed { -1.0 } else { 0.0 })
    }

    /// What a white pixel becomes: one value, or one a channel.
    pub fn of_white(&self) -> Vec<f32> {
        self.of_pixel(if self.range == Range::Bytes { 255.0 } else { 1.0 })
    }

    /// A value in the range after normalisation.
    fn of_pixel(&self, value: f64) -> Vec<f32> {
        let count = self.mean.len().max(self.std.len()).max(1);
        let at = |values: &[f64], i: usize, none: f64| match values.len() {
            0 => none,
            1 => values[0],
            _ => values[i],
        };
        let of = |i| ((value - at(&self.mean, i, 0.0)) / at(&self.std, i, 1.0)) as f32;
        (0..count).map(of).collect()
    }

    /// Whether two do the same, whatever presets they began from.
    ///
    /// An interpolation that the way of resizing does not look at makes no difference.
    pub fn same_steps(&self, other: &Self) -> bool {
        let fid = self.resize.is_fid();
        let interpolation = if fid { self.interpolation } else { other.interpolation };
        *self == Self { preset: self.preset, interpolation, ..other.clone() }
    }

    /// As [`Preprocess::same_steps`], where what float images hold makes no difference: they are brought
    /// to the same range, unless they are kept as they are.
    pub fn same_result(&self, other: &Self) -> bool {
        let kept = |steps: &Self| steps.float_range == FloatRange::Keep;
        let alike = Self { float_range: other.float_range, ..self.clone() };
        kept(self) == kept(other) && alike.same_steps(other)
    }

    /// Whether floats of 0 to 1 pass as they are: neither brought to another range nor normalised.
    pub(super) fn keeps_floats(&self) -> bool {
        self.is_plain() && self.float_range == FloatRange::Unit
    }

    /// Whether any floats pass as they are, and bytes become 0…1 beside them.
    pub(super) fn leaves_floats(&self) -> bool {
        self.is_plain() && matches!(self.float_range, FloatRange::Unit | FloatRange::Keep)
    }

    fn is_plain(&self) -> bool {
        self.mean.is_empty() && self.std.is_empty() && self.range == Range::Unit
    }

    /// The first step that only makes sense for an image, as its option is spelled.
    pub(super) fn image_step(&self) -> Option<&'static str> {
        let steps = [
            (self.channels != Channels::Keep, "--channels"),
            (self.resize != Resize::None, "--resize"),
            (self.crop != Crop::None, "--crop"),
            (!self.mean.is_empty(), "--mean"),
            (!self.std.is_empty(), "--std"),
        ];
        steps.into_iter().find(|(set, _)| *set).map(|(_, option)| option)
    }

    /// Refuses sizes and values that mean nothing.
    ///
    /// # Errors
    ///
    /// A side of zero or beyond 32768 pixels, a mean that is not finite, a standard deviation that
    /// is not above zero.
    pub fn validate(&self) -> Result<()> {
        let sides = [("--resize", self.resize.sides()), ("--crop", self.crop.sides())];
        for (option, side) in sides.into_iter().flat_map(|(o, all)| all.map(|side| (o, side))) {
            if !(1..=LONGEST_SIDE).contains(&side) {
                let remedy = format!("give 1 to {LONGEST_SIDE} pixels");
                return Err(Error::usage(format!("{option} asks for a side of {side}"), remedy));
            }
        }
        if let Some(value) = self.mean.iter().find(|v| !v.is_finite()) {
            return Err(Error::usage(format!("--mean holds {value}"), "give finite numbers"));
        }
        if let Some(value) = self.std.iter().find(|v| !(v.is_finite() && **v > 0.0)) {
            return Err(Error::usage(format!("--std holds {value}"), "give numbers above zero"));
        }
        Ok(())
    }
}

impl Resize {
    /// What clean-fid does: to the 299×299 pixels of FID's Inception.
    pub const CLEAN: Self = Self::Clean { height: 299, width: 299 };

    /// Height and width after resizing a picture of `height` × `width`.
    pub fn size(self, (height, width): (usize, usize)) -> (usize, usize) {
        match self {
            Self::None => (height, width),
            Self::Exact { height, width }
            | Self::Clean { height, width }
            | Self::LegacyPytorch { height, width } => (height, width),
            Self::ShorterSide(side) if width <= height => (side * height / width, side),
            Self::ShorterSide(side) => (side, side * width / height),
        }
    }

    /// Whether it is one of the ways in which tools resize for the Fréchet Inception distance:
    /// they give floats and take no interpolation.
    pub fn is_fid(self) -> bool {
        matches!(self, Self::Clean { .. } | Self::LegacyPytorch { .. })
    }

    /// `"clean"`, `"legacy-pytorch:64"`, `"clean:64x48"`; without a size that of the Inception.
    fn fid(text: &str) -> Option<Self> {
        let (way, size) =
            text.split_once(':').map_or((text, None), |(way, size)| (way, Some(size)));
        let (height, width) = match size {
            None => (INCEPTION, INCEPTION),
            Some(size) => sides(size).map(|(height, width)| (height, width.unwrap_or(height)))?,
        };
        match way {
            "clean" => Some(Self::Clean { height, width }),
            "legacy-pytorch" => Some(Self::LegacyPytorch { height, width }),
            _ => None,
        }
    }

    /// The two sides that it asks for.
    pub fn sides(self) -> [usize; 2] {
        self.size((1, 1)).into()
    }
}

impl Crop {
    /// Height and width after cropping a picture of `height` × `width`.
    pub fn size(self, size: (usize, usize)) -> (usize, usize) {
        match self {
            Self::None => size,
            Self::Centre { height, width } => (height, width),
        }
    }

    /// The two sides that it asks for.
    pub fn sides(self) -> [usize; 2] {
        self.size((1, 1)).into()
    }
}

/// `"256x224"` as height and width, `"256"` as one number.
fn sides(text: &str) -> Option<(usize, Option<usize>)> {
    match text.split_once('x') {
        None => Some((text.parse().ok()?, None)),
        Some((height, width)) => Some((height.parse().ok()?, Some(width.parse().ok()?))),
    }
}

fn unknown(what: &str, text: &str, remedy: &str) -> Error {
    Error::usage(format!("unknown {what} {text:?}"), remedy)
}

impl FromStr for Resize {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match (sides(text), Self::fid(text)) {
            _ if text == "none" => Ok(Self::None),
            (Some((side, None)), _) => Ok(Self::ShorterSide(side)),
            (Some((height, Some(width))), _) => Ok(Self::Exact { height, width }),
            (None, Some(fid)) => Ok(fid),
            (None, None) => Err(unknown(
                "size",
                text,
                "give the shorter side (256), HEIGHTxWIDTH, none, or for FID clean or \
                 legacy-pytorch (299x299; else clean:64, clean:HEIGHTxWIDTH)",
            )),
        }
    }
}

impl FromStr for Crop {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match sides(text) {
            _ if text == "none" => Ok(Self::None),
            Some((height, width)) => Ok(Self::Centre { height, width: width.unwrap_or(height) }),
            None => Err(unknown("crop", text, "give one side (224), HEIGHTxWIDTH, or none")),
        }
    }
}

/// Names of an enum's values: `FromStr` and `Display` by one table.
macro_rules! named {
    ($type:ident, $what:literal, $($value:ident = $name:literal),+) => {
        impl FromStr for $type {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                match text {
                    $($name => Ok(Self::$value),)+
                    _ => {
                        let known = [$($name),+].join(", ");
                        Err(unknown($what, text, &format!("give one of {known}")))
                    }
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$value => $name),+ })
            }
        }
    };
}

named!(Preset, "preset", Imagenet = "imagenet", Cifar10 = "cifar10", Raw = "raw", Own = "own");
named!(Channels, "channels", Keep = "keep", Grey = "1", Rgb = "3");
named!(Range, "range", Unit = "0..1", Signed = "-1..1", Bytes = "0..255");
named!(FloatRange, "range", Unit = "0..1", Signed = "-1..1", Bytes = "0..255", Keep = "keep");

impl fmt::Display for Resize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::ShorterSide(side) => write!(f, "{side}"),
            Self::Exact { height, width } => write!(f, "{height}x{width}"),
            Self::Clean { height: INCEPTION, width: INCEPTION } => f.write_str("clean"),
            Self::Clean { height, width } => write!(f, "clean:{height}x{width}"),
            Self::LegacyPytorch { height: INCEPTION, width: INCEPTION } => {
                f.write_str("legacy-pytorch")
            }
            Self::LegacyPytorch { height, width } => {
                write!(f, "legacy-pytorch:{height}x{width}")
            }
        }
    }
}

impl fmt::Display for Crop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Centre { height, width } => write!(f, "{height}x{width}"),
        }
    }
}
