//! What the layers of a model give, written to files once for all later questions.

mod join;
mod journal;
mod parts;
mod results;
mod run;

use std::path::{Path, PathBuf};

use self::journal::Journal;
use self::run::Run;

pub(in crate::analysis) use self::parts::Parts;
use crate::analysis::request::over_data;
use crate::analysis::session::kept::{INDEX, JOURNAL, SHARDS};
use crate::analysis::{Data, Draw, Job, Observer, Preprocessing, Running, State};
use crate::capture::Reduce;
use crate::capture::keep::Keeping;
use crate::data::FloatFormat;
use crate::error::{Error, Result};
use crate::report::Clock;
use crate::report::features::FeaturesReport;

/// The outputs of the layers of a model in a folder, a file a layer, with an index.
///
/// ```
/// use repsim::analysis::{Cka, Features, Silent};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
/// let model = |name: &str| format!("{examples}/models/fashion-{name}.pt");
/// let folder = tempfile::tempdir()?;
/// let kept = |name: &str| folder.path().join(name);
/// for name in ["seed0-scripted", "seed1-traced"] {
///     let images = format!("{examples}/images");
///     Features::new(model(name), kept(name)).data(images).limit(40).run(&Silent)?;
/// }
/// let report = Cka::new(kept("seed0-scripted"), kept("seed1-traced")).run(&Silent)?;
/// assert_eq!(report.results.n, 40);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Features {
    /// The model.
    pub model: PathBuf,
    /// The folder, which is made; one that an earlier run left unfinished is continued.
    pub folder: PathBuf,
    /// Names or globs of the layers; empty for the default ones and the input of the last linear layer.
    pub layers: Vec<String>,
    /// What becomes of outputs: kept whole with [`Reduce::Flatten`], so that any reduction can be taken of them
    /// later; not [`Reduce::Spatial`].
    pub reduce: Reduce,
    /// The type of the numbers in the files; as they were computed where nothing is said, but at least float32.
    pub dtype: Option<FloatFormat>,
    /// Numbers that rows of more features are projected to at random.
    pub project: Option<usize>,
    /// Which element of a tuple that the model returns are its logits.
    pub output_index: Option<usize>,
    /// The samples.
    pub data: Data,
    /// What is done to them.
    pub preprocessing: Preprocessing,
    /// How the model is loaded and run.
    pub running: Running,
    /// The command line that asks for it, for the index; none where a program does.
    pub command: Option<String>,
}

over_data!(Features, data);

impl Features {
    /// Whole outputs of the default layers, as they are computed.
    pub fn new(model: impl Into<PathBuf>, folder: impl Into<PathBuf>) -> Self {
        Self {
            model: model.into(),
            folder: folder.into(),
            layers: vec![],
            reduce: Reduce::Flatten,
            dtype: None,
            project: None,
            output_index: None,
            data: Data::default(),
            preprocessing: Preprocessing::default(),
            running: Running::default(),
            command: None,
        }
    }

    /// Writes the folder, and says what is in it. A folder that is whole already is looked at only.
    ///
    /// # Errors
    /// Settings that do not go together, files that cannot be read or written, a model that does not run on the
    /// data, numbers that the type does not hold, or a folder of something else: what of it is another.
    pub fn run(&self, observer: &dyn Observer) -> Result<FeaturesReport> {
        let clock = Clock::start();
        self.check()?;
        let run = Run::prepare(self, observer)?;
        let (mut report, is_new) = run.write(observer)?;
        report.warnings.iter().for_each(|warning| observer.warning(warning));
        if is_new {
            clock.stop(&mut report.timing);
            results::put(&self.folder, &report)?;
            Journal::forget(&self.folder);
            // What processes on several devices left before this run.
            let _ = std::fs::remove_dir_all(Self::shards_in(&self.folder));
        }
        Ok(report)
    }

    /// Writes what a shard has of the batches to the folder, which is a part of the whole then, and gives its state.
    /// That belongs into the folder, as [`State::PART`]: where it is there the shard is done, and only looked at; else
    /// what a run that was stopped left of it is continued.
    ///
    /// # Errors
    /// As [`Features::run`]; the run cannot be divided, or the folder holds another part.
    pub fn shard(&self, job: Job<'_>, observer: &dyn Observer) -> Result<State> {
        self.check()?;
        Run::prepare(self, observer)?.shard(job, observer)
    }

    /// Puts the parts of all shards together, which these states are of, as the folder that one run would have
    /// written. The parts stay; those that lie in [`Features::shards_in`] of the folder go.
    ///
    /// # Errors
    /// The states are not those of all shards of this run, a file of a part is not there or damaged, or the folder
    /// holds something else or cannot be written.
    pub fn merged(&self, states: Vec<State>, observer: &dyn Observer) -> Result<FeaturesReport> {
        let clock = Clock::start();
        self.check()?;
        let (mut report, is_new) = Run::prepare(self, observer)?.merge(states, observer)?;
        report.warnings.iter().for_each(|warning| observer.warning(warning));
        if is_new {
            clock.stop(&mut report.timing);
            report.timing.total += report.timing.over_data();
            results::put(&self.folder, &report)?;
            Journal::forget(&self.folder);
        }
        // What is left of them is in nobody's way.
        let _ = std::fs::remove_dir_all(Self::shards_in(&self.folder));
        Ok(report)
    }

    /// Where in a folder its parts are while several processes of one run write them.
    pub fn shards_in(folder: &Path) -> PathBuf {
        folder.join(SHARDS)
    }

    /// Refuses a folder in which one process has begun, which several cannot go on with.
    ///
    /// # Errors
    /// There is such a run.
    pub fn check_for_several(folder: &Path) -> Result<()> {
        match folder.join(JOURNAL).exists() && !Self::shards_in(folder).exists() {
            true => Err(Error::file(
                "write features to",
                folder,
                "a run on one device has begun there and did not come to its end",
                "go on with that device, or give another folder",
            )),
            false => Ok(()),
        }
    }

    /// Whether a folder is whole.
    pub fn is_whole(folder: &Path) -> bool {
        folder.join(INDEX).exists()
    }

    fn check(&self) -> Result<()> {
        if self.reduce == Reduce::Spatial {
            let problem = "--reduce spatial gives many rows a sample, and files have one";
            let remedy = "use --reduce flatten: of whole outputs each command takes what it wants";
            return Err(Error::usage(problem, remedy));
        }
        if self.folder.exists() && !self.folder.is_dir() {
            let problem = "it is a file";
            return Err(Error::file(
                "write to",
                &self.folder,
                problem,
                "give the path of a folder",
            ));
        }
        match self.project {
            Some(0) => Err(Error::usage("--project 0 leaves no numbers", "give 1 or more")),
            _ => Ok(()),
        }
    }

    fn keeping(&self) -> Keeping {
        Keeping {
            reduce: self.reduce,
            format: self.dtype,
            project: self.project.map(|to| (to, self.projection_seed())),
        }
    }

    fn projection_seed(&self) -> u64 {
        self.running.seed_of(Draw::Projection, None)
    }
}
