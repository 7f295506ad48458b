//! Batches on the device of the models, copied there while it computes.

use std::time::Instant;

use tch::{Device, Tensor};

use super::Timing;
use crate::data::{Batch, Batches, Dataset, InputBatch, Layout, Summary};
use crate::error::Result;
use crate::torchscript::device::Streams;
use crate::torchscript::tensors;

/// A batch as the models take it.
pub struct Placed {
    /// The samples.
    pub batch: Batch,
    /// A tensor a preprocessing.
    pub inputs: Vec<Tensor>,
    /// Of each of them which tokens are not padding.
    pub masks: Vec<Option<Tensor>>,
}

/// The batches of a pass, each on the device before the one before it is done where that computes while the program
/// goes on.
pub struct Placing<'a> {
    dataset: &'a Dataset,
    batches: Batches,
    device: Device,
    next: Option<Option<Result<Placed>>>,
}

impl<'a> Placing<'a> {
    /// Batches of a data set, for models on a device.
    pub fn new(dataset: &'a Dataset, batches: Batches, device: Device) -> Self {
        Self { dataset, batches, device, next: None }
    }

    /// Fetches the batch that is to come next and begins to copy it.
    pub fn fetch(&mut self, streams: &Streams, timing: &mut Timing) {
        if self.next.is_none() {
            let waiting = Instant::now();
            let batch = self.batches.next();
            timing.wait += waiting.elapsed().as_secs_f64();
            self.next = Some(batch.map(|batch| {
                let _copies = streams.of_copies()?;
                self.placed(batch?)
            }));
        }
    }

    /// The next batch, which was fetched before or is now.
    pub fn take(&mut self, streams: &Streams, timing: &mut Timing) -> Option<Result<Placed>> {
        self.fetch(streams, timing);
        self.next.take().flatten()
    }

    /// What was read.
    pub fn summary(&self) -> Summary {
        self.batches.summary()
    }

    fn placed(&self, batch: Batch) -> Result<Placed> {
        let inputs: Vec<Tensor> =
            batch.inputs.iter().map(|input| self.tensor(input)).collect::<Result<_>>()?;
        let masks = batch.inputs.iter().zip(&inputs).map(|(input, placed)| {
            // Its size is read, which is done where the samples are.
            let here = match self.dataset.mask_columns() {
                Some(_) if self.device != Device::Cpu => to_tensor(input)?,
                _ => placed.shallow_clone(),
            };
            Ok(token_mask(self.dataset, &here).map(|mask| mask.to_device(self.device)))
        });
        let masks = masks.collect::<Result<_>>()?;
        Ok(Placed { batch, inputs, masks })
    }

    fn tensor(&self, input: &InputBatch) -> Result<Tensor> {
        if self.device == Device::Cpu {
            return to_tensor(input);
        }
        let tensor = tensors::on_device(&input.data, &input.shape, self.device)?;
        Ok(match input.layout {
            Layout::Nhwc => tensor.permute([0, 3, 1, 2]),
            Layout::Rows => tensor,
        })
    }
}

/// Which tokens of a batch are not padding, as its `attention_mask` says; `None` where all are.
pub fn token_mask(dataset: &Dataset, input: &Tensor) -> Option<Tensor> {
    let (start, tokens) = dataset.mask_columns()?;
    let mask = input.narrow(1, start as i64, tokens as i64).ne(0.0);
    (mask.logical_not().any().int64_value(&[]) != 0).then_some(mask)
}

/// The tensor a model takes: N×C×H×W for images, the rows as they are for other arrays.
///
/// # Errors
/// The batch's shape does not fit its data.
pub fn to_tensor(input: &InputBatch) -> Result<Tensor> {
    match input.layout {
        Layout::Nhwc => tensors::from_nhwc(&input.data, &input.shape),
        Layout::Rows => tensors::from_rows(&input.data, &input.shape),
    }
}

/// The inputs of a batch.
///
/// # Errors
/// What libtorch said.
pub(super) fn to_tensors(batch: &Batch) -> Result<Vec<Tensor>> {
    batch.inputs.iter().map(|input| to_tensor(input)).collect()
}
