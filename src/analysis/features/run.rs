//! The run over the data.

use std::ops::Range;
use std::time::Instant;

use serde_json::{Value, json};

use super::journal::{BatchLine, Journal, refuse_other};
use super::{Features, results};
use crate::analysis::Observer;
use crate::analysis::session::extraction::steps;
use crate::analysis::session::kept::{Folder, INDEX};
use crate::analysis::session::run_options::run_options;
use crate::analysis::session::{accuracy, axes, duplicates, load_all, models, notices, told};
use crate::capture::keep::{Finished, Keeper, KeptFiles, Written};
use crate::capture::part::Reading;
use crate::capture::{Feed, ModelFeed, Source, Subject, Timing, first_samples};
use crate::data::{Dataset, LoadOptions, Preprocess, Skipped, Summary, in_hexadecimal};
use crate::error::{Error, Result};
use crate::report::features::{FeaturesReport, FeaturesSettings};
use crate::report::{DataInput, ModelInput, Warning};
use crate::stats::Sum;
use crate::torchscript::{Selection, device};

/// A model that is ready, the data, and what the run is.
pub struct Run<'a> {
    pub(super) asked: &'a Features,
    pub(super) dataset: Dataset,
    pub(super) preprocess: Vec<Preprocess>,
    pub(super) load: LoadOptions,
    pub(super) subject: Subject,
    pub(super) record: ModelInput,
    warnings: Vec<Warning>,
    pub(super) settings: FeaturesSettings,
    loading: f64,
}

/// What the pass over the data left.
pub struct Done {
    /// The layers.
    pub layers: Vec<Finished>,
    /// What the model itself gave.
    pub outputs: Option<Finished>,
    /// The layers that did not give the tensor of another in the whole run.
    pub differing: Vec<usize>,
    /// Batches.
    pub batches: usize,
    /// The places of the largest outputs.
    pub predictions: Option<Vec<Option<usize>>>,
    /// What was read, and where the time went.
    pub reading: Reading,
}

impl<'a> Run<'a> {
    /// Loads the model, finds its layers and opens the data.
    ///
    /// # Errors
    /// They cannot be used.
    pub fn prepare(asked: &'a Features, observer: &dyn Observer) -> Result<Self> {
        let started = Instant::now();
        let running = &asked.running;
        let selection = Selection::new(&asked.layers)?;
        let dataset = asked.data.open_inputs(running.seed)?;
        let execution = running.execution()?;
        let mut loaded = load_all(std::slice::from_ref(&asked.model), running)?;
        let mut loaded =
            loaded.pop().ok_or_else(|| Error::usage("no model was given", "name one"))?;
        loaded.choose_output(asked.output_index);
        let takes_bytes = loaded.model.is_feature_extractor();
        let how = (&asked.preprocessing, takes_bytes);
        let preprocess = vec![steps(how, &dataset, &asked.model, observer)?];
        let load = asked.data.load.options(running.threads());
        let source = Source { dataset: &dataset, preprocess: &preprocess, load: load.clone() };
        let samples = first_samples(&source, 2)?.swap_remove(0);
        loaded.feed(&dataset)?;
        let (mut subject, record, mut warnings) = match takes_bytes && asked.layers.is_empty() {
            true => loaded.into_extractor(&samples, None, &execution)?,
            false => {
                loaded.add_last_linear()?;
                loaded.into_subject(&samples, (&selection, asked.reduce), &execution, 0)?
            }
        };
        models::check_output(&mut subject.model, &samples)?;
        warnings.extend(axes::check(std::slice::from_ref(&subject), asked.reduce)?);
        let loading = started.elapsed().as_secs_f64();
        told::tell_default(std::slice::from_ref(&record), &[selection], observer);
        let device = device::name(execution.device);
        let settings = asked.settings(&record, &dataset, device);
        Ok(Self { asked, dataset, preprocess, load, subject, record, warnings, settings, loading })
    }

    /// What has to be the same where a run goes on with another.
    pub(super) fn identity(&self) -> Value {
        let layers: Vec<Value> = self.subject.layers.iter().map(|l| json!(l.name)).collect();
        json!({
            "tool": env!("CARGO_PKG_VERSION"),
            "model": self.record.identity(),
            "layers": layers,
            "settings": self.settings,
            "preprocess": self.preprocess,
            "samples": self.dataset.len(),
        })
    }

    /// Writes the folder; `false` where it was whole before.
    ///
    /// # Errors
    /// As [`Features::run`].
    pub fn write(mut self, observer: &dyn Observer) -> Result<(FeaturesReport, bool)> {
        let identity = self.identity();
        if let Some(report) = self.finished(&identity, observer)? {
            return Ok((report, false));
        }
        let mut journal = Journal::open(&self.asked.folder, &identity)?;
        let done = self.pass(&mut journal, 0..self.dataset.len(), observer)?;
        Ok((self.reported(done, observer), true))
    }

    /// The index of a folder into which all was written.
    pub(super) fn reported(mut self, done: Done, observer: &dyn Observer) -> FeaturesReport {
        let summary = self.judge(&done.reading, observer);
        let data = DataInput::new(&self.dataset, summary.clone(), &self.preprocess);
        self.warnings.extend(duplicates::of_data(summary.as_ref(), self.dataset.path()));
        self.warnings.extend(notices::of_data(&data));
        self.warnings.extend(notices::of_padding(&data, self.asked.reduce));
        let made = results::Made {
            settings: self.settings,
            record: self.record,
            data,
            copies: summary.and_then(|summary| summary.copies),
            warnings: self.warnings,
            loading: self.loading,
            dataset: &self.dataset,
            inputs: self.asked.running.inputs(),
            command: self.asked.command.clone(),
        };
        results::report(made, done, self.asked.keeping())
    }

    /// Says how often the model is right, by what was counted of its outputs; gives what was read.
    fn judge(&mut self, reading: &Reading, observer: &dyn Observer) -> Option<Summary> {
        let Self { dataset, preprocess, load, subject, record, warnings, .. } = self;
        let source = Source { dataset, preprocess, load: load.clone() };
        let mut feed = ModelFeed::new(std::slice::from_mut(subject), source);
        feed.replay(reading);
        let (judged, path) = (feed.judged(), dataset.path().display().to_string());
        warnings.extend(accuracy::judge(std::slice::from_mut(record), &path, &judged, observer));
        feed.summary.take()
    }

    /// The index of a folder that is whole, and of the same run over the same data; `None` where it is not whole.
    ///
    /// # Errors
    /// It is of another run, or damaged.
    pub(super) fn finished(
        &self,
        identity: &Value,
        observer: &dyn Observer,
    ) -> Result<Option<FeaturesReport>> {
        if !self.asked.folder.join(INDEX).exists() {
            return Ok(None);
        }
        let folder = Folder::open(&self.asked.folder)?;
        let before = results::identity(&folder, &self.settings.device);
        refuse_other(&folder.path, &before, identity)?;
        folder.check_whole()?;
        let skipped = &folder.data.skipped;
        let kept: Vec<usize> = (0..self.dataset.len())
            .filter(|&i| !skipped.iter().any(|s| s.name == self.dataset.name(i)))
            .collect();
        let fingerprint = self.dataset.only(&kept).fingerprint(self.load.workers)?;
        if fingerprint != folder.fingerprint() {
            let problem = "it is whole, and of samples that have other bytes now";
            let remedy = "give another folder, or remove this one";
            return Err(Error::file("write features to", &folder.path, problem, remedy));
        }
        observer.note(&format!("{} is whole: nothing is left to do", folder.shown()));
        Ok(Some(folder.index))
    }

    /// Runs the model over the samples of a range of positions, which begins with a batch, and writes what it gives;
    /// goes on with what the journal says is written of it.
    ///
    /// # Errors
    /// The data cannot be read, the model does not run on them, or a file cannot be written.
    pub(super) fn pass(
        &mut self,
        journal: &mut Journal,
        range: Range<usize>,
        observer: &dyn Observer,
    ) -> Result<Done> {
        let Self { asked, dataset, preprocess, load, subject, .. } = self;
        let dataset = &*dataset;
        let names: Vec<String> = subject.layers.iter().map(|l| l.name.clone()).collect();
        let expected = (range.len(), range.len().div_ceil(load.batch_size));
        let mut files = KeptFiles::new(asked.keeping(), &asked.folder, &names, expected);
        let kept = go_on(&mut files, journal, (dataset, load), asked.running.keep_state)?;
        let last = journal.batches.iter().flat_map(|b| &b.indices).max();
        let start = last.map_or(range.start, |last| last + 1);
        if kept > 0 {
            let (shown, done) = (asked.folder.display(), start - range.start);
            observer.note(&format!("{shown}: goes on behind {done} of {} samples", range.len()));
        }
        let own = LoadOptions { range: Some(0..range.end.saturating_sub(start)), ..load.clone() };
        let source = Source { dataset, preprocess, load: own };
        let feed = ModelFeed::new(std::slice::from_mut(subject), source);
        let mut feed = feed.after(start, range.start / load.batch_size + kept);
        let mut predicted = recalled(&files, journal, &mut feed)?;
        let before =
            (kept > 0).then(|| earlier((dataset, journal), range.start..start, (preprocess, load)));
        let before = before.transpose()?;
        let mut timing = Timing::default();
        let sources = feed.sources();
        let mut note = |written: Written<'_>| note(written, (dataset, journal), &mut predicted);
        let mut keeper = Keeper::new(files, sources, &mut note);
        if start < range.end {
            let progress = &mut *observer.passes();
            progress.begin(1, 1, range.len());
            progress.advance(start - range.start);
            feed.pass(&mut keeper, progress, &mut timing)?;
            progress.end();
        }
        let files = keeper.files();
        let reading = read(before, &feed, start).took(timing);
        let (layers, outputs) = files.finish()?;
        let mut differing: Vec<usize> =
            journal.batches.iter().flat_map(|batch| batch.differing.clone()).collect();
        differing.sort_unstable();
        differing.dedup();
        let predictions = outputs.as_ref().map(|_| predicted);
        let batches = journal.batches.len();
        Ok(Done { layers, outputs, differing, batches, predictions, reading })
    }
}

/// Keeps what an earlier run wrote of the same samples, and gives how many batches that are. A model that keeps
/// changes of its own from batch to batch begins again.
fn go_on(
    files: &mut KeptFiles<'_>,
    journal: &mut Journal,
    (dataset, load): (&Dataset, &LoadOptions),
    keeps_state: bool,
) -> Result<usize> {
    let kept = match journal.layout.clone().filter(|_| !keeps_state) {
        None => 0,
        Some(layout) => {
            let batches = journal.batches.iter().map(|b| (b.indices.len(), b.digest.clone()));
            files.go_on(&layout, &batches.collect::<Vec<_>>())?
        }
    };
    files.recall(journal.batches[..kept].iter().flat_map(|batch| &batch.not_finite));
    journal.keep(kept)?;
    for batch in &journal.batches {
        let there = batch.indices.iter().all(|&i| i < dataset.len());
        if !there || dataset.only(&batch.indices).fingerprint(load.workers)? != batch.samples {
            let first = batch.indices.first().filter(|_| there);
            let name = first.map_or(String::new(), |&i| dataset.name(i));
            let problem = format!(
                "samples from {name} on were changed since the run of repsim features that is to be gone on with"
            );
            let remedy = "remove the folder, or give another one with -o";
            return Err(Error::file("read", dataset.path(), problem, remedy));
        }
    }
    Ok(kept)
}

/// What the model gave for the samples of an earlier run: is held against the labels again.
fn recalled(
    files: &KeptFiles<'_>,
    journal: &Journal,
    feed: &mut ModelFeed<'_>,
) -> Result<Vec<Option<usize>>> {
    let (mut predicted, mut first) = (vec![], 0);
    for batch in &journal.batches {
        let count = batch.indices.len();
        if let Some(outputs) = files.outputs_again(first, count)? {
            feed.recall(&batch.indices, &outputs)?;
            predicted.extend(results::predictions(&outputs)?);
        }
        first += count;
    }
    Ok(predicted)
}

fn note(
    written: Written<'_>,
    (dataset, journal): (&Dataset, &mut Journal),
    predicted: &mut Vec<Option<usize>>,
) -> Result<()> {
    let Written { layout, indices, digest, differing, outputs, not_finite } = written;
    predicted.extend(outputs.map(results::predictions).transpose()?.unwrap_or_default());
    let samples = dataset.only(indices).fingerprint(1)?;
    let (indices, differing) = (indices.to_vec(), differing.to_vec());
    let (digest, not_finite) = (in_hexadecimal(&digest), not_finite.to_vec());
    journal.note(layout, BatchLine { indices, samples, digest, differing, not_finite })
}

/// What an earlier run read of the samples at these positions.
fn earlier(
    (dataset, journal): (&Dataset, &Journal),
    range: Range<usize>,
    (preprocess, load): (&[Preprocess], &LoadOptions),
) -> Result<Reading> {
    let indices: Vec<usize> = journal.batches.iter().flat_map(|b| b.indices.clone()).collect();
    let used = dataset.only(&indices);
    let left_out = range.filter(|i| indices.binary_search(i).is_err());
    let reason = "it could not be read before the run was interrupted".to_owned();
    let skipped = left_out.map(|i| Skipped { name: dataset.name(i), reason: reason.clone() });
    let summary = Summary {
        samples: indices.len(),
        fingerprint: None,
        copies: None,
        digests: indices.iter().copied().zip(used.all_digests(load.workers)?).collect(),
        skipped: skipped.collect(),
        enlarged: preprocess.first().map_or(Ok(None), |steps| used.first_enlarged(steps))?,
        beyond: None,
        padded: used.padded()?,
        decode_seconds: 0.0,
    };
    Ok(Reading::new(&summary, vec![]))
}

/// What an earlier run read, and what a feed did that began at a position.
fn read(before: Option<Reading>, feed: &ModelFeed<'_>, start: usize) -> Reading {
    let tallies = feed.judged().into_iter().map(|judged| judged.tally).collect();
    let rest = feed.summary.clone().map(|mut summary| {
        summary.digests.iter_mut().for_each(|(position, _)| *position += start);
        Reading::new(&summary, vec![])
    });
    let mut reading = match (before, rest) {
        (Some(mut before), Some(rest)) => {
            before.merge(rest);
            before
        }
        (before, rest) => before.or(rest).unwrap_or_default(),
    };
    reading.merge(Reading::new(&Summary::default(), tallies));
    reading
}

impl Features {
    /// What the report says of the options.
    fn settings(&self, record: &ModelInput, data: &Dataset, device: String) -> FeaturesSettings {
        let running = &self.running;
        let of = (self.output_index, &self.data.texts);
        FeaturesSettings {
            layers: self.layers.clone(),
            reduce: self.reduce,
            dtype: self.dtype,
            project: self.project,
            projection_seed: self.project.map(|_| self.projection_seed()),
            read: self.data.load.recorded(running.seed),
            output_index: self.output_index,
            run: run_options(running, of, record, data.tokenized()),
            pixels: data.pixels(),
            optimize: running.optimize,
            precision: running.precision.recorded(),
            device,
        }
    }
}
