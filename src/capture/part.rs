//! Parts of the data: what was read of one, and how parts are put together.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Timing;
use super::feed::Feed;
use crate::classifier::Tally;
use crate::data::{Dataset, Digest, Enlarged, Skipped, Summary};
use crate::error::{Error, Result};
use crate::stats::packed::Bytes;
use crate::stats::{Blocks, Sum};

/// Bytes of a digest.
const DIGEST: usize = size_of::<Digest>();

/// Samples of a part that are read again to see whether the data are the same, about.
const SEEN_AGAIN: usize = 8;

/// What was read of a part of the data, in the order in which it was read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    samples: usize,
    /// Positions of the samples, as ranges.
    positions: Vec<Range<usize>>,
    digests: Bytes,
    skipped: Vec<Skipped>,
    enlarged: Option<Enlarged>,
    beyond: Option<[f32; 2]>,
    padded: usize,
    tallies: Vec<Tally>,
    timing: Timing,
}

/// What some blocks of the data gave.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Piece<T> {
    /// Numbers of the blocks.
    pub blocks: Range<usize>,
    /// What was read of them.
    pub reading: Reading,
    /// What was summed over them.
    pub sums: T,
}

impl Reading {
    /// Of a pass over a part, with what was counted of the output of each model.
    pub fn new(summary: &Summary, tallies: Vec<Tally>) -> Self {
        let mut positions: Vec<Range<usize>> = vec![];
        for &(position, _) in &summary.digests {
            match positions.last_mut().filter(|range| range.end == position) {
                Some(range) => range.end += 1,
                None => positions.push(position..position + 1),
            }
        }
        Self {
            samples: summary.samples,
            positions,
            digests: Bytes(summary.digests.iter().flat_map(|(_, digest)| *digest).collect()),
            skipped: summary.skipped.clone(),
            enlarged: summary.enlarged.clone(),
            beyond: summary.beyond,
            padded: summary.padded,
            tallies,
            timing: Timing::default(),
        }
    }

    /// The same, of a pass that took so long.
    #[must_use]
    pub fn took(self, timing: Timing) -> Self {
        Self { timing, ..self }
    }

    /// Samples used.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Positions of the samples, in the order in which they were read.
    pub fn positions(&self) -> impl Iterator<Item = usize> {
        self.positions.iter().cloned().flatten()
    }

    /// Whether its samples are some at these positions, each once and in their order.
    pub fn is_within(&self, positions: &Range<usize>) -> bool {
        let ends = self.positions.windows(2).all(|two| two[0].end <= two[1].start);
        let inside = |range: &Range<usize>| {
            positions.start <= range.start && range.start <= range.end && range.end <= positions.end
        };
        ends && self.positions.iter().all(inside)
    }

    /// Where the time went.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// What was counted of the output of each model.
    pub fn tallies(&self) -> &[Tally] {
        &self.tallies
    }

    /// Refuses a part of which a sample was left out.
    ///
    /// # Errors
    /// Names the first.
    pub fn check_whole(&self) -> Result<()> {
        let Some(Skipped { name, reason }) = self.skipped.first() else { return Ok(()) };
        let problem = format!(
            "{name} cannot be read ({reason}), and batches behind it would be others in a shard"
        );
        Err(Error::usage(problem, "take it out of the data, and run all shards again"))
    }

    /// Of rows of files at these places, which nothing was read of beside.
    pub fn of_rows(places: Range<usize>) -> Self {
        let (samples, positions) = (places.len(), vec![places]);
        Self { samples, positions, ..Self::default() }
    }

    /// Whether it is of rows of files.
    pub fn is_of_rows(&self) -> bool {
        let add = |sum: usize, range: &Range<usize>| sum.checked_add(range.len());
        self.digests.0.is_empty() && self.positions.iter().try_fold(0, add) == Some(self.samples)
    }

    /// Whether there is a digest of each sample, at its position.
    pub fn is_sound(&self) -> bool {
        let add = |sum: usize, range: &Range<usize>| sum.checked_add(range.len());
        let positions = self.positions.iter().try_fold(0, add);
        let (digests, rest) = self.digests.0.as_chunks::<DIGEST>();
        positions == Some(self.samples) && digests.len() == self.samples && rest.is_empty()
    }

    /// The name of a sample that is another one now than when it was read: a few are looked at, from the first to the
    /// last.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn changed(&self, dataset: &Dataset) -> Result<Option<String>> {
        let digests = self.digests.0.as_chunks::<DIGEST>().0;
        let (step, last) = (digests.len().div_ceil(SEEN_AGAIN).max(1), digests.len());
        let all = self.positions.iter().cloned().flatten().zip(digests).enumerate();
        let some = all.filter(|(place, _)| place.is_multiple_of(step) || place + 1 == last);
        for (_, (position, digest)) in some {
            if position < dataset.len() && dataset.digest_of(position)? != *digest {
                return Ok(Some(dataset.name(position)));
            }
        }
        Ok(None)
    }

    /// What was read, of all the data where this is of all.
    pub fn summary(&self, dataset: &Dataset) -> Summary {
        let positions: Vec<usize> = self.positions().take_while(|i| *i < dataset.len()).collect();
        let digests = self.digests.0.as_chunks::<DIGEST>().0;
        let (fingerprint, copies) = dataset.fingerprint_of(&positions, digests);
        Summary {
            samples: self.samples,
            fingerprint: Some(fingerprint),
            copies,
            digests: vec![],
            skipped: self.skipped.clone(),
            enlarged: self.enlarged.clone(),
            beyond: self.beyond,
            padded: self.padded,
            decode_seconds: self.timing.decode,
        }
    }
}

impl Sum for Reading {
    fn merge(&mut self, later: Self) {
        self.samples += later.samples;
        self.positions.extend(later.positions);
        self.digests.0.extend(later.digests.0);
        self.skipped.extend(later.skipped);
        let factor = |enlarged: &Option<Enlarged>| enlarged.as_ref().map_or(0.0, |e| e.factor);
        if factor(&later.enlarged) > factor(&self.enlarged) {
            self.enlarged = later.enlarged;
        }
        self.beyond = match (self.beyond, later.beyond) {
            (Some([a, b]), Some([c, d])) => Some([a.min(c), b.max(d)]),
            (own, more) => own.or(more),
        };
        self.padded += later.padded;
        match self.tallies.is_empty() {
            true => self.tallies = later.tallies,
            false => self.tallies.iter_mut().zip(&later.tallies).for_each(|(a, b)| a.merge(b)),
        }
        self.timing.add(&later.timing);
    }
}

impl<T: Sum> Piece<Blocks<T>> {
    /// Whether its sums are of its blocks, and what was read of them fits together: of `samples`, or of rows of files.
    pub fn is_sound(&self, samples: bool) -> bool {
        let read = if samples { self.reading.is_sound() } else { self.reading.is_of_rows() };
        read && self.sums.are_within(&self.blocks)
    }
}

impl<T: Sum> Sum for Piece<T> {
    fn merge(&mut self, later: Self) {
        self.blocks.end = later.blocks.end;
        self.reading.merge(later.reading);
        self.sums.merge(later.sums);
    }
}

impl<T: Sum> Sum for Blocks<T> {
    fn merge(&mut self, later: Self) {
        self.append(later);
    }
}

/// What the last pass of a feed of models read, and where its time went.
///
/// # Errors
/// Representations are stored, and nothing was read.
pub fn reading(feed: &dyn Feed, timing: Timing) -> Result<Reading> {
    let reading = feed.reading().ok_or_else(|| {
        let problem = "stored representations are not divided into shards";
        Error::usage(problem, "leave --shard out: no network runs")
    })?;
    Ok(reading.took(timing))
}
