//! Data sources, preprocessing and loading, from paths to batches.

#![allow(clippy::unwrap_used, missing_docs)]

mod arrays;
mod features;
mod fid_resize;
mod folders;
mod formats;
mod loading;
mod mistakes;
mod pixels;
mod records;
mod resize;
mod statistics;
mod support;
