//! Running one checkpoint at a time, and what is kept of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::Track;
use super::memory;
use crate::analysis::platonic::kept::share as share_of_record;
use crate::analysis::platonic::share;
use crate::analysis::session::kept::Folder;
use crate::analysis::session::kept_sides::{Asked, Givers};
use crate::analysis::session::models::listen;
use crate::analysis::session::{axes, duplicates, notices, told, weights_of};
use crate::analysis::{Observer, Running};
use crate::capture::represent::{Captured, Outcome, Wanted, represent};
use crate::capture::{Judged, ModelFeed, Naming, Source};
use crate::data::{Dataset, Preprocess, SourceKind};
use crate::error::{Error, Result};
use crate::report::{DataInput, ModelInput, Timing, Warning};
use crate::similarity::Representation;
use crate::torchscript::{Execution, Selection, device};

/// What all checkpoints run with.
pub struct Stage<'a> {
    pub asked: &'a Track,
    /// The samples that models run on; none where all are folders of features.
    pub data: Option<Samples<'a>>,
    pub selections: [Selection; 1],
    pub observer: &'a dyn Observer,
    pub told: Told,
}

/// What models run on.
#[derive(Clone, Copy)]
pub struct Samples<'a> {
    pub dataset: &'a Dataset,
    pub preprocess: &'a [Preprocess],
    pub execution: &'a Execution,
}

/// What was noticed during the run.
#[derive(Default)]
pub struct Told {
    pub warnings: Vec<Warning>,
    /// What the first that ran was given.
    pub data: Option<DataInput>,
    pub timing: Timing,
    /// Names of the samples.
    pub samples: Vec<String>,
    /// Where models ran.
    pub device: String,
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
    /// What its outputs said, where it ran.
    pub judged: Option<Judged>,
    /// The share of the samples that it is right on, or why that is not known.
    pub accuracy: Result<f64, String>,
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

    /// Holds the samples of a checkpoint against those of the first one.
    ///
    /// # Errors
    /// They are others, or in another order: names the first.
    fn take_samples(&mut self, (path, names): (&str, &[String]), data: DataInput) -> Result<()> {
        let Some(first) = &self.data else {
            self.samples = names.to_vec();
            self.data = Some(data);
            return Ok(());
        };
        let differs = |i: &usize| self.samples.get(*i) != names.get(*i);
        if let Some(i) = (0..self.samples.len().max(names.len())).find(differs) {
            let shown = |names: &[String]| names.get(i).map_or("missing".to_owned(), Clone::clone);
            let problem = format!(
                "sample {} of {path} is {}, and that of the last checkpoint {}",
                i + 1,
                shown(names),
                shown(&self.samples)
            );
            return Err(Error::usage(
                problem,
                "give all checkpoints the same samples in one order",
            ));
        }
        if first.fingerprint == data.fingerprint {
            return Ok(());
        }
        let text = format!("the samples of {path} have the names of the others' and other bytes");
        // Each tokenizer makes other bytes of a text.
        match [first, &data].iter().all(|data| data.kind == SourceKind::Texts) {
            true => self.warnings.push(Warning::new("other-samples", path, text)),
            false => return Err(Error::usage(text, "give all checkpoints the same data")),
        }
        Ok(())
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
        if path.is_dir() {
            return self.read(path, running);
        }
        let loading = Instant::now();
        let asked = self.asked;
        let Samples { dataset, preprocess, execution } = self.data.ok_or_else(|| {
            let problem = "no data was given for the model that runs beside folders of features";
            Error::usage(problem, "name the samples of the folders with --data")
        })?;
        let load = asked.data.load.options(running.threads());
        let source = Source { dataset, preprocess, load };
        let (mut subjects, mut records, mut warnings) = listen(
            &[PathBuf::from(path)],
            (running, asked.output_index),
            &source,
            (&self.selections, asked.reduce),
            execution,
        )?;
        warnings.extend(axes::check(&subjects, asked.reduce)?);
        let record = records.swap_remove(0);
        if last.is_none() {
            told::tell_default(std::slice::from_ref(&record), &self.selections, self.observer);
        }
        let own = &subjects[0].layers;
        let layers =
            own.iter().map(|layer| (layer.name.clone(), layer.canonical_shape())).collect();
        let (names, held) = memory::room(asked, layers, dataset.len())?;
        let loaded = loading.elapsed().as_secs_f64();
        let mut feed = ModelFeed::new(&mut subjects, source);
        let outcome = represent(&mut feed, &wanted(asked, held), &mut *self.observer.passes())?;
        let judged = feed.judged().swap_remove(0);
        warnings.extend(duplicates::of_data(feed.summary.as_ref(), dataset.path()));
        let data = DataInput::new(dataset, feed.summary.take(), preprocess);
        warnings.extend(notices::of_data(&data));
        warnings.extend(notices::of_padding(&data, asked.reduce));
        self.told.timing.load += loaded;
        self.told.device = device::name(execution.device);
        let accuracy = share(&judged);
        let seen = Seen { record, judged: Some(judged), accuracy, layers: vec![] };
        self.whole(seen, (names, outcome), (data, warnings))
    }

    /// Reads a folder of features in place of a checkpoint.
    fn read(&mut self, path: &Path, running: &Running) -> Result<Seen> {
        let asked = self.asked;
        let mut running = running.clone();
        if self.data.is_some() {
            // Those of the checkpoints that run.
            running.channel_axes = vec![];
        }
        let (models, measures) = ([path.to_owned()], [asked.measure]);
        let of_folder = Asked {
            models: &models,
            data: &asked.data,
            running: &running,
            reduce: asked.reduce,
            measures: &measures,
            naming: Naming::default(),
            parts: false,
            outputs: false,
        };
        let choose = |_: usize, folder: &Folder| folder.choose(&self.selections[0], asked.reduce);
        let mut givers = of_folder.open(&choose, &|_, _, _, _| {
            Err(Error::usage("no model is among folders of features", "give one, or none"))
        })?;
        let (names, held) = memory::room(asked, givers.layers().swap_remove(0), givers.samples())?;
        let (outcome, data) = givers.measure(&of_folder, (false, self.observer), |feed| {
            represent(feed, &wanted(asked, held), &mut *self.observer.passes())
        })?;
        let Givers { mut records, warnings, loading, device, .. } = givers;
        let record = records.swap_remove(0);
        self.told.timing.load += loading;
        if self.told.device.is_empty() {
            self.told.device = device;
        }
        let accuracy = share_of_record(&record);
        let seen = Seen { record, judged: None, accuracy, layers: vec![] };
        self.whole(seen, (names, outcome), (data, warnings))
    }

    /// With the layers, and all that was noticed.
    fn whole(
        &mut self,
        seen: Seen,
        (names, mut outcome): (Vec<String>, Outcome),
        (data, warnings): (DataInput, Vec<Warning>),
    ) -> Result<Seen> {
        let told = path_of(&seen.record).to_owned();
        self.observer.detail(&format!("{told}: {} layers", names.len()));
        self.told.add_timing(&outcome);
        self.told.add_of(&told, warnings);
        self.told.take_samples((&told, &outcome.names), data)?;
        let captured = outcome.layers.swap_remove(0);
        let layers = names.into_iter().zip(captured).map(layer).collect();
        Ok(Seen { layers, ..seen })
    }
}

/// The path that identifies a checkpoint: that of its weights, or of the folder of its features.
pub fn path_of(record: &ModelInput) -> &str {
    match &record.features {
        Some(folder) => &folder.path,
        None => record.telling_path(),
    }
}

fn layer((name, captured): (String, Captured)) -> Arc<Layer> {
    let Captured { width, found, .. } = captured;
    Arc::new(Layer { name, width, found })
}

/// What is wanted of a checkpoint, beside what is held of others.
fn wanted(asked: &Track, held: u64) -> Wanted {
    Wanted {
        reduce: asked.reduce,
        options: asked.options,
        measures: vec![asked.measure],
        components: None,
        memory: asked.memory - held,
        threads: 1,
        halves: 0,
        grams: memory::of_products(asked.measure),
        outputs: false,
    }
}
