//! A, and a B that may be missing or be told less.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::torchscript::Selection;

/// Refuses options for B where there is none.
///
/// # Errors
/// There is one side, and such an option.
pub fn check_b(sides: usize, for_b: bool) -> Result<()> {
    match sides == 1 && for_b {
        false => Ok(()),
        true => Err(Error::usage(
            "options for B were given, but there is no B",
            "name a second one, or leave the -b options out",
        )),
    }
}

/// Refuses more than two models.
///
/// # Errors
/// There are more.
pub fn check_two(command: &str, models: &[PathBuf]) -> Result<()> {
    if models.len() <= 2 {
        return Ok(());
    }
    let given: Vec<String> = models.iter().map(|path| path.display().to_string()).collect();
    Err(Error::usage(
        format!("{command} compares one or two models, and {} were given", models.len()),
        format!("repsim platonic {} --data DATA aligns many, one layer each", given.join(" ")),
    ))
}

/// Refuses more files of stored features than are compared.
///
/// # Errors
/// There are more than two.
pub fn check_two_files(files: &[PathBuf]) -> Result<()> {
    if files.len() <= 2 {
        return Ok(());
    }
    let problem = format!("--features takes one or two files, not {}", files.len());
    Err(Error::usage(problem, "repsim platonic --features aligns many"))
}

/// Refuses options for images where stored features are compared.
///
/// # Errors
/// Both were given.
pub fn check_stored(features: bool, for_images: bool) -> Result<()> {
    match features && for_images {
        false => Ok(()),
        true => Err(Error::usage(
            "options for images were given, but --features has none",
            "leave out --limit, --preprocess and the like",
        )),
    }
}

/// Patterns of the layers of B: those of A where it has none of its own.
pub fn patterns_b<'a>(a: &'a [String], b: &'a [String]) -> &'a [String] {
    if b.is_empty() { a } else { b }
}

/// The layers wanted of each side.
///
/// # Errors
/// A pattern means nothing.
pub fn selections(a: &[String], b: &[String]) -> Result<[Selection; 2]> {
    Ok([Selection::new(a)?, Selection::new(patterns_b(a, b))?])
}
