//! `repsim check`: a report against a baseline and a policy.

use std::path::{Path, PathBuf};

use super::judging::{CandidateArgs, JudgingArgs, Place, check_ending, read};
use super::output::{self, Messages};
use super::outputs;
use super::results::{Format, ResultArgs};
use super::status::Status;
use crate::check::{CheckReport, Verdict, draft};
use crate::error::{Error, Result};
use crate::view::table::Table;
use crate::view::{Form, Screen, Tables};

/// Options of `repsim check`.
#[derive(clap::Args)]
#[command(after_help = RULES)]
pub struct Args {
    /// The report to check; with --write-policy several, from repeated runs
    #[arg(value_name = "REPORT", required = true)]
    reports: Vec<PathBuf>,
    /// The report to check against
    #[arg(long, short, value_name = "BASELINE")]
    baseline: Option<PathBuf>,
    /// Write the verdict to FILE.json, or the values that did not pass to FILE.csv, .tsv or .md; - for standard
    /// output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What standard output gets: table, json (the verdict), or the values that did not pass as csv, tsv or md
    /// [default: table]
    #[arg(long, short, value_name = "FORMAT", value_enum)]
    format: Option<Format>,
    /// Print the verdict as JSON
    #[arg(long, hide = true, conflicts_with = "format")]
    json: bool,
    /// Draft a policy instead: tolerances of 3 σ from the spread over the reports. An existing file
    /// is overwritten, as with every output
    #[arg(long, value_name = "FILE.toml", conflicts_with_all = [
        "baseline", "output", "format", "json", "policy", "allow_different_data", "junit", "github"
    ])]
    write_policy: Option<PathBuf>,
    #[command(flatten)]
    judging: JudgingArgs,
    #[command(flatten)]
    candidates: CandidateArgs,
}

const RULES: &str = "\
Rules of a policy:
  cka[\"layer4*\"] >= 0.95           layers of one name, by glob as in --layers; \"**\" for all
  cka[\"layer3\",\"layer4\"] <= 0.8    a layer of A with one of B
  diagonal >= 0.9                  all layers of one name
  fid[\"*\"] <= 12                   every candidate
  drop <= 0.02 against baseline    how much worse than in the baseline; rise: better; change: either
  drop(cka[\"fc\"]) <= 0.01 against baseline
  $.results.n >= 100               any number of the report, by JSON path (RFC 9535)

Exit codes: 0 passed, 1 drifted, 2 something could not be checked.";

impl Args {
    /// How the check is reported; nothing where a policy is drafted.
    pub fn judging(&self) -> Option<&JudgingArgs> {
        self.write_policy.is_none().then_some(&self.judging)
    }
}

/// Checks a report, or drafts a policy.
///
/// # Errors
/// Something cannot be read or written, or there is nothing to hold the report against.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    if let Some(path) = &args.write_policy {
        return write_policy(args, path, messages).map(|()| Status::Done);
    }
    let [path] = args.reports.as_slice() else {
        let problem =
            format!("{} reports were given, and one is checked at a time", args.reports.len());
        return Err(Error::usage(problem, "give one REPORT, and the other with --baseline"));
    };
    let results = ResultArgs {
        output: args.output.clone(),
        format: args.format.or(args.json.then_some(Format::Json)),
    };
    let place = results.place()?;
    let judging = args.judging.prepare(args.baseline.as_deref(), args.candidates)?;
    let report = read(path)?;
    let verdict = judging.judge(&report)?;
    let form = results.form().filter(|form| *form != Form::Table);
    let taken = form.is_some() || place.is_some_and(output::is_stdout);
    judging.tell(&verdict, if taken { Place::Error } else { Place::Output }, messages)?;
    let report = verdict.report(path, args.baseline.as_deref(), args.judging.policy.as_deref());
    output::write_forms(&Checked { verdict: &verdict, report }, place, form)?;
    Ok(verdict.outcome().into())
}

/// A verdict with what its report says.
#[derive(serde::Serialize)]
struct Checked<'a> {
    #[serde(skip)]
    verdict: &'a Verdict,
    #[serde(flatten)]
    report: CheckReport,
}

impl Tables for Checked<'_> {
    fn tables(&self) -> Vec<Table> {
        self.verdict.tables()
    }

    fn text(&self, screen: &Screen) -> String {
        self.verdict.text(screen)
    }
}

fn write_policy(args: &Args, path: &Path, messages: &Messages) -> Result<()> {
    check_ending(path, "toml")?;
    let run = |path: &PathBuf| Ok((path.clone(), read(path)?));
    let runs = args.reports.iter().map(run).collect::<Result<Vec<_>>>()?;
    let draft = draft(&runs)?;
    outputs::write(path, draft.text.as_bytes())?;
    messages.note(&format!("{}: a policy from {} runs", path.display(), runs.len()));
    if let Some(first) = draft.left_out.first() {
        messages.say(&format!(
            "{} without a tolerance, as the first run has null there: {first}{}",
            draft.left_out.len(),
            if draft.left_out.len() > 1 { ", …; the draft names them all" } else { "" }
        ));
    }
    Ok(())
}
