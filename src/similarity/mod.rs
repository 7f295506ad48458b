//! Measures of similarity between representations: formulas only.

pub mod cka;
mod facts;
mod hsic;
mod kernel;
pub mod matching;

pub use facts::{CKA, Facts, Invariance};
pub use hsic::{Bias, hsic_of_features};
pub use kernel::Kernel;
