//! Statistics files: means and covariances of features, as FID tools keep them.

use std::path::Path;

use ndarray::{Array1, Array2};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dtype::Dtype;
use super::preprocess::Preprocess;
use super::source::{Arrays, Npz, Stored, encode, few, pack};
use crate::error::{Error, Result};

/// How unequal σᵢⱼ and σⱼᵢ may be, relative to the largest |σ|: what float32 leaves.
const ASYMMETRY: f64 = 1e-6;

/// What to do about a file whose arrays are not as they must be.
const REMEDY: &str = "write mu (D) and sigma (D×D) with numpy.savez";

/// What to do about numbers that no features can have.
const AGAIN: &str = "make the statistics again";

/// Where statistics come from: what must agree before two of them may be compared.
///
/// JSON fields that are not known here are passed over, so that later versions may add some.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Origin {
    /// The program and its version: `repsim 0.1.0`.
    pub tool: String,
    /// SHA-256 of the model's archive, in hexadecimal.
    pub model_sha256: String,
    /// The weights that were put into it, where they are not its own: SHA-256 and key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// The layer whose output was taken.
    pub layer: String,
    /// How a feature map became a row.
    pub reduce: String,
    /// The steps before the model; none where features were stored ones.
    pub preprocess: Option<Preprocess>,
    /// The fingerprint of the samples.
    pub fingerprint: String,
    /// Whether the model was frozen and optimised.
    pub optimize: bool,
    /// What else of the command changes what a model gives: the part of its output, the seed of its draws,
    /// arguments of its forward, that it keeps its state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub run: Vec<String>,
    /// The axis of the channels, where the features depend on it and the number of axes would tell
    /// another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_axis: Option<usize>,
    /// How the stored samples became pixels: the version of the decoders, and the layout of an array.
    /// Kept statistics of other pixels are not taken again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixels: Option<String>,
}

/// Mean and covariance of features.
///
/// # File
///
/// An `.npz` archive with the arrays that pytorch-fid and clean-fid read and write, and two more,
/// which they pass over:
///
/// | name | type | shape | |
/// |---|---|---|---|
/// | `mu` | float64 | `D` | the mean |
/// | `sigma` | float64 | `D×D` | the covariance, divided by n − 1 |
/// | `n` | int64 | `()` | number of samples |
/// | `repsim` | `<U…` | `()` | an [`Origin`] as JSON |
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// Mean of each feature: `D`.
    pub mean: Array1<f64>,
    /// Covariance of the features: `D×D`, symmetric.
    pub covariance: Array2<f64>,
    /// Number of samples, where the file tells it.
    pub samples: Option<usize>,
    /// Where they come from, where the file tells it.
    pub origin: Option<Origin>,
}

impl Statistics {
    /// Whether a path is an `.npz` archive with `mu` or `sigma` among its names; reads no array.
    pub fn is_statistics(path: &Path) -> bool {
        let npz = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"));
        let named = |file: Npz| file.names().iter().any(|name| name == "mu" || name == "sigma");
        npz && Npz::open(path).is_ok_and(named)
    }

    /// Reads a file of statistics, compressed or not, of float32 or float64.
    ///
    /// A covariance that is symmetric except for rounding becomes (σ + σᵀ)/2. Whether it is positive
    /// semi-definite is not looked at.
    ///
    /// # Errors
    ///
    /// A file that is damaged or lacks `mu` or `sigma`; shapes that do not fit; a value that is not
    /// finite; a covariance that is not symmetric (|σᵢⱼ − σⱼᵢ| above 10⁻⁶ of the largest |σ|) or has
    /// a negative diagonal; fewer than two samples; an origin that cannot be understood.
    pub fn load(path: &Path) -> Result<Self> {
        let mut file = Npz::open(path)?;
        check_names(path, file.names())?;
        let mean = mean(&mut file)?;
        let covariance = covariance(path, &mut file, mean.len())?;
        check_finite(path, &mean, &covariance)?;
        let covariance = symmetric(path, covariance)?;
        let has = |name: &str| file.names().iter().any(|one| one == name);
        let (has_count, has_origin) = (has("n"), has("repsim"));
        let samples = if has_count { Some(samples(&mut file)?) } else { None };
        let origin = if has_origin { Some(origin(path, &mut file)?) } else { None };
        Ok(Self { mean, covariance, samples, origin })
    }

    /// The bytes of a file of these statistics; equal statistics give equal bytes.
    ///
    /// # Errors
    ///
    /// A covariance that is not `D×D` for a mean of `D`.
    pub fn to_npz(&self) -> Result<Vec<u8>> {
        let (size, shape) = (self.mean.len(), self.covariance.shape());
        if shape != [size, size] {
            let remedy = "give a covariance of D×D";
            let (mean, covariance) = (("the mean", self.mean.shape()), ("the covariance", shape));
            return Err(Error::shape("write statistics", mean, covariance, remedy));
        }
        let floats = |values: &mut dyn Iterator<Item = &f64>| -> Vec<u8> {
            values.flat_map(|value| value.to_le_bytes()).collect()
        };
        let mut files = vec![
            ("mu", encode("<f8", &[size], &floats(&mut self.mean.iter()))),
            ("sigma", encode("<f8", shape, &floats(&mut self.covariance.iter()))),
        ];
        if let Some(samples) = self.samples {
            files.push(("n", encode("<i8", &[], &(samples as u64).to_le_bytes())));
        }
        if let Some(origin) = &self.origin {
            files.push(("repsim", text(origin)?));
        }
        let failed = |e| Error::usage(format!("failed to pack statistics: {e}"), AGAIN);
        pack(&files).map_err(failed)
    }
}

/// An origin as a `.npy` file of one string.
fn text(origin: &Origin) -> Result<Vec<u8>> {
    let failed = |e| Error::usage(format!("failed to write the statistics' origin: {e}"), AGAIN);
    let json = serde_json::to_string(origin).map_err(failed)?;
    let letters: Vec<u8> = json.chars().flat_map(|l| u32::from(l).to_le_bytes()).collect();
    Ok(encode(&format!("<U{}", letters.len() / 4), &[], &letters))
}

fn check_names(path: &Path, names: &[String]) -> Result<()> {
    let has = |name: &str| names.iter().any(|one| one == name);
    let problem = match (has("mu"), has("sigma")) {
        (true, true) => return Ok(()),
        (true, false) => "it holds \"mu\" but no \"sigma\"".to_owned(),
        (false, true) => "it holds \"sigma\" but no \"mu\"".to_owned(),
        (false, false) => format!("none of its arrays ({}) is \"mu\"", few(names)),
    };
    Err(Error::file("load", path, problem, REMEDY))
}

fn mean(file: &mut Npz) -> Result<Array1<f64>> {
    let stored = file.array("mu")?;
    if stored.shape.len() != 1 {
        return Err(stored.problem("is not a vector", REMEDY));
    }
    Ok(Array1::from_vec(floats(&stored)?))
}

fn covariance(path: &Path, file: &mut Npz, size: usize) -> Result<Array2<f64>> {
    let stored = file.array("sigma")?;
    if stored.shape != [size, size] {
        let mean = format!("\"mu\" of {}", path.display());
        return Err(Error::shape(
            "load statistics",
            (mean, &[size]),
            ("\"sigma\"", &stored.shape),
            REMEDY,
        ));
    }
    Array2::from_shape_vec((size, size), floats(&stored)?)
        .map_err(|e| stored.problem(&format!("cannot be read ({e})"), REMEDY))
}

fn floats(stored: &Stored) -> Result<Vec<f64>> {
    if !matches!(stored.dtype, Dtype::F32 | Dtype::F64) {
        return Err(stored.problem("holds neither float32 nor float64", REMEDY));
    }
    let mut values = vec![];
    stored.dtype.widen(&stored.read_all()?, &mut values);
    Ok(values)
}

fn check_finite(path: &Path, mean: &Array1<f64>, covariance: &Array2<f64>) -> Result<()> {
    let remedy = "make the statistics again, from features that are finite";
    if let Some((i, value)) = mean.indexed_iter().find(|(_, value)| !value.is_finite()) {
        return Err(Error::file("load", path, format!("mu[{i}] is {value}"), remedy));
    }
    match covariance.indexed_iter().find(|(_, value)| !value.is_finite()) {
        None => Ok(()),
        Some(((i, j), value)) => {
            Err(Error::file("load", path, format!("sigma[{i}, {j}] is {value}"), remedy))
        }
    }
}

/// Checks the diagonal and the symmetry of a covariance, and removes what rounding left of
/// asymmetry.
fn symmetric(path: &Path, mut covariance: Array2<f64>) -> Result<Array2<f64>> {
    if let Some((i, value)) = covariance.diag().indexed_iter().find(|(_, value)| **value < 0.0) {
        let problem = format!("sigma[{i}, {i}] is {value}, and a variance is never negative");
        return Err(Error::file("load", path, problem, AGAIN));
    }
    let largest = covariance.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let (apart, i, j) = asymmetry(&covariance);
    if apart > ASYMMETRY * largest {
        let problem = format!(
            "sigma is not symmetric: [{i}, {j}] and [{j}, {i}] differ by {:.1e} of its largest value",
            apart / largest
        );
        return Err(Error::file("load", path, problem, AGAIN));
    }
    if apart > 0.0 {
        covariance = (&covariance + &covariance.t()) / 2.0;
    }
    Ok(covariance)
}

/// The largest |σᵢⱼ − σⱼᵢ|, and where it is.
fn asymmetry(covariance: &Array2<f64>) -> (f64, usize, usize) {
    let mut worst = (0.0, 0, 0);
    for ((i, j), value) in covariance.indexed_iter().filter(|((i, j), _)| i < j) {
        let apart = (value - covariance[[j, i]]).abs();
        if apart > worst.0 {
            worst = (apart, i, j);
        }
    }
    worst
}

fn samples(file: &mut Npz) -> Result<usize> {
    let stored = file.array("n")?;
    let mut values = vec![];
    stored.dtype.widen(&stored.read_all()?, &mut values);
    match *values.as_slice() {
        [count] if count >= 2.0 && !stored.dtype.is_float() => Ok(count as usize),
        [count] if count >= 0.0 && !stored.dtype.is_float() => {
            let problem = format!("is {count}, and a covariance needs 2 samples");
            Err(stored.problem(&problem, AGAIN))
        }
        _ => {
            let remedy = "save the number of samples as one integer, or leave it out";
            Err(stored.problem("is not a number of samples", remedy))
        }
    }
}

fn origin(path: &Path, file: &mut Npz) -> Result<Origin> {
    let failed = |why: &str| {
        let problem = format!("its \"repsim\" does not tell where it comes from ({why})");
        let remedy = "it may be by a newer repsim: update this one, or make the statistics again";
        Error::file("load", path, problem, remedy)
    };
    let text = file.string("repsim")?.ok_or_else(|| failed("it is not a string"))?;
    serde_json::from_str(&text).map_err(|e| failed(&e.to_string()))
}
