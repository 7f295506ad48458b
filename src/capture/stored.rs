//! Stored representations in place of models.

use ndarray::{ArrayD, ArrayViewD};
use tch::{Kind, Tensor};

use super::feed::{Consumer, Feed, Place};
use super::{Progress, Timing, Tokens};
use crate::data::{copies, digest};
use crate::error::Result;
use crate::torchscript::{Answer, Axes, tensors};

/// An array with a row a sample, and which of its axes holds the channels.
pub struct StoredLayer {
    /// The values.
    pub values: ArrayD<f64>,
    /// Its axes.
    pub axes: Axes,
    /// Whether it was stored in fewer digits than float64 has, so that features with a large offset
    /// cannot be distinguished from constant ones.
    pub single: bool,
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
    layers: Vec<Vec<Kept>>,
    samples: usize,
    batch_size: usize,
    apart: bool,
}

/// One array as layers are given.
struct Kept {
    values: Tensor,
    single: bool,
    /// Of each row the first that is equal, where any two are.
    copies: Option<Vec<usize>>,
}

impl StoredFeed {
    /// Takes the arrays of one or two subjects, `batch_size` rows at a time, with channels by the number
    /// of axes.
    ///
    /// # Errors
    /// An array that libtorch cannot hold.
    pub fn new(subjects: &[Vec<ArrayD<f64>>], batch_size: usize) -> Result<Self> {
        let one = |array: &ArrayD<f64>| Kept::new(array, Axes::guessed(array.ndim()), false);
        let all = |layers: &Vec<ArrayD<f64>>| layers.iter().map(one).collect();
        Ok(Self::of(subjects.iter().map(all).collect::<Result<_>>()?, batch_size))
    }

    /// The same of arrays whose axes are known.
    ///
    /// # Errors
    /// An array that libtorch cannot hold.
    pub fn with_axes(subjects: &[Vec<StoredLayer>], batch_size: usize) -> Result<Self> {
        let one = |layer: &StoredLayer| Kept::new(&layer.values, layer.axes, layer.single);
        let all = |layers: &Vec<StoredLayer>| layers.iter().map(one).collect();
        Ok(Self::of(subjects.iter().map(all).collect::<Result<_>>()?, batch_size))
    }

    fn of(layers: Vec<Vec<Kept>>, batch_size: usize) -> Self {
        let first = layers.iter().flatten().next();
        let samples = first.map_or(0, |layer| layer.values.size()[0] as usize);
        let batch_size = batch_size.clamp(1, samples.max(1));
        Self { layers, samples, batch_size, apart: false }
    }

    /// The same, worked on as if it were on a device beside the CPU: for tests of what is done there.
    #[doc(hidden)]
    pub fn as_if_apart(self) -> Self {
        Self { apart: true, ..self }
    }
}

impl Kept {
    fn new(values: &ArrayD<f64>, axes: Axes, single: bool) -> Result<Self> {
        let bytes = |row: ArrayViewD<'_, f64>| -> Vec<u8> {
            row.iter().flat_map(|value| value.to_le_bytes()).collect()
        };
        let copies = copies(values.outer_iter().map(|row| digest(&bytes(row))));
        Ok(Self { values: axes.canonical(&tensors::from_array(values)?), single, copies })
    }
}

impl Feed for StoredFeed {
    fn shapes(&self) -> Vec<Vec<Vec<i64>>> {
        self.layers.iter().map(|l| l.iter().map(|a| a.values.size()).collect()).collect()
    }

    fn samples(&self) -> usize {
        self.samples
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn is_on_cpu(&self) -> bool {
        !self.apart
    }

    fn may_be_single(&self) -> bool {
        self.layers.iter().flatten().all(|layer| layer.values.kind() == Kind::Float)
    }

    fn copies(&self, subject: usize, layer: usize) -> Option<&[usize]> {
        self.layers.get(subject)?.get(layer)?.copies.as_deref()
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
                let rows = array.values.narrow(0, start as i64, count as i64);
                let (samples, tokens, indices) = (count, Tokens::default(), &[][..]);
                let (name, single, same) = (&name, array.single, None);
                let at = Place { subject, layer, samples, tokens, name, indices, single, same };
                if matches!(consumer.layer(at, &rows)?, Answer::Stop) {
                    break;
                }
            }
        }
        Ok(())
    }
}
