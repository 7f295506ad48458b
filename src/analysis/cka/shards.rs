//! CKA over batches, divided into shards.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;

use super::Cka;
use crate::analysis::Observer;
use crate::analysis::session::kept_sides::{refuse_missing, refuse_running};
use crate::analysis::session::sides::{Known, Measuring};
use crate::analysis::shards::{
    Body, Facts, Head, Job, State, check_run, in_steps, joined, ordered, undivided,
};
use crate::capture::cka::{self as engine, Estimator, Outcome, Settings};
use crate::capture::part::Piece;
use crate::capture::{Feed, Progress, Reduce};
use crate::error::{Error, Result};
use crate::report::Clock;
use crate::report::cka::{CkaReport, CkaSettings};

/// A shard of a comparison.
struct OfShard<'a, 'b> {
    cka: &'a Cka,
    job: Cell<Option<Job<'b>>>,
    known: RefCell<(Facts, String)>,
}

/// A comparison whose shards were run.
struct OfStates<'a> {
    cka: &'a Cka,
    states: Cell<Vec<State>>,
    known: RefCell<(Facts, String)>,
}

impl Cka {
    /// Gathers what a shard has of the batches.
    ///
    /// # Errors
    /// The run cannot be divided, or as [`Cka::run`].
    pub fn shard(&self, job: Job<'_>, observer: &dyn Observer) -> Result<State> {
        self.settings().check(self.sides.data.load.batch_size)?;
        if self.sides.running.keep_state {
            return Err(undivided("a model that keeps its state runs over all samples in turn"));
        }
        if self.sides.models.len() > 2 {
            return Err(undivided("every pair of more than two models is compared by all samples"));
        }
        if self.sides.models.len() > 2 || !self.controls.is_empty() {
            return Err(undivided("it takes one model or two, and no controls"));
        }
        if !self.sides.features.is_empty() {
            return Err(undivided("representations are stored, and no network runs over them"));
        }
        let is_folder = |path: &PathBuf| path.is_dir();
        let models = &self.sides.models;
        refuse_running(models, &self.sides.running, self.sides.output_index)?;
        if models.iter().any(is_folder) && !models.iter().all(is_folder) {
            return Err(undivided("a model runs beside a folder of features"));
        }
        let (job, known) = (Cell::new(Some(job)), RefCell::default());
        Ok(self.sides.see(&OfShard { cka: self, job, known }, observer)?.found)
    }

    /// The run whose shards these states are of.
    ///
    /// # Errors
    /// As [`Cka::run`]; or the states are not those of all shards of this run.
    pub fn merged(&self, states: Vec<State>, observer: &dyn Observer) -> Result<CkaReport> {
        let clock = Clock::start();
        refuse_missing(&self.sides.models)?;
        let states = Cell::new(ordered(states)?);
        let measuring = OfStates { cka: self, states, known: RefCell::default() };
        let mut seen = self.sides.see(&measuring, observer)?;
        let device = measuring.known.take().1;
        if !device.is_empty() {
            seen.device = device;
        }
        let mut report = self.reported(seen, clock, observer)?;
        report.timing.total += report.timing.over_data();
        Ok(report)
    }

    /// What all shards have in common, except for the number of blocks.
    fn facts(&self, known: &Known<'_>) -> Result<Facts> {
        // What is divided is averaged over batches, whether that was asked for or chosen.
        let estimator = Estimator::Minibatch;
        let settings = CkaSettings { estimator, ..self.recorded(known.samples, known.device) };
        let mut facts = Facts::of(&settings, &self.sides.running)?;
        facts.add("--estimator", self.estimator);
        if self.estimator == Estimator::Auto {
            facts.add("--memory", self.memory);
        }
        known.models.iter().for_each(|model| facts.add_model(model));
        known.data.map_or(Ok(()), |data| facts.add_data(data, known.preprocess))?;
        Ok(facts)
    }
}

impl Measuring for OfShard<'_, '_> {
    type Found = State;

    fn reduce(&self) -> Reduce {
        self.cka.reduce
    }

    fn stored_batch(&self, samples: usize, widths: &[Vec<usize>]) -> usize {
        self.cka.stored_batch(samples, widths)
    }

    fn mixes(&self, samples: usize) -> bool {
        self.cka.mixes(samples)
    }

    fn in_parts(&self) -> bool {
        true
    }

    fn before(&self, known: &Known<'_>) -> Result<()> {
        *self.known.borrow_mut() = (self.cka.facts(known)?, known.device.to_owned());
        Ok(())
    }

    fn measure(&self, feed: &mut dyn Feed, progress: &mut dyn Progress) -> Result<State> {
        let settings = self.cka.settings();
        let mut job = self.job.take().ok_or_else(|| undivided("a shard is run once"))?;
        let blocks = engine::cut(feed, &settings)?.blocks();
        let (mut facts, device) = self.known.take();
        facts.add("blocks", blocks);
        let mut state = job.begun(Head::new("cka", job.shard, facts), Body::Hsic(None))?;
        check(&state, feed, &settings)?;
        if state.head.done {
            return Ok(state);
        }
        state.head.device = device;
        let before = state.take_hsic();
        let run = &mut |blocks| engine::part(feed, &settings, blocks, progress);
        let keep = &mut |piece| {
            state.body = Body::Hsic(Some(Box::new(piece)));
            (job.save)(&state)?;
            state.take_hsic().ok_or_else(|| undivided("what was kept is gone"))
        };
        let piece = in_steps(job.shard.of(blocks), before, job.every, run, keep)?;
        state.body = Body::Hsic(piece.map(Box::new));
        state.head.done = true;
        Ok(state)
    }
}

impl Measuring for OfStates<'_> {
    type Found = Outcome;

    fn reduce(&self) -> Reduce {
        self.cka.reduce
    }

    fn stored_batch(&self, samples: usize, widths: &[Vec<usize>]) -> usize {
        self.cka.stored_batch(samples, widths)
    }

    fn mixes(&self, samples: usize) -> bool {
        self.cka.mixes(samples)
    }

    fn in_order(&self) -> Option<usize> {
        self.cka.in_order()
    }

    fn in_parts(&self) -> bool {
        true
    }

    fn before(&self, known: &Known<'_>) -> Result<()> {
        self.known.borrow_mut().0 = self.cka.facts(known)?;
        Ok(())
    }

    fn measure(&self, feed: &mut dyn Feed, _: &mut dyn Progress) -> Result<Outcome> {
        let settings = self.cka.settings();
        let blocks = engine::cut(feed, &settings)?.blocks();
        let (mut facts, _) = self.known.take();
        facts.add("blocks", blocks);
        let mut states = self.states.take();
        self.known.borrow_mut().1 = check_run(&states, "cka", facts)?;
        states.iter().try_for_each(|state| check(state, feed, &settings))?;
        let pieces = states.iter_mut().filter_map(State::take_hsic);
        let none = || Error::usage("the data have no block", "give data with samples");
        let whole = joined(pieces, blocks)?.ok_or_else(none)?;
        engine::joined(feed, &settings, whole)
    }
}

/// Makes sure that what a state holds is of a feed.
fn check(state: &State, feed: &dyn Feed, settings: &Settings) -> Result<()> {
    let counts: Vec<usize> = feed.shapes().iter().map(Vec::len).collect();
    let (centring, cut) = (settings.bias.centring(), engine::cut(feed, settings)?);
    let first = |block| feed.samples().min(cut.first_batch(block) * feed.batch_size());
    state.check_hsic(feed.dataset(), |Piece { blocks, reading, sums }| {
        blocks.start <= blocks.end
            && blocks.end <= cut.blocks()
            && reading.samples() == first(blocks.end) - first(blocks.start)
            && sums.all(|block| block.is_of(centring, &counts))
    })
}
