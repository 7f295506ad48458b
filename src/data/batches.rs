//! Batches, in order, made ahead of whoever takes them.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dataset::Dataset;
use super::fingerprint::{Digest, copies_of, fingerprint};
use super::loader::{Loader, send_all};
use super::preprocess::Preprocess;
use super::transform::Scaling;
use crate::error::{Error, Result};

/// How samples are read and batched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadOptions {
    /// Samples in a batch; the last batch may hold fewer.
    pub batch_size: usize,
    /// Threads that decode; at least one is used.
    pub workers: usize,
    /// Finished batches that may wait to be taken while a further one is made.
    pub ahead: usize,
    /// Leave out samples that cannot be read or decoded, instead of stopping at the first.
    pub skip_unreadable: bool,
    /// Hash the samples' bytes on the way, for [`Summary::fingerprint`].
    pub fingerprint: bool,
    /// Positions of the samples that are read; all where nothing is said.
    pub range: Option<Range<usize>>,
}

impl Default for LoadOptions {
    /// Batches of 64, two ahead, a worker for each processor.
    fn default() -> Self {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        Self {
            batch_size: 64,
            workers,
            ahead: 2,
            skip_unreadable: false,
            fingerprint: true,
            range: None,
        }
    }
}

/// Some samples, ready for a network.
#[derive(Debug, Clone)]
pub struct Batch {
    /// For each preprocessing that was asked for its input; equal ones share one.
    pub inputs: Vec<Arc<InputBatch>>,
    /// Positions of the samples in the data set, ascending.
    pub indices: Vec<usize>,
    /// Their classes, where the data set knows them.
    pub labels: Option<Vec<usize>>,
}

impl Batch {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether it holds no sample; a batch that was handed out always holds one.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }
}

/// The floats of one batch.
#[derive(Debug, Clone, PartialEq)]
pub struct InputBatch {
    /// The elements, the last axis fastest.
    pub data: Vec<f32>,
    /// Length of each axis; the first is the number of samples.
    pub shape: Vec<usize>,
    /// What the axes are.
    pub layout: Layout,
}

/// What the axes of a batch are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Pictures `N×H×W×C`: seen as `N×C×H×W` without a copy, this is channels-last.
    Nhwc,
    /// Rows `N×D…`, as they were stored.
    Rows,
}

/// A sample that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// Its name.
    pub name: String,
    /// Why it could not be used.
    pub reason: String,
}

/// The sample that resizing enlarged most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Enlarged {
    /// Its name.
    pub name: String,
    /// How many times longer the side became that grew most.
    pub factor: f64,
    /// Height and width before, in pixels.
    pub from: [usize; 2],
    /// Height and width after resizing, before the crop.
    pub to: [usize; 2],
}

/// What was read so far; after the last batch, of the whole data set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Samples used.
    pub samples: usize,
    /// SHA-256 over the sorted names and the SHA-256 of each used sample's bytes as stored:
    /// `name ‖ 0x00 ‖ digest` each; `None` where it was not asked for.
    pub fingerprint: Option<String>,
    /// Of each sample used the place of the first one with the same bytes, where any two have the same
    /// and fingerprints were asked for.
    pub copies: Option<Vec<usize>>,
    /// Position and digest of each sample used, where a range of positions was read and fingerprints were asked for.
    pub digests: Vec<(usize, Digest)>,
    /// Samples left out, in the order in which they were read.
    pub skipped: Vec<Skipped>,
    /// The sample that resizing enlarged most, where that is by more than [`Enlarged::MANY`] times.
    pub enlarged: Option<Enlarged>,
    /// The least and the greatest value of float images that are taken as they are, where these are
    /// outside 0…1.
    pub beyond: Option<[f32; 2]>,
    /// Samples whose `attention_mask` leaves some of their tokens out as padding.
    pub padded: usize,
    /// Time spent reading, decoding and preprocessing, in seconds, summed over the workers.
    pub decode_seconds: f64,
}

/// What the loader has done so far, shared with whoever takes the batches.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub samples: usize,
    pub digests: Vec<(usize, Digest)>,
    pub skipped: Vec<Skipped>,
    /// The position of the sample that was enlarged most, and how.
    pub enlarged: Option<(usize, Scaling)>,
    pub beyond: Option<[f32; 2]>,
    pub padded: usize,
    pub busy: Duration,
}

impl Progress {
    /// Takes in how a sample was resized.
    pub fn resized(&mut self, position: usize, scaling: Scaling) {
        let most = self.enlarged.map_or(Enlarged::MANY, |(_, most)| most.factor());
        if scaling.factor() > most {
            self.enlarged = Some((position, scaling));
        }
    }
}

impl Enlarged {
    /// How many times longer a side may become before that is worth a word.
    pub const MANY: f64 = 3.0;

    fn new(name: String, scaling: Scaling) -> Self {
        let Scaling { from, to } = scaling;
        Self { name, factor: scaling.factor(), from: from.into(), to: to.into() }
    }
}

/// The batches of a data set, in its order; made on other threads.
///
/// After an error there are no further batches. Dropping it stops the threads and waits for them,
/// for at most the time one sample takes.
#[derive(Debug)]
pub struct Batches {
    dataset: Dataset,
    shapes: Vec<Vec<usize>>,
    fingerprint: bool,
    /// Whether digests are reported one by one.
    partial: bool,
    progress: Arc<Mutex<Progress>>,
    stop: Arc<AtomicBool>,
    receiver: Option<Receiver<Result<Batch>>>,
    thread: Option<JoinHandle<()>>,
}

impl Batches {
    /// Looks at the first sample and starts the threads.
    pub(super) fn start(
        dataset: Dataset,
        preprocess: &[Preprocess],
        options: &LoadOptions,
    ) -> Result<Self> {
        if options.batch_size == 0 {
            return Err(Error::usage("--batch-size 0 holds no samples", "give 1 or more"));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let progress = Arc::new(Mutex::new(Progress::default()));
        let (sender, receiver) = bounded(options.ahead);
        let shared = (Arc::clone(&progress), Arc::clone(&stop));
        let loader = Loader::new(dataset.clone(), preprocess, options, shared)?;
        let shapes = loader.shapes();
        let thread = thread::Builder::new()
            .name("repsim-data".to_owned())
            .spawn(move || send_all(loader, &sender))
            .map_err(|e| Error::io("start a thread to read", dataset.path(), e))?;
        let (fingerprint, partial) = (options.fingerprint, options.range.is_some());
        let (receiver, thread) = (Some(receiver), Some(thread));
        Ok(Self { dataset, shapes, fingerprint, partial, progress, stop, receiver, thread })
    }

    /// Samples that will be used, if none is skipped.
    pub fn total(&self) -> usize {
        self.dataset.len()
    }

    /// Shape of one sample under preprocessing `i`: `H×W×C` for pictures, its own for rows.
    ///
    /// # Panics
    ///
    /// Where `i` is not below the number of preprocessings.
    pub fn sample_shape(&self, i: usize) -> &[usize] {
        &self.shapes[i]
    }

    /// What was read so far; complete after the last batch.
    pub fn summary(&self) -> Summary {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let digests = &progress.digests;
        let (name, digest) = (|i: usize| self.dataset.name(digests[i].0), |i: usize| digests[i].1);
        Summary {
            samples: progress.samples,
            fingerprint: self.fingerprint.then(|| fingerprint(digests.len(), name, digest)),
            copies: copies_of(digests.len(), digest),
            digests: if self.partial { progress.digests.clone() } else { vec![] },
            skipped: progress.skipped.clone(),
            enlarged: progress.enlarged.map(|(i, how)| Enlarged::new(self.dataset.name(i), how)),
            beyond: progress.beyond,
            padded: progress.padded,
            decode_seconds: progress.busy.as_secs_f64(),
        }
    }

    /// Waits for the thread; an error where it crashed.
    fn finish(&mut self) -> Option<Error> {
        self.receiver = None;
        let crashed = self.thread.take()?.join().is_err();
        crashed.then(|| {
            let problem = "the thread that decodes crashed";
            Error::file("read", self.dataset.path(), problem, "please report this as a bug")
        })
    }
}

impl Iterator for Batches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.receiver.as_ref()?.recv() {
            Ok(batch) => Some(batch),
            Err(_) => self.finish().map(Err),
        }
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.finish();
    }
}
