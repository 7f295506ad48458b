//! Running models over data and feeding what their layers give into accumulators.
//!
//! The engine of the commands: it takes loaded models, a data set and settings, and returns plain
//! results. It never prints; progress goes through [`Progress`].

use serde::{Deserialize, Serialize};

mod averaged;
mod batches;
pub mod cka;
mod distinct;
mod estimator;
pub mod extract;
mod features;
mod feed;
mod full;
pub mod gather;
mod judge;
pub mod keep;
pub mod kept;
mod laid;
pub mod maps;
mod minibatch;
pub mod pairs;
pub mod part;
pub mod patterns;
mod placed;
mod plan;
mod projection;
mod reduce;
pub mod represent;
mod resident;
mod rows;
mod seen;
mod shared;
mod spatial;
pub mod stored;
mod watched;

pub use averaged::Averaged;
pub use batches::{each_batch, first_samples};
pub use feed::{Absence, Absences, Feed, ModelFeed, Source, Spreads, Subject};
pub use judge::{Judge, Judged, Naming};
pub use minibatch::HsicBlock;
pub use placed::{to_tensor, token_mask};
pub use plan::bytes_text;
pub use projection::distortion;
pub use reduce::{Reduce, Tokens};
pub use watched::LayersSeen;

/// Told how far a run has come.
pub trait Progress {
    /// A pass over so many images begins.
    fn begin(&mut self, pass: usize, passes: usize, images: usize);
    /// So many images more are done.
    fn advance(&mut self, images: usize);
    /// A layer has run on the batch that is worked on.
    fn layer(&mut self, _at: LayersSeen<'_>) {}
    /// What the passes that begin next are over: `set 2 of 5`.
    fn about(&mut self, _what: &str) {}
    /// The passes are over.
    fn end(&mut self);
}

/// Nothing is reported.
pub struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _: usize, _: usize, _: usize) {}
    fn advance(&mut self, _: usize) {}
    fn end(&mut self) {}
}

/// Where the time of a run went, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Reading, decoding and resizing, summed over the threads that do it.
    pub decode: f64,
    /// Waiting for decoded images.
    pub wait: f64,
    /// In the networks, without the taps.
    pub forward: f64,
    /// In the taps and in the sums after them.
    pub measure: f64,
}

impl Timing {
    /// Adds another one.
    pub fn add(&mut self, more: &Self) {
        self.decode += more.decode;
        self.wait += more.wait;
        self.forward += more.forward;
        self.measure += more.measure;
    }

    /// What was added after another one.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            decode: self.decode - before.decode,
            wait: self.wait - before.wait,
            forward: self.forward - before.forward,
            measure: self.measure - before.measure,
        }
    }
}
