//! What is gathered of the samples of a set, by the blocks that they are divided into.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis, s};
use serde::{Deserialize, Serialize};

use super::Plan;
use super::watch::Watch;
use crate::capture::extract::Piece as Batch;
use crate::error::{Error, Result};
use crate::stats::{Blocks, Division, Moments, Sum, packed};

/// What was gathered of some samples of a set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetSums {
    /// Mean and scatter, where they are wanted.
    pub(super) moments: Option<Blocks<Moments>>,
    /// A row a sample, where they are wanted.
    pub(super) rows: Option<Rows>,
    /// What the model said of each, where that was asked for and is a matrix.
    pub(super) logits: Option<Rows>,
    /// Positions of the samples, where their rows are kept.
    pub(super) indices: Vec<usize>,
    pub(super) watch: Watch,
}

/// Rows that grow in number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Rows(#[serde(with = "packed")] pub(super) Array2<f64>);

/// Gathers batches into sums.
pub(super) struct Gathering {
    width: usize,
    sums: SetSums,
    /// Samples that came, whose position is not known.
    done: usize,
    /// The block that the last batch belonged to.
    block: Option<(usize, Moments)>,
    cut: Cut,
}

/// How the samples of a set become batches, and those blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    samples: usize,
    batch: usize,
    division: Division,
}

impl Cut {
    /// Of so many samples in batches, and at most so many blocks.
    pub(super) fn new(samples: usize, batch: usize, most: usize) -> Self {
        let batch = batch.max(1);
        Self { samples, batch, division: Division::new(samples.div_ceil(batch), most) }
    }

    /// The number of blocks.
    pub(super) fn blocks(self) -> usize {
        self.division.blocks()
    }

    /// The position of the first sample of a block; of the one behind the last, the number of samples.
    pub(super) fn first_of(self, block: usize) -> usize {
        self.samples.min(self.division.first_of(block) * self.batch)
    }

    fn block_of(self, sample: usize) -> usize {
        self.division.block_of(sample / self.batch)
    }
}

impl Rows {
    fn new(rows: usize, width: usize) -> Result<Self> {
        let mut all = Array2::zeros((0, width));
        all.reserve(Axis(0), rows).map_err(|e| no_room(&e))?;
        Ok(Self(all))
    }

    fn extend(&mut self, rows: ArrayView2<'_, f64>) -> Result<()> {
        self.0.append(Axis(0), rows).map_err(|e| no_room(&e))
    }
}

fn no_room(error: &ndarray::ShapeError) -> Error {
    Error::usage(format!("failed to keep rows of features: {error}"), "please report this")
}

impl Gathering {
    /// Nothing of a set yet, of which `samples` will come.
    ///
    /// # Errors
    /// Their rows do not fit.
    pub(super) fn new(plan: Plan, cut: Cut, (samples, width): (usize, usize)) -> Result<Self> {
        let rows = if plan.samples { Some(Rows::new(samples, width)?) } else { None };
        let moments = plan.covariance.then(Blocks::new);
        let (logits, indices, watch) = (None, vec![], Watch::default());
        let sums = SetSums { moments, rows, logits, indices, watch };
        Ok(Self { width, sums, done: 0, block: None, cut })
    }

    /// Takes in a batch.
    ///
    /// # Errors
    /// Its rows do not fit.
    pub(super) fn add(&mut self, batch: &Batch<'_>) -> Result<()> {
        let sums = &mut self.sums;
        sums.watch.add(batch.features, batch.averaged, batch.constant);
        if let Some(rows) = &mut sums.rows {
            rows.extend(batch.features)?;
            sums.indices.extend(batch.indices);
        }
        if let Some(logits) = batch.logits {
            match &mut sums.logits {
                Some(all) if all.0.ncols() == logits.ncols() => all.extend(logits)?,
                _ => sums.logits = Some(Rows(logits.to_owned())),
            }
        }
        if sums.moments.is_some() {
            self.add_moments(batch.features, batch.indices.first().copied().unwrap_or(self.done));
        }
        self.done += batch.features.nrows();
        Ok(())
    }

    fn add_moments(&mut self, rows: ArrayView2<'_, f64>, first: usize) {
        let block = self.cut.block_of(first);
        if self.block.as_ref().is_some_and(|(number, _)| *number != block) {
            self.close();
        }
        let (_, moments) = self.block.get_or_insert_with(|| (block, Moments::new(self.width)));
        moments.push_rows(rows);
    }

    fn close(&mut self) {
        if let (Some(all), Some((number, moments))) = (&mut self.sums.moments, self.block.take()) {
            all.push(number, moments);
        }
    }

    /// What was gathered.
    pub(super) fn finish(mut self) -> SetSums {
        self.close();
        self.sums
    }
}

impl SetSums {
    /// Whether it is of so many samples and features, and of blocks of these.
    pub fn is_of(&self, (samples, width): (usize, usize), blocks: &Range<usize>) -> bool {
        let rows = self
            .rows
            .as_ref()
            .is_none_or(|rows| rows.0.dim() == (samples, width) && self.indices.len() == samples);
        let moments = self.moments.as_ref().is_none_or(|moments| {
            moments.are_within(blocks) && moments.all(|one| one.is_of(width))
        });
        let logits = self.logits.as_ref().is_none_or(|logits| logits.0.nrows() == samples);
        rows && moments && logits && self.watch.is_of(width)
    }

    /// Whether the same was gathered of others.
    pub fn is_like(&self, other: &Self) -> bool {
        let kept = |sums: &Self| (sums.moments.is_some(), sums.rows.is_some());
        let logits = self.logits.as_ref().zip(other.logits.as_ref());
        kept(self) == kept(other) && logits.is_none_or(|(a, b)| a.0.ncols() == b.0.ncols())
    }

    /// The rows, and the mean and scatter, of a set that was gathered whole.
    pub(super) fn whole(self, width: usize) -> (Option<Array2<f64>>, Option<Moments>) {
        let empty = || Moments::new(width);
        let moments = self.moments.map(|blocks| blocks.total().unwrap_or_else(empty));
        (self.rows.map(|rows| rows.0), moments)
    }
}

impl Sum for SetSums {
    fn merge(&mut self, later: Self) {
        if let (Some(own), Some(more)) = (&mut self.moments, later.moments) {
            own.append(more);
        }
        join(&mut self.rows, later.rows);
        join(&mut self.logits, later.logits);
        self.indices.extend(later.indices);
        self.watch.merge(later.watch);
    }
}

fn join(own: &mut Option<Rows>, more: Option<Rows>) {
    let Some(more) = more else { return };
    match own {
        Some(Rows(all)) if all.ncols() == more.0.ncols() => {
            let parts = [all.slice(s![.., ..]), more.0.view()];
            // Rows of one width fit together.
            *all = ndarray::concatenate(Axis(0), &parts).unwrap_or_default();
        }
        _ => *own = Some(more),
    }
}
