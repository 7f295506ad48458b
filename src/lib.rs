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
//! * [`checkpoint`]: named tensors in files, and which of them belong to a model.
//! * [`torchscript`]: loading TorchScript archives, finding their layers, listening to them.
//! * [`stats`], [`linalg`]: accumulators over batches, and the linear algebra under them.
//! * [`similarity`]: CKA and HSIC, as formulas.
//! * [`frechet`]: distances of distributions: FID and its relatives.
//! * [`novelty`]: how far samples lie from a reference, and what that tells of predictions.
//! * [`classifier`]: what a classifier's output says, and how often it is right beside chance.
//! * [`saliency`]: which pixels a prediction rests on, and how alike two maps are.
//! * [`functional`]: which channels a prediction rests on, and how it holds under perturbation.
//! * [`capture`]: the engine that runs models over data and feeds the accumulators.
//! * [`report`]: versioned results with their provenance.
//! * [`check`]: a report against a baseline and a policy, and what changed between two.
//! * [`render`]: heat maps, charts and sheets as SVG and PNG.
//! * [`view`]: what reports look like: on a page, in a terminal, as pictures.
//! * [`analysis`]: what is asked, run and reported: the library under the command line.
//! * [`cli`]: the command line, and the only code that prints.

pub mod analysis;
pub mod capture;
pub mod check;
pub mod checkpoint;
pub mod classifier;
pub mod cli;
pub mod data;
pub mod error;
pub mod files;
pub mod frechet;
pub mod functional;
pub mod linalg;
pub mod novelty;
pub mod render;
pub mod report;
pub mod saliency;
pub mod similarity;
pub mod stats;
pub mod torchscript;
pub mod view;
