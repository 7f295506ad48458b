//! How far a batch is, by the layers that ran.

use tch::Tensor;

use super::Progress;
use super::feed::{Consumer, Place};
use crate::error::Result;
use crate::torchscript::Answer;

/// How far a batch is: a layer of a model has run.
#[derive(Debug, Clone, Copy)]
pub struct LayersSeen<'a> {
    /// The file of the model.
    pub model: &'a str,
    /// Samples in the batch.
    pub samples: usize,
    /// Layers that ran of all models of the run.
    pub seen: usize,
    /// Layers of all models that run.
    pub of: usize,
}

/// A consumer, and an observer that is called for each layer that the consumer was given.
pub(super) struct Watched<'a> {
    /// What looks at the layers.
    pub consumer: &'a mut dyn Consumer,
    /// Who follows.
    pub progress: &'a mut dyn Progress,
    /// What was seen so far.
    pub at: LayersSeen<'a>,
}

impl Consumer for Watched<'_> {
    fn wants(&self, subject: usize) -> bool {
        self.consumer.wants(subject)
    }

    fn layer(&mut self, at: Place<'_>, output: &Tensor) -> Result<Answer> {
        let answer = self.consumer.layer(at, output);
        self.at.seen += 1;
        self.progress.layer(self.at);
        answer
    }

    fn output(&mut self, at: Place<'_>, output: Option<&Tensor>) -> Result<()> {
        self.consumer.output(at, output)
    }

    fn input(&mut self, at: Place<'_>, input: &Tensor) -> Result<()> {
        self.consumer.input(at, input)
    }

    fn batch_done(&mut self, samples: usize) -> Result<()> {
        self.consumer.batch_done(samples)
    }
}
