//! Stored representations in the place of models.

use ndarray::ArrayD;
use tch::Tensor;

use super::feed::{Consumer, Feed, Place};
use super::{Progress, Timing};
use crate::error::Result;
use crate::torchscript::{Answer, tensors};

/// Arrays with a row a sample: a list of layers a subject. All have the same number of rows.
pub struct StoredFeed {
    layers: Vec<Vec<Tensor>>,
    samples: usize,
    batch_size: usize,
}

impl StoredFeed {
    /// Takes the arrays of one or two subjects, `batch_size` rows at a time.
    ///
    /// # Errors
    /// An array that libtorch cannot hold.
    pub fn new(subjects: &[Vec<ArrayD<f64>>], batch_size: usize) -> Result<Self> {
        let first = subjects.iter().flatten().next();
        let samples = first.map_or(0, |array| array.shape()[0]);
        let all = |layers: &Vec<ArrayD<f64>>| layers.iter().map(tensors::from_array).collect();
        let layers = subjects.iter().map(all).collect::<Result<_>>()?;
        Ok(Self { layers, samples, batch_size: batch_size.clamp(1, samples.max(1)) })
    }
}

impl Feed for StoredFeed {
    fn shapes(&self) -> Vec<Vec<Vec<i64>>> {
        self.layers.iter().map(|l| l.iter().map(Tensor::size).collect()).collect()
    }

    fn samples(&self) -> usize {
        self.samples
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn pass(
        &mut self,
        consumer: &mut dyn Consumer,
        progress: &mut dyn Progress,
        timing: &mut Timing,
    ) -> Result<usize> {
        let measuring = std::time::Instant::now();
        for start in (0..self.samples).step_by(self.batch_size) {
            let count = self.batch_size.min(self.samples - start);
            self.batch(start, count, consumer)?;
            consumer.batch_done(count)?;
            progress.advance(count);
        }
        timing.measure += measuring.elapsed().as_secs_f64();
        Ok(self.samples)
    }
}

impl StoredFeed {
    fn batch(&self, start: usize, count: usize, consumer: &mut dyn Consumer) -> Result<()> {
        let name = |row: usize| (start + row).to_string();
        for (subject, layers) in self.layers.iter().enumerate() {
            if !consumer.wants(subject) {
                continue;
            }
            for (layer, array) in layers.iter().enumerate() {
                let rows = array.narrow(0, start as i64, count as i64);
                let at = Place { subject, layer, samples: count, name: &name, indices: &[] };
                if matches!(consumer.layer(at, &rows)?, Answer::Stop) {
                    break;
                }
            }
        }
        Ok(())
    }
}
