//! How far apart two sets of features lie: the Fréchet distance and its relatives.
//!
//! | module | what it gives |
//! |---|---|
//! | [`Gaussian`] | the Fréchet distance (FID) with its parts and its error bound |
//! | [`infinity`](mod@infinity) | FID∞: extrapolated to infinitely many samples |
//! | [`kid`] | the kernel distance KID, unbiased |
//! | [`cmmd`] | the discrepancy with a Gaussian kernel, CMMD |
//! | [`prdc`] | precision, recall, density, coverage |
//! | [`classes`] | the Fréchet distance of each class |
//! | [`mod@inception`], [`mod@vendi`] | the Inception Score and the Vendi Score, of a set by itself |
//! | [`authenticity`], [`copying`] | AuthPct and C_T: copies of the training samples |
//! | [`scores`] | all that is wanted of many candidates against one reference |

pub mod authenticity;
pub mod classes;
pub mod cmmd;
pub mod copying;
mod gaussian;
pub mod inception;
pub mod infinity;
pub mod kid;
mod numpy_order;
pub mod prdc;
pub mod scores;
pub mod vendi;

pub use gaussian::{Distance, Gaussian, check_widths, mean_of};
pub use scores::{Alone, Beside, FeatureSet, Metric, Scorer, Scores, Settings};
