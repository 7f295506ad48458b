//! Running one checkpoint at a time, and what is kept of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::Track;
use super::memory;
use crate::analysis::session::models::listen;
use crate::analysis::session::{axes, duplicates, told, weights_of};
use crate::analysis::{Observer, Running};
use crate::capture::represent::{Captured, Outcome, Wanted, represent};
use crate::capture::{Judged, ModelFeed, Source, Subject};
use crate::data::{Dataset, Preprocess, Summary};
use crate::error::Result;
use crate::report::{ModelInput, Timing, Warning};
use crate::similarity::Representation;
use crate::torchscript::{Execution, Selection};

/// What all checkpoints run with.
pub struct Stage<'a> {
    pub asked: &'a Track,
    pub dataset: &'a Dataset,
    pub preprocess: &'a [Preprocess],
    pub selections: [Selection; 1],
    pub execution: &'a Execution,
    pub observer: &'a dyn Observer,
    pub told: Told,
}

/// What was noticed on the way.
#[derive(Default)]
pub struct Told {
    pub warnings: Vec<Warning>,
    pub summary: Option<Summary>,
    pub timing: Timing,
    pub samples: Vec<String>,
    /// The same warnings without the path of the model: said of one, they hold of all.
    known: Vec<(String, String)>,
}

/// A layer of a checkpoint.
pub struct Layer {
    pub name: String,
    pub width: usize,
    /// What is measured, or why there is none.
    pub found: Result<Representation, String>,
}

/// What a checkpoint gave.
pub struct Seen {
    pub record: ModelInput,
    pub judged: Judged,
    pub layers: Vec<Arc<Layer>>,
}

impl Seen {
    /// The layer of a name.
    pub fn layer(&self, name: &str) -> Option<&Arc<Layer>> {
        self.layers.iter().find(|layer| layer.name == name)
    }
}

impl Told {
    /// Takes warnings in.
    pub fn add(&mut self, warnings: impl IntoIterator<Item = Warning>) {
        self.warnings.extend(warnings);
    }

    /// Takes in those of a model that were not said of another one.
    fn add_of(&mut self, path: &str, warnings: Vec<Warning>) {
        for warning in warnings {
            let key = (warning.code.clone(), warning.text.replace(path, ""));
            if !self.known.contains(&key) {
                self.known.push(key);
                self.warnings.push(warning);
            }
        }
    }

    fn add_timing(&mut self, outcome: &Outcome) {
        let (of, all) = (outcome.timing, &mut self.timing);
        all.decode += of.decode;
        all.wait += of.wait;
        all.forward += of.forward;
        all.measure += of.measure;
        all.passes += outcome.passes;
    }
}

impl Stage<'_> {
    /// Threads to measure with.
    pub fn threads(&self) -> usize {
        self.asked.running.threads()
    }

    /// Runs a checkpoint; `last` is the last one, where it was run before.
    ///
    /// # Errors
    /// It cannot be read or run, or its layers do not fit into the memory allowed.
    pub fn look(&mut self, place: usize, last: Option<&Seen>) -> Result<Seen> {
        let running = &self.asked.running;
        let weights = weights_of(running, self.asked.checkpoints.len())?.swap_remove(place);
        let weights = if weights.is_some() { vec![weights] } else { vec![] };
        let path = self.asked.checkpoints[place].clone();
        self.run(&path, &Running { weights, ..running.clone() }, last)
    }

    /// Runs the model that all are held against besides, with its own weights.
    ///
    /// # Errors
    /// As [`Stage::look`].
    pub fn look_at_reference(&mut self, path: &Path, last: &Seen) -> Result<Seen> {
        let running = Running { weights: vec![], ..self.asked.running.clone() };
        self.run(path, &running, Some(last))
    }

    fn run(&mut self, path: &Path, running: &Running, last: Option<&Seen>) -> Result<Seen> {
        let loading = Instant::now();
        let (asked, dataset, preprocess) = (self.asked, self.dataset, self.preprocess);
        let load = asked.data.load.options(running.threads());
        let source = || Source { dataset, preprocess, load: load.clone() };
        let (mut subjects, mut records, mut warnings) = listen(
            &[PathBuf::from(path)],
            (running, asked.output_index),
            &source(),
            (&self.selections, asked.reduce),
            self.execution,
        )?;
        warnings.extend(axes::check(&subjects, asked.reduce)?);
        let record = records.swap_remove(0);
        if last.is_none() {
            told::tell_default(std::slice::from_ref(&record), &self.selections, self.observer);
        }
        let named = record.telling_path().to_owned();
        self.observer.detail(&format!("{named}: {} layers", record.layers.len()));
        let names: Vec<String> =
            subjects[0].layers.iter().map(|layer| layer.name.clone()).collect();
        let held = memory::held(asked, &widths(asked, &subjects[0]), dataset.len())?;
        let loaded = loading.elapsed().as_secs_f64();
        let mut feed = ModelFeed::new(&mut subjects, source());
        let wanted = wanted(asked, held);
        let mut outcome = represent(&mut feed, &wanted, &mut *self.observer.passes())?;
        let judged = feed.judged().swap_remove(0);
        if self.told.summary.is_none() {
            let copies = duplicates::of_data(feed.summary.as_ref(), dataset.path());
            self.told.add(copies);
            self.told.summary = feed.summary.take();
            self.told.samples.clone_from(&outcome.names);
        }
        self.told.add_timing(&outcome);
        self.told.timing.load += loaded;
        self.told.add_of(&named, warnings);
        let captured = outcome.layers.swap_remove(0);
        let layers = names.into_iter().zip(captured).map(layer).collect();
        Ok(Seen { record, judged, layers })
    }
}

fn layer((name, captured): (String, Captured)) -> Arc<Layer> {
    let Captured { width, found, .. } = captured;
    Arc::new(Layer { name, width, found })
}

fn widths(asked: &Track, subject: &Subject) -> Vec<usize> {
    subject.layers.iter().map(|layer| asked.reduce.width(&layer.canonical_shape())).collect()
}

/// What is wanted of a checkpoint, beside what is held of others.
fn wanted(asked: &Track, held: u64) -> Wanted {
    Wanted {
        reduce: asked.reduce,
        options: asked.options,
        measures: vec![asked.measure],
        components: None,
        memory: asked.memory - held,
        halves: 0,
        grams: memory::of_products(asked.measure),
    }
}
