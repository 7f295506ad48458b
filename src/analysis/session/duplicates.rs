//! Samples that are copies of others.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::capture::Feed;
use crate::data::Summary;
use crate::report::Warning;

/// The share of samples that may be copies of others without a word.
const FEW: f64 = 0.05;

/// What copies do to what is said of layers.
const LAYERS: &str = "values, their intervals and p-values are those of fewer samples, and layers look more \
                      alike than they are";

/// What copies do to what is said of sets.
const SETS: &str = "neighbours are copies (precision, recall, density, coverage, distances from the k-th \
                    neighbour), and kernel distances, covariances and intervals are those of fewer samples";

/// What copies do to what is fitted on some samples and measured on others.
const FIT: &str =
    "samples measured on were fitted on too, and intervals are those of fewer samples";

/// What copies do to averages over samples.
const MEANS: &str =
    "averages count them as often as they are there, and intervals are those of fewer samples";

/// Warns of images that are there several times, byte for byte.
pub fn of_data(summary: Option<&Summary>, path: &Path) -> Option<Warning> {
    let counted = distinct(summary?.copies.as_deref())?;
    Some(warning(&format!("of {}", path.display()), counted, LAYERS))
}

/// Warns of samples of a set that are there several times.
pub fn of_set(copies: Option<&[usize]>, place: &str) -> Option<Warning> {
    Some(warning(place, distinct(copies)?, SETS))
}

/// Warns of images of which some were fitted on and others measured on.
pub fn of_fit(copies: Option<&[usize]>, path: &str) -> Option<Warning> {
    Some(warning(&format!("of {path}"), distinct(copies)?, FIT))
}

/// Warns of images that averages are taken over.
pub fn of_images(copies: Option<&[usize]>, path: &str) -> Option<Warning> {
    Some(warning(&format!("of {path}"), distinct(copies)?, MEANS))
}

/// Warns of rows that are there several times, for the array where they are most.
pub fn of_features(files: &[(PathBuf, Vec<String>)], feed: &dyn Feed) -> Vec<Warning> {
    in_features(files, feed, LAYERS)
}

/// The same, of rows of which some are fitted on and others measured on.
pub fn of_fit_features(files: &[(PathBuf, Vec<String>)], feed: &dyn Feed) -> Vec<Warning> {
    in_features(files, feed, FIT)
}

fn in_features(files: &[(PathBuf, Vec<String>)], feed: &dyn Feed, harm: &str) -> Vec<Warning> {
    let of = |(s, (path, names)): (usize, &(PathBuf, Vec<String>))| {
        let array = |name: &String| format!("array {name} of {}", path.display());
        let names: Vec<String> = names.iter().map(array).collect();
        of_most(&names, &|l| feed.copies(s, l), harm)
    };
    files.iter().enumerate().filter_map(of).collect()
}

/// Warns of rows that are there several times, for the layer of these where they are most.
pub fn of_layers<'a>(
    names: &[String],
    copies: &dyn Fn(usize) -> Option<&'a [usize]>,
) -> Option<Warning> {
    of_most(names, copies, LAYERS)
}

fn of_most<'a>(
    names: &[String],
    copies: &dyn Fn(usize) -> Option<&'a [usize]>,
    harm: &str,
) -> Option<Warning> {
    let counted =
        names.iter().enumerate().filter_map(|(i, name)| Some((name, distinct(copies(i))?)));
    let (name, counted) = counted.min_by_key(|(_, (different, _))| *different)?;
    Some(warning(&format!("in {name}"), counted, harm))
}

/// How many samples are different, and how many there are, where that says something.
fn distinct(copies: Option<&[usize]>) -> Option<(usize, usize)> {
    let copies = copies?;
    let (different, all) = (copies.iter().collect::<HashSet<_>>().len(), copies.len());
    ((all - different) as f64 > FEW * all as f64).then_some((different, all))
}

fn warning(place: &str, counted: (usize, usize), harm: &str) -> Warning {
    let (different, all) = counted;
    let text = format!(
        "only {different} of {all} samples {place} are distinct, the others are copies: {harm}; leave the \
         copies out"
    );
    Warning::new("duplicate-samples", place.split_once(' ').map_or(place, |(_, name)| name), text)
}
