//! The batches of a data set without models that run over them.

use std::time::Instant;

use tch::Tensor;

use super::Timing;
use super::feed::Source;
use super::placed::to_tensors;
use crate::data::{Batch, LoadOptions, Summary};
use crate::error::{Error, Result};
use crate::torchscript::draws;

/// Gives every batch once, as the models take it: a tensor a preprocessing.
///
/// # Errors
/// The data cannot be read, or what `take` said.
pub fn each_batch(
    source: &Source<'_>,
    timing: &mut Timing,
    mut take: impl FnMut(&Batch, &[Tensor]) -> Result<()>,
) -> Result<Summary> {
    let mut batches = source.dataset.batches(source.preprocess, &source.load)?;
    let mut place = 0;
    loop {
        let waiting = Instant::now();
        let Some(batch) = batches.next() else { break };
        let batch = batch?;
        let inputs = to_tensors(&batch)?;
        timing.wait += waiting.elapsed().as_secs_f64();
        let running = Instant::now();
        draws::begin_batch(place);
        place += 1;
        take(&batch, &inputs)?;
        timing.forward += running.elapsed().as_secs_f64();
    }
    let summary = batches.summary();
    timing.decode += summary.decode_seconds;
    Ok(summary)
}

/// The first samples of the data as a model takes them, for finding its layers; at most as many as a
/// batch has.
///
/// # Errors
/// The data cannot be read.
pub fn first_samples(source: &Source<'_>, count: usize) -> Result<Vec<Tensor>> {
    let batch_size = count.min(source.load.batch_size);
    let load = LoadOptions {
        batch_size,
        ahead: 1,
        fingerprint: false,
        range: None,
        ..source.load.clone()
    };
    let mut batches = source.dataset.batches(source.preprocess, &load)?;
    match batches.next() {
        Some(batch) => to_tensors(&batch?),
        None => Err(Error::usage("the data holds no sample", "give --data a folder with images")),
    }
}
