//! `repsim fid`: how far sets of samples lie from a reference.

use std::path::{Path, PathBuf};

use super::command;
use super::extract::ExtractArgs;
use super::gate::GateArgs;
use super::judging::CandidateArgs;
use super::limits;
use super::output::{self, Messages};
use super::results::check_apart;
use super::shard::ShardArgs;
use super::status::Status;
use super::{outputs, picture, terminal};
use crate::analysis::{Fid, Job, Spatial};
use crate::data::ArrayLayout;
use crate::error::{Error, Result};
use crate::frechet::{Metric, inception};
use crate::report::fid::{Candidate, FidReport};
use crate::view::Form;
use crate::view::fid::Rows;

/// Options of `repsim fid`.
#[derive(clap::Args)]
pub struct Args {
    /// What the candidates are compared with: a folder of images, an array of images or of features (.npy, .npz,
    /// .safetensors), or a statistics file (.npz with mu and sigma)
    #[arg(value_name = "REFERENCE")]
    reference: PathBuf,
    /// Sets in any of these forms
    #[arg(value_name = "CANDIDATE", required = true)]
    candidates: Vec<PathBuf>,
    /// Write the report to FILE.json, or one row per candidate to FILE.csv, .tsv, .jsonl or .md; - for
    /// standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What standard output gets: json (the report), table, md, or one row per candidate as csv, tsv or
    /// jsonl [default: table on a terminal, else json, nothing with --output]
    #[arg(long, short, value_name = "FORMAT", value_enum)]
    format: Option<Format>,
    /// Exit with 1 if a candidate's score, by the first of --metrics that is a distance, is above this
    #[arg(long, value_name = "X", allow_hyphen_values = true, value_parser = limits::VALUE)]
    fail_above: Option<f64>,
    /// Cache mean and covariance of image sets in this folder, keyed by their content (not for metrics that need
    /// samples, nor for sets with skipped files)
    #[arg(long, value_name = "DIR")]
    stats_cache: Option<PathBuf>,
    #[command(flatten)]
    measure: MeasureArgs,
    /// As --layout, for the reference only
    #[arg(long, value_name = "ORDER", help_heading = "Data")]
    reference_layout: Option<ArrayLayout>,
    #[command(flatten)]
    extract: ExtractArgs,
    #[command(flatten)]
    shard: ShardArgs,
    #[command(flatten)]
    pub gate: GateArgs,
    #[command(flatten)]
    new_candidates: CandidateArgs,
}

/// What is measured.
#[derive(clap::Args)]
struct MeasureArgs {
    /// fid, kid, prdc (precision, recall, density, coverage), fid-inf (for infinitely many samples), sfid (of a
    /// spatial layer), class-fid (the mean over classes), cmmd, isc (Inception Score of the model's logits), vendi,
    /// authpct, ct (copies of the reference)
    #[arg(
        long,
        value_name = "LIST",
        default_value = "fid",
        value_delimiter = ',',
        help_heading = "Measure"
    )]
    metrics: Vec<Metric>,
    /// Which nearest neighbour's distance is the radius around a sample, for prdc
    #[arg(long, value_name = "K", default_value_t = 5, help_heading = "Measure",
          value_parser = limits::COUNT)]
    k: usize,
    /// Random subsets of KID
    #[arg(long, value_name = "N", default_value_t = 100, help_heading = "Measure",
          value_parser = limits::SUBSETS)]
    kid_subsets: usize,
    /// Samples in a subset of KID; smaller sets use all of theirs
    #[arg(long, value_name = "N", default_value_t = 1000, help_heading = "Measure",
          value_parser = limits::TWO_OR_MORE)]
    kid_subset_size: usize,
    /// Number of parts that isc splits the samples into
    #[arg(long, value_name = "N", help_heading = "Measure", value_parser = limits::SUBSETS,
          hide_short_help = true)]
    isc_splits: Option<usize>,
    /// Split samples for isc in their order, not shuffled as torch-fidelity does by default
    #[arg(long, help_heading = "Measure", hide_short_help = true)]
    isc_in_order: bool,
    /// Samples of the reference's kind that the generator was not trained on, for ct; the reference is then the
    /// training set
    #[arg(long, value_name = "SET", help_heading = "Measure")]
    held_out: Option<PathBuf>,
    /// The layer of sfid, which takes a separate pass
    #[arg(long, value_name = "NAME", help_heading = "Measure")]
    sfid_layer: Option<String>,
    /// How many of its channels are used, from the first [default: 7]
    #[arg(long, value_name = "N", help_heading = "Measure", value_parser = limits::COUNT,
          hide_short_help = true)]
    sfid_channels: Option<usize>,
    /// Seed of the random subsets of KID and FID∞ and the clusters of ct [default: follows from --seed]
    #[arg(long, value_name = "SEED", help_heading = "Random numbers", value_parser = limits::SEED,
          hide_short_help = true)]
    subset_seed: Option<u64>,
}

/// Channels of a spatial layer that the guided-diffusion suite takes.
const SPATIAL_CHANNELS: usize = 7;

impl MeasureArgs {
    fn wants(&self, metric: Metric) -> bool {
        self.metrics.contains(&metric)
    }

    /// Metrics without what they need, and options of metrics that were not asked for.
    fn check(&self) -> Result<()> {
        let needs = [
            (Metric::Ct, "--held-out", self.held_out.is_some(), "SET"),
            (Metric::Sfid, "--sfid-layer", self.sfid_layer.is_some(), "NAME"),
        ];
        for (metric, option, is_given, value) in needs {
            if self.wants(metric) && !is_given {
                let problem = format!("--metrics {metric} needs {option}");
                return Err(Error::usage(
                    problem,
                    format!("add {option} {value}, or leave {metric} out"),
                ));
            }
        }
        let only_for = [
            (Metric::Ct, "--held-out", self.held_out.is_some()),
            (Metric::Sfid, "--sfid-layer", self.sfid_layer.is_some()),
            (Metric::Sfid, "--sfid-channels", self.sfid_channels.is_some()),
            (Metric::Isc, "--isc-splits", self.isc_splits.is_some()),
            (Metric::Isc, "--isc-in-order", self.isc_in_order),
        ];
        match only_for.into_iter().find(|(metric, _, given)| *given && !self.wants(*metric)) {
            Some((metric, option, _)) => Err(Error::usage(
                format!("{option} is for --metrics {metric}, which was not asked for"),
                format!("add {metric} to --metrics, or leave {option} out"),
            )),
            None => Ok(()),
        }
    }

    fn isc(&self) -> inception::Settings {
        let default = inception::Settings::default();
        let splits = self.isc_splits.unwrap_or(default.splits);
        inception::Settings { splits, shuffle: !self.isc_in_order }
    }

    fn spatial(&self) -> Option<Spatial> {
        let channels = self.sfid_channels.unwrap_or(SPATIAL_CHANNELS);
        self.sfid_layer.clone().map(|layer| Spatial { layer, channels })
    }
}

/// What standard output gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// The report.
    Json,
    /// One line of JSON per candidate.
    Jsonl,
    /// One line per candidate, values separated by commas, under a header.
    Csv,
    /// One line per candidate, values separated by tabs, under a header.
    Tsv,
    /// A table in Markdown.
    Md,
}

impl Format {
    /// The form that the name of a file asks for; the report where it asks for no other.
    fn of(path: &Path) -> Self {
        let forms =
            [("csv", Self::Csv), ("tsv", Self::Tsv), ("jsonl", Self::Jsonl), ("md", Self::Md)];
        let found = forms.into_iter().find(|(ending, _)| picture::is(path, ending));
        found.map_or(Self::Json, |(_, form)| form)
    }

    /// Where a candidate is a line.
    fn rows(self) -> Option<Rows> {
        match self {
            Self::Jsonl => Some(Rows::Jsonl),
            Self::Csv => Some(Rows::Csv),
            Self::Tsv => Some(Rows::Tsv),
            Self::Json | Self::Table | Self::Md => None,
        }
    }

    /// A whole report.
    fn whole(self, report: &FidReport) -> Result<String> {
        match (self.rows(), self) {
            (Some(rows), _) => rows.all(report),
            (_, Self::Table) => Form::Table.write(report, terminal::screen()),
            (_, Self::Md) => Form::Md.write(report, terminal::screen()),
            _ => Form::Json.write(report, terminal::screen()),
        }
    }
}

/// Measures every candidate against the reference.
///
/// # Errors
/// The reference cannot be measured, or an output cannot be written. A candidate that fails has its error in its row;
/// the others are still scored.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    if args.shard.is_asked() {
        let refused = [
            ("--format", args.format.is_some()),
            ("--check or --update-baseline", args.gate.is_given()),
            ("--new-candidates", args.new_candidates.choice.is_some()),
        ];
        let request = args.request()?;
        let work = |job: Job<'_>| request.shard(job, messages);
        return args.shard.run(args.output.as_deref(), &refused, messages, work);
    }
    args.check()?;
    let request = args.request()?;
    let gate = args.gate.prepare_for(args.new_candidates, "fid", args.output.as_deref())?;
    let (format, metrics) = (args.format(messages), args.metrics());
    let rows = format.and_then(Format::rows);
    // The header comes with the first row: where the reference fails nothing is printed.
    let mut first = true;
    let told_elsewhere = args.output.is_some() || gate.is_used();
    let print = if told_elsewhere { output::print } else { output::print_row };
    let mut tell = |row: &Candidate| {
        let first = std::mem::take(&mut first);
        rows.map_or(Ok(()), |rows| print(&rows.row(row, &metrics, first)?))
    };
    let report = match args.shard.states()? {
        Some(states) => request.merged(states, messages, &mut tell).map(command::signed)?,
        None => request.run(messages, &mut tell).map(command::signed)?,
    };
    match args.output.as_deref() {
        Some(path) if path == Path::new("-") => output::write_report(&report, path)?,
        Some(path) => outputs::write(path, Format::of(path).whole(&report)?.as_bytes())?,
        None => {}
    }
    if let Some(format) = format.filter(|format| format.rows().is_none()) {
        output::print(&format.whole(&report)?)?;
    }
    gate.finish(&report, args.status(&report, messages), messages)
}

impl Args {
    /// The metrics wanted, each once, in the order given.
    fn metrics(&self) -> Vec<Metric> {
        let mut metrics: Vec<Metric> = vec![];
        for metric in &self.measure.metrics {
            if !metrics.contains(metric) {
                metrics.push(*metric);
            }
        }
        metrics
    }

    /// What is asked for.
    ///
    /// # Errors
    /// Options that do not go together.
    pub fn request(&self) -> Result<Fid> {
        let MeasureArgs { k, kid_subsets, kid_subset_size, subset_seed, .. } = self.measure;
        self.measure.check()?;
        if let Some(folder) = self.stats_cache.as_ref().filter(|folder| !folder.exists()) {
            outputs::make_folder(folder).map_err(|e| Error::io("create", folder, e))?;
        }
        Ok(Fid {
            metrics: self.metrics(),
            k,
            kid_subsets,
            kid_subset_size,
            subset_seed,
            isc: self.measure.isc(),
            held_out: self.measure.held_out.clone(),
            spatial: self.measure.spatial(),
            fail_above: self.fail_above,
            cache: self.stats_cache.clone(),
            reference_layout: self.reference_layout,
            extraction: self.extract.request()?,
            ..Fid::new(&self.reference, &self.candidates)
        })
    }

    /// Refuses outputs that cannot be written, or that get in each other's way.
    fn check(&self) -> Result<()> {
        if self.fail_above.is_some() && !self.metrics().iter().any(|m| m.is_distance()) {
            return Err(Error::usage(
                "--fail-above needs a distance, and --metrics has none",
                "add fid, kid, fid-inf, sfid, class-fid or cmmd to --metrics",
            ));
        }
        let Some(path) = &self.output else { return Ok(()) };
        check_apart(path, self.format.is_none_or(|format| format == Format::Json))
    }

    fn format(&self, messages: &Messages) -> Option<Format> {
        let to_stdout = self.output.as_deref() == Some("-".as_ref());
        match self.format {
            _ if to_stdout => None,
            Some(format) => Some(format),
            None if messages.shows_tables() => Some(Format::Table),
            None if self.output.is_none() => Some(Format::Json),
            None => None,
        }
    }

    /// How the command ends: a candidate that failed weighs more than a score that is too high.
    fn status(&self, report: &FidReport, messages: &Messages) -> Status {
        let rows = &report.results.candidates;
        if rows.iter().any(|row| row.error.is_some()) {
            return Status::Failed;
        }
        let Some(limit) = self.fail_above else { return Status::Done };
        let metrics = &report.settings.metrics;
        let mut status = Status::Done;
        for row in rows {
            match row.score(metrics) {
                Some(score) if score <= limit => continue,
                Some(score) => {
                    messages.note(&format!("{}: {score:.6} is above {limit}", row.path));
                    status = status.max(Status::Drift);
                }
                None => {
                    messages.note(&format!("{}: no score to hold against {limit}", row.path));
                    status = Status::Failed;
                }
            }
        }
        status
    }
}
