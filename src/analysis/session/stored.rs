//! Stored representations, without any model.

use std::path::{Path, PathBuf};

use ndarray::Array2;

use super::axes::ChannelAxes;
use crate::capture::Reduce;
use crate::capture::stored::StoredLayer;
use crate::data::features::{Feature, load_chosen, load_features};
use crate::error::{Error, Result};
use crate::report::{ArrayInfo, FeatureInput, sha256_of_file};
use crate::torchscript::{By, Selection};

/// What the array of a model's own outputs is called beside those of features.
const LOGITS: &str = "logits";

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

/// The arrays wanted: all, or those whose names the patterns choose.
fn chosen(path: &Path, wanted: &Selection) -> Result<Vec<Feature>> {
    match wanted.patterns().is_empty() {
        true => load_features(path),
        false => load_chosen(path, &mut |names| wanted.choose_names(names, path)),
    }
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
    let of = |path: &PathBuf| -> Result<Option<Array2<f64>>> {
        let all = |names: &[&str]| (0..names.len()).filter(|&i| names[i] == LOGITS).collect();
        let found = load_chosen(path, &mut |names| Ok(all(names)))?.into_iter().next();
        Ok(found.and_then(|found| found.values.into_dimensionality().ok()))
    };
    match paths {
        [a, b] => Ok(of(a)?.zip(of(b)?).map(|(a, b)| [a, b])),
        _ => Ok(None),
    }
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
