//! `repsim cka`: how alike two networks are, layer by layer.

use std::path::PathBuf;

use super::args::ReduceArgs;
use super::command;
use super::gate::GateArgs;
use super::limits;
use super::output::{self, Messages};
use super::picture;
use super::results::ResultArgs;
use super::shard::{ShardArgs, given_results};
use super::sides::{SideArgs, SubjectArgs};
use super::status::Status;
use crate::analysis::{Cka, Job};
use crate::capture::cka::Estimator;
use crate::error::Result;
use crate::similarity::{Bias, Kernel};

/// Options of `repsim cka`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    subjects: SubjectArgs,
    #[command(flatten)]
    results: ResultArgs,
    /// Draw the matrix: FILE.png or FILE.svg
    #[arg(long, short, value_name = "FILE", alias = "heatmap")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    range: picture::RangeArgs,
    /// Also compare the layers of A with the corresponding ones of this model, such as an untrained one: a line to
    /// read the diagonal against, in the page and below the map of --plot. A runs again for each; may be repeated
    #[arg(long, value_name = "MODEL")]
    control: Vec<PathBuf>,
    #[command(flatten)]
    measure: MeasureArgs,
    #[command(flatten)]
    reduce: ReduceArgs,
    #[command(flatten)]
    sides: SideArgs,
    #[command(flatten)]
    shard: ShardArgs,
    #[command(flatten)]
    pub gate: GateArgs,
}

/// What is measured.
#[derive(clap::Args)]
struct MeasureArgs {
    /// full: all samples together, exact; minibatch: HSIC averaged over batches, memory independent of
    /// the number of samples; auto: full up to 512 samples or where layers have few features, else
    /// minibatch over 256 samples at a time, as far as half of --memory holds their features
    #[arg(long, value_name = "HOW", default_value = "auto", help_heading = "Measure")]
    estimator: Estimator,
    /// unbiased: HSIC₁ (Song et al. 2012), can be negative; biased: the plain definition, too high
    /// where samples are few
    #[arg(long, value_name = "WHICH", default_value = "unbiased", help_heading = "Measure")]
    bias: Bias,
    /// linear, rbf, or rbf:FRACTION of the median distance as bandwidth (rbf is rbf:0.5)
    #[arg(long, value_name = "KERNEL", default_value = "linear", help_heading = "Measure",
          value_parser = limits::kernel)]
    kernel: Kernel,
    /// Memory for Gram matrices and kept features of the full estimator; where it does not
    /// suffice, the models run several times
    #[arg(long, value_name = "SIZE", default_value = "4GiB", help_heading = "Measure",
          value_parser = limits::bytes)]
    memory: u64,
}

/// Compares the layers of two models, of one with itself, of every pair of several, or of stored representations.
///
/// # Errors
/// Anything that keeps the comparison from being made; nothing is written then.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    if args.shard.is_asked() {
        let request = args.request()?;
        let refused = [("--plot", args.plot.is_some()), ("--control", !args.control.is_empty())];
        let refused = [&refused[..], &given_results(&args.results, &args.gate)].concat();
        let work = |job: Job<'_>| request.shard(job, messages);
        return args.shard.run(args.results.output.as_deref(), &refused, messages, work);
    }
    if args.subjects.models.len() > 2 {
        return every_pair(args, messages);
    }
    let gate = args.gate.prepare("cka", args.results.place()?)?;
    let request = args.request()?;
    args.plot.as_deref().map_or(Ok(()), picture::check)?;
    let observer = messages.without_asides(args.results.format.is_none());
    let report = match args.shard.states()? {
        Some(states) => request.merged(states, &observer).map(command::signed)?,
        None => request.run(&observer).map(command::signed)?,
    };
    if let Some(path) = &args.plot {
        picture::plot_over(&report, path, &args.range)?;
    }
    output::show(&report, &args.results, messages)?;
    gate.finish(&report, Status::Done, messages)
}

fn every_pair(args: &Args, messages: &Messages) -> Result<Status> {
    let gate = args.gate.prepare("pairs", args.results.place()?)?;
    let request = args.request()?;
    args.plot.as_deref().map_or(Ok(()), picture::check)?;
    let mut report = request.run_pairs(messages).map(command::signed)?;
    if let Some(path) = &args.plot {
        picture::plot_over(&report, path, &args.range)?;
        let shows = "CKA of every pair";
        report.pictures = vec![picture::written(shows, path, args.results.output.as_deref())?];
    }
    output::show(&report, &args.results, messages)?;
    gate.finish(&report, Status::Done, messages)
}

impl Args {
    /// What is asked for.
    ///
    /// # Errors
    /// Options that do not go together.
    pub fn request(&self) -> Result<Cka> {
        Ok(Cka {
            estimator: self.measure.estimator,
            bias: self.measure.bias,
            kernel: self.measure.kernel,
            reduce: self.reduce.reduce,
            memory: self.measure.memory,
            controls: self.control.clone(),
            ..Cka::of(self.sides.request("cka", &self.subjects)?)
        })
    }
}
