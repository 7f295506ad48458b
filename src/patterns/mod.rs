//! What input patterns the units of a layer answer to: the samples that drive each channel most, the part
//! of the image it looks at there, how selective it is for classes, and what two channels have in common.
//!
//! * [`Window`], [`Fields`]: receptive fields, the part of the input that a unit depends on.
//! * [`Extremes`]: the samples with the largest or smallest values, in one pass and bounded memory.
//! * [`class_selectivity`], [`entropy`]: whether a channel answers to some classes more than to others.
//! * [`Shared`], [`Overlap`], [`holm`]: samples that two channels have in common, against chance.

mod extremes;
mod overlap;
mod receptive;
mod selectivity;

pub use extremes::{End, Extremes, Peak};
pub use overlap::{Overlap, SAME_PLACE, Seen, Shared, holm};
pub use receptive::{Fields, Window};
pub use selectivity::{class_selectivity, entropy};
