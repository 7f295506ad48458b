//! Saliency maps against captum, pytorch-grad-cam, scipy and scikit-image, and against networks
//! whose maps are known in closed form; channels and attacks against their definitions in PyTorch.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests fail by panicking")]

mod attacks;
mod batches;
mod cams;
mod channels;
mod closed_form;
mod comparison;
mod derivatives;
mod faithfulness;
mod maps;
mod mistakes;
mod more_cams;
mod random;
mod shap;
mod smoothgrad;
mod stitching;
mod support;
mod tokens;
mod tolerances;
