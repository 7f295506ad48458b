//! `repsim stats`: mean and covariance of features, to be used again.

use std::path::PathBuf;

use super::extract::ExtractArgs;
use super::output::Messages;
use super::outputs;
use super::shard::ShardArgs;
use crate::analysis::{Job, Stats};
use crate::error::{Error, Result};

/// Options of `repsim stats`.
#[derive(clap::Args)]
pub struct Args {
    /// A folder of images or of repsim features, or an array of images or of features (.npy, .npz, .safetensors)
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// The file to write: an .npz with mu and sigma, which pytorch-fid and clean-fid read too
    #[arg(long, short, value_name = "FILE.npz")]
    output: PathBuf,
    #[command(flatten)]
    extract: ExtractArgs,
    #[command(flatten)]
    shard: ShardArgs,
}

/// Writes mean and covariance of a data set to a file.
///
/// # Errors
/// The data cannot be read or the file cannot be written; it is there whole or not at all.
pub fn run(args: &Args, messages: &Messages) -> Result<()> {
    let request = Stats { extraction: args.extract.request()?, ..Stats::new(&args.data) };
    if args.shard.is_asked() {
        let work = |job: Job<'_>| request.shard(job, messages);
        return args.shard.run(Some(&args.output), &[], messages, work).map(drop);
    }
    if args.output.extension().is_none_or(|e| !e.eq_ignore_ascii_case("npz")) {
        let problem = "statistics are an .npz archive";
        return Err(Error::file("write", &args.output, problem, "end its name in .npz"));
    }
    let statistics = match args.shard.states()? {
        Some(states) => request.merged(states, messages)?,
        None => request.run(messages)?,
    };
    outputs::write(&args.output, &statistics.to_npz()?)?;
    let (path, n) = (args.output.display(), statistics.samples.unwrap_or_default());
    let width = statistics.mean.len();
    messages.note(&format!("{path}: mean and covariance of {n} samples of {width} features"));
    Ok(())
}
