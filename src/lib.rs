//! Compare what neural networks represent.
//!
//! ```text
//! images / arrays ──► batches ──► model + taps ──► accumulators ──► result ──► report.json
//!     data               data      torchscript        stats        similarity     report
//! ```
//!
//! One direction, no loops: an image is decoded once, a batch is run once a model, an activation
//! is consumed inside the tap that produced it, and an accumulator is the only state that grows.
//!
//! * [`data`]: image folders and arrays, decoding, preprocessing, batches.
//! * [`torchscript`]: loading TorchScript archives, finding their layers, listening to them.
//! * [`stats`], [`linalg`]: accumulators over batches, and the linear algebra under them.
//! * [`similarity`]: the measures, as formulas.
//! * [`capture`]: the engine that runs models over data and feeds the accumulators.
//! * [`report`]: versioned results with their provenance.
//! * [`render`]: heat maps as SVG and PNG.
//! * [`cli`]: the command line, and the only code that prints.

pub mod capture;
pub mod cli;
pub mod data;
pub mod error;
pub mod frechet;
pub mod linalg;
pub mod novelty;
pub mod render;
pub mod report;
pub mod saliency;
pub mod similarity;
pub mod stats;
pub mod torchscript;
