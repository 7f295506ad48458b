//! Stored representations: one array a layer, made by any tool.

use std::path::Path;

use ndarray::{ArrayD, IxDyn};

use super::dtype::Dtype;
use super::source::{
    LABELS, Stored, arrays, few, is_pictures, labels, samples_and_labels, with_rows,
};
use crate::error::{Error, Result};

/// What the array of classes is called that lies beside those of features.
pub const CLASSES: &str = LABELS;

/// What the array of a model's own outputs is called that lies beside those of features.
pub const LOGITS: &str = "logits";

/// One layer's representation: a row a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// Name of the array in its file; a `.npy` gives its file name without the ending.
    pub name: String,
    /// The values, `N×D…`.
    pub values: ArrayD<f64>,
    /// Whether they were stored in less than float64, so that features with a large offset cannot be
    /// distinguished from constant ones.
    pub single: bool,
}

/// One array of a file, whose rows are read when they are asked for.
#[derive(Debug, Clone)]
pub struct StoredFeature {
    stored: Stored,
    shape: Vec<usize>,
}

impl StoredFeature {
    /// Name of the array in its file; a `.npy` gives its file name without the ending.
    pub fn name(&self) -> String {
        shown(&self.stored.path, &self.stored.name)
    }

    /// Its shape, `N×D…`.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Whether it is stored in fewer digits than float64 has.
    pub fn is_single(&self) -> bool {
        self.stored.dtype.is_float() && self.stored.dtype != Dtype::F64
    }

    /// N.
    pub fn count(&self) -> usize {
        self.shape[0]
    }

    /// The rows `first..first + count`, `count×D…`, in float64.
    ///
    /// # Errors
    /// The file cannot be read.
    ///
    /// # Panics
    /// Where there are no such rows.
    pub fn rows(&self, first: usize, count: usize) -> Result<ArrayD<f64>> {
        assert!(first + count <= self.count(), "rows beyond the array");
        let mut values = vec![];
        self.stored.dtype.widen(&self.stored.read_rows(first, count)?, &mut values);
        let shape = [&[count], &self.shape[1..]].concat();
        let values = ArrayD::from_shape_vec(IxDyn(&shape), values);
        values.map_err(|e| Error::file("load", &self.stored.path, e, "write it again"))
    }
}

/// Opens all arrays of a `.npz`, `.npy` or `.safetensors` file.
///
/// Arrays come in the order of the file (`.safetensors`: of the elements). Floats of 16, 32 and 64
/// bits, integers and booleans become float64. An array of one axis is `N×1`. Single values and
/// strings, which describe the arrays beside them, are passed over.
///
/// # Errors
///
/// A file that is damaged or of another kind; an array that is empty, in big-endian order, or of a
/// type that is not a number; nothing but single values and strings.
pub fn open_features(path: &Path) -> Result<Vec<StoredFeature>> {
    chosen(path, &mut |names| Ok((0..names.len()).collect()))
}

/// Chooses among the names of arrays: the places of those wanted.
pub type Choose<'a> = dyn FnMut(&[&str]) -> Result<Vec<usize>> + 'a;

/// Reads the arrays that are chosen by name; the others need not be readable.
///
/// # Errors
///
/// As [`open_features`], for the arrays chosen; what `choose` said.
pub fn load_chosen(path: &Path, choose: &mut Choose<'_>) -> Result<Vec<Feature>> {
    let whole = |f: StoredFeature| {
        let (name, values) = (f.name(), f.rows(0, f.count())?);
        Ok(Feature { name, values, single: f.is_single() })
    };
    chosen(path, choose)?.into_iter().map(whole).collect()
}

/// Reads all arrays of a file whole, as [`open_features`] opens them.
///
/// # Errors
///
/// As [`open_features`].
pub fn load_features(path: &Path) -> Result<Vec<Feature>> {
    load_chosen(path, &mut |names| Ok((0..names.len()).collect()))
}

/// The classes of so many samples that a file of arrays holds as [`CLASSES`], where it does.
///
/// # Errors
///
/// The file is damaged, or what has that name does not hold classes.
pub fn load_classes(path: &Path, samples: usize) -> Result<Option<Vec<usize>>> {
    let mut file = arrays(path)?;
    match file.names().iter().any(|name| name == LABELS) {
        false => Ok(None),
        true => labels(&file.array(LABELS)?, &[samples]).map(Some),
    }
}

/// The features of a file, and the classes of its samples where it holds those too.
#[derive(Debug)]
pub struct StoredSet {
    /// A row a sample.
    pub feature: StoredFeature,
    /// The class of each sample, or why what is there does not hold classes.
    pub labels: Result<Option<Vec<usize>>>,
    /// Whether the rows can be nothing but pictures: bytes of three or four axes, or other integers in
    /// the shape of pictures.
    pub is_pictures: bool,
}

/// Opens the one array of features of a file: that named, else `images`, the only one beside classes and [`LOGITS`], or
/// `arr_0` beside the classes `arr_1`.
///
/// # Errors
///
/// As [`open_features`], for that array; there is no such array, or several could be meant.
pub fn open_set(path: &Path, wanted: Option<&str>) -> Result<StoredSet> {
    let mut file = arrays(path)?;
    let names = with_rows(file.as_mut())?;
    let named = wanted.filter(|wanted| names.iter().any(|name| name == wanted));
    let (name, labelled) = match (named, samples_and_labels(file.as_mut(), path)) {
        (None, Ok(found)) => found,
        (Some(name), found) => {
            let beside = found.ok().filter(|(samples, _)| samples == name);
            let labels = names.iter().find(|other| *other == LABELS && *other != name).cloned();
            (name.to_owned(), beside.map_or(labels, |(_, labels)| labels))
        }
        (None, Err(_)) => match features_alone(&names).filter(|_| wanted.is_none()) {
            Some(name) => (name, names.iter().find(|name| *name == LABELS).cloned()),
            None => return Err(no_array(path, &names, wanted)),
        },
    };
    let stored = file.array(&name)?;
    let labels = labelled.map(|name| labels(&file.array(&name)?, &stored.shape)).transpose();
    let is_pictures = is_pictures(&stored);
    Ok(StoredSet { feature: feature(stored)?, labels, is_pictures })
}

/// The one array that is neither classes nor logits.
fn features_alone(names: &[String]) -> Option<String> {
    let mut others = names.iter().filter(|name| *name != LABELS && *name != LOGITS);
    others.next().filter(|_| others.next().is_none()).cloned()
}

fn no_array(path: &Path, names: &[String], wanted: Option<&str>) -> Error {
    let problem = match wanted {
        Some(name) => format!("it has no array {name}, only {}", few(names)),
        None => format!("it holds neither mu and sigma nor one array, but {}", few(names)),
    };
    let remedy =
        "name the array of features with --layers NAME, or save statistics as mu and sigma";
    Error::file("take features from", path, problem, remedy)
}

/// The arrays that are chosen by name among those with rows.
fn chosen(path: &Path, choose: &mut Choose<'_>) -> Result<Vec<StoredFeature>> {
    let mut file = arrays(path)?;
    let names = with_rows(file.as_mut())?;
    let shown: Vec<String> = names.iter().map(|name| shown(path, name)).collect();
    let places = choose(&shown.iter().map(String::as_str).collect::<Vec<_>>())?;
    places.into_iter().map(|i| feature(file.array(&names[i])?)).collect()
}

fn feature(stored: Stored) -> Result<StoredFeature> {
    let shape = match stored.shape.as_slice() {
        [] => return Err(stored.problem("is a single number", "save a row a sample")),
        &[rows] => vec![rows, 1],
        shape => shape.to_vec(),
    };
    Ok(StoredFeature { stored, shape })
}

/// The name of an array, or of its file without the ending where it has none.
fn shown(path: &Path, name: &str) -> String {
    match path.file_stem() {
        Some(stem) if name.is_empty() => stem.to_string_lossy().into_owned(),
        _ => name.to_owned(),
    }
}
