//! How commands end.

/// Everything was done, or a check passed.
pub const DONE: u8 = 0;
/// A check found drift.
pub const DRIFT: u8 = 1;
/// The run could not be done.
pub const FAILED: u8 = 2;

/// How a command ended that wrote what it had to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Everything was done.
    Done,
    /// A value is beyond what was allowed.
    Drift,
    /// A part of the run failed and was reported.
    Failed,
}

impl From<Status> for u8 {
    fn from(status: Status) -> Self {
        match status {
            Status::Done => DONE,
            Status::Drift => DRIFT,
            Status::Failed => FAILED,
        }
    }
}
