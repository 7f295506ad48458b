//! Classes stored beside samples.

use super::stored::{Stored, called};
use crate::error::{Error, Result};

/// What to do about labels that are not classes.
const REMEDY: &str = "save one integer from 0 up for each sample";

/// The classes of the samples of an array of this shape: one whole number from 0 each (`N` or `N×1`), or a row with a
/// single 1 among zeros each (`N×K`, one-hot), which is the class of the column it stands in.
///
/// # Errors
/// Another shape, another number of samples, numbers that are negative, NaN or no integers, rows
/// that are not one-hot: the message names the first.
pub(in crate::data) fn labels(stored: &Stored, samples: &[usize]) -> Result<Vec<usize>> {
    let width = match stored.row_shape() {
        [] if stored.shape.len() == 1 => 1,
        &[width] => width,
        _ => return Err(stored.problem("is not one number a sample", REMEDY)),
    };
    if Some(&stored.rows()) != samples.first() {
        let samples = (stored.path.display(), samples);
        let labels = (called(&stored.name), stored.shape.as_slice());
        return Err(Error::shape("load labels", samples, labels, "save one label a sample"));
    }
    let mut values = vec![];
    stored.dtype.widen(&stored.read_all()?, &mut values);
    match width {
        1 => classes(stored, &values),
        _ => values.chunks_exact(width).enumerate().map(|(i, row)| hot(stored, i, row)).collect(),
    }
}

/// Whole numbers as they are.
fn classes(stored: &Stored, values: &[f64]) -> Result<Vec<usize>> {
    let is_class = |v: f64| v >= 0.0 && v.fract() == 0.0 && v.is_finite();
    let wrong = values.iter().position(|&v| !is_class(v));
    let wrong = wrong.or(stored.dtype.is_float().then_some(0));
    match wrong {
        None => Ok(values.iter().map(|&v| v as usize).collect()),
        Some(i) => {
            let kind = if stored.dtype.is_float() { " (a float)" } else { "" };
            let problem =
                format!("has {}{kind} for sample {i}, and that is not a class", values[i]);
            Err(stored.problem(&problem, REMEDY))
        }
    }
}

/// The place of the single 1 in a row of zeros.
fn hot(stored: &Stored, sample: usize, row: &[f64]) -> Result<usize> {
    let ones = row.iter().filter(|&&v| v == 1.0).count();
    let zeros = row.iter().filter(|&&v| v == 0.0).count();
    let place = row.iter().position(|&v| v == 1.0);
    place.filter(|_| ones == 1 && zeros + 1 == row.len()).ok_or_else(|| {
        let problem =
            format!("is not one-hot: the row of sample {sample} is not a single 1 among zeros");
        stored.problem(&problem, REMEDY)
    })
}
