//! Accumulators that take batches: the only state that grows with the data.

mod blocks;
mod channels;
mod correlations;
mod cross;
mod hsic;
mod moments;
pub mod packed;
mod resampling;

pub use blocks::{Blocks, Division, Sum};
pub use channels::{Channel, ChannelMoments, ChannelSums};
pub use correlations::Correlations;
pub use cross::{LayerMoments, PairMoments, PairProducts};
pub use hsic::{HsicSums, HsicTable, least_samples, normaliser};
pub use moments::Moments;
pub use resampling::{Draws, percentiles};
