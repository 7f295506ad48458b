//! What the output of a classifier says: its form, the classes it stands for, and how often it is
//! right beside chance.
//!
//! * [`OutputForm`]: logits, probabilities of classes or each of its own, or log-probabilities.
//! * [`numbered`]: the class of each sample by the number of its output.
//! * [`Tally`], [`Accuracy`]: predictions counted batch by batch, held against chance.

mod accuracy;
mod classes;
mod compared;
mod form;

pub use accuracy::{Accuracy, LEVEL, Tally, at_least, prediction};
pub use classes::{Matched, Numbering, numbered, numbered_in_two, unlike};
pub use compared::{
    ComparedOutputs, OutputPair, Unlike, bounds_of_disagreement, jensen_shannon, probabilities,
};
pub use form::{Ending, Forms, OutputForm};
