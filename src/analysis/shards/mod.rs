//! Runs that are divided into shards, which other processes or machines work on, and put together again.
//!
//! The samples are divided into blocks of whole batches, as many whatever the number of shards, and each shard looks
//! at some of them that follow each other. What it gathered is its [`State`]. A merged run is the same request again:
//! it opens the data and the models, and takes the sums of the states in place of a pass over the samples.
//!
//! ```
//! use repsim::analysis::{Cka, Job, Shard, Silent};
//! use repsim::capture::cka::Estimator;
//!
//! # fn main() -> repsim::error::Result<()> {
//! let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
//! let a = format!("{folder}/models/fashion-seed0-scripted.pt");
//! let b = format!("{folder}/models/fashion-seed1-traced.pt");
//! let mut cka = Cka::new(a, b).data(format!("{folder}/images")).layers(["layer4"]).limit(20);
//! cka.estimator = Estimator::Minibatch;
//! cka.sides.data.load.batch_size = 5;
//! let shard = |index| cka.shard(Job::new(Shard { index, count: 2 }), &Silent);
//! let merged = cka.merged(vec![shard(1)?, shard(0)?], &Silent)?;
//! assert_eq!(merged.results, cka.run(&Silent)?.results);
//! # Ok(())
//! # }
//! ```

mod facts;
mod sets;
mod state;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::capture::part::Piece;
use crate::error::{Error, Result};
use crate::stats::Sum;

pub use self::facts::{Fact, Facts};
pub(in crate::analysis) use self::sets::{Asked, check_run, merged_sets, over_sets};
pub(in crate::analysis) use self::state::ordered;
pub use self::state::{Body, Head, State};

/// One of so many shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Which, from 0.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

/// The most shards that there may be.
const MOST: usize = 1_000_000;

impl Shard {
    /// Whether it is one of so many as there may be.
    fn is_one(self) -> bool {
        self.index < self.count && self.count <= MOST
    }

    /// The blocks of this shard, of so many: as many for each shard, up to one.
    pub fn of(self, blocks: usize) -> Range<usize> {
        let place = |index: usize| (index as u128 * blocks as u128 / self.count as u128) as usize;
        place(self.index)..place(self.index + 1)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(index, count)| {
            let number = |text: &str| text.parse::<usize>().ok();
            Some((number(index)?, number(count)?))
        });
        match numbers {
            None => Err("expected I/N with I from 0, such as 0/4".to_owned()),
            Some((_, 0)) => Err("there is at least one shard: N is 1 or more".to_owned()),
            Some((_, count)) if count > MOST => Err(format!("N is at most {MOST}")),
            Some((index, count)) if index >= count => {
                Err(format!("shards count from 0: I is at most {} of {count}", count - 1))
            }
            Some((index, count)) => Ok(Self { index, count }),
        }
    }
}

/// What is done with what was gathered so far.
pub type Save<'a> = Box<dyn FnMut(&State) -> Result<()> + 'a>;

/// A shard to be worked on.
pub struct Job<'a> {
    /// Which.
    pub shard: Shard,
    /// What was gathered of it before.
    pub before: Option<State>,
    /// How long it takes between two calls of `save`, about.
    pub every: Duration,
    /// What is done with what was gathered so far, at the end of some blocks.
    pub save: Save<'a>,
}

impl Job<'_> {
    /// A shard from its first block to its last.
    pub fn new(shard: Shard) -> Self {
        Self { shard, before: None, every: Duration::MAX, save: Box::new(|_| Ok(())) }
    }

    /// What there is of the shard of a run: what was gathered before, or nothing yet.
    ///
    /// # Errors
    /// What was gathered before is of another run, or of another shard.
    pub(in crate::analysis) fn begun(&mut self, head: Head, empty: Body) -> Result<State> {
        let Some(before) = self.before.take() else { return Ok(State::new(head, empty)) };
        if before.head.shard != self.shard {
            let problem =
                format!("it is of shard {}, and this is {}", before.head.shard, self.shard);
            return Err(before.foreign(problem));
        }
        match before.head.apart(&head) {
            Some(apart) => Err(before.foreign(format!("it is of another run: {apart}"))),
            None => Ok(before),
        }
    }
}

/// Runs over blocks, some at a time, from where `done` ends; `keep` is given all so far, except for the last time, and
/// gives it back.
pub(in crate::analysis) fn in_steps<T: Sum>(
    target: Range<usize>,
    done: Option<Piece<T>>,
    every: Duration,
    run: &mut dyn FnMut(Range<usize>) -> Result<Piece<T>>,
    keep: &mut dyn FnMut(Piece<T>) -> Result<Piece<T>>,
) -> Result<Option<Piece<T>>> {
    let (mut done, mut step) = (done, if every == Duration::MAX { target.len() } else { 1 });
    loop {
        let first = done.as_ref().map_or(target.start, |done| done.blocks.end);
        if first >= target.end {
            return Ok(done);
        }
        let started = Instant::now();
        let last = target.end.min(first.saturating_add(step));
        let piece = run(first..last)?;
        let whole = match done.take() {
            Some(mut before) => {
                before.merge(piece);
                before
            }
            None => piece,
        };
        done = Some(if last < target.end && every != Duration::MAX { keep(whole)? } else { whole });
        step = next_step(last - first, started.elapsed(), every);
    }
}

/// Blocks that take about as long as there is to be between two times, after so many took so long.
fn next_step(blocks: usize, took: Duration, every: Duration) -> usize {
    let each = took.as_secs_f64() / blocks.max(1) as f64;
    (every.as_secs_f64() / each.max(1e-9)).clamp(1.0, 1e9) as usize
}

/// The error for a run that cannot be divided.
pub(in crate::analysis) fn undivided(why: &str) -> Error {
    Error::usage(format!("--shard: {why}"), "leave --shard out, and run it whole")
}

/// The pieces of all states, put together: those of shards in their order.
///
/// # Errors
/// They do not cover all blocks.
pub(in crate::analysis) fn joined<T: Sum>(
    pieces: impl Iterator<Item = Piece<T>>,
    blocks: usize,
) -> Result<Option<Piece<T>>> {
    let mut whole: Option<Piece<T>> = None;
    for piece in pieces {
        let end = whole.as_ref().map_or(0, |whole| whole.blocks.end);
        if piece.blocks.start != end {
            return Err(gap(end, piece.blocks.start));
        }
        match &mut whole {
            Some(whole) => whole.merge(piece),
            None => whole = Some(piece),
        }
    }
    match whole.as_ref().map_or(0, |whole| whole.blocks.end) {
        end if end == blocks => Ok(whole),
        end => Err(gap(end, blocks)),
    }
}

fn gap(end: usize, next: usize) -> Error {
    let problem = format!("shards give blocks up to {end}, and the next is {next}");
    Error::usage(problem, "run the shards again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_all_blocks() {
        for (blocks, count) in [(10, 3), (2, 7), (0, 4), (1000, 1000)] {
            let of = |index| Shard { index, count }.of(blocks);
            assert_eq!((of(0).start, of(count - 1).end), (0, blocks));
            assert!((1..count).all(|index| of(index - 1).end == of(index).start));
        }
    }

    #[test]
    fn mistakes_in_shards_are_told() {
        let said = |text: &str| text.parse::<Shard>().err().unwrap_or_default();
        assert_eq!("3/4".parse(), Ok(Shard { index: 3, count: 4 }));
        assert!(said("4/4").contains("at most 3 of 4"));
        assert!(said("0/0").contains("at least one"));
        assert!(said("1").contains("I/N") && said("-1/4").contains("I/N"));
    }

    #[test]
    fn steps_grow_to_the_time_between() {
        let every = Duration::from_secs(60);
        assert_eq!(next_step(1, Duration::from_secs(2), every), 30);
        assert_eq!(next_step(30, Duration::from_secs(180), every), 10);
        assert_eq!(next_step(1, Duration::from_secs(200), every), 1);
    }
}
