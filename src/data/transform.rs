//! From a decoded sample to the floats a network takes, written where they belong.

use super::dtype::Dtype;
use super::floats::{self, Span};
use super::preprocess::{Channels, FloatRange, Preprocess, Preset, Range, Resize};
use super::resize::{
    AxisCache, Interpolation, Kernel, Picture, Target, Window, interpolate, resize,
};
use super::source::{Form, Sample};
use crate::error::{Error, Result};

/// The most pixels a resized picture may have.
const MOST_PIXELS: usize = 1 << 28;

/// A preprocessing made ready: what can be computed before the first sample is.
#[derive(Debug)]
pub(super) struct Plan {
    steps: Preprocess,
    /// Mean and standard deviation: one for all channels, or one each.
    normal: Vec<(f32, f32)>,
    /// What each byte becomes, for each entry of `normal`.
    tables: Vec<[f32; 256]>,
}

/// Room that a worker uses again from sample to sample.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    axes: AxisCache,
    grey: Vec<u8>,
    planes: Vec<f32>,
    bytes: Room<u8>,
    floats: Room<f32>,
}

/// Height and width before and after resizing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scaling {
    pub from: (usize, usize),
    pub to: (usize, usize),
}

impl Scaling {
    /// How many times longer the side becomes that grows most.
    pub fn factor(self) -> f64 {
        let rows = self.to.0 as f64 / self.from.0 as f64;
        rows.max(self.to.1 as f64 / self.from.1 as f64)
    }
}

/// Room to resize to one type of value.
#[derive(Debug, Default)]
struct Room<T> {
    between: Vec<T>,
    resized: Vec<T>,
}

/// Where a picture's pixels go: its resized size, the part that is kept, and where that part
/// lies in the result.
struct Geometry {
    resized: (usize, usize),
    rows: Placement,
    columns: Placement,
}

/// One axis of a crop.
struct Placement {
    /// What is kept of the resized axis.
    window: Window,
    /// Zeros before it.
    before: usize,
    /// Length of the result.
    length: usize,
}

impl Plan {
    /// Readies a preprocessing for samples of the given form.
    ///
    /// # Errors
    ///
    /// Steps that mean nothing, or that samples of this form do not accept.
    pub fn new(steps: &Preprocess, form: Form) -> Result<Self> {
        steps.validate()?;
        if let (Form::Rows, Some(option)) = (form, steps.image_step()) {
            let preset = steps.preset;
            let problem = match steps.preset {
                Preset::Raw => format!("{option} is for images"),
                _ => format!("--preprocess {preset} is for images (it sets {option})"),
            };
            let remedy = "leave it out, or use --preprocess raw";
            return Err(Error::usage(
                format!("{problem}, and the data are rows of numbers"),
                remedy,
            ));
        }
        let normal = normal(&steps.mean, &steps.std)?;
        let tables = normal.iter().map(|&one| table(steps.range, one)).collect();
        Ok(Self { steps: steps.clone(), normal, tables })
    }

    /// Shape of what a sample becomes: `H×W×C` for a picture, a row's own shape for a row.
    pub fn shape(&self, sample: &Sample<'_>) -> Result<Vec<usize>> {
        let (size, channels) = match sample {
            Sample::Row { shape, .. } => return Ok(shape.to_vec()),
            Sample::Pixels(picture) => {
                ((picture.height, picture.width), self.pixel_channels(picture.channels)?)
            }
            Sample::Planes { channels, size, .. } => (*size, self.plane_channels(*channels)?),
        };
        let (height, width) = self.steps.resize.size(size);
        if height.saturating_mul(width) > MOST_PIXELS {
            let problem = format!("resizing {}x{} gives {height}x{width} pixels", size.0, size.1);
            return Err(Error::usage(problem, "give smaller sides: --resize HEIGHTxWIDTH"));
        }
        if self.normal.len() != 1 && self.normal.len() != channels {
            let problem =
                format!("--mean or --std has {} values for {channels} channels", self.normal.len());
            return Err(Error::usage(problem, "give one value, or one a channel"));
        }
        let (height, width) = self.steps.crop.size((height, width));
        Ok(vec![height, width, channels])
    }

    /// How resizing changes the size of a picture; `None` for rows.
    pub fn scaling(&self, sample: &Sample<'_>) -> Option<Scaling> {
        let from = match sample {
            Sample::Row { .. } => return None,
            Sample::Pixels(picture) => (picture.height, picture.width),
            Sample::Planes { size, .. } => *size,
        };
        if self.steps.resize.is_fid() {
            return None;
        }
        Some(Scaling { from, to: self.steps.resize.size(from) })
    }

    /// Writes a sample to `out`, which has exactly the length of its [`Plan::shape`].
    ///
    /// The values of a float picture before any step are returned as their least and their greatest.
    pub fn apply(&self, sample: &Sample<'_>, scratch: &mut Scratch, out: &mut [f32]) -> Span {
        match *sample {
            Sample::Row { bytes, dtype, .. } => dtype.narrow(bytes, out),
            Sample::Pixels(picture) => self.apply_pixels(picture, scratch, out),
            Sample::Planes { bytes, dtype, channels, size } => {
                return self.apply_planes((bytes, dtype), channels, size, scratch, out);
            }
        }
        Span::NONE
    }

    /// What is done to the samples.
    pub fn steps(&self) -> &Preprocess {
        &self.steps
    }

    fn channels(&self, stored: usize) -> usize {
        match self.steps.channels {
            Channels::Keep => stored,
            Channels::Grey => 1,
            Channels::Rgb => 3,
        }
    }

    fn pixel_channels(&self, stored: usize) -> Result<usize> {
        let wanted = self.channels(stored);
        if wanted == stored || stored != 4 {
            return Ok(wanted);
        }
        let problem = format!("{stored} channels of bytes cannot become {wanted}");
        let remedy = "save three of them (drop alpha), or keep all with --channels keep";
        Err(Error::usage(problem, remedy))
    }

    fn plane_channels(&self, stored: usize) -> Result<usize> {
        let wanted = self.channels(stored);
        if wanted == stored || stored == 1 {
            return Ok(wanted);
        }
        let problem = format!("{stored} channels of floats cannot become {wanted}");
        Err(Error::usage(problem, "leave the channels as they are"))
    }

    fn apply_pixels(&self, picture: Picture<'_, u8>, scratch: &mut Scratch, out: &mut [f32]) {
        let Scratch { axes, grey, bytes, floats, .. } = scratch;
        let channels = self.channels(picture.channels);
        let picture = match (picture.channels, channels) {
            (3, 1) => to_grey(picture, grey),
            _ => picture,
        };
        let geometry = self.geometry((picture.height, picture.width));
        if geometry.pads() {
            let zeros: Vec<f32> = (0..channels).map(|c| self.table(c)[0]).collect();
            out.chunks_exact_mut(channels).for_each(|pixel| pixel.copy_from_slice(&zeros));
        }
        let tables = [0, 1, 2, 3].map(|c| self.table(c));
        let look_up = |c: usize, byte: u8| tables[c][usize::from(byte)];
        if geometry.resized == (picture.height, picture.width) {
            return write(picture, &geometry, (out, channels), look_up);
        }
        let target = self.target(&geometry);
        if self.steps.resize.is_fid() {
            self.resize_floats(picture, &target, axes, floats);
            let (range, normals) = (self.steps.range, [0, 1, 2, 3].map(|c| self.normal(c)));
            let value = |c: usize, value: f32| {
                normalise(in_range(range, value.clamp(0.0, 255.0)), normals[c])
            };
            let part = geometry.part(&floats.resized, picture.channels);
            return write(part, &geometry.without_window(), (out, channels), value);
        }
        resize(picture, &target, axes, &mut bytes.between, &mut bytes.resized);
        let part = geometry.part(&bytes.resized, picture.channels);
        write(part, &geometry.without_window(), (out, channels), look_up);
    }

    /// Resizes without rounding: as Pillow does floats, or as PyTorch does.
    fn resize_floats<T: Copy + Into<f32>>(
        &self,
        picture: Picture<'_, T>,
        target: &Target,
        axes: &mut AxisCache,
        room: &mut Room<f32>,
    ) where
        f32: Kernel<T>,
    {
        let Room { between, resized } = room;
        match self.steps.resize {
            Resize::LegacyPytorch { .. } => interpolate(picture, target, between, resized),
            _ => resize(picture, target, axes, between, resized),
        }
    }

    fn apply_planes(
        &self,
        (stored, dtype): (&[u8], Dtype),
        channels: usize,
        (height, width): (usize, usize),
        scratch: &mut Scratch,
        out: &mut [f32],
    ) -> Span {
        let Scratch { axes, planes, floats, .. } = scratch;
        planes.resize(channels * height * width, 0.0);
        dtype.narrow(stored, planes);
        let span = Span::of(planes);
        let geometry = self.geometry((height, width));
        let target = self.target(&geometry);
        let wanted = self.channels(channels);
        if geometry.pads() {
            let black = match self.steps.float_range {
                FloatRange::Keep => 0.0,
                _ => in_range(self.steps.range, 0.0),
            };
            let zeros: Vec<f32> = (0..wanted).map(|c| normalise(black, self.normal(c))).collect();
            out.chunks_exact_mut(wanted).for_each(|pixel| pixel.copy_from_slice(&zeros));
        }
        for (c, plane) in planes.chunks_exact(height * width).enumerate() {
            let plane = Picture { data: plane, height, width, channels: 1 };
            self.resize_floats(plane, &target, axes, floats);
            let copies = if wanted == channels { c..c + 1 } else { 0..wanted };
            for channel in copies {
                self.interleave(&floats.resized, &geometry, out, (channel, wanted));
            }
        }
        span
    }

    /// Writes the kept part of one plane as channel `channel` of `channels`.
    fn interleave(
        &self,
        plane: &[f32],
        geometry: &Geometry,
        out: &mut [f32],
        (channel, channels): (usize, usize),
    ) {
        let (rows, columns) = (&geometry.rows, &geometry.columns);
        let lines = plane.chunks_exact(columns.window.len());
        let normal = self.normal(channel);
        for (line, out) in
            lines.zip(out.chunks_exact_mut(columns.length * channels).skip(rows.before))
        {
            let pixels = out.chunks_exact_mut(channels).skip(columns.before);
            for (&value, pixel) in line.iter().zip(pixels) {
                pixel[channel] = normalise(floats::in_range(&self.steps, value), normal);
            }
        }
    }

    fn geometry(&self, size: (usize, usize)) -> Geometry {
        let resized = self.steps.resize.size(size);
        let (height, width) = self.steps.crop.size(resized);
        let rows = Placement::centre(resized.0, height);
        Geometry { resized, rows, columns: Placement::centre(resized.1, width) }
    }

    fn target(&self, geometry: &Geometry) -> Target {
        let (rows, columns) = (geometry.rows.window.clone(), geometry.columns.window.clone());
        let interpolation = match self.steps.resize {
            Resize::Clean { .. } => Interpolation::Bicubic,
            _ => self.steps.interpolation,
        };
        Target { size: geometry.resized, rows, columns, interpolation }
    }

    fn table(&self, channel: usize) -> &[f32; 256] {
        &self.tables[channel % self.tables.len()]
    }

    fn normal(&self, channel: usize) -> (f32, f32) {
        self.normal[channel % self.normal.len()]
    }
}

impl Geometry {
    fn pads(&self) -> bool {
        [&self.rows, &self.columns].iter().any(|axis| axis.window.len() < axis.length)
    }

    /// What is kept, where nothing else was made.
    fn part<'a, T>(&self, data: &'a [T], channels: usize) -> Picture<'a, T> {
        let (height, width) = (self.rows.window.len(), self.columns.window.len());
        Picture { data, height, width, channels }
    }

    /// The same for a picture that holds nothing but what is kept.
    fn without_window(self) -> Self {
        let whole = |axis: Placement| Placement { window: 0..axis.window.len(), ..axis };
        Self { rows: whole(self.rows), columns: whole(self.columns), ..self }
    }
}

impl Placement {
    /// The centre of an axis, as torchvision's `center_crop` rounds it: the start is
    /// `(size − length) / 2` rounded half to even, padding before is `⌊(length − size) / 2⌋`.
    fn centre(size: usize, length: usize) -> Self {
        if length > size {
            return Self { window: 0..size, before: (length - size) / 2, length };
        }
        let spare = size - length;
        let start = spare / 2 + usize::from(spare % 4 == 3);
        Self { window: start..start + length, before: 0, length }
    }
}

/// Pairs means with deviations; a single value serves all channels, none is 0 and 1.
fn normal(mean: &[f64], std: &[f64]) -> Result<Vec<(f32, f32)>> {
    let count = mean.len().max(std.len()).max(1);
    let at = |values: &[f64], i: usize, none: f64| match values.len() {
        0 => none as f32,
        1 => values[0] as f32,
        _ => values[i] as f32,
    };
    if [mean, std].iter().any(|values| values.len() > 1 && values.len() != count) {
        let problem = format!("--mean has {} values but --std has {}", mean.len(), std.len());
        return Err(Error::usage(problem, "give one value, or one a channel, to both"));
    }
    Ok((0..count).map(|i| (at(mean, i, 0.0), at(std, i, 1.0))).collect())
}

fn normalise(value: f32, (mean, std): (f32, f32)) -> f32 {
    (value - mean) / std
}

fn in_range(range: Range, value: f32) -> f32 {
    match range {
        Range::Unit => value / 255.0,
        Range::Signed => 2.0 * (value / 255.0) - 1.0,
        Range::Bytes => value,
    }
}

/// What each byte becomes: `(range(v) − mean) / std` in float32, as torchvision computes it.
fn table(range: Range, normal: (f32, f32)) -> [f32; 256] {
    std::array::from_fn(|byte| normalise(in_range(range, byte as f32), normal))
}

/// Writes the kept part of a picture, row by row: `value` gives what a stored value becomes in each
/// channel.
fn write<T: Copy>(
    picture: Picture<'_, T>,
    geometry: &Geometry,
    (out, channels): (&mut [f32], usize),
    value: impl Fn(usize, T) -> f32,
) {
    let stored = picture.channels;
    let (rows, columns) = (&geometry.rows, &geometry.columns);
    let lines = picture.data.chunks_exact(picture.width * stored);
    let lines = lines.skip(rows.window.start).take(rows.window.len());
    let first = columns.before * channels;
    for (line, out) in lines.zip(out.chunks_exact_mut(columns.length * channels).skip(rows.before))
    {
        let line = &line[columns.window.start * stored..columns.window.end * stored];
        let out = &mut out[first..first + columns.window.len() * channels];
        match (stored, channels) {
            (1, 1) => convert::<1, T>(line, out, &value),
            (1, 3) => repeat::<3, T>(line, out, &value),
            (4, 4) => convert::<4, T>(line, out, &value),
            _ => convert::<3, T>(line, out, &value),
        }
    }
}

fn convert<const C: usize, T: Copy>(line: &[T], out: &mut [f32], value: &impl Fn(usize, T) -> f32) {
    let (pixels, values) = (line.as_chunks::<C>().0, out.as_chunks_mut::<C>().0);
    for (out, pixel) in values.iter_mut().zip(pixels) {
        *out = std::array::from_fn(|c| value(c, pixel[c]));
    }
}

fn repeat<const C: usize, T: Copy>(line: &[T], out: &mut [f32], value: &impl Fn(usize, T) -> f32) {
    for (out, &grey) in out.as_chunks_mut::<C>().0.iter_mut().zip(line) {
        *out = std::array::from_fn(|c| value(c, grey));
    }
}

/// Pillow's `L` of a colour picture.
fn to_grey<'a>(picture: Picture<'_, u8>, grey: &'a mut Vec<u8>) -> Picture<'a, u8> {
    let weigh = |&[r, g, b]: &[u8; 3]| {
        let sum = 19595 * u32::from(r) + 38470 * u32::from(g) + 7471 * u32::from(b);
        ((sum + 0x8000) >> 16) as u8
    };
    grey.clear();
    grey.extend(picture.data.as_chunks::<3>().0.iter().map(weigh));
    Picture { data: grey, height: picture.height, width: picture.width, channels: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crops_are_centred_as_torchvision_rounds() {
        let start = |size, length| Placement::centre(size, length).window.start;
        assert_eq!([1, 2, 3, 4, 5, 6, 7].map(|size| start(size, 0)), [0, 1, 2, 2, 2, 3, 4]);
        let padded = Placement::centre(2, 5);
        assert_eq!((padded.before, padded.window, padded.length), (1, 0..2, 5));
    }

    #[test]
    fn grey_is_pillows() {
        let data = [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255];
        let mut grey = vec![];
        let picture = Picture { data: &data, height: 1, width: 4, channels: 3 };
        assert_eq!(to_grey(picture, &mut grey).data, [76, 150, 29, 255]);
    }

    #[test]
    fn counts_of_mean_and_std_must_agree() {
        assert_eq!(normal(&[], &[]).ok(), Some(vec![(0.0, 1.0)]));
        assert_eq!(normal(&[0.5], &[1.0, 2.0]).ok(), Some(vec![(0.5, 1.0), (0.5, 2.0)]));
        assert!(normal(&[0.5, 0.5], &[1.0, 2.0, 3.0]).is_err());
    }
}
