//! `repsim distance`: how far samples lie from a reference, and whether that tells right
//! predictions from wrong ones.

use std::path::{Path, PathBuf};

use super::command;
use super::extract::ExtractArgs;
use super::gate::GateArgs;
use super::limits;
use super::output::{self, Messages};
use super::results::ResultArgs;
use super::shard::{ShardArgs, given_results};
use super::status::Status;
use super::{outputs, picture};
use crate::analysis::{Distance, Job};
use crate::data::ArrayLayout;
use crate::error::{Error, Result};
use crate::report::distance::DistanceReport;
use crate::report::rows;

/// Options of `repsim distance`.
#[derive(clap::Args)]
pub struct Args {
    /// What the model knows: a folder of images (sub-folders are classes), or an array of images or
    /// of features (.npy, .npz, .safetensors; an array `labels` beside it holds the classes)
    #[arg(value_name = "REFERENCE")]
    reference: PathBuf,
    /// The samples to measure, in any of these forms
    #[arg(value_name = "DATA")]
    data: PathBuf,
    #[command(flatten)]
    results: ResultArgs,
    /// Write one row per sample to FILE.jsonl or FILE.csv
    #[arg(long, value_name = "FILE")]
    per_sample: Option<PathBuf>,
    /// Draw accuracy against distance: FILE.png or FILE.svg
    #[arg(long, short, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Which nearest neighbour's distance is used
    #[arg(long, value_name = "K", default_value_t = 10, help_heading = "Measure",
          value_parser = limits::COUNT)]
    k: usize,
    /// As --layout, for the reference only
    #[arg(long, value_name = "ORDER", help_heading = "Data")]
    reference_layout: Option<ArrayLayout>,
    #[command(flatten)]
    extract: ExtractArgs,
    #[command(flatten)]
    shard: ShardArgs,
    #[command(flatten)]
    pub gate: GateArgs,
}

/// Measures every sample of the data against the reference.
///
/// # Errors
/// Anything that keeps the measurement from being made; nothing is written then.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    let request = args.request()?;
    if args.shard.is_asked() {
        let refused =
            [("--plot", args.plot.is_some()), ("--per-sample", args.per_sample.is_some())];
        let refused = [&refused[..], &given_results(&args.results, &args.gate)].concat();
        let work = |job: Job<'_>| request.shard(job, messages);
        return args.shard.run(args.results.output.as_deref(), &refused, messages, work);
    }
    args.per_sample.as_deref().map_or(Ok(()), check_rows)?;
    args.plot.as_deref().map_or(Ok(()), picture::check)?;
    let gate = args.gate.prepare("distance", args.results.place()?)?;
    let (report, samples) = match args.shard.states()? {
        Some(states) => request.merged(states, messages)?,
        None => request.run(messages)?,
    };
    let report = command::signed(report);
    if let Some(path) = &args.per_sample {
        let csv = picture::is(path, "csv");
        let bytes = if csv { rows::csv(&samples)? } else { rows::jsonl(&samples)? };
        outputs::write(path, &bytes)?;
    }
    output::show(&report, &args.results, messages)?;
    args.plot.as_deref().map_or(Ok(()), |path| draw(path, &report))?;
    gate.finish(&report, Status::Done, messages)
}

impl Args {
    fn request(&self) -> Result<Distance> {
        Ok(Distance {
            k: self.k,
            needs_labels: self.plot.is_some(),
            reference_layout: self.reference_layout,
            extraction: self.extract.request()?,
            ..Distance::new(&self.reference, &self.data)
        })
    }
}

/// Draws accuracy by decile of each score.
fn draw(path: &Path, report: &DistanceReport) -> Result<()> {
    if report.results.prediction.is_none() {
        let reason = report.results.nulls.first().map_or("", |null| null.reason.as_str());
        let problem = format!("there is no accuracy: {reason}");
        return Err(Error::file("draw", path, problem, "leave --plot out"));
    }
    picture::plot(report, path)
}

/// Checks that the format of a file of rows is known.
fn check_rows(path: &Path) -> Result<()> {
    match picture::is(path, "jsonl") || picture::is(path, "csv") {
        true => Ok(()),
        false => {
            let remedy = "end its name in .jsonl or .csv";
            Err(Error::file("write", path, "unsupported file extension", remedy))
        }
    }
}
