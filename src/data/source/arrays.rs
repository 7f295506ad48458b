//! Files that hold arrays by name.

use std::path::Path;

use super::npy::Npy;
use super::npz::Npz;
use super::safetensors::Tensors;
use super::stored::Stored;
use crate::data::dtype::Dtype;
use crate::error::{Error, Result};

/// A file of named arrays.
pub(in crate::data) trait Arrays {
    /// The names, in the order of the file.
    fn names(&self) -> &[String];

    /// What is known of one of them before its elements are read.
    fn head(&mut self, name: &str) -> Result<Head>;

    /// Finds one of them; its elements may be read later.
    fn array(&mut self, name: &str) -> Result<Stored>;
}

/// What is known of an array before its elements are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) struct Head {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Element type, where it can be read.
    pub dtype: Option<Dtype>,
    /// Whether the elements are strings.
    pub text: bool,
}

impl Head {
    /// Whether it has rows that can be samples: a single value, strings and an empty array, which are
    /// kept beside arrays to describe them, have none.
    fn has_rows(&self) -> bool {
        !self.shape.is_empty() && !self.text && !self.shape.contains(&0)
    }

    /// Whether it can be classes of these samples: one whole number each; beside pictures of bytes,
    /// which are not features, also floats or a row a sample, which have to be classes then.
    fn can_be_classes(&self, samples: &Self) -> bool {
        let count = samples.shape[0];
        let beside_pictures = samples.dtype == Some(Dtype::U8) && samples.shape.len() > 3;
        match beside_pictures {
            true => self.shape.len() <= 2 && self.shape.first() == Some(&count),
            false => self.shape == [count] && self.dtype.is_some_and(|dtype| !dtype.is_float()),
        }
    }
}

/// Names that are listed before the others are only counted.
const LISTED: usize = 12;

/// The array of samples in a file of several.
const SAMPLES: &str = "images";

/// The array of their classes.
pub(in crate::data) const LABELS: &str = "labels";

/// The names that `numpy.savez` gives to samples and classes without names.
const UNNAMED: [&str; 2] = ["arr_0", "arr_1"];

/// Names of the arrays with rows, in the order of the file; of all where none has any.
///
/// # Errors
/// The file is damaged.
pub(in crate::data) fn with_rows(file: &mut dyn Arrays) -> Result<Vec<String>> {
    let all = file.names().to_vec();
    let mut kept = vec![];
    for name in &all {
        if file.head(name)?.has_rows() || [SAMPLES, LABELS].contains(&name.as_str()) {
            kept.push(name.clone());
        }
    }
    Ok(if kept.is_empty() { all } else { kept })
}

/// The array that holds the samples, and the one that holds their classes: `images` and `labels`,
/// the only one with rows, or `arr_0` and `arr_1` as `numpy.savez` names two of them where the
/// second can be classes of the first.
///
/// # Errors
/// Several arrays could hold the samples, or none does.
pub(in crate::data) fn samples_and_labels(
    file: &mut dyn Arrays,
    path: &Path,
) -> Result<(String, Option<String>)> {
    let names = with_rows(file)?;
    let labels = names.iter().find(|name| *name == LABELS).cloned();
    let mut others: Vec<&str> = names.iter().map(String::as_str).filter(|n| *n != LABELS).collect();
    others.sort_unstable();
    if others.contains(&SAMPLES) {
        return Ok((SAMPLES.to_owned(), labels));
    }
    if others == UNNAMED && labels.is_none() {
        let samples = file.head(UNNAMED[0])?;
        let classes = file.head(UNNAMED[1])?;
        if samples.shape.len() > 1 && classes.can_be_classes(&samples) {
            return Ok((UNNAMED[0].to_owned(), Some(UNNAMED[1].to_owned())));
        }
    }
    match others.as_slice() {
        [only] => Ok(((*only).to_owned(), labels)),
        [] => {
            let problem = format!("it holds {LABELS} but no samples");
            Err(Error::file("load", path, problem, format!("add the samples as {SAMPLES:?}")))
        }
        _ => {
            let problem = format!("none of its arrays ({}) is {SAMPLES:?}", few(&names));
            let remedy = format!("name the samples {SAMPLES:?}, and their classes {LABELS:?}");
            Err(Error::file("load", path, problem, remedy))
        }
    }
}

/// Opens a `.npy`, `.npz` or `.safetensors` file.
pub(in crate::data) fn arrays(path: &Path) -> Result<Box<dyn Arrays>> {
    match extension(&path.to_string_lossy()) {
        "npy" => Ok(Box::new(Npy::open(path)?)),
        "npz" => Ok(Box::new(Npz::open(path)?)),
        "safetensors" => Ok(Box::new(Tensors::open(path)?)),
        _ => {
            crate::files::check(path).map_err(|e| Error::io("open", path, e))?;
            let remedy = "give a .npy, .npz or .safetensors file";
            Err(Error::file("open", path, "it is not a file of arrays", remedy))
        }
    }
}

/// Whether a file's name ends as one of arrays.
pub(super) fn is_array(name: &str) -> bool {
    !extension(name).is_empty()
}

/// The first names of arrays, and how many more there are.
pub(in crate::data) fn few(names: &[String]) -> String {
    match names.len() > LISTED {
        true => format!("{} and {} more", names[..LISTED].join(", "), names.len() - LISTED),
        false => names.join(", "),
    }
}

fn extension(name: &str) -> &'static str {
    let known = ["npy", "npz", "safetensors"];
    let found = Path::new(name).extension().map(|e| e.to_string_lossy().to_lowercase());
    known.into_iter().find(|one| found.as_deref() == Some(one)).unwrap_or_default()
}
