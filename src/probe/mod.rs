//! Probes: how well classes or numbers can be read out of features, by simple models fitted on a part of the samples.
//!
//! Linear ones (ridge, multinomial logistic), k nearest neighbours and nearest class means, as scikit-learn defines
//! them, in float64. Formulas only: no networks, files or printing.

mod evaluate;
mod folds;
mod kind;
mod lbfgs;
mod logistic;
mod neighbours;
mod ridge;
mod scaling;
mod scores;
mod span;

pub use evaluate::{Answers, Classified, Grids, Plan, Regressed, classify, regress};
pub use folds::{Part, folds, permuted_within, split};
pub use kind::Kind;
pub use lbfgs::{Minimum, Stop, minimise};
pub use logistic::{Logistic, Objective, choose_cost};
pub use neighbours::{nearest, nearest_means, vote};
pub use ridge::{Linear, Ridge, indicators};
pub use scaling::Scaling;
pub use scores::{confusion, r2};
pub use span::Span;
