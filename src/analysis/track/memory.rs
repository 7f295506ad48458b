//! What is held of checkpoints, within the memory allowed.

use super::Track;
use crate::capture::bytes_text;
use crate::error::{Error, Result};
use crate::similarity::{Measure, kept_bytes};
use crate::view::names::counted;

/// Whether a measure is taken from the products of all samples as `repsim cka` takes it, however few
/// features a layer has.
pub fn of_products(measure: Measure) -> bool {
    matches!(measure, Measure::Cka | Measure::Hsic)
}

/// Bytes of a layer with what the measure keeps of it.
fn of_layer(measure: Measure, samples: usize, width: usize) -> u64 {
    // Without features it is one matrix that CKA keeps.
    let matrix = kept_bytes(&[Measure::Cka], samples, 0);
    match of_products(measure) {
        true => 2 * matrix,
        false => {
            matrix.max(8 * (samples * width.min(samples)) as u64)
                + kept_bytes(&[measure], samples, width)
        }
    }
}

/// Names of the layers of a checkpoint, of these shapes N×C×positions, and the bytes that are [`held`] of others.
///
/// # Errors
/// As [`held`].
pub fn room(
    asked: &Track,
    layers: Vec<(String, Vec<i64>)>,
    samples: usize,
) -> Result<(Vec<String>, u64)> {
    let widths: Vec<usize> = layers.iter().map(|(_, shape)| asked.reduce.width(shape)).collect();
    let names = layers.into_iter().map(|(name, _)| name).collect();
    Ok((names, held(asked, &widths, samples)?))
}

/// Bytes that are held of other checkpoints while one runs: of the last, the one before and the reference all
/// layers, and one layer of every checkpoint.
///
/// # Errors
/// With those of the one that runs they are more than is allowed.
fn held(asked: &Track, widths: &[usize], samples: usize) -> Result<u64> {
    let bytes = |width: &usize| of_layer(asked.measure, samples, *width);
    let (all, largest) = (widths.iter().map(bytes).sum::<u64>(), widths.iter().map(bytes).max());
    let count = asked.checkpoints.len();
    let whole = 2.min(count as u64 - 1) + u64::from(asked.reference.is_some());
    let held = whole * all + count as u64 * largest.unwrap_or(0);
    match held + all <= asked.memory {
        true => Ok(held),
        false => Err(too_large(asked, (held + all, whole + 1), (widths.len(), samples))),
    }
}

fn too_large(
    asked: &Track,
    (bytes, at_a_time): (u64, u64),
    (layers, samples): (usize, usize),
) -> Error {
    let problem = format!(
        "{} of {layers} layers over {samples} samples, of {at_a_time} checkpoints at a time, and of one layer of {} \
         take {}, and --memory is {}",
        if of_products(asked.measure) {
            "Gram matrices"
        } else {
            "features and what the measure keeps of them"
        },
        counted(asked.checkpoints.len(), "checkpoint"),
        bytes_text(bytes),
        bytes_text(asked.memory)
    );
    Error::usage(problem, "use fewer --layers, fewer samples (--limit), or more --memory")
}
