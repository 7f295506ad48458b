//! What numbers on the command line may be: every limit stands here, and is what a message names.

use std::ffi::OsStr;
use std::marker::PhantomData;

use clap::builder::TypedValueParser;
use clap::{Arg, Command, Error as Wrong};

use crate::data::{Crop, LONGEST_SIDE, Resize};
use crate::functional::stitching::Ridge;
use crate::saliency::finite::Patch;
use crate::similarity::Kernel;
use crate::torchscript::Grid;
use crate::torchscript::device::DeviceChoice;
use crate::view::table::thousands;

/// Whole numbers from one to another.
#[derive(Debug, Clone, Copy)]
pub struct Whole<T = usize> {
    least: u64,
    most: u64,
    number: PhantomData<T>,
}

/// Numbers from one to another, the first perhaps left out.
#[derive(Debug, Clone, Copy)]
pub struct Real {
    least: f64,
    most: f64,
    above: bool,
    below: bool,
}

/// A number of things of which there can be many: samples, components, neighbours.
pub const COUNT: Whole = Whole::new(1, 1_000_000_000);
/// Samples in a batch.
pub const BATCH: Whole = Whole::new(1, 1 << 20);
/// Tokens of a text.
pub const TOKENS: Whole = Whole::new(1, 1 << 20);
/// Threads of any kind.
pub const THREADS: Whole = Whole::new(1, 1024);
/// Random subsets, orders or halves.
pub const DRAWS: Whole = Whole::new(0, 1_000_000);
/// Random subsets of which there is one at least.
pub const SUBSETS: Whole = Whole::new(1, 1_000_000);
/// Seconds between two things.
pub const SECONDS: Whole = Whole::new(0, 1_000_000);
/// Samples of which two are needed.
pub const TWO_OR_MORE: Whole = Whole::new(2, 1_000_000_000);
/// Folds of samples.
pub const FOLDS: Whole = Whole::new(2, 1_000_000);
/// Runs of a network for one image, or passes over the data.
pub const STEPS: Whole = Whole::new(1, 100_000);
/// Pixels on a side.
pub const SIDE: Whole = Whole::new(1, LONGEST_SIDE as u64);
/// The length of an axis of a tensor.
pub const LENGTH: Whole = Whole::new(1, 1 << 20);
/// A row or column of pixels.
pub const PIXEL: Whole = Whole::new(0, LONGEST_SIDE as u64);
/// Rows of a picture that shows many.
pub const ROWS: Whole = Whole::new(1, 1000);
/// A place in a tuple.
pub const INDEX: Whole = Whole::new(0, 65_535);
/// A channel, or a class.
pub const NUMBER: Whole = Whole::new(0, 1_000_000_000);
/// An axis of a tensor.
pub const AXIS: Whole = Whole::new(0, 63);
/// A device.
pub const DEVICE: Whole = Whole::new(0, 255);
/// A process.
pub const PROCESS: Whole<i32> = Whole::new(1, i32::MAX as u64);
/// Where random numbers begin.
pub const SEED: Whole<u64> = Whole::new(0, u64::MAX);

/// A share, its ends included.
pub const SHARE: Real = Real::from(0.0, 1.0);
/// A share that leaves something on either side.
pub const INNER_SHARE: Real = Real { above: true, below: true, ..SHARE };
/// A size of pixels in 0…1.
pub const STRENGTH: Real = Real { above: true, ..SHARE };
/// The deviation of noise, as a share of a range of values.
pub const NOISE: Real = Real::from(0.0, 1000.0);
/// Times that labels are shuffled.
pub const SHUFFLES: Whole = Whole::new(1, 1000);
/// Copies of an image with patches filled in.
pub const PERTURBATIONS: Whole = Whole::new(1, 1_000_000);
/// The strength of a penalty on coefficients.
pub const LIME_ALPHA: Real = Real::from(0.0, 1e9);
/// What is subtracted from pixels.
pub const MEAN: Real = Real::from(-1e9, 1e9);
/// What pixels are divided by.
pub const DEVIATION: Real = Real::from(1e-38, 1e9);
/// A learning rate.
pub const RATE: Real = Real { above: true, ..Real::from(0.0, 1e6) };
/// A ridge, as a share of the mean variance.
pub const RIDGE: Real = Real::from(0.0, 1e9);
/// An inverse strength of regularisation.
pub const COST: Real = Real::from(1e-9, 1e9);
/// The bandwidth of a kernel, as a multiple of the median distance.
pub const BANDWIDTH: Real = Real::from(1e-6, 1e6);
/// A value of a measure.
pub const VALUE: Real = Real::from(-1e15, 1e15);

/// The most bytes of memory.
const MEMORY: f64 = (1u64 << 60) as f64;

impl<T> Whole<T> {
    const fn new(least: u64, most: u64) -> Self {
        Self { least, most, number: PhantomData }
    }

    fn holds(&self, number: u64) -> bool {
        (self.least..=self.most).contains(&number)
    }

    /// What is allowed.
    fn words(&self) -> String {
        format!("a whole number from {} to {}", thousands(self.least), thousands(self.most))
    }
}

impl<T: TryFrom<u64>> Whole<T> {
    /// Reads a number.
    ///
    /// # Errors
    /// It is none, or out of range: what is allowed.
    pub fn read(&self, text: &str) -> Result<T, String> {
        let number = text.parse().ok().filter(|number| self.holds(*number));
        number.and_then(|n| T::try_from(n).ok()).ok_or_else(|| format!("expected {}", self.words()))
    }
}

impl Whole {
    /// Refuses a part of a value that is out of range.
    fn check(&self, what: &str, number: usize) -> Result<(), String> {
        match self.holds(number as u64) {
            true => Ok(()),
            false => Err(format!("{what} is {number}: expected {}", self.words())),
        }
    }
}

impl Real {
    const fn from(least: f64, most: f64) -> Self {
        Self { least, most, above: false, below: false }
    }

    fn words(&self) -> String {
        let (first, last) = match (self.above, self.below) {
            (false, false) => ("from", "to"),
            (true, false) => ("above", "and at most"),
            (false, true) => ("from", "and below"),
            (true, true) => ("above", "and below"),
        };
        format!("a number {first} {} {last} {}", plain(self.least), plain(self.most))
    }

    fn holds(&self, number: f64) -> bool {
        let within = (self.least..=self.most).contains(&number);
        within && !(self.above && number == self.least) && !(self.below && number == self.most)
    }

    /// Reads a number; −0 is 0.
    ///
    /// # Errors
    /// It is none, or out of range: what is allowed.
    pub fn read(&self, text: &str) -> Result<f64, String> {
        self.of(text.trim().parse().ok())
    }

    fn of(&self, number: Option<f64>) -> Result<f64, String> {
        let number = number.filter(|number| self.holds(*number)).map(|number| number + 0.0);
        number.ok_or_else(|| format!("expected {}", self.words()))
    }
}

/// A limit as it is written by hand: with a power of ten where it is long.
fn plain(number: f64) -> String {
    let short = number == 0.0 || (1e-3..1e5).contains(&number.abs());
    if short { number.to_string() } else { format!("{number:e}") }
}

impl<T> TypedValueParser for Whole<T>
where
    T: TryFrom<u64> + Copy + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        option: Option<&Arg>,
        value: &OsStr,
    ) -> Result<T, Wrong> {
        let limits = *self;
        let read = move |text: &str| limits.read(text);
        TypedValueParser::parse_ref(&read, command, option, value)
    }
}

impl TypedValueParser for Real {
    type Value = f64;

    fn parse_ref(
        &self,
        command: &Command,
        option: Option<&Arg>,
        value: &OsStr,
    ) -> Result<f64, Wrong> {
        let limits = *self;
        let read = move |text: &str| limits.read(text);
        TypedValueParser::parse_ref(&read, command, option, value)
    }
}

/// A size of pixels in 0…1: `8/255` or `0.03`.
///
/// # Errors
/// It is none, or out of range.
pub fn strength(text: &str) -> Result<f64, String> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let value = match text.split_once('/') {
        Some((a, b)) => number(a).zip(number(b)).map(|(a, b)| a / b),
        None => number(text),
    };
    STRENGTH.of(value).map_err(|said| format!("{said}, such as 8/255 or 0.03"))
}

/// Bytes: `4GiB`, `512MiB`, or a plain number.
///
/// # Errors
/// It is none, of another unit, or out of range.
pub fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" | "kb" => 10,
        "m" | "mib" | "mb" => 20,
        "g" | "gib" | "gb" => 30,
        "t" | "tib" | "tb" => 40,
        unit => return Err(format!("unknown unit '{unit}': use KiB, MiB, GiB or TiB")),
    };
    match digits.trim().parse::<f64>().map(|number| number * (1u64 << shift) as f64) {
        Ok(bytes) if (1.0..=MEMORY).contains(&bytes) => Ok(bytes as u64),
        _ => Err("expected a size from 1 byte to 1048576 TiB, such as 4GiB".to_owned()),
    }
}

/// How pictures are resized.
///
/// # Errors
/// It is not a size, or a side is out of range.
pub fn resize(text: &str) -> Result<Resize, String> {
    let size: Resize = text.parse().map_err(|e: crate::error::Error| e.to_string())?;
    size.sides().into_iter().try_for_each(|side| SIDE.check("a side", side))?;
    Ok(size)
}

/// What is kept of pictures.
///
/// # Errors
/// It is not a size, or a side is out of range.
pub fn crop(text: &str) -> Result<Crop, String> {
    let size: Crop = text.parse().map_err(|e: crate::error::Error| e.to_string())?;
    size.sides().into_iter().try_for_each(|side| SIDE.check("a side", side))?;
    Ok(size)
}

/// A pixel or a square: `5,7` or `5,7,4`.
///
/// # Errors
/// It is none, or beyond every picture.
pub fn patch(text: &str) -> Result<Patch, String> {
    let expected = || format!("expected ROW,COLUMN or ROW,COLUMN,SIDE, each {}", PIXEL.words());
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let pixel = |text: &str| PIXEL.read(text).map_err(|_| expected());
    match parts[..] {
        [row, column] => Ok(Patch { row: pixel(row)?, column: pixel(column)?, side: 1 }),
        [row, column, side] => {
            let side = SIDE.read(side).map_err(|_| expected())?;
            Ok(Patch { row: pixel(row)?, column: pixel(column)?, side })
        }
        _ => Err(expected()),
    }
}

/// Rows and columns of tokens.
///
/// # Errors
/// It is not a grid, or out of range.
pub fn grid(text: &str) -> Result<Grid, String> {
    let grid: Grid = text.parse()?;
    let side = |side: i64| SIDE.check("a side", usize::try_from(side).unwrap_or(usize::MAX));
    [grid.rows, grid.columns].into_iter().try_for_each(side)?;
    Ok(grid)
}

/// The most axes and elements of a tensor that is made up.
const AXES: usize = 16;
const ELEMENTS: u64 = 1 << 28;

/// The shape of a tensor: `3x224x224`.
///
/// # Errors
/// It is none, or there are too many axes or elements.
pub fn shape(text: &str) -> Result<Vec<i64>, String> {
    let sizes: Result<Vec<usize>, _> =
        text.split(['x', '×']).map(|size| LENGTH.read(size)).collect();
    let sizes = sizes.map_err(|why| format!("{why} for each axis, such as 3x224x224"))?;
    let elements = sizes.iter().try_fold(1u64, |all, &size| all.checked_mul(size as u64));
    match elements.filter(|&all| all <= ELEMENTS && sizes.len() <= AXES) {
        Some(_) => Ok(sizes.into_iter().map(|size| size as i64).collect()),
        None => Err(format!("expected {AXES} axes and {} elements at most", thousands(ELEMENTS))),
    }
}

/// Where to run.
///
/// # Errors
/// It is not a device, or its number is out of range.
pub fn device(text: &str) -> Result<DeviceChoice, String> {
    let device: DeviceChoice = text.parse()?;
    match device {
        DeviceChoice::Cuda(number) => DEVICE.check("the device", number).map(|()| device),
        _ => Ok(device),
    }
}

/// How samples are compared.
///
/// # Errors
/// It is not a kernel, or its bandwidth is out of range.
pub fn kernel(text: &str) -> Result<Kernel, String> {
    let kernel: Kernel = text.parse()?;
    match kernel {
        Kernel::Rbf { fraction } => BANDWIDTH.of(Some(fraction)).map(|_| kernel),
        Kernel::Linear => Ok(kernel),
    }
}

/// How large the ridge is.
///
/// # Errors
/// It is not a ridge, or out of range.
pub fn ridge(text: &str) -> Result<Ridge, String> {
    match text.parse()? {
        Ridge::Fixed(value) => RIDGE.of(Some(value)).map(Ridge::Fixed),
        chosen => Ok(chosen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!(bytes("4GiB"), Ok(4 << 30));
        assert_eq!(bytes("1.5k"), Ok(1536));
        assert_eq!(bytes("10"), Ok(10));
        for text in ["", "GiB", "-1", "4XB", "nan", "inf", "0", "1e400", "9999999999TiB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn strengths_are_fractions_or_numbers() {
        assert_eq!(strength("8/255"), Ok(8.0 / 255.0));
        assert_eq!(strength(" 0.03"), Ok(0.03));
        for text in ["0", "-1/255", "1/0", "2", "NaN", "0/0", "x", "1/2/3", ""] {
            assert!(strength(text).is_err(), "{text}");
        }
    }

    #[test]
    fn limits_are_in_the_message() {
        let said = |text: &str| THREADS.read(text).err();
        let expected = Some("expected a whole number from 1 to 1,024".to_owned());
        assert_eq!([said("0"), said("4294967296"), said("x")], [(); 3].map(|()| expected.clone()));
        assert_eq!(SHARE.read("-0").map(f64::is_sign_positive), Ok(true));
        assert_eq!(
            RATE.read("1e-400"),
            Err("expected a number above 0 and at most 1e6".to_owned())
        );
    }
}
