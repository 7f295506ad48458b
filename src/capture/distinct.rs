//! Layers that give one tensor are measured once, and have the same values.

use std::collections::HashSet;
use std::ops::Range;

use ndarray::Array2;
use tch::Tensor;

use super::cka::Outcome;
use super::feed::{Consumer, Feed, Place};
use super::part::Reading;
use super::{Progress, Timing};
use crate::error::{Error, Result};
use crate::stats::HsicTable;
use crate::torchscript::Answer;

/// Of each layer the one before it whose tensor it gives, where there is one: a list a subject.
pub type Sources = Vec<Vec<Option<usize>>>;

/// A feed without the layers that give the tensor of another.
///
/// Which do so was seen on the first samples, and is looked at again in every run: code may branch.
pub struct Distinct<'a> {
    feed: &'a mut dyn Feed,
    sources: Sources,
    differs: bool,
}

/// What the layers are given to that have tensors of their own.
struct Others<'a> {
    consumer: &'a mut dyn Consumer,
    sources: &'a Sources,
    differs: &'a mut bool,
}

impl<'a> Distinct<'a> {
    /// A feed with the layers that it says give one tensor.
    pub fn new(feed: &'a mut dyn Feed) -> Self {
        let sources = feed.sources();
        Self { feed, sources, differs: false }
    }

    /// Whether a layer gave a tensor of its own after all. All layers count for themselves from then on.
    pub fn is_refuted(&mut self) -> bool {
        let differs = std::mem::take(&mut self.differs);
        if differs {
            self.sources.clear();
        }
        differs
    }

    /// The layer whose values a layer has.
    pub fn source(&self, subject: usize, layer: usize) -> usize {
        self.sources.get(subject).and_then(|sources| sources[layer]).unwrap_or(layer)
    }

    /// The same with the values of all layers.
    pub fn expanded(&self, outcome: Outcome) -> Outcome {
        self.expanded_pair((0, self.sources.len().saturating_sub(1)), outcome)
    }

    /// The same of what was found between two of the subjects.
    pub fn expanded_pair(&self, (first, last): (usize, usize), mut outcome: Outcome) -> Outcome {
        if self.sources.iter().flatten().all(Option::is_none) {
            return outcome;
        }
        let source = |s: usize, l: usize| self.source(s, l);
        let table = &outcome.table;
        let known: HashSet<(usize, usize)> = outcome.apart.iter().copied().collect();
        let apart = |i: usize, j: usize| known.contains(&(source(first, i), source(last, j)));
        let ab = table.ab.dim();
        let pairs = (0..ab.0).flat_map(|i| (0..ab.1).map(move |j| (i, j)));
        outcome.apart = pairs.filter(|&(i, j)| apart(i, j)).collect();
        outcome.table = HsicTable {
            ab: Array2::from_shape_fn(ab, |(i, j)| table.ab[(source(first, i), source(last, j))]),
            aa: (0..ab.0).map(|i| table.aa[source(first, i)]).collect(),
            bb: (0..ab.1).map(|j| table.bb[source(last, j)]).collect(),
        };
        for (s, absences) in [first, last].into_iter().zip(&mut outcome.absences) {
            for l in 0..absences.len() {
                absences[l] = absences[source(s, l)].clone();
            }
        }
        outcome
    }
}

impl Feed for Distinct<'_> {
    fn shapes(&self) -> Vec<Vec<Vec<i64>>> {
        self.feed.shapes()
    }

    fn sources(&self) -> Sources {
        self.sources.clone()
    }

    fn samples(&self) -> usize {
        self.feed.samples()
    }

    fn batch_size(&self) -> usize {
        self.feed.batch_size()
    }

    fn is_mixed(&self) -> bool {
        self.feed.is_mixed()
    }

    fn is_on_cpu(&self) -> bool {
        self.feed.is_on_cpu()
    }

    fn may_be_single(&self) -> bool {
        self.feed.may_be_single()
    }

    fn copies(&self, subject: usize, layer: usize) -> Option<&[usize]> {
        self.feed.copies(subject, layer)
    }

    fn restrict(&mut self, batches: Range<usize>) {
        self.feed.restrict(batches);
    }

    fn reading(&self) -> Option<Reading> {
        self.feed.reading()
    }

    fn pass(
        &mut self,
        consumer: &mut dyn Consumer,
        progress: &mut dyn Progress,
        timing: &mut Timing,
    ) -> Result<usize> {
        let Self { feed, sources, differs } = self;
        feed.pass(&mut Others { consumer, sources, differs }, progress, timing)
    }
}

impl Consumer for Others<'_> {
    fn wants(&self, subject: usize) -> bool {
        self.consumer.wants(subject)
    }

    fn layer(&mut self, at: Place<'_>, output: &Tensor) -> Result<Answer> {
        let source = self.sources.get(at.subject).and_then(|sources| sources[at.layer]);
        match source {
            None => self.consumer.layer(at, output),
            Some(_) if at.same == source => Ok(Answer::Keep),
            Some(_) => {
                *self.differs = true;
                let problem = "a layer gave the tensor of another for the first samples only";
                Err(Error::usage(problem, "please report this"))
            }
        }
    }

    fn output(&mut self, at: Place<'_>, output: Option<&Tensor>) -> Result<()> {
        self.consumer.output(at, output)
    }

    fn batch_done(&mut self, samples: usize) -> Result<()> {
        self.consumer.batch_done(samples)
    }
}
