//! Stored representations, without any model.

use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayView1};

use super::axes::ChannelAxes;
use crate::capture::Reduce;
use crate::capture::stored::StoredLayer;
use crate::data::features::{CLASSES, Feature, LOGITS, load_chosen, load_classes, load_features};
use crate::error::{Error, Result};
use crate::report::{ArrayInfo, FeatureInput, sha256_of_file};
use crate::torchscript::{By, Selection};

/// A file of arrays, and those wanted of it.
pub type Stored = (PathBuf, Vec<Feature>);

/// The arrays wanted of each file, all with the same number of rows.
///
/// # Errors
/// A file cannot be read, or the numbers of rows differ.
pub fn load(paths: &[PathBuf], selections: &[Selection]) -> Result<Vec<Stored>> {
    let load =
        |(path, wanted): (&'_ PathBuf, &Selection)| Ok((path.clone(), chosen(path, wanted)?));
    let files = paths.iter().zip(selections).map(load).collect::<Result<Vec<_>>>()?;
    check_rows(&files)?;
    Ok(files)
}

/// The arrays wanted: all, or those whose names the patterns choose. The classes of the samples are no layer, unless they
/// are named.
fn chosen(path: &Path, wanted: &Selection) -> Result<Vec<Feature>> {
    let mut found = match wanted.patterns().is_empty() {
        true => load_features(path)?,
        false => load_chosen(path, &mut |names| wanted.choose_names(names, path))?,
    };
    let named = wanted.patterns().contains(&CLASSES);
    found.retain(|array| named || array.name != CLASSES || classes_of(path).is_none());
    match found.is_empty() {
        false => Ok(found),
        true => {
            let problem = format!("it holds {CLASSES}, and no other array that was chosen");
            let remedy = "save an array of features a layer, or choose them with --layers";
            Err(Error::file("take features from", path, problem, remedy))
        }
    }
}

/// The classes that a file holds, where it has an array of that name which is one of classes: whole numbers or one-hot, as
/// beside pictures. Texts and other numbers are none.
fn classes_of(path: &Path) -> Option<Vec<usize>> {
    let all = |names: &[&str]| (0..names.len()).filter(|&i| names[i] == CLASSES).collect();
    let found = load_chosen(path, &mut |names| Ok(all(names))).ok()?.into_iter().next()?;
    load_classes(path, found.values.shape()[0]).ok().flatten()
}

/// The classes of the samples that files hold beside their features, where any does; several have to agree.
///
/// # Errors
/// A file cannot be read, what is called so are no classes, or two files hold different ones.
pub fn labels<'a>(
    paths: impl IntoIterator<Item = &'a Path>,
    samples: usize,
) -> Result<Option<Vec<usize>>> {
    let mut found: Option<(&Path, Vec<usize>)> = None;
    for path in paths {
        let Some(labels) = load_classes(path, samples)? else { continue };
        match &found {
            Some((first, known)) if *known != labels => {
                let problem = format!("its {CLASSES} are not those of {}", first.display());
                let remedy = "save the same samples in the same order in both";
                return Err(Error::file("match", path, problem, remedy));
            }
            Some(_) => {}
            None => found = Some((path, labels)),
        }
    }
    Ok(found.map(|(_, labels)| labels))
}

/// The same of files whose layers are compared: what is called so and are no classes is a layer among others.
///
/// # Errors
/// A file cannot be read, or two files hold different classes.
pub fn labels_beside(files: &[Stored]) -> Result<Option<Vec<usize>>> {
    let rows = files.iter().flat_map(|(_, arrays)| arrays).map(|array| array.values.shape()[0]);
    let samples = rows.min().unwrap_or(0);
    let holds = |path: &&Path| classes_of(path).is_some();
    labels(files.iter().map(|(path, _)| path.as_path()).filter(holds), samples)
}

/// The share of samples of which the largest of the logits that a file holds is that of their class, or why that is not
/// known.
///
/// # Errors
/// The file cannot be read.
pub fn accuracy(path: &Path, labels: Option<&[usize]>) -> Result<Result<f64, String>> {
    let Some(logits) = logits_of(path)? else {
        return Ok(Err(format!("the file holds no array {LOGITS}")));
    };
    let Some(labels) = labels else {
        return Ok(Err("the classes of the samples are not known".to_owned()));
    };
    let most = labels.iter().max().map_or(0, |most| most + 1);
    if logits.nrows() != labels.len() || logits.ncols() < most.max(2) {
        let (rows, columns) = logits.dim();
        return Ok(Err(format!(
            "{LOGITS} are {rows}x{columns}, for {} samples of {most} classes",
            labels.len()
        )));
    }
    if logits.iter().any(|value| value.is_nan()) {
        return Ok(Err(format!("{LOGITS} hold NaN")));
    }
    let right =
        logits.rows().into_iter().zip(labels).filter(|(row, label)| largest(*row) == **label);
    Ok(Ok(right.count() as f64 / labels.len() as f64))
}

/// The place of the largest value, of equals the first.
fn largest(row: ArrayView1<'_, f64>) -> usize {
    let places = row.iter().enumerate();
    places.fold((0, f64::NEG_INFINITY), |best, (i, v)| if *v > best.1 { (i, *v) } else { best }).0
}

fn check_rows(files: &[Stored]) -> Result<()> {
    let all = files.iter().flat_map(|(path, f)| f.iter().map(move |f| (path, f)));
    let mut all = all.map(|(path, f)| (format!("array {} of {}", f.name, path.display()), f));
    let Some((first_name, first)) = all.next() else { return Ok(()) };
    for (name, feature) in all {
        if feature.values.shape()[0] != first.values.shape()[0] {
            return Err(Error::Shape {
                action: "match rows by index",
                left_name: first_name,
                left: first.values.shape().into(),
                right_name: name,
                right: feature.values.shape().into(),
                remedy: "save the same samples in the same order on both sides".to_owned(),
            });
        }
    }
    Ok(())
}

/// A file of arrays with their axes.
pub struct StoredFile {
    /// Its path.
    pub path: PathBuf,
    /// Its arrays by their names.
    pub arrays: Vec<(String, StoredLayer)>,
}

/// The arrays with the axes of their channels, as they were given or by the number of axes.
///
/// # Errors
/// An axis that was given does not exist, or there are no tokens where those are reduced.
pub fn with_axes(
    files: Vec<Stored>,
    given: &ChannelAxes,
    reduce: Reduce,
) -> Result<Vec<StoredFile>> {
    let file = |(path, features): Stored| {
        let array = |f: Feature| {
            let axes = given.of_array(&f.name, f.values.shape(), &path)?;
            let layer = StoredLayer { values: f.values, axes, single: f.single };
            check_reduce(&path, &f.name, &layer, reduce)?;
            Ok((f.name, layer))
        };
        let arrays = features.into_iter().map(array).collect::<Result<_>>()?;
        given.seen(&path)?;
        Ok(StoredFile { path, arrays })
    };
    files.into_iter().map(file).collect()
}

fn check_reduce(path: &Path, name: &str, layer: &StoredLayer, reduce: Reduce) -> Result<()> {
    reduce.check(&layer.shape()).map_err(|problem| Error::Layer {
        layer: name.to_owned(),
        path: path.to_owned(),
        problem: format!("holds {problem}"),
        remedy: "leave it out with --layers, or use --reduce gap".to_owned(),
    })
}

/// What the models gave whose features two files hold: their arrays `logits`, a row a sample, where both have one,
/// whatever layers are looked at.
///
/// # Errors
/// A file cannot be read.
pub fn logits(paths: &[PathBuf]) -> Result<Option<[Array2<f64>; 2]>> {
    match paths {
        [a, b] => Ok(logits_of(a)?.zip(logits_of(b)?).map(|(a, b)| [a, b])),
        _ => Ok(None),
    }
}

/// What the model gave whose features a file holds: its array `logits`, a row a sample, where it has one.
///
/// # Errors
/// The file cannot be read.
pub fn logits_of(path: &Path) -> Result<Option<Array2<f64>>> {
    let all = |names: &[&str]| (0..names.len()).filter(|&i| names[i] == LOGITS).collect();
    let found = load_chosen(path, &mut |names| Ok(all(names)))?.into_iter().next();
    Ok(found.and_then(|found| found.values.into_dimensionality().ok()))
}

/// How many features a row of each array has.
pub fn widths(files: &[Vec<StoredLayer>], reduce: Reduce) -> Vec<Vec<usize>> {
    let of = |layer: &StoredLayer| reduce.width(&layer.shape());
    files.iter().map(|layers| layers.iter().map(of).collect()).collect()
}

/// The arrays of a file.
pub fn layers(file: StoredFile) -> Vec<StoredLayer> {
    file.arrays.into_iter().map(|(_, layer)| layer).collect()
}

/// The names of the arrays of a file.
pub fn names(file: &StoredFile) -> Vec<String> {
    file.arrays.iter().map(|(name, _)| name.clone()).collect()
}

/// Each file with the names of its arrays.
pub fn named(files: &[StoredFile]) -> Vec<(PathBuf, Vec<String>)> {
    files.iter().map(|file| (file.path.clone(), names(file))).collect()
}

/// What the report says of a file.
///
/// # Errors
/// It cannot be read.
pub fn record(file: &StoredFile) -> Result<FeatureInput> {
    let array = |(name, layer): &(String, StoredLayer)| ArrayInfo {
        name: name.clone(),
        shape: layer.values.shape().to_vec(),
        channel_axis: layer.axes.channels.filter(|_| layer.axes.told == By::Given),
    };
    Ok(FeatureInput {
        path: file.path.display().to_string(),
        sha256: sha256_of_file(&file.path)?,
        arrays: file.arrays.iter().map(array).collect(),
    })
}
