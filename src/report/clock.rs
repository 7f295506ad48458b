//! When a run began, and how long it took.

use std::time::Instant;

use jiff::{Timestamp, Unit};

use super::Timing;

/// The clock of a run: that of the wall for when it began, one that nobody sets for how long it took.
///
/// ```
/// use repsim::report::{Clock, Timing};
///
/// let clock = Clock::start();
/// let mut timing = Timing::default();
/// clock.stop(&mut timing);
/// assert!(timing.total >= 0.0);
/// assert!(timing.started.unwrap().to_string().ends_with('Z'));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Timestamp,
    since: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { started: Timestamp::now(), since: Instant::now() }
    }

    /// Seconds since the start.
    pub fn elapsed(&self) -> f64 {
        self.since.elapsed().as_secs_f64()
    }

    /// Writes down when it was started, to the second, and how long ago that is.
    pub fn stop(&self, timing: &mut Timing) {
        // A time so far off that it has no whole second is not the time of a run.
        timing.started = self.started.round(Unit::Second).ok();
        timing.total = self.elapsed();
    }
}
