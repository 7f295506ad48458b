//! How far samples lie from what a reference holds, and whether that tells right predictions from
//! wrong ones.
//!
//! * [`Mahalanobis`]: from the mean of the nearest class, in units of the spread within classes.
//! * [`Neighbours`]: from the k-th nearest reference sample.
//! * [`Classes`]: means of classes and the covariance within them.
//! * [`predictions`]: what a classifier says, and how sure it is: the baseline.
//! * [`auroc`], [`deciles`]: distances as scores against what was right.

mod classes;
mod confidence;
mod mahalanobis;
mod neighbours;
mod ranking;

pub use classes::Classes;
pub use confidence::{Prediction, predictions};
pub use mahalanobis::{Mahalanobis, Nearest, Shrunk, oracle_approximating};
pub use neighbours::Neighbours;
pub use ranking::{Bin, auroc, deciles};
