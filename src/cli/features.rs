//! `repsim cka --features`: stored representations without any model.

use std::path::{Path, PathBuf};

use super::output::Messages;
use crate::capture::cka::{self as engine, Estimator, Settings};
use crate::capture::stored::StoredFeed;
use crate::data::features::{Feature, load_features};
use crate::error::{Error, Result};
use crate::report::cka::{CkaReport, CkaSettings, Side, SideLayer};
use crate::report::{ArrayInfo, FeatureInput, Inputs, sha256_of_file};
use crate::torchscript::{Selection, libtorch_version, native};

/// Compares the arrays of one file with each other, or those of two.
///
/// # Errors
/// A file cannot be read, or the numbers of rows differ.
pub fn compare(
    paths: &[PathBuf],
    settings: &Settings,
    recorded: CkaSettings,
    selections: &[Selection; 2],
    threads: usize,
    messages: &Messages,
) -> Result<CkaReport> {
    native::set_threads(threads);
    let files = load(paths, selections)?;
    let features = files.iter().map(|(p, f)| record(p, f)).collect::<Result<_>>()?;
    let sides: Vec<Side> = files.iter().map(|(_, f)| side(f, settings)).collect();
    let arrays: Vec<Vec<_>> =
        files.into_iter().map(|(_, f)| f.into_iter().map(|f| f.values).collect()).collect();
    let batch_size = match settings.estimator {
        Estimator::Full => usize::MAX,
        Estimator::Minibatch => recorded.batch_size,
    };
    let mut feed = StoredFeed::new(&arrays, batch_size)?;
    drop(arrays);
    let outcome = engine::compare(&mut feed, settings, &mut messages.bar())?;
    let inputs = Inputs { features, ..Inputs::default() };
    Ok(CkaReport::assemble(libtorch_version(), inputs, recorded, &sides, &outcome, vec![]))
}

/// A file of arrays, and those wanted of it.
pub type Stored = (PathBuf, Vec<Feature>);

/// The arrays wanted of each file, all with the same number of rows.
///
/// # Errors
/// A file cannot be read, or the numbers of rows differ.
pub fn load(paths: &[PathBuf], selections: &[Selection]) -> Result<Vec<Stored>> {
    let load = |(path, wanted): (&'_ PathBuf, &Selection)| {
        Ok((path.clone(), choose(load_features(path)?, wanted, path)?))
    };
    let files = paths.iter().zip(selections).map(load).collect::<Result<Vec<_>>>()?;
    check_rows(&files)?;
    Ok(files)
}

/// The arrays wanted: all, or those whose names the patterns choose.
fn choose(features: Vec<Feature>, wanted: &Selection, path: &Path) -> Result<Vec<Feature>> {
    if wanted.patterns().is_empty() {
        return Ok(features);
    }
    let names: Vec<&str> = features.iter().map(|f| f.name.as_str()).collect();
    let places = wanted.choose_names(&names, path)?;
    let chosen = |(i, feature): (usize, Feature)| places.contains(&i).then_some(feature);
    Ok(features.into_iter().enumerate().filter_map(chosen).collect())
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

/// What the report says of a file.
///
/// # Errors
/// It cannot be read.
pub fn record(path: &Path, features: &[Feature]) -> Result<FeatureInput> {
    let array = |f: &Feature| ArrayInfo { name: f.name.clone(), shape: f.values.shape().to_vec() };
    Ok(FeatureInput {
        path: path.display().to_string(),
        sha256: sha256_of_file(path)?,
        arrays: features.iter().map(array).collect(),
    })
}

fn side(features: &[Feature], settings: &Settings) -> Side {
    let layer = |f: &Feature| {
        let shape: Vec<i64> = f.values.shape().iter().map(|&s| s as i64).collect();
        SideLayer::new(&f.name, settings.reduce, &shape)
    };
    features.iter().map(layer).collect()
}
