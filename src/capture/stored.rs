//! Stored representations in the place of models.

use ndarray::ArrayD;
use tch::Tensor;

use super::feed::{Consumer, Feed, Place};
use super::{Progress, Timing};
use crate::error::Result;
use crate::torchscript::{Answer, Axes, tensors};

/// An array with a row a sample, and which of its axes holds the channels.
pub struct StoredLayer {
    /// The values.
    pub values: ArrayD<f64>,
    /// Its axes.
    pub axes: Axes,
}

impl StoredLayer {
    /// Its shape as samples, channels, positions.
    pub fn shape(&self) -> Vec<i64> {
        let shape: Vec<i64> = self.values.shape().iter().map(|&size| size as i64).collect();
        self.axes.canonical_shape(&shape)
    }
}

/// Arrays with a row a sample: a list of layers a subject. All have the same number of rows.
pub struct StoredFeed {
    layers: Vec<Vec<Tensor>>,
    samples: usize,
    batch_size: usize,
}

impl StoredFeed {
    /// Takes the arrays of one or two subjects, `batch_size` rows at a time, with channels by the number
    /// of axes.
    ///
    /// # Errors
    /// An array that libtorch cannot hold.
    pub fn new(subjects: &[Vec<ArrayD<f64>>], batch_size: usize) -> Result<Self> {
        let one = |array: &ArrayD<f64>| canonical(array, Axes::guessed(array.ndim()));
        let all = |layers: &Vec<ArrayD<f64>>| layers.iter().map(one).collect();
        Ok(Self::of(subjects.iter().map(all).collect::<Result<_>>()?, batch_size))
    }

    /// The same of arrays whose axes are known.
    ///
    /// # Errors
    /// An array that libtorch cannot hold.
    pub fn with_axes(subjects: &[Vec<StoredLayer>], batch_size: usize) -> Result<Self> {
        let one = |layer: &StoredLayer| canonical(&layer.values, layer.axes);
        let all = |layers: &Vec<StoredLayer>| layers.iter().map(one).collect();
        Ok(Self::of(subjects.iter().map(all).collect::<Result<_>>()?, batch_size))
    }

    fn of(layers: Vec<Vec<Tensor>>, batch_size: usize) -> Self {
        let samples = layers.iter().flatten().next().map_or(0, |array| array.size()[0] as usize);
        Self { layers, samples, batch_size: batch_size.clamp(1, samples.max(1)) }
    }
}

fn canonical(values: &ArrayD<f64>, axes: Axes) -> Result<Tensor> {
    Ok(axes.canonical(&tensors::from_array(values)?))
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
                let (samples, class_tokens, indices) = (count, 0, &[][..]);
                let at = Place { subject, layer, samples, class_tokens, name: &name, indices };
                if matches!(consumer.layer(at, &rows)?, Answer::Stop) {
                    break;
                }
            }
        }
        Ok(())
    }
}
