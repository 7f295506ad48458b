//! Compare what neural networks represent.
//!
//! ```
//! use repsim::analysis::{Cka, Silent};
//!
//! # fn main() -> repsim::error::Result<()> {
//! # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
//! # let (a, b) = ("fashion-seed0-scripted.pt", "fashion-seed1-traced.pt");
//! # let (a, b) = (format!("{folder}/models/{a}"), format!("{folder}/models/{b}"));
//! # let photos = format!("{folder}/images");
//! let report = Cka::new(a, b).data(photos).layers(["layer?"]).limit(50).run(&Silent)?;
//! for best in report.results.best_matches.iter().flatten() {
//!     println!("{} is most like {}: {:.3}", best.layer_a, best.layer_b, best.cka);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Every analysis is such a request: a plain struct, its run, its report ([`analysis`]). The command line fills
//! one from its options, and writes what comes back.
//!
//! ```text
//! images / arrays ──► batches ──► model + taps ──► accumulators ──► result ──► report.json
//!     data               data      torchscript        stats        similarity     report
//! ```
//!
//! One direction, no loops: an image is decoded once, a batch is run once a model, an activation
//! is consumed inside the tap that produced it, and an accumulator is the only state that grows.
//!
//! The way of an image: [`data::Dataset::open`] finds its file, [`data::Dataset::batches`] lets a worker read, hash,
//! decode and resize it ([`data::Preprocess`]) and puts it into its row of a [`data::Batch`];
//! [`capture::ModelFeed`] makes a tensor of the batch and hands it to each [`torchscript::Model`].
//!
//! The way of an activation: the model's graph calls a tap right behind the operator that made it; the tap brings
//! its axes into one order ([`torchscript::Axes`]), reduces it to rows ([`capture::Reduce`]) and hands these to the
//! accumulator of its layer (Gram matrices and HSIC in [`capture::cka`], rows in [`capture::represent`], moments in
//! [`stats`]); then it is freed, and the next operator runs. After the last batch [`similarity`] makes values of what
//! was accumulated, and [`report`] puts them beside all that led to them.
//!
//! * [`data`]: image folders and arrays, decoding, preprocessing, batches.
//! * [`checkpoint`]: named tensors in files, and which of them belong to a model.
//! * [`torchscript`]: loading TorchScript archives, finding their layers, listening to them.
//! * [`stats`], [`linalg`]: accumulators over batches, and the linear algebra under them.
//! * [`similarity`]: CKA and HSIC, as formulas.
//! * [`frechet`]: distances of distributions: FID and its relatives.
//! * [`novelty`]: how far samples lie from a reference, and what that says about predictions.
//! * [`probe`]: how well classes can be read out of features, by simple models fitted on a part of the samples.
//! * [`classifier`]: what a classifier's output says, and how often it is right beside chance.
//! * [`saliency`]: which pixels a prediction rests on, and how alike two maps are.
//! * [`patterns`]: which samples and places drive a channel most, and what two channels share.
//! * [`functional`]: which channels a prediction rests on, and how it holds under perturbation.
//! * [`capture`]: the engine that runs models over data and feeds the accumulators.
//! * [`report`]: versioned results with their provenance.
//! * [`check`]: a report against a baseline and a policy, and what changed between two.
//! * [`render`]: heat maps, charts and sheets as SVG and PNG.
//! * [`view`]: what reports look like: on a page, in a terminal, as pictures.
//! * [`analysis`]: what is asked, run and reported: the library under the command line.
//! * [`demo`]: a program that uses it, on models that come with the crate.
//! * [`cli`]: the command line, and the only code that prints.

pub mod analysis;
pub mod capture;
pub mod check;
pub mod checkpoint;
pub mod classifier;
pub mod cli;
pub mod confine;
pub mod data;
pub mod demo;
pub mod error;
pub mod files;
pub mod frechet;
pub mod functional;
pub mod linalg;
pub mod novelty;
pub mod patterns;
pub mod probe;
pub mod render;
pub mod report;
pub mod saliency;
pub mod similarity;
pub mod stats;
pub mod torchscript;
pub mod view;
