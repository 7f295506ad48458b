//! How far apart two sets of features lie: the Fréchet distance and its relatives.
//!
//! | module | what it gives |
//! |---|---|
//! | [`Gaussian`] | the Fréchet distance (FID) with its parts and its error bound |
//! | [`infinity`](mod@infinity) | FID∞: extrapolated to infinitely many samples |
//! | [`kid`] | the kernel distance KID, unbiased |
//! | [`prdc`] | precision, recall, density, coverage |
//! | [`scores`] | all that is wanted of many candidates against one reference |

mod gaussian;
pub mod infinity;
pub mod kid;
pub mod prdc;
pub mod scores;

pub use gaussian::{Distance, Gaussian};
pub use scores::{FeatureSet, Metric, Scorer, Scores, Settings};
