//! Accumulators that take batches: the only state that grows with the data.

mod channels;
mod cross;
mod hsic;
mod moments;

pub use channels::{ChannelMoments, ChannelSums};
pub use cross::{LayerMoments, PairMoments, PairProducts};
pub use hsic::{HsicSums, HsicTable, least_samples};
pub use moments::Moments;
