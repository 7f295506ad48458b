//! The run over the data.

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
use crate::capture::{Feed, ModelFeed, Source, Subject, Timing, first_samples};
use crate::data::{Dataset, LoadOptions, Preprocess, Skipped, Summary, in_hexadecimal};
use crate::error::{Error, Result};
use crate::report::features::{FeaturesReport, FeaturesSettings};
use crate::report::{DataInput, ModelInput, Warning};
use crate::torchscript::{Selection, device};

/// A model that is ready, the data, and what the run is.
pub struct Run<'a> {
    asked: &'a Features,
    dataset: Dataset,
    preprocess: Vec<Preprocess>,
    load: LoadOptions,
    subject: Subject,
    record: ModelInput,
    warnings: Vec<Warning>,
    settings: FeaturesSettings,
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
    /// Positions of the samples in the data.
    pub indices: Vec<usize>,
    /// Batches.
    pub batches: usize,
    /// The places of the largest outputs.
    pub predictions: Option<Vec<Option<usize>>>,
    /// What was read.
    pub summary: Summary,
    /// Where the time went.
    pub timing: Timing,
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
    fn identity(&self) -> Value {
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
        let folder = &self.asked.folder;
        if folder.join(INDEX).exists() {
            let report = self.finished(&identity)?;
            let shown = folder.display();
            observer.note(&format!("{shown} is whole: nothing is left to do"));
            return Ok((report, false));
        }
        let mut journal = Journal::open(folder, &identity)?;
        let done = self.pass(&mut journal, observer)?;
        let data = DataInput::new(&self.dataset, Some(done.summary.clone()), &self.preprocess);
        self.warnings.extend(duplicates::of_data(Some(&done.summary), self.dataset.path()));
        self.warnings.extend(notices::of_data(&data));
        self.warnings.extend(notices::of_padding(&data, self.asked.reduce));
        let made = results::Made {
            settings: self.settings,
            record: self.record,
            data,
            warnings: self.warnings,
            loading: self.loading,
            dataset: &self.dataset,
            inputs: self.asked.running.inputs(),
        };
        let report = results::report(made, done, self.asked.keeping());
        Ok((report, true))
    }

    /// The index of a folder that is whole, and of the same run over the same data.
    fn finished(&self, identity: &Value) -> Result<FeaturesReport> {
        let folder = Folder::open(&self.asked.folder)?;
        let before = results::identity(&folder);
        refuse_other(&folder.path, &before, identity)?;
        folder.check_whole()?;
        let skipped = &folder.data.skipped;
        let kept: Vec<usize> = (0..self.dataset.len())
            .filter(|&i| !skipped.iter().any(|s| s.name == self.dataset.name(i)))
            .collect();
        let fingerprint = self.dataset.only(&kept).fingerprint(self.load.workers)?;
        match fingerprint == folder.fingerprint() {
            true => Ok(folder.index),
            false => {
                let problem = "it is whole, and of samples that have other bytes now";
                let remedy = "give another folder, or remove this one";
                Err(Error::file("write features to", &folder.path, problem, remedy))
            }
        }
    }

    fn pass(&mut self, journal: &mut Journal, observer: &dyn Observer) -> Result<Done> {
        let Self { asked, dataset, preprocess, load, subject, record, warnings, .. } = self;
        let dataset = &*dataset;
        let names: Vec<String> = subject.layers.iter().map(|l| l.name.clone()).collect();
        let expected = (dataset.len(), dataset.len().div_ceil(load.batch_size));
        let mut files = KeptFiles::new(asked.keeping(), &asked.folder, &names, expected);
        let kept = go_on(&mut files, journal, (dataset, load), asked.running.keep_state)?;
        let start =
            journal.batches.iter().flat_map(|b| &b.indices).max().map_or(0, |last| last + 1);
        if kept > 0 {
            let shown = asked.folder.display();
            observer.note(&format!("{shown}: goes on behind {start} of {} samples", dataset.len()));
        }
        let source = Source { dataset, preprocess, load: load.clone() };
        let feed = ModelFeed::new(std::slice::from_mut(subject), source);
        let mut feed = feed.after(start, kept);
        let mut predicted = recalled(&files, journal, &mut feed)?;
        let mut timing = Timing::default();
        let sources = feed.sources();
        let mut note = |written: Written<'_>| note(written, (dataset, journal), &mut predicted);
        let mut keeper = Keeper::new(files, sources, &mut note);
        if start < dataset.len() {
            let progress = &mut *observer.passes();
            progress.begin(1, 1, dataset.len());
            progress.advance(start);
            feed.pass(&mut keeper, progress, &mut timing)?;
            progress.end();
        }
        let files = keeper.files();
        let (summary, judged) = (feed.summary.take(), feed.judged());
        let (layers, outputs) = files.finish()?;
        let path = dataset.path().display().to_string();
        warnings.extend(accuracy::judge(std::slice::from_mut(record), &path, &judged, observer));
        let indices: Vec<usize> =
            journal.batches.iter().flat_map(|batch| batch.indices.clone()).collect();
        let summary = match summary {
            Some(summary) if kept == 0 => summary,
            rest => whole(rest, (dataset, &indices, start), (preprocess, load))?,
        };
        let mut differing: Vec<usize> =
            journal.batches.iter().flat_map(|batch| batch.differing.clone()).collect();
        differing.sort_unstable();
        differing.dedup();
        let predictions = outputs.as_ref().map(|_| predicted);
        let batches = journal.batches.len();
        Ok(Done { layers, outputs, differing, indices, batches, predictions, summary, timing })
    }
}

/// Keeps what an earlier run wrote of the same samples, and gives how many batches that are. A model that keeps
/// changes of its own from batch to batch begins anew.
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
    let Written { layout, indices, digest, differing, outputs } = written;
    predicted.extend(outputs.map(results::predictions).transpose()?.unwrap_or_default());
    let samples = dataset.only(indices).fingerprint(1)?;
    let (indices, differing) = (indices.to_vec(), differing.to_vec());
    journal.note(layout, BatchLine { indices, samples, digest: in_hexadecimal(&digest), differing })
}

/// What was read by an earlier run and by this one, which began at a position.
fn whole(
    rest: Option<Summary>,
    (dataset, indices, start): (&Dataset, &[usize], usize),
    (preprocess, load): (&[Preprocess], &LoadOptions),
) -> Result<Summary> {
    let used = dataset.only(indices);
    let (fingerprint, copies) = used.fingerprint_and_copies(load.workers)?;
    let left_out = (0..start).filter(|i| indices.binary_search(i).is_err());
    let reason = "it could not be read before the run was interrupted".to_owned();
    let skipped = left_out.map(|i| Skipped { name: dataset.name(i), reason: reason.clone() });
    let mut skipped: Vec<Skipped> = skipped.collect();
    skipped.extend(rest.iter().flat_map(|rest| rest.skipped.clone()));
    let first = preprocess.first().map_or(Ok(None), |steps| used.first_enlarged(steps))?;
    let later = rest.as_ref().and_then(|rest| rest.enlarged.clone());
    let enlarged = match (first, later) {
        (Some(first), Some(later)) if later.factor > first.factor => Some(later),
        (first, later) => first.or(later),
    };
    Ok(Summary {
        digests: vec![],
        samples: indices.len(),
        fingerprint: Some(fingerprint),
        copies,
        skipped,
        enlarged,
        beyond: rest.as_ref().and_then(|rest| rest.beyond),
        padded: used.padded()?,
        decode_seconds: rest.map_or(0.0, |rest| rest.decode_seconds),
    })
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
