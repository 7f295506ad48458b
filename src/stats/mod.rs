//! Accumulators that take batches: the only state that grows with the data.

mod cross;
mod hsic;

pub use cross::{LayerMoments, PairMoments, PairProducts};
pub use hsic::{HsicSums, HsicTable, least_samples};
