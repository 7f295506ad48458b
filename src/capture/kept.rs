//! Outputs of layers that an earlier run wrote, in place of the model that gave them.

use std::ops::Range;
use std::time::Instant;

use tch::{Kind, Tensor};

use super::distinct::Sources;
use super::extract::{Piece, Sink, reduced};
use super::feed::{Consumer, Feed, Place, Source, Subject};
use super::judge::{Judge, Judged, Naming};
use super::keep::from_bytes;
use super::part::Reading;
use super::placed::{to_tensors, token_mask};
use super::rows::first_not_finite;
use super::shared;
use super::{Averaged, Progress, Reduce, Timing, Tokens};
use crate::data::{Batch, LayerHead, LayerReader, Summary};
use crate::error::{Error, Result};
use crate::similarity::cka::{CONSTANT, CONSTANT_DOUBLE};
use crate::torchscript::{Answer, Axes, draws, tensors};

/// A layer whose outputs are in a file.
pub struct KeptLayer {
    /// Its name.
    pub name: String,
    /// What stands before the rows of the file.
    pub head: LayerHead,
    /// The rows.
    pub reader: LayerReader,
    /// For each axis of a row which one behind the samples it is of N×C×positions; empty of reduced ones.
    pub order: Vec<usize>,
    /// How many of these lay around the axis of the samples in memory.
    pub around: usize,
    /// The axes of the layer's own output.
    pub axes: Axes,
    /// Of means C numbers of the size of what they were taken over; see [`Tokens::averaged`].
    pub averaged: Option<Tensor>,
    /// The layer before it, of those that are looked at, whose tensor it gave when the layers were found.
    pub source: Option<usize>,
    /// Whether it gave that in the whole run, too.
    pub is_same: bool,
}

/// A model whose layers' outputs are in files.
pub struct KeptSubject {
    /// The layers, in the order in which they finish.
    pub layers: Vec<KeptLayer>,
    /// What the model itself gave, where that is wanted.
    pub outputs: Option<Box<KeptLayer>>,
    /// Samples.
    pub samples: usize,
    /// Of each sample the first one of the same bytes, where any two have the same.
    pub copies: Option<Vec<usize>>,
    /// The row of each sample of the data set; of those that were left out there is none.
    pub rows: Vec<Option<usize>>,
}

/// What gives the outputs of the layers of one side.
pub enum Giver {
    /// A model that runs.
    Model(Box<Subject>),
    /// One that ran before.
    Kept(KeptSubject),
}

/// Models that run over a data set, beside outputs of models that did; or these alone.
pub struct GiverFeed<'a> {
    givers: &'a mut [Giver],
    /// The data; where there are none, no model runs.
    source: Option<Source<'a>>,
    /// The samples where no model runs.
    stored: StoredSamples<'a>,
    /// What the pass read.
    pub summary: Option<Summary>,
    judges: Vec<Option<Judge>>,
    mixed: bool,
    /// The batches of files that are given, where those are not all, and what was read of them.
    part: Option<(Range<usize>, Reading)>,
}

/// Samples whose outputs are all in files.
#[derive(Clone, Copy)]
pub struct StoredSamples<'a> {
    /// Their rows, in the order in which they are given.
    pub order: &'a [usize],
    /// Their names, by their rows.
    pub names: &'a [String],
    /// Samples in a batch.
    pub batch_size: usize,
}

impl KeptLayer {
    /// The shape of its output as N×C×positions, or N×D of reduced ones, for so many samples.
    pub fn shape(&self, samples: usize) -> Vec<i64> {
        let mut shape = vec![samples as i64; self.head.row.len() + 1];
        for (place, &size) in self.head.row.iter().enumerate() {
            let axis = self.order.get(place).map_or(place, |&axis| axis);
            shape[axis + 1] = size as i64;
        }
        shape
    }

    /// The outputs for some samples: a view as N×C×positions of memory that lies as it did in the run.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn outputs(&self, rows: &[usize]) -> Result<Tensor> {
        let stored = from_bytes(&self.reader.rows(rows)?, rows.len(), &self.head)?;
        if self.order.is_empty() {
            return Ok(stored);
        }
        let around = self.around as i64;
        let stored = match around {
            0 => stored,
            _ => stored.movedim_int(0, around).contiguous().movedim_int(around, 0),
        };
        let mut inverse = vec![0; self.order.len() + 1];
        self.order
            .iter()
            .enumerate()
            .for_each(|(place, &axis)| inverse[axis + 1] = place as i64 + 1);
        Ok(stored.permute(inverse))
    }

    /// The axes of what [`KeptLayer::outputs`] gives, whole outputs those of the layer.
    pub fn axes(&self) -> Axes {
        if self.order.is_empty() { Axes::guessed(self.head.row.len() + 1) } else { self.axes }
    }

    fn tokens(&self) -> Tokens<'_> {
        let class = self.axes.class_tokens.unwrap_or(0);
        Tokens { class, mask: None, averaged: self.averaged.as_ref() }
    }
}

impl KeptSubject {
    /// Hands over the outputs for samples of these rows.
    fn give(&self, at: Place<'_>, rows: &[usize], consumer: &mut dyn Consumer) -> Result<()> {
        for (place, layer) in self.layers.iter().enumerate() {
            let same = layer.source.filter(|_| layer.is_same);
            let at = Place { layer: place, tokens: layer.tokens(), same, ..at };
            if matches!(consumer.layer(at, &layer.outputs(rows)?)?, Answer::Stop) {
                break;
            }
        }
        match &self.outputs {
            Some(outputs) => consumer.output(at, Some(&outputs.outputs(rows)?)),
            None => Ok(()),
        }
    }

    /// Hands over the features of one layer for the samples of a range as
    /// [`Extractor::run`](super::extract::Extractor::run) does, a batch of `batch_size` samples at a time.
    ///
    /// # Errors
    /// The file cannot be read, features are not finite (which sample), or the sink failed.
    pub fn extract(
        &self,
        reduce: Reduce,
        (names, model): (&[String], &str),
        (batch_size, range): (usize, Range<usize>),
        outputs: Option<&KeptLayer>,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        let Some(layer) = self.layers.first() else { return Ok(()) };
        let all: Vec<usize> = range.collect();
        for rows in all.chunks(batch_size.max(1)) {
            let output = layer.outputs(rows)?;
            let features = reduced(&output, reduce, (layer.axes(), layer.tokens()))?;
            if !features.sum().is_finite()
                && let Some(row) = first_not_finite(&reduce.rows(&output, layer.tokens())?)
            {
                let (name, sample) = (&layer.name, &names[rows[row]]);
                let problem =
                    format!("layer {name} of {model} is NaN or infinite for sample {sample}");
                let remedy = "look at that sample and at its preprocessing, or leave it out";
                return Err(Error::usage(problem, remedy));
            }
            let mut averaged = Averaged::default();
            averaged.add(reduce, &output, layer.tokens())?;
            let logits = outputs.map(|layer| layer.outputs(rows)).transpose()?;
            let logits = logits.map(|l| tensors::to_matrix(&l)).transpose()?;
            sink(Piece {
                features: features.view(),
                averaged: &averaged,
                constant: constant(&output),
                indices: rows,
                logits: logits.as_ref().map(|l| l.view()),
            })?;
        }
        Ok(())
    }
}

/// As [`Place::constant`], of outputs in the type that they were computed in.
fn constant(output: &Tensor) -> f64 {
    if output.kind() == Kind::Double { CONSTANT_DOUBLE } else { CONSTANT }
}

impl<'a> GiverFeed<'a> {
    /// Of what gives outputs, over the data where a model is among it.
    pub fn new(
        givers: &'a mut [Giver],
        source: Option<Source<'a>>,
        stored: StoredSamples<'a>,
    ) -> Self {
        let naming = Naming::default();
        let judge = |giver: &Giver| match giver {
            Giver::Model(subject) => Some(Judge::new(&naming, &subject.model)),
            Giver::Kept(_) => None,
        };
        let judges = givers.iter().map(judge).collect();
        Self { givers, source, stored, summary: None, judges, mixed: false, part: None }
    }

    /// The same, of samples that are in random order, or not.
    pub fn mixed(self, mixed: bool) -> Self {
        Self { mixed, ..self }
    }

    /// The same, with the names of the outputs of models.
    pub fn naming(mut self, naming: &Naming) -> Self {
        for (judge, giver) in self.judges.iter_mut().zip(self.givers.iter()) {
            if let Giver::Model(subject) = giver {
                *judge = Some(Judge::new(naming, &subject.model));
            }
        }
        self
    }

    /// What the outputs of the models said that ran.
    pub fn judged(&self) -> Vec<Option<Judged>> {
        self.judges.iter().map(|judge| judge.as_ref().map(Judge::judged)).collect()
    }

    fn over_data(
        &mut self,
        source: &Source<'a>,
        consumer: &mut dyn Consumer,
        progress: &mut dyn Progress,
        timing: &mut Timing,
    ) -> Result<usize> {
        let mut batches = source.dataset.batches(source.preprocess, &source.load)?;
        let again = self.summary.is_some();
        self.judges.iter_mut().flatten().for_each(|judge| judge.begin_pass(again));
        let mut place = 0;
        loop {
            let waiting = Instant::now();
            let Some(batch) = batches.next() else { break };
            let batch = batch?;
            timing.wait += waiting.elapsed().as_secs_f64();
            draws::begin_batch(place);
            place += 1;
            self.batch(source, &batch, consumer, timing)?;
            let measuring = Instant::now();
            consumer.batch_done(batch.len())?;
            timing.measure += measuring.elapsed().as_secs_f64();
            progress.advance(batch.len());
        }
        let summary = batches.summary();
        timing.decode += summary.decode_seconds;
        Ok(self.summary.get_or_insert(summary).samples)
    }

    fn batch(
        &mut self,
        source: &Source<'a>,
        batch: &Batch,
        consumer: &mut dyn Consumer,
        timing: &mut Timing,
    ) -> Result<()> {
        let inputs = to_tensors(batch)?;
        let dataset = source.dataset;
        let name =
            |row: usize| batch.indices.get(row).map_or_else(String::new, |&i| dataset.name(i));
        if let Some(input) = inputs.first() {
            consumer.input(place(0, batch.len(), &name, &batch.indices), input)?;
        }
        for (i, giver) in self.givers.iter_mut().enumerate() {
            if !consumer.wants(i) {
                continue;
            }
            let at = place(i, batch.len(), &name, &batch.indices);
            match giver {
                Giver::Model(subject) => {
                    let input = &inputs[subject.input];
                    let mask = token_mask(dataset, input);
                    let tokens = Tokens { mask: mask.as_ref(), ..Tokens::default() };
                    let output = subject.run(input, Place { tokens, ..at }, consumer, timing)?;
                    if let Some(judge) = &mut self.judges[i] {
                        judge.take(dataset, &batch.indices, output.as_ref())?;
                    }
                }
                Giver::Kept(kept) => {
                    let reading = Instant::now();
                    let row = |&i: &usize| kept.rows[i].ok_or_else(|| left_out(&dataset.name(i)));
                    let rows = batch.indices.iter().map(row).collect::<Result<Vec<_>>>()?;
                    kept.give(at, &rows, consumer)?;
                    timing.measure += reading.elapsed().as_secs_f64();
                }
            }
        }
        Ok(())
    }

    fn over_files(
        &self,
        consumer: &mut dyn Consumer,
        progress: &mut dyn Progress,
        timing: &mut Timing,
    ) -> Result<usize> {
        let measuring = Instant::now();
        let StoredSamples { order, names, batch_size } = self.stored;
        let order = &order[self.places()];
        for rows in order.chunks(batch_size.max(1)) {
            let name = |row: usize| rows.get(row).map_or_else(String::new, |&i| names[i].clone());
            for (i, giver) in self.givers.iter().enumerate() {
                if let Giver::Kept(kept) = giver
                    && consumer.wants(i)
                {
                    kept.give(place(i, rows.len(), &name, rows), rows, consumer)?;
                }
            }
            consumer.batch_done(rows.len())?;
            progress.advance(rows.len());
        }
        timing.measure += measuring.elapsed().as_secs_f64();
        Ok(order.len())
    }
}

impl GiverFeed<'_> {
    /// Places of the samples of files that are given, in their order.
    fn places(&self) -> Range<usize> {
        let all = self.stored.order.len();
        let first = |batch: usize| all.min(batch.saturating_mul(self.stored.batch_size.max(1)));
        self.part.as_ref().map_or(0..all, |(batches, _)| first(batches.start)..first(batches.end))
    }
}

fn place<'p>(
    subject: usize,
    samples: usize,
    name: &'p dyn Fn(usize) -> String,
    indices: &'p [usize],
) -> Place<'p> {
    let tokens = Tokens::default();
    Place { subject, layer: 0, samples, tokens, name, indices, single: false, same: None }
}

fn left_out(sample: &str) -> Error {
    let problem = format!("sample {sample} was left out when the features were written");
    Error::usage(problem, "leave it out of the data, or write the features again")
}

impl Feed for GiverFeed<'_> {
    fn shapes(&self) -> Vec<Vec<Vec<i64>>> {
        let of = |giver: &Giver| match giver {
            Giver::Model(subject) => subject.layers.iter().map(|l| l.canonical_shape()).collect(),
            Giver::Kept(kept) => kept.layers.iter().map(|l| l.shape(kept.samples)).collect(),
        };
        self.givers.iter().map(of).collect()
    }

    fn sources(&self) -> Sources {
        let of = |giver: &Giver| match giver {
            Giver::Model(subject) => shared::sources(&subject.layers),
            Giver::Kept(kept) => kept.layers.iter().map(|layer| layer.source).collect(),
        };
        self.givers.iter().map(of).collect()
    }

    fn samples(&self) -> usize {
        let stored = self.stored.order.len();
        self.source.as_ref().map_or(stored, |source| source.dataset.len())
    }

    fn batch_size(&self) -> usize {
        let given = self.source.as_ref().map_or(self.stored.batch_size, |s| s.load.batch_size);
        given.min(self.samples())
    }

    fn is_mixed(&self) -> bool {
        self.mixed
    }

    fn restrict(&mut self, batches: Range<usize>) {
        self.part = Some((batches, Reading::default()));
    }

    fn reading(&self) -> Option<Reading> {
        self.part.as_ref().map(|(_, reading)| reading.clone())
    }

    fn copies(&self, subject: usize, _: usize) -> Option<&[usize]> {
        match (&self.source, &self.givers[subject]) {
            (Some(_), _) => self.summary.as_ref()?.copies.as_deref(),
            (None, Giver::Kept(kept)) => kept.copies.as_deref(),
            (None, Giver::Model(_)) => None,
        }
    }

    fn pass(
        &mut self,
        consumer: &mut dyn Consumer,
        progress: &mut dyn Progress,
        timing: &mut Timing,
    ) -> Result<usize> {
        match self.source.clone() {
            Some(source) => self.over_data(&source, consumer, progress, timing),
            None => {
                let places = self.places();
                if let Some((_, reading)) = &mut self.part {
                    *reading = Reading::of_rows(places);
                }
                self.over_files(consumer, progress, timing)
            }
        }
    }
}
