//! Samples that are copies of others.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::capture::Feed;
use crate::data::Summary;
use crate::report::Warning;

/// The share of samples that may be copies of others without a word.
const FEW: f64 = 0.05;

/// Warns of images that are there several times, byte for byte.
pub fn of_data(summary: Option<&Summary>, path: &Path) -> Option<Warning> {
    let counted = distinct(summary?.copies.as_deref())?;
    Some(warning(&format!("of {}", path.display()), counted))
}

/// Warns of rows that are there several times, for the array where they are most.
pub fn of_features(files: &[(PathBuf, Vec<String>)], feed: &dyn Feed) -> Vec<Warning> {
    let of = |(s, (path, names)): (usize, &(PathBuf, Vec<String>))| {
        let array = |name: &String| format!("array {name} of {}", path.display());
        of_layers(&names.iter().map(array).collect::<Vec<_>>(), &|l| feed.copies(s, l))
    };
    files.iter().enumerate().filter_map(of).collect()
}

/// Warns of rows that are there several times, for the layer of these where they are most.
pub fn of_layers<'a>(
    names: &[String],
    copies: &dyn Fn(usize) -> Option<&'a [usize]>,
) -> Option<Warning> {
    let counted =
        names.iter().enumerate().filter_map(|(i, name)| Some((name, distinct(copies(i))?)));
    let (name, counted) = counted.min_by_key(|(_, (different, _))| *different)?;
    Some(warning(&format!("in {name}"), counted))
}

/// How many samples are different, and how many there are, where that says something.
fn distinct(copies: Option<&[usize]>) -> Option<(usize, usize)> {
    let copies = copies?;
    let (different, all) = (copies.iter().collect::<HashSet<_>>().len(), copies.len());
    ((all - different) as f64 > FEW * all as f64).then_some((different, all))
}

fn warning(place: &str, (different, all): (usize, usize)) -> Warning {
    let text = format!(
        "only {different} of {all} samples {place} are distinct, the others are copies: values, their \
         intervals and p-values are those of fewer samples, and layers look more alike than they are; \
         leave the copies out"
    );
    Warning::new("duplicate-samples", place.split_once(' ').map_or(place, |(_, name)| name), text)
}
