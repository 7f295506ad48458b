//! Saliency maps against captum, pytorch-grad-cam, scipy and scikit-image, and against networks
//! whose maps are known in closed form.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests fail by panicking")]

mod batches;
mod cams;
mod closed_form;
mod comparison;
mod derivatives;
mod faithfulness;
mod maps;
mod mistakes;
mod smoothgrad;
mod support;
mod tolerances;
