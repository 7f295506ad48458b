//! `--shard` of the commands whose sums can be taken apart: one of N runs over parts of the samples.

mod auto;
mod devices;
mod line;
mod lock;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use self::lock::Lock;
use super::defaults;
use super::gate::GateArgs;
use super::limits;
use super::output::{Messages, is_stdout};
use super::results::ResultArgs;
use super::status::Status;
use crate::analysis::{Job, Shard, State};
use crate::error::{Error, Result};
use crate::report::{behind_links, is_replaceable, write_atomically};

pub use self::devices::{forget, several};
pub use self::line::{expanded, taken as command};

/// Which part of the samples a run looks at.
#[derive(clap::Args)]
pub struct ShardArgs {
    /// Run shard I of N, with I from 0, over its part of the samples, and write its state to the file of -o
    /// (`features` writes its part of the folder there); auto takes both numbers from SLURM, torchrun, Open MPI, PMI,
    /// a Kubernetes indexed job or an AWS Batch array. `repsim merge` makes the report of all states. In the name of
    /// the file, {shard} stands for I and {shards} for N
    #[arg(long, value_name = "I/N", help_heading = "Many machines")]
    shard: Option<Choice>,
    /// Continue where the shard was stopped, from the last state that it kept, FILE.partial (`features` always
    /// does)
    #[arg(long, requires = "shard", help_heading = "Many machines")]
    resume: bool,
    /// Approximate seconds between two kept states; 0 keeps one after each block of batches
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60,
        requires = "shard",
        value_parser = limits::SECONDS,
        help_heading = "Many machines"
    )]
    save_every: usize,
    /// End when the process ends that started this one, and has this number
    #[arg(long, value_name = "N", hide = true, requires = "shard", value_parser = limits::PROCESS)]
    with_parent: Option<i32>,
    /// The states that are merged
    #[arg(long, value_name = "FILE", hide = true, conflicts_with = "shard")]
    states: Vec<PathBuf>,
}

/// The shard asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// What the environment says.
    Auto,
    /// This one.
    One(Shard),
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            text => text.parse().map(Self::One).map_err(|e: String| format!("{e}, or auto")),
        }
    }
}

impl Choice {
    /// Which shard it is.
    ///
    /// # Errors
    /// The environment does not say.
    fn settled(self) -> Result<Shard> {
        match self {
            Self::One(shard) => Ok(shard),
            Self::Auto => auto::shard(&|name| std::env::var(name).ok()),
        }
    }
}

/// What of the other options does not go with a shard: names, and whether they were given.
pub type Refused<'a> = &'a [(&'static str, bool)];

/// Options for a report that a command has.
pub fn given_results(results: &ResultArgs, gate: &GateArgs) -> [(&'static str, bool); 2] {
    let format = ("--format", results.format.is_some());
    [format, ("--check or --update-baseline", gate.is_given())]
}

impl ShardArgs {
    /// Whether this run is a shard.
    pub fn is_asked(&self) -> bool {
        self.shard.is_some()
    }

    /// The states to be merged; `None` of a run that is whole.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn states(&self) -> Result<Option<Vec<State>>> {
        match self.states.is_empty() {
            true => Ok(None),
            false => {
                self.states.iter().map(|path| State::read(path)).collect::<Result<_>>().map(Some)
            }
        }
    }

    /// Works on the shard, or finds that it is done, and writes its state.
    ///
    /// # Errors
    /// There is no file for the state, or another process works on it; an option does not go with shards; what is
    /// there already is of something else; or what `work` says.
    pub fn run(
        &self,
        output: Option<&Path>,
        refused: Refused<'_>,
        messages: &Messages,
        work: impl FnOnce(Job<'_>) -> Result<State>,
    ) -> Result<Status> {
        self.with_parent.map_or(Ok(()), end_with)?;
        let shard = self.shard.unwrap_or(Choice::Auto).settled()?;
        let place = Place::new(output)?;
        if let Some((option, _)) = refused.iter().find(|(_, given)| *given) {
            let problem = format!("{option} is for a whole report, and --shard writes a state");
            return Err(Error::usage(
                problem,
                "leave it out; repsim merge draws, and repsim check checks",
            ));
        }
        let _lock = Lock::take(&place.state)?;
        let before = place.before(self.resume)?;
        let was_done = before.as_ref().is_some_and(|state| state.head.done);
        if let Some(state) = before.as_ref().filter(|state| !state.head.done) {
            messages.note(&format!("{} is continued: {}", place.partial.display(), state.told()));
        }
        let save = Box::new(|state: &State| keep(&place.partial, state));
        let job = Job { shard, before, every: Duration::from_secs(self.save_every as u64), save };
        let state = work(job)?;
        if was_done {
            let path = place.state.display();
            messages.note(&format!("shard {shard} is done already: {path} is left as it is"));
            return Ok(Status::Done);
        }
        keep(&place.state, &state)?;
        let _ = std::fs::remove_file(&place.partial);
        messages.note(&format!(
            "wrote {} (shard {shard}: {})",
            place.state.display(),
            state.told()
        ));
        Ok(Status::Done)
    }
}

impl ShardArgs {
    /// Works on a shard whose files are those of a folder, its state among them.
    ///
    /// # Errors
    /// What `work` says, or the state cannot be written.
    pub fn run_in(
        &self,
        folder: &Path,
        messages: &Messages,
        work: impl FnOnce(Job<'_>) -> Result<State>,
    ) -> Result<()> {
        self.with_parent.map_or(Ok(()), end_with)?;
        let shard = self.shard.unwrap_or(Choice::Auto).settled()?;
        let file = folder.join(State::PART);
        let was_done = file.exists();
        let save = Box::new(|state: &State| keep(&file, state));
        let state = work(Job { save, ..Job::new(shard) })?;
        let path = folder.display();
        messages.note(&match was_done {
            true => format!("shard {shard} is done already: {path} is left as it is"),
            false => format!("wrote {path} (shard {shard}: {})", state.told()),
        });
        Ok(())
    }
}

/// Ends this process with the one that started it, and has this number.
fn end_with(parent: i32) -> Result<()> {
    // Where the system knows of no such thing, the shard runs to its end.
    let _ = set_parent_process_death_signal(Some(Signal::TERM));
    match getppid().map(Pid::as_raw_pid) == Some(parent) {
        true => Ok(()),
        false => Err(Error::usage("the run that this shard is of has ended", "run it again")),
    }
}

/// Where a state is, and what is kept of it on the way.
struct Place {
    state: PathBuf,
    partial: PathBuf,
}

/// Endings of other files that are written with `-o`.
const OTHERS: [&str; 8] = ["json", "csv", "tsv", "md", "jsonl", "html", "npy", "npz"];

impl Place {
    fn new(output: Option<&Path>) -> Result<Self> {
        let remedy = "name the file of the state with -o FILE.state";
        let Some(path) = output.filter(|path| !is_stdout(path)) else {
            return Err(Error::usage(
                "--shard writes a state, and -o names no file for it",
                remedy,
            ));
        };
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        if ending.is_some_and(|ending| OTHERS.contains(&ending.as_str())) {
            let problem = "--shard writes a state, which is none of such files";
            return Err(Error::file("write", path, problem, remedy));
        }
        let state = behind_links(path);
        if !is_replaceable(&state) {
            return Err(Error::file("write", path, "it is not a file", remedy));
        }
        let mut partial = state.clone().into_os_string();
        partial.push(".partial");
        Ok(Self { state, partial: partial.into() })
    }

    /// What is there already: the state, or with `resume` what was kept of it.
    fn before(&self, resume: bool) -> Result<Option<State>> {
        match (self.state.exists(), resume && self.partial.exists()) {
            (true, _) => State::read(&self.state).map(Some),
            (false, true) => State::read(&self.partial).map(Some),
            (false, false) => Ok(None),
        }
    }
}

/// Writes a state, with the command line of its run.
fn keep(path: &Path, state: &State) -> Result<()> {
    let mut state = state.clone();
    state.head.command = command();
    state.head.defaults = defaults::taken();
    write_atomically(path, &state.to_bytes()?)
}
