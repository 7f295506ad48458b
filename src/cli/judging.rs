//! Checks a report against a baseline and a policy, and prints the verdict.

use std::path::{Path, PathBuf};

use super::output::{self, Messages};
use super::status::Status;
use super::{outputs, picture, terminal};
use crate::check::{Document, NewCandidates, Outcome, Policy, Verdict, annotations, judge, junit};
use crate::error::{Error, Result};
use crate::files::{self, MOST_BY_HAND};
use crate::report::{check_writable, text_of};
use crate::view::{Tables, closing, reason};

/// How a report is held against another, and how that is reported.
#[derive(clap::Args)]
pub struct JudgingArgs {
    /// Rules and tolerances (TOML, `repsim schema policy`). Without it, every value must match the baseline within
    /// the default tolerance of its measure; of pairs of layers only those of one name are checked, and how many of
    /// the others moved is reported (where a model is compared with itself, all are checked)
    #[arg(long, value_name = "FILE.toml", help_heading = "Check")]
    pub policy: Option<PathBuf>,
    /// Compare reports of different samples
    #[arg(long, help_heading = "Check")]
    pub allow_different_data: bool,
    /// Write the verdict as JUnit XML, one test case per value
    #[arg(long, value_name = "FILE.xml", help_heading = "Check")]
    pub junit: Option<PathBuf>,
    /// Print failures as annotations of GitHub Actions [default: where GITHUB_ACTIONS is set]
    #[arg(long, help_heading = "Check")]
    pub github: bool,
}

/// What the commands that know candidates are told of new ones.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct CandidateArgs {
    /// What to do with candidates of fid that are not in the baseline: hold (they must not be worse than the worst of
    /// the baseline), ignore or fail; missing ones are named, and fail with fail [default: hold]
    #[arg(
        id = "new_candidates",
        long = "new-candidates",
        value_name = "WHAT",
        value_enum,
        help_heading = "Check"
    )]
    pub choice: Option<New>,
}

impl CandidateArgs {
    /// Refuses an option about candidates where there are none.
    fn check(self, kind: Option<&str>) -> Result<()> {
        match (self.choice, kind) {
            (None, _) | (_, Some("fid")) => Ok(()),
            (_, None) => Err(Error::usage(
                "--new-candidates needs a baseline",
                "give --baseline FILE, or leave the option out",
            )),
            (_, Some(kind)) => Err(Error::usage(
                format!(
                    "--new-candidates is for reports of fid, and the baseline is one of {kind}"
                ),
                "leave the option out",
            )),
        }
    }
}

/// What becomes of candidates that the baseline does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum New {
    /// They must not be worse than the worst of the baseline.
    Hold,
    /// They are named.
    Ignore,
    /// They fail.
    Fail,
}

/// What a report is held against.
pub struct Judging {
    policy: Policy,
    baseline: Option<(PathBuf, Document)>,
    junit: Option<PathBuf>,
    github: bool,
}

/// Where a verdict is printed: where standard output has something else to hold, on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

impl JudgingArgs {
    /// The first of the options that was given, as it is spelled.
    pub fn given(&self) -> Option<&'static str> {
        let options = [
            (self.policy.is_some(), "--policy"),
            (self.allow_different_data, "--allow-different-data"),
            (self.junit.is_some(), "--junit"),
            (self.github, "--github"),
        ];
        options.into_iter().find(|(given, _)| *given).map(|(_, option)| option)
    }

    /// Reads baseline and policy, before anything is measured.
    ///
    /// # Errors
    /// They cannot be read, there is nothing to hold a report against, or the JUnit file cannot be
    /// written.
    pub fn prepare(&self, baseline: Option<&Path>, of: CandidateArgs) -> Result<Judging> {
        let mut policy = match &self.policy {
            Some(path) => Policy::parse(&files::read_text(path, MOST_BY_HAND)?, path)?,
            None => Policy::default(),
        };
        policy.allow_different_data |= self.allow_different_data;
        policy.new_candidates = of.choice.map_or(policy.new_candidates, New::meaning);
        if baseline.is_none() && policy.needs_baseline() {
            let problem = match &self.policy {
                Some(path) => format!("the policy {} needs a baseline", path.display()),
                None => "there is nothing to hold the report against".to_owned(),
            };
            let remedy = "give --baseline FILE, or a --policy whose rules need none";
            return Err(Error::usage(problem, remedy));
        }
        self.junit.as_deref().map_or(Ok(()), |path| check_ending(path, "xml"))?;
        let read = |path: &Path| Ok::<_, Error>((path.to_owned(), read(path)?));
        let baseline = baseline.map(read).transpose()?;
        of.check(baseline.as_ref().map(|(_, document)| document.kind()))?;
        Ok(Judging { policy, baseline, junit: self.junit.clone(), github: self.annotates() })
    }

    /// Writes for machines that there is no verdict: in the JUnit file, so that none of an earlier
    /// run stands there, and as an annotation. `name` is the command's.
    pub fn tell_failure(&self, name: &str, error: &Error, messages: &Messages) {
        let verdict = Verdict::not_made(&error.to_string());
        if self.annotates() {
            annotations(&verdict).lines().for_each(|line| messages.say(line));
        }
        // A name that is refused is another file's, and what is wrong with it has been reported.
        let path = self.junit.as_deref().filter(|path| check_ending(path, "xml").is_ok());
        let written = path.map_or(Ok(()), |path| write_junit(path, &verdict, name));
        match written.and_then(|()| outputs::commit()) {
            Ok(placed) => placed.iter().for_each(|placed| messages.note(&placed.to_string())),
            Err(error) => messages.error(&error),
        }
    }

    fn annotates(&self) -> bool {
        self.github || std::env::var_os("GITHUB_ACTIONS").is_some_and(|v| v == "true")
    }
}

impl New {
    fn meaning(self) -> NewCandidates {
        match self {
            Self::Hold => NewCandidates::Hold,
            Self::Ignore => NewCandidates::Ignore,
            Self::Fail => NewCandidates::Fail,
        }
    }
}

fn write_junit(path: &Path, verdict: &Verdict, name: &str) -> Result<()> {
    let xml = junit(verdict, &format!("repsim {name}"))?;
    outputs::write(path, xml.as_bytes())
}

/// Refuses a file that cannot be written, or whose name says that it is something else: a model, say.
///
/// # Errors
/// What is wrong with it.
pub fn check_ending(path: &Path, ending: &str) -> Result<()> {
    match picture::is(path, ending) {
        true => check_writable(path),
        false => {
            let problem = format!("its name does not end in .{ending}");
            Err(Error::file("write", path, problem, format!("end its name in .{ending}")))
        }
    }
}

/// Reads a report.
///
/// # Errors
/// There is no such file, or it is not a report.
pub fn read(path: &Path) -> Result<Document> {
    Document::parse(&text_of(path)?, path)
}

impl Judging {
    /// The baseline, where there is one.
    pub fn baseline(&self) -> Option<&Document> {
        self.baseline.as_ref().map(|(_, document)| document)
    }

    /// Holds a report against the baseline and the policy, and writes what was asked for.
    ///
    /// # Errors
    /// The JUnit file cannot be written.
    pub fn judge(&self, report: &Document) -> Result<Verdict> {
        let verdict = judge(report, self.baseline(), &self.policy);
        if let Some(path) = &self.junit {
            write_junit(path, &verdict, report.kind())?;
        }
        Ok(verdict)
    }

    /// Tells what did not pass, and how many passed.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn tell(&self, verdict: &Verdict, place: Place, messages: &Messages) -> Result<()> {
        let screen = terminal::screen();
        let mut text = if self.github { annotations(verdict) } else { String::new() };
        match messages.is_quiet() {
            false => text.push_str(&format!("{}\n", screen.lines(&verdict.text(screen)))),
            true if verdict.outcome() == Outcome::Passed => {}
            true => text.push_str(&format!("{}\n", closing(verdict))),
        }
        if verdict.outcome() == Outcome::Unchecked && place == Place::Output {
            messages.say(&reason(verdict));
        }
        match place {
            Place::Output => output::print(&text),
            Place::Error => {
                text.lines().for_each(|line| messages.say(line));
                Ok(())
            }
        }
    }
}

impl From<Outcome> for Status {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Passed | Outcome::Improved | Outcome::Moved => Self::Done,
            Outcome::Drifted => Self::Drift,
            Outcome::Unchecked => Self::Failed,
        }
    }
}
