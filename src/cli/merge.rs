//! `repsim merge`: the report of a run from the states of its shards.

use std::path::PathBuf;

use super::status::Status;
use crate::error::{Error, Result};

/// Options of `repsim merge`; the rest is as in the run of the shards.
#[derive(clap::Args)]
pub struct Args {
    /// The state of each shard, in any order
    #[arg(value_name = "STATE", required = true)]
    states: Vec<PathBuf>,
    /// Write what the whole run would have written: the report to FILE.json, or its table to FILE.csv, .tsv or
    /// .md; for `stats` the statistics to FILE.npz
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What standard output gets, as --format of the run: json, table, md, csv or tsv [default: that of the run]
    #[arg(long, short, value_name = "FORMAT")]
    format: Option<String>,
    /// Draw the picture of the run: FILE.png or FILE.svg
    #[arg(long, short, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// For `repsim distance`, write one row per sample to FILE.jsonl or FILE.csv
    #[arg(long, value_name = "FILE")]
    per_sample: Option<PathBuf>,
    /// Where the models are prepared (they do not run over the samples): auto, cpu, cuda or cuda:N [default: as in
    /// the first shard]
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Load archives whose code reads or writes files or reaches other processes, as the shards did
    #[arg(long)]
    trust_model: bool,
}

/// Says that states could not be merged: a command line that can be is that of their run by now.
///
/// # Errors
/// Always.
pub fn run(_: &Args) -> Result<Status> {
    Err(Error::usage("the states were not merged", "please report this with the command you ran"))
}
