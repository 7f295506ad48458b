//! The random numbers that models draw in evaluation: the same for every model, pass and command.
//!
//! Before every batch, and before every run of a model that draws, libtorch's generator is set by two numbers, the seed
//! that was asked for and the place of the batch in the data. So two copies of one network draw the same, whichever
//! runs first, and a batch that runs again (for another part of its layers, for another step along a path) meets the
//! same network.
//!
//! The generator is one for the process. A model that draws keeps it while it runs, so that models on several
//! threads do not disturb each other.

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};

thread_local! {
    static SEED: Cell<u64> = const { Cell::new(0) };
    static BATCH: Cell<u64> = const { Cell::new(0) };
    /// Runs of this thread that keep the generator, one within the other.
    static RUNS: Cell<usize> = const { Cell::new(0) };
}

static GENERATOR: Mutex<()> = Mutex::new(());

/// Keeps libtorch's generator from the runs of other threads for as long as it lives.
#[must_use]
pub(super) struct Kept {
    _guard: Option<MutexGuard<'static, ()>>,
}

impl Kept {
    fn new() -> Self {
        let within = RUNS.replace(RUNS.get() + 1) > 0;
        let lock = || GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
        Self { _guard: (!within).then(lock) }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        RUNS.set(RUNS.get() - 1);
    }
}

/// Sets the seed of all draws from now on, and goes back to the first batch.
pub fn set_seed(seed: u64) {
    SEED.set(seed);
    BATCH.set(0);
}

/// From now on the batch at this place, from 0, is run.
pub fn begin_batch(place: usize) {
    BATCH.set(place as u64);
    drop(begin_run());
}

/// The seed that was set last.
pub fn seed() -> u64 {
    SEED.get()
}

/// Sets libtorch's generator for a run, and keeps it.
pub(super) fn begin_run() -> Kept {
    let kept = Kept::new();
    tch::manual_seed(mixed(SEED.get(), BATCH.get()) as i64);
    kept
}

/// The same for a run that finds layers, by the number of the run.
pub(super) fn begin_probe(run: u64) -> Kept {
    let kept = Kept::new();
    tch::manual_seed(mixed(u64::MAX - run, 0) as i64);
    kept
}

/// SplitMix64 of the seed, moved on by the batch.
fn mixed(seed: u64, batch: u64) -> u64 {
    let scramble = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    scramble(scramble(seed).wrapping_add(batch.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_and_batches_are_told_apart() {
        let mut found: Vec<u64> = vec![];
        for seed in 0..20 {
            found.extend((0..20).map(|batch| mixed(seed, batch)));
        }
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), 400);
    }

    #[test]
    fn a_run_keeps_the_generator_from_other_threads() {
        let outer = begin_run();
        drop(begin_probe(0));
        std::thread::scope(|scope| {
            let other = scope.spawn(|| begin_batch(3));
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert!(!other.is_finished());
            drop(outer);
        });
    }
}
