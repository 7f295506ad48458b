//! `repsim stats`: mean and covariance of features, to be used again.

use std::path::PathBuf;

use super::extract::ExtractArgs;
use super::fid::naming;
use super::output::Messages;
use super::outputs;
use super::sets::{Keep, Sets, statistics_of};
use crate::error::{Error, Result};
use crate::report::fid::few_samples;
use crate::torchscript::native;

/// Options of `repsim stats`.
#[derive(clap::Args)]
pub struct Args {
    /// A folder of images, or an array of images or of features (.npy, .npz, .safetensors)
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// The file to write: an .npz with mu and sigma, which pytorch-fid and clean-fid read too
    #[arg(long, short, value_name = "FILE.npz")]
    output: PathBuf,
    #[command(flatten)]
    extract: ExtractArgs,
}

/// Writes mean and covariance of a data set to a file.
///
/// # Errors
/// The data cannot be read or the file cannot be written; it is there whole or not at all.
pub fn run(args: &Args, messages: &Messages) -> Result<()> {
    if args.output.extension().is_none_or(|e| !e.eq_ignore_ascii_case("npz")) {
        let problem = "statistics are an .npz archive";
        return Err(Error::file("write", &args.output, problem, "end its name in .npz"));
    }
    args.extract.check()?;
    native::set_threads(args.extract.run.threads());
    let mut sets = Sets::new(&args.extract, messages, Keep::Moments);
    sets.check_axes(&[&args.data])?;
    let measured = sets.measure(&args.data).map_err(|e| naming(&args.data, e))?;
    let moments = measured.moments.as_ref().ok_or_else(|| {
        let problem = "it holds statistics already";
        Error::file("read", &args.data, problem, "give images or features")
    })?;
    let statistics = statistics_of(&args.data, moments, measured.origin)?;
    outputs::write(&args.output, &statistics.to_npz()?)?;
    let set = (args.data.display().to_string(), Some(moments.count()));
    let warnings = sets.noticed().into_iter().chain(sets.unused_model()).collect::<Vec<_>>();
    for warning in warnings.iter().chain(&few_samples(&[set], moments.width())) {
        messages.warning(warning);
    }
    let (path, n, width) = (args.output.display(), moments.count(), moments.width());
    messages.note(&format!("{path}: mean and covariance of {n} samples of {width} features"));
    Ok(())
}
