//! The observer of a run: what was decided on the way, how far it is, and its warnings.

use crate::capture::Progress;
pub use crate::capture::Silent;
use crate::error::Error;
use crate::report::Warning;

/// Follows a run. Every method does nothing where it is not overridden.
pub trait Observer {
    /// What a person may want to know: which layers were taken, which preprocessing.
    fn note(&self, _text: &str) {}

    /// What was decided during the run.
    fn detail(&self, _text: &str) {}

    /// What stands beside the results: how often a classifier is right.
    fn aside(&self, _text: &str) {}

    /// A warning, which is in the report too.
    fn warning(&self, _warning: &Warning) {}

    /// Why a part of the run failed; the others go on.
    fn failed(&self, _error: &Error) {}

    /// How far the passes over the samples are.
    fn passes(&self) -> Box<dyn Progress> {
        Box::new(Silent)
    }

    /// How many of `count` steps of one kind are done, until it is dropped.
    fn steps(&self, _what: &str, _count: usize) -> Box<dyn Steps> {
        Box::new(Silent)
    }
}

/// Steps of one kind.
pub trait Steps: Sync {
    /// One more is done.
    fn advance(&self) {}
}

/// Nobody follows.
impl Observer for Silent {}

impl Steps for Silent {}
