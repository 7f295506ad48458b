//! Data sources: image folders and arrays, decoded, preprocessed and batched on other threads.
//!
//! ```text
//! path ──► Dataset ──► workers: read ─► hash ─► decode ─► preprocess ──► Batches ──► Batch
//!          (nothing decoded yet)                                         (in order)
//! ```
//!
//! [`Dataset::open`] tells what a path holds, [`Preprocess`] says what is done to each sample, and
//! [`Dataset::batches`] runs both on worker threads a few batches ahead of whoever takes them. The
//! same input gives the same bytes, whatever the number of workers. [`features`] reads stored
//! representations, which need none of this, and [`statistics`] their means and covariances.

mod batches;
mod classes;
mod dataset;
pub mod degrade;
mod dtype;
pub mod features;
mod fingerprint;
mod floats;
mod layer_file;
mod loader;
mod preprocess;
pub mod resize;
mod source;
pub mod statistics;
mod transform;

pub use batches::{Batch, Batches, Enlarged, InputBatch, Layout, LoadOptions, Skipped, Summary};
pub use classes::{Classes, without_gaps};
pub use dataset::{Dataset, mixed_order};
pub use fingerprint::{Digest, copies, digest};
pub use layer_file::{FloatFormat, LayerHead, LayerMark, LayerReader, LayerWriter, in_hexadecimal};
pub use preprocess::{Channels, Crop, FloatRange, LONGEST_SIDE, Preprocess, Preset, Range, Resize};
pub use resize::Interpolation;
pub use source::{
    ArrayLayout, InputArray, SourceKind, Spool, Tokenized, Tokenizing, is_picture, npy_of_bytes,
    npz_of_floats,
};
