//! `--check` and `--update-baseline` of the commands that write reports.

use std::path::{Path, PathBuf};

use super::judging::{CandidateArgs, Judging, JudgingArgs, Place, check_ending};
use super::output::{self, Messages};
use super::outputs::check_report_name;
use super::status::Status;
use crate::check::Document;
use crate::error::{Error, Result};
use crate::view::to_json;

/// What is done with a report once it is written.
#[derive(clap::Args)]
pub struct GateArgs {
    /// Check the report against this one, as `repsim check` does, and exit with its code
    #[arg(long, value_name = "BASELINE.json", help_heading = "Check")]
    check: Option<PathBuf>,
    /// Also write the report there, as the baseline of later runs
    #[arg(long, value_name = "FILE.json", conflicts_with = "check", help_heading = "Check")]
    update_baseline: Option<PathBuf>,
    #[command(flatten)]
    judging: JudgingArgs,
}

/// What a report that is still to be made will be held against.
pub struct Gate {
    judging: Option<Judging>,
    update: Option<PathBuf>,
}

impl GateArgs {
    /// How a check is reported, where one is asked for.
    pub fn judging(&self) -> Option<&JudgingArgs> {
        let asked = self.check.is_some() || self.judging.given().is_some();
        asked.then_some(&self.judging)
    }

    /// Whether anything is to be done with the report.
    pub fn is_given(&self) -> bool {
        self.judging().is_some() || self.update_baseline.is_some()
    }

    /// Reads what the report will be held against, before anything is measured. `kind` is that of
    /// the report, `output` the file that it is written to.
    ///
    /// # Errors
    /// Baseline or policy cannot be read or are of another kind, or a file cannot be written.
    pub fn prepare(&self, kind: &str, output: Option<&Path>) -> Result<Gate> {
        self.prepare_for(CandidateArgs::default(), kind, output)
    }

    /// As [`GateArgs::prepare`], of a report with candidates.
    ///
    /// # Errors
    /// As [`GateArgs::prepare`].
    pub fn prepare_for(
        &self,
        candidates: CandidateArgs,
        kind: &str,
        output: Option<&Path>,
    ) -> Result<Gate> {
        let of_candidates = candidates.choice.map(|_| "--new-candidates");
        if let (None, Some(option)) = (&self.check, self.judging.given().or(of_candidates)) {
            let problem = format!("{option} needs --check");
            return Err(Error::usage(problem, "add --check BASELINE.json, or leave it out"));
        }
        output.map_or(Ok(()), check_report_name)?;
        self.update_baseline.as_deref().map_or(Ok(()), |path| check_ending(path, "json"))?;
        let Some(path) = &self.check else {
            return Ok(Gate { judging: None, update: self.update_baseline.clone() });
        };
        let judging = self.judging.prepare(Some(path), candidates)?;
        match judging.baseline() {
            Some(baseline) if baseline.kind() != kind => {
                let found = baseline.kind();
                let problem = format!("it is a report of {found}, and this will be one of {kind}");
                let remedy = match kind {
                    "pairs" => "give a report of repsim cka of more than two models".to_owned(),
                    _ => format!("give a report of repsim {kind}"),
                };
                Err(Error::file("check against", path, problem, remedy))
            }
            _ => Ok(Gate { judging: Some(judging), update: None }),
        }
    }
}

impl Gate {
    /// Whether anything is done with the report.
    pub fn is_used(&self) -> bool {
        self.judging.is_some() || self.update.is_some()
    }

    /// Writes the baseline that was asked for, or checks the report; `status` is how the run ended.
    ///
    /// # Errors
    /// Something cannot be written.
    pub fn finish<T: serde::Serialize>(
        &self,
        report: &T,
        status: Status,
        messages: &Messages,
    ) -> Result<Status> {
        if let Some(path) = &self.update {
            match status {
                Status::Failed => messages.note("the baseline is not updated: the run failed"),
                _ => output::write_report(report, path)?,
            }
        }
        let Some(judging) = &self.judging else { return Ok(status) };
        let document = Document::parse(&to_json(report)?, "the report".as_ref())?;
        let verdict = judging.judge(&document)?;
        judging.tell(&verdict, Place::Error, messages)?;
        Ok(status.max(verdict.outcome().into()))
    }
}
