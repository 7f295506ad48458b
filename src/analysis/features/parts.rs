//! Folders of features in parts, which shards write, and the folder that they make together.

use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::join::join;
use super::journal::Journal;
use super::run::{Done, Run};
use crate::analysis::session::kept::INDEX;
use crate::analysis::shards::{check_run, joined, ordered, undivided};
use crate::analysis::{Body, Facts, Head, Job, Observer, State};
use crate::capture::keep::{Finished, Laid, OUTPUT};
use crate::capture::part::Piece;
use crate::error::{Error, Result};
use crate::report::features::FeaturesReport;
use crate::stats::Sum;

/// What was written of parts that follow each other.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Parts(pub(super) Vec<Part>);

/// What was written of the samples of a shard.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    /// Rows of each file.
    pub samples: usize,
    /// Batches that they came in.
    pub batches: usize,
    /// The layers.
    pub layers: Vec<Finished>,
    /// What the model itself gave.
    pub outputs: Option<Finished>,
    /// The layers that did not give the tensor of another in all batches.
    differing: Vec<usize>,
    /// The places of the largest outputs.
    predictions: Option<Vec<Option<usize>>>,
}

impl Sum for Parts {
    fn merge(&mut self, later: Self) {
        self.0.extend(later.0);
    }
}

impl Part {
    /// The layers, and what the model itself gave.
    pub fn files(&self) -> impl Iterator<Item = &Finished> {
        self.layers.iter().chain(&self.outputs)
    }

    fn is_sound(&self, samples: usize, names: &[&str]) -> bool {
        let own = self.layers.iter().map(|layer| layer.laid.name.as_str());
        let files: Vec<String> = self.files().flat_map(|layer| layer.laid.files()).collect();
        let is_plain = |file: &String| Path::new(file).file_name() == Some(file.as_ref());
        let is_own =
            |place: usize| !files[..place].contains(&files[place]) && files[place] != INDEX;
        let predictions = self.predictions.as_ref();
        self.samples == samples
            && (samples == 0 || own.eq(names.iter().copied()))
            && files.iter().all(is_plain)
            && (0..files.len()).all(is_own)
            && self.differing.iter().all(|&layer| layer < names.len())
            && predictions.is_none_or(|all| all.len() == samples)
    }

    /// What two parts lie in differently, in words.
    fn apart(&self, other: &Self) -> Option<String> {
        // How axes lay around that of a single sample is as it happens to be.
        let laid = |of: &Finished| Laid { around: 0, ..of.laid.clone() };
        let mut pairs = self.files().zip(other.files());
        let differs = pairs.find(|(own, others)| laid(own) != laid(others));
        let count = || self.files().count() != other.files().count();
        match differs {
            Some((own, _)) => Some(format!("layer {}", own.laid.name)),
            None => count().then(|| "what the model gives".to_owned()),
        }
    }
}

impl Run<'_> {
    /// What all shards have in common.
    fn facts(&self) -> Result<Facts> {
        let mut facts = Facts::of(&self.settings, &self.asked.running)?;
        facts.add_model(&self.record);
        facts.add_data(&self.dataset, &self.preprocess)?;
        facts.add("blocks", self.batches());
        Ok(facts)
    }

    fn batches(&self) -> usize {
        self.dataset.len().div_ceil(self.load.batch_size)
    }

    fn positions(&self, batches: &Range<usize>) -> Range<usize> {
        let first =
            |batch: usize| self.dataset.len().min(batch.saturating_mul(self.load.batch_size));
        first(batches.start)..first(batches.end)
    }

    fn identity_with(&self, name: &str, value: impl Into<Value>) -> Value {
        let mut identity = self.identity();
        identity[name] = value.into();
        identity
    }

    fn check_part(&self, state: &State) -> Result<()> {
        let mut names: Vec<&str> = self.subject.layers.iter().map(|l| l.name.as_str()).collect();
        if names.is_empty() {
            names.push(OUTPUT);
        }
        state.check_part(&self.dataset, |Piece { blocks, reading, sums: Parts(parts) }| {
            reading.is_within(&self.positions(blocks))
                && matches!(parts.as_slice(), [part] if part.is_sound(reading.samples(), &names))
        })
    }

    /// Writes the part of a shard, and gives its state.
    ///
    /// # Errors
    /// As [`Features::shard`](super::Features::shard).
    pub fn shard(mut self, job: Job<'_>, observer: &dyn Observer) -> Result<State> {
        let (folder, shard) = (&self.asked.folder, job.shard);
        if self.asked.running.keep_state {
            return Err(undivided("a model that keeps its state runs over all samples in turn"));
        }
        if folder.join(INDEX).exists() {
            let problem = "it holds the features of a whole run, and --shard writes a part";
            return Err(Error::file("write to", folder, problem, "give another folder with -o"));
        }
        let file = folder.join(State::PART);
        let before = if file.exists() { Some(State::read(&file)?) } else { None };
        let head = Head::new("features", shard, self.facts()?);
        let mut job = Job { before, ..job };
        let mut state = job.begun(head, Body::Features(None))?.at(file);
        self.check_part(&state)?;
        if state.head.done {
            self.check_files(&state)?;
            Journal::forget(folder);
            return Ok(state);
        }
        self.settings.device.clone_into(&mut state.head.device);
        let identity = self.identity_with("shard", shard.to_string());
        let mut journal = Journal::open(folder, &identity)?;
        let blocks = shard.of(self.batches());
        match self.positions(&blocks) {
            range if range.is_empty() => journal.keep(0)?,
            range => {
                let done = self.pass(&mut journal, range, observer)?;
                state.body = Body::Features(Some(Box::new(piece(blocks, done))));
            }
        }
        state.head.done = true;
        (job.save)(&state)?;
        Journal::forget(&self.asked.folder);
        Ok(state)
    }

    /// Makes sure that the files of a part are there, as they were written.
    fn check_files(&self, state: &State) -> Result<()> {
        let Body::Features(Some(piece)) = &state.body else { return Ok(()) };
        let parts = piece.sums.0.iter();
        parts.flat_map(Part::files).try_for_each(|file| super::join::check(state.folder(), file))
    }

    /// Puts the parts together; `false` where the folder was whole before.
    ///
    /// # Errors
    /// As [`Features::merged`](super::Features::merged).
    pub fn merge(
        mut self,
        states: Vec<State>,
        observer: &dyn Observer,
    ) -> Result<(FeaturesReport, bool)> {
        let mut states = ordered(states)?;
        let devices = check_run(&states, "features", self.facts()?)?;
        if !devices.is_empty() {
            self.settings.device = devices;
        }
        if let Some(report) = self.finished(&self.identity(), observer)? {
            return Ok((report, false));
        }
        states.iter().try_for_each(|state| self.check_part(state))?;
        alike(&states)?;
        let count = states.len();
        let mut folders = vec![];
        let mut pieces = vec![];
        for state in &mut states {
            let folder = state.folder().to_owned();
            if let Body::Features(Some(piece)) = &mut state.body {
                folders.push(folder);
                pieces.push(std::mem::take(&mut **piece));
            }
        }
        let none = || Error::usage("the data have no batch", "give data with samples");
        let whole = joined(pieces.into_iter(), self.batches())?.ok_or_else(none)?;
        let mut journal = Journal::open(&self.asked.folder, &self.identity_with("shards", count))?;
        journal.keep(0)?;
        let Piece { reading, sums: Parts(parts), .. } = whole;
        let parts: Vec<_> = folders.iter().map(|folder| folder.as_path()).zip(&parts).collect();
        let files = join(&self.asked.folder, &parts);
        let files = files.inspect_err(|_| Journal::forget(&self.asked.folder))?;
        let parts = || parts.iter().map(|(_, part)| *part);
        let mut differing: Vec<usize> = parts().flat_map(|part| part.differing.clone()).collect();
        differing.sort_unstable();
        differing.dedup();
        let predictions = files
            .outputs
            .as_ref()
            .map(|_| parts().flat_map(|part| part.predictions.iter().flatten().copied()).collect());
        let batches = parts().map(|part| part.batches).sum();
        let (layers, outputs) = (files.layers, files.outputs);
        let done = Done { layers, outputs, differing, batches, predictions, reading };
        Ok((self.reported(done, observer), true))
    }
}

fn piece(blocks: Range<usize>, done: Done) -> Piece<Parts> {
    let Done { layers, outputs, differing, batches, predictions, reading } = done;
    let samples = reading.samples();
    let part = Part { samples, batches, layers, outputs, differing, predictions };
    Piece { blocks, reading, sums: Parts(vec![part]) }
}

/// Makes sure that the files of all parts lie alike.
fn alike(states: &[State]) -> Result<()> {
    let mut first: Option<(&State, &Part)> = None;
    for state in states {
        let Body::Features(Some(piece)) = &state.body else { continue };
        for part in piece.sums.0.iter().filter(|part| part.samples > 0) {
            let (other, before) = first.get_or_insert((state, part));
            if let Some(what) = before.apart(part) {
                let other = other.name();
                let problem = format!("{what} lies in another way than in {}", other.display());
                return Err(state.foreign(problem));
            }
        }
    }
    Ok(())
}
