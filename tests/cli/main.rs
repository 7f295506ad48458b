//! The command line end to end: what it prints and writes, what it finds on real models, and what
//! it says of mistakes.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests fail by panicking")]
#![allow(clippy::exit, reason = "a forked run ends as the program does")]

mod accuracy;
mod advice;
mod agreement;
mod arrays;
mod averages;
mod axes;
mod broken;
mod check;
mod check_output;
mod check_policy;
mod check_support;
mod compare;
mod data;
mod defaults;
mod demo;
mod diff;
mod distance;
mod draws;
mod examples;
mod features;
mod fid_cache;
mod fid_degenerate;
mod fid_golden;
mod fid_images;
mod fid_mistakes;
mod fid_options;
mod fid_output;
mod fid_statistics;
mod fid_support;
mod fid_usage;
mod folders;
mod forms;
mod gate;
mod golden;
mod kept;
mod layers;
mod manual;
mod maps;
mod mistakes;
mod model_inputs;
mod nulls;
mod options;
mod output;
mod own_steps;
mod pairs;
mod platonic;
mod quantized;
mod readme;
mod report;
mod reports;
mod saliency;
mod saliency_inputs;
mod seeds;
mod sensitivity;
mod shards;
mod sigmoids;
mod stitch;
mod support;
mod tokens;
mod tolerances;
mod track;
mod weights;
