//! `repsim fid`: how far sets of samples lie from a reference.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Status;
use super::extract::ExtractArgs;
use super::gate::GateArgs;
use super::limits;
use super::output::{self, Messages};
use super::sets::{Keep, Measured, Sets, check_same};
use crate::data::ArrayLayout;
use crate::error::{Error, Result, visible, visible_json};
use crate::frechet::{Metric, Scorer, Settings, kid};
use crate::report::fid::{
    Candidate, FidReport, FidResults, FidSettings, Reference, few_samples, null_metrics,
    short_extrapolation, small_subsets,
};
use crate::report::{Inputs, Report, SchemaId, SetInput, Timing, Tool, Warning};
use crate::torchscript::{libtorch_version, native};

/// Options of `repsim fid`.
#[derive(clap::Args)]
pub struct Args {
    /// What the candidates are held against: a folder of images, an array of images or of features
    /// (.npy, .npz, .safetensors), or a statistics file (.npz with mu and sigma)
    #[arg(value_name = "REFERENCE")]
    reference: PathBuf,
    /// Sets in any of these forms
    #[arg(value_name = "CANDIDATE", required = true)]
    candidates: Vec<PathBuf>,
    /// Write the report as JSON to a file, - for standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What standard output gets: table, json, or a line a candidate as jsonl or tsv [default:
    /// table on a terminal, else json, nothing with --output]
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Format>,
    /// Exit with 1 if a candidate's score, by the first of --metrics that is a distance, is above this
    #[arg(long, value_name = "X", allow_hyphen_values = true, value_parser = limits::VALUE)]
    fail_above: Option<f64>,
    /// Keep mean and covariance of image sets in a folder, found by content, and take them from there
    /// (not for metrics that need samples, and not of sets of which files were left out)
    #[arg(long, value_name = "DIR")]
    stats_cache: Option<PathBuf>,
    #[command(flatten)]
    measure: MeasureArgs,
    /// As --layout, for the reference alone
    #[arg(long, value_name = "ORDER", help_heading = "Data")]
    reference_layout: Option<ArrayLayout>,
    #[command(flatten)]
    extract: ExtractArgs,
    #[command(flatten)]
    pub gate: GateArgs,
}

/// What is measured.
#[derive(clap::Args)]
struct MeasureArgs {
    /// fid, kid, prdc (precision, recall, density, coverage), fid-inf (for infinitely many samples)
    #[arg(
        long,
        value_name = "LIST",
        default_value = "fid",
        value_delimiter = ',',
        help_heading = "Measure"
    )]
    metrics: Vec<Metric>,
    /// The neighbour whose distance is a sample's radius, for prdc
    #[arg(long, value_name = "K", default_value_t = 5, help_heading = "Measure",
          value_parser = limits::COUNT)]
    k: usize,
    /// Random subsets of KID
    #[arg(long, value_name = "N", default_value_t = 100, help_heading = "Measure",
          value_parser = limits::SUBSETS)]
    kid_subsets: usize,
    /// Samples in a subset of KID, fewer where a set has fewer
    #[arg(long, value_name = "N", default_value_t = 1000, help_heading = "Measure",
          value_parser = limits::TWO_OR_MORE)]
    kid_subset_size: usize,
    /// Seed of the random subsets of KID and FID∞
    #[arg(long, value_name = "SEED", default_value_t = 0, help_heading = "Measure",
          value_parser = limits::SEED)]
    subset_seed: u64,
}

/// What standard output gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// The report.
    Json,
    /// A candidate a line, as JSON.
    Jsonl,
    /// A candidate a line, values apart by tabs, under a header.
    Tsv,
}

/// Measures every candidate against the reference.
///
/// # Errors
/// The reference cannot be measured, or an output cannot be written. A candidate that fails is told
/// of in its row, and the others go on.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    args.check()?;
    let gate = args.gate.prepare("fid", args.output.as_deref())?;
    let format = args.format(messages);
    // The header comes with the first row: where the reference fails nothing is printed.
    let mut header = format!("{}\n", header(&args.metrics()));
    let told_elsewhere = args.output.is_some() || gate.is_used();
    let print = if told_elsewhere { output::print } else { output::print_row };
    let report = measure(args, messages, &mut |row| match format {
        Some(Format::Jsonl) => print(&format!("{}\n", line(row)?)),
        Some(Format::Tsv) => {
            let header = std::mem::take(&mut header);
            print(&format!("{header}{}\n", tsv(row, &args.metrics())))
        }
        _ => Ok(()),
    })?;
    if let Some(path) = &args.output {
        output::write_report(&report, path)?;
    }
    match format {
        Some(Format::Json) => output::write_report(&report, "-".as_ref())?,
        Some(Format::Table) => output::print(&format!("{}\n", table(&report)))?,
        _ => {}
    }
    gate.finish(&report, args.status(&report, messages), messages)
}

/// Measures every candidate and tells of each row as soon as it is there.
///
/// # Errors
/// The reference cannot be measured, or the teller failed.
pub fn measure(
    args: &Args,
    messages: &Messages,
    tell: &mut dyn FnMut(&Candidate) -> Result<()>,
) -> Result<FidReport> {
    let started = Instant::now();
    native::set_threads(args.extract.run.threads());
    let settings = args.settings();
    let keep = match (&args.stats_cache, settings.need_samples()) {
        (_, true) => Keep::Samples,
        (Some(_), false) => Keep::Moments,
        (None, false) => Keep::Few,
    };
    let mut sets = Sets::new(&args.extract, messages, keep).cached(args.stats_cache.as_deref())?;
    let all: Vec<&PathBuf> = std::iter::once(&args.reference).chain(&args.candidates).collect();
    sets.check_axes(&all)?;
    let reference = sets.with_layout(&args.reference, args.reference_layout, |sets| {
        sets.measure(&args.reference).map_err(|e| naming(&args.reference, e))
    })?;
    sets.hold(&reference);
    let mut run = Run::new(args, &reference, messages);
    run.warn(sets.noticed());
    let threads = args.extract.run.threads();
    let scoring = Instant::now();
    let scorer = native::with_blas_threads(threads, || Scorer::new(&reference.set, &settings))?;
    run.comparing += scoring.elapsed().as_secs_f64();
    for path in &args.candidates {
        let row = run.candidate(path, &scorer, &mut sets);
        tell(&row)?;
        run.rows.push(row);
    }
    run.warn_of_numbers();
    run.warn(sets.unused_model());
    let mut report = run.report(&settings, &sets);
    report.timing.total = started.elapsed().as_secs_f64();
    Ok(report)
}

/// A run over the candidates.
struct Run<'a> {
    args: &'a Args,
    messages: &'a Messages,
    reference: &'a Measured,
    rows: Vec<Candidate>,
    inputs: Vec<SetInput>,
    warnings: Vec<Warning>,
    /// Seconds in distances.
    comparing: f64,
}

impl<'a> Run<'a> {
    fn new(args: &'a Args, reference: &'a Measured, messages: &'a Messages) -> Self {
        let inputs = vec![reference.input.clone()];
        let (rows, warnings, comparing) = (vec![], vec![], 0.0);
        Self { args, messages, reference, rows, inputs, warnings, comparing }
    }

    fn warn(&mut self, warnings: impl IntoIterator<Item = Warning>) {
        for warning in warnings {
            self.messages.warning(&warning);
            self.warnings.push(warning);
        }
    }

    fn warn_of_numbers(&mut self) {
        let mut sets = vec![(shown(&self.args.reference), self.reference.count)];
        sets.extend(self.rows.iter().map(|row| (row.path.clone(), row.n)));
        let width = self.reference.set.gaussian.width();
        let by_covariance = [Metric::Fid, Metric::FidInf];
        if self.args.metrics().iter().any(|m| by_covariance.contains(m)) {
            self.warn(few_samples(&sets, width));
        }
        self.warn(small_subsets(&self.rows, self.args.measure.kid_subset_size));
        self.warn(short_extrapolation(&self.rows, width));
        self.warn(null_metrics(&self.rows));
    }

    /// The row of one candidate, which may be that it failed.
    fn candidate(&mut self, path: &Path, scorer: &Scorer<'_>, sets: &mut Sets<'_>) -> Candidate {
        match self.measured(path, scorer, sets) {
            Ok(row) => row,
            Err(error) => {
                let error = naming(path, error);
                self.messages.error(&error);
                Candidate::failed(shown(path), &error)
            }
        }
    }

    fn measured(
        &mut self,
        path: &Path,
        scorer: &Scorer<'_>,
        sets: &mut Sets<'_>,
    ) -> Result<Candidate> {
        let candidate = sets.measure(path)?;
        self.warn(sets.noticed());
        match (&self.reference.origin, &candidate.origin) {
            (Some(a), Some(b)) => check_same(a, b)?,
            (None, None) => {}
            _ => self.warn([unknown_origin(path)]),
        }
        let comparing = Instant::now();
        let threads = self.args.extract.run.threads();
        let scores = native::with_blas_threads(threads, || scorer.score(&candidate.set))?;
        self.comparing += comparing.elapsed().as_secs_f64();
        let row = Candidate::measured(shown(path), candidate.count, &self.args.metrics(), &scores);
        self.inputs.push(candidate.input);
        Ok(row)
    }

    fn report(self, settings: &Settings, sets: &Sets<'_>) -> FidReport {
        let Self { args, reference, rows, inputs, warnings, comparing, .. } = self;
        let ready = sets.features.ready();
        let spent = &sets.features.timing;
        Report {
            schema: SchemaId::current("fid"),
            tool: Tool::current(libtorch_version()),
            inputs: Inputs {
                models: ready.iter().map(|r| r.record.clone()).collect(),
                sets: inputs,
                ..Inputs::default()
            },
            settings: args.recorded(settings, ready),
            results: FidResults {
                layer: ready.map(|r| r.layer.clone()),
                width: reference.set.gaussian.width(),
                reference: Reference { path: shown(&args.reference), n: reference.count },
                candidates: rows,
            },
            warnings,
            pictures: vec![],
            timing: Timing {
                load: sets.features.loading,
                decode: spent.decode,
                wait: spent.wait,
                forward: spent.forward,
                measure: spent.measure,
                distance: Some(comparing + sets.factoring),
                passes: 1,
                ..Timing::default()
            },
        }
    }
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

    fn settings(&self) -> Settings {
        let MeasureArgs { k, kid_subsets, kid_subset_size, subset_seed, .. } = self.measure;
        let (subsets, subset_size, seed) = (kid_subsets, kid_subset_size, subset_seed);
        let kid = kid::Settings { subsets, subset_size, seed };
        Settings { metrics: self.metrics(), kid, k, seed }
    }

    fn recorded(&self, settings: &Settings, ready: Option<&super::extract::Ready>) -> FidSettings {
        FidSettings {
            metrics: settings.metrics.clone(),
            layer: self.extract.layer.clone(),
            reduce: self.extract.reduce,
            preprocess: ready.map(|r| r.preprocess.clone()),
            k: settings.k,
            kid_subsets: settings.kid.subsets,
            kid_subset_size: settings.kid.subset_size,
            subset_seed: settings.seed,
            fail_above: self.fail_above,
            batch_size: self.extract.load.batch_size,
            limit: self.extract.load.limit,
            layout: self.extract.load.layout,
            reference_layout: self.reference_layout,
            seed: self.extract.load.seed,
            output_index: self.extract.outputs.output_index,
            optimize: !self.extract.run.no_optimize,
            device: ready.map(|r| r.device.clone()),
        }
    }

    /// Refuses outputs that cannot be written, or that get in each other's way.
    fn check(&self) -> Result<()> {
        if self.fail_above.is_some() && !self.metrics().iter().any(|m| m.is_distance()) {
            return Err(Error::usage(
                "--fail-above needs a distance, and --metrics has none",
                "add fid, kid or fid-inf to --metrics",
            ));
        }
        self.extract.check()?;
        let Some(path) = &self.output else { return Ok(()) };
        if path != Path::new("-") {
            return Ok(());
        }
        match self.format {
            None | Some(Format::Json) => Ok(()),
            Some(_) => Err(Error::usage(
                "--output - and --format both want standard output",
                "give --output a file",
            )),
        }
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

/// The error with the path of the set in it.
pub fn naming(path: &Path, error: Error) -> Error {
    match error {
        Error::Usage { problem, remedy } if !problem.contains(&shown(path)) => {
            Error::file("measure", path, problem, remedy)
        }
        Error::Shape { action, left_name, left, right_name, right, remedy }
            if right_name == "the candidate" =>
        {
            Error::Shape { action, left_name, left, right_name: shown(path), right, remedy }
        }
        other => other,
    }
}

fn unknown_origin(path: &Path) -> Warning {
    let text = format!(
        "of {} and the reference only one says how its features were made: whether model, layer and \
         resizing are the same cannot be checked, and if they are not the distance means nothing",
        path.display()
    );
    Warning::new("unknown-origin", path.display(), text)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The first line of the table for scripts.
fn header(metrics: &[Metric]) -> String {
    let mut columns = vec!["candidate", "n"];
    columns.extend(Candidate::columns(metrics));
    columns.push("error");
    columns.join("\t")
}

fn tsv(row: &Candidate, metrics: &[Metric]) -> String {
    let clean = |text: &str| visible(text).into_owned();
    let number = |value: Option<f64>| value.map_or_else(String::new, |v| v.to_string());
    let mut cells = vec![clean(&row.path), row.n.map_or_else(String::new, |n| n.to_string())];
    cells.extend(Candidate::columns(metrics).iter().map(|column| number(row.value(column))));
    cells.push(row.error.as_deref().map(clean).unwrap_or_default());
    cells.join("\t")
}

fn line(row: &Candidate) -> Result<String> {
    serde_json::to_string(row)
        .map(|line| visible_json(&line).into_owned())
        .map_err(|e| Error::usage(format!("failed to write JSON: {e}"), "please report this"))
}

/// A row a candidate, for people, within the width of the terminal.
pub fn table(report: &FidReport) -> String {
    table_within(report, output::width().unwrap_or(usize::MAX))
}

/// Characters of a candidate's name that a narrow table leaves at least.
const LEAST: usize = 12;

fn table_within(report: &FidReport, width: usize) -> String {
    let columns = Candidate::columns(&report.settings.metrics);
    let mut header = vec!["candidate".to_owned(), "n".to_owned()];
    header.extend(columns.iter().map(|column| title(column)));
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut rows = vec![];
    for row in &report.results.candidates {
        let mut cells = vec![row.path.clone(), row.n.map_or("-".to_owned(), |n| n.to_string())];
        match &row.error {
            Some(_) => cells.extend(columns.iter().map(|_| "failed".to_owned())),
            None => cells.extend(columns.iter().map(|c| cell(row.value(c)))),
        }
        rows.push(cells);
    }
    let numbers: Vec<usize> = (1..header.len()).collect();
    let longest = |&i: &usize| {
        let cells = rows.iter().map(|row| row[i].chars().count());
        2 + cells.chain([header[i].chars().count()]).max().unwrap_or(0)
    };
    let beside: usize = numbers.iter().map(longest).sum();
    if beside + 2 + LEAST > width {
        return below_each_other(&header, &rows);
    }
    let room = width.saturating_sub(beside + 2);
    let mut table = output::table(&header);
    for mut cells in rows {
        cells[0] = output::shortened(&cells[0], room);
        table.add_row(cells);
    }
    output::align_right(&mut table, &numbers);
    table.to_string()
}

/// A line a number under each name, where a row does not fit.
fn below_each_other(header: &[&str], rows: &[Vec<String>]) -> String {
    let longest = header.iter().map(|title| title.chars().count()).max().unwrap_or(0);
    let mut lines = vec![];
    for row in rows {
        lines.push(row[0].clone());
        let numbers = header.iter().zip(row).skip(1);
        lines.extend(numbers.map(|(title, cell)| format!("  {title:longest$}  {cell:>12}")));
    }
    lines.join("\n")
}

fn cell(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |v| format!("{v:.4}"))
}

fn title(column: &str) -> String {
    match column {
        "fid" => "FID".to_owned(),
        "kid" => "KID".to_owned(),
        "fid_inf" => "FID∞".to_owned(),
        other => other.replace("_std", " ±").replace("kid", "KID").replace('_', " "),
    }
}
