//! Measures of similarity between representations: formulas only.
//!
//! A layer becomes a [`Representation`] once; a [`Pair`] of them is given to each [`Measure`], whose
//! [`Facts`] say what it is invariant to and what its values mean. [`null()`] holds a value against
//! permuted samples, [`interval`] says how sure it is, [`layer`] is about one layer alone.

mod absence;
mod best;
mod catalogue;
pub mod cka;
mod cluster;
mod facts;
mod halves;
mod hsic;
mod inner;
mod kernel;
pub mod layer;
pub mod matching;
mod measure;
mod neighbours;
mod null;
mod options;
mod pair;
mod parallel;
mod rdm;
mod representation;
mod table;
mod transport;

pub use absence::Absence;
pub use best::Matrix;
pub use cluster::{Merge, cluster};
pub use facts::{CKA, Facts, Invariance, Tolerance};
pub use halves::interval;
pub use hsic::{Bias, hsic_of_features};
pub use kernel::Kernel;
pub use measure::{MEASURES, Measure, kept_bytes, working_bytes};
pub use null::{Null, null};
pub use options::Options;
pub use pair::{MOST_UNITS, Pair, components_for};
pub use parallel::each;
pub use representation::{Products, Reduction, Representation};
pub use table::{Cell, Plan, Table, table};
