//! The threads behind [`Batches`](super::Batches).
//!
//! One thread makes one batch after the other. For each it allots the batch's buffer and lets the
//! workers take samples in turn, each writing its sample where it belongs; nothing is copied
//! afterwards. Only where a sample had to be left out do the later ones move up, and the free
//! places at the end are filled from the samples that follow.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::batches::{Batch, InputBatch, Layout, LoadOptions, Progress, Skipped};
use super::dataset::Dataset;
use super::fingerprint::{Digest, digest};
use super::floats::{Span, check_all, check_sample};
use super::preprocess::Preprocess;
use super::source::{Form, Sample};
use super::transform::{Plan, Scaling, Scratch};
use crate::error::{Error, Result};
use crate::files;

/// Makes batches until the data set ends, fails, or nobody takes them any more.
pub(super) fn send_all(mut loader: Loader, sender: &Sender<Result<Batch>>) {
    while let Some(batch) = loader.batch().transpose() {
        let failed = batch.is_err();
        if sender.send(batch).is_err() || failed {
            return;
        }
    }
}

/// Everything needed to make the next batch.
pub(super) struct Loader {
    job: Job,
    options: LoadOptions,
    /// Which plan serves each preprocessing that was asked for.
    plan_of: Vec<usize>,
    workers: Vec<Worker>,
    progress: Arc<Mutex<Progress>>,
    /// Position of the next sample, and of that behind the last.
    next: usize,
    end: usize,
    /// The values of all float pictures so far.
    span: Span,
}

/// What the workers share.
struct Job {
    dataset: Dataset,
    plans: Vec<Plan>,
    /// What a sample becomes under each plan.
    shapes: Vec<Vec<usize>>,
    /// The sample the shapes were taken from.
    model: usize,
    fingerprint: bool,
    /// Where the mask of a sample's tokens is in its row.
    mask: Option<(usize, usize)>,
    /// Set when nobody takes the batches any more.
    stop: Arc<AtomicBool>,
}

/// The rooms one worker uses again from sample to sample.
#[derive(Default)]
struct Worker {
    stored: Vec<u8>,
    spare: Vec<u8>,
    scratch: Scratch,
}

/// One sample's places in the batch.
struct Slot<'a> {
    position: usize,
    places: Vec<&'a mut [f32]>,
    outcome: &'a mut Option<Outcome>,
}

/// What became of a sample, and the time it took.
struct Outcome {
    result: Result<Done, Failure>,
    busy: Duration,
}

/// What is known of a sample that is in the batch.
struct Done {
    digest: Option<Digest>,
    /// How it was resized, under the plan that enlarges most.
    scaling: Option<Scaling>,
    /// The values of a float picture.
    span: Span,
    /// Whether some of its tokens are padding.
    padded: bool,
}

/// Why a sample is not in the batch.
enum Failure {
    /// It could not be read or decoded, and may be left out.
    Unreadable(Error),
    /// It does not fit the others.
    Unfit(Error),
}

/// A batch in the making.
struct Draft {
    /// A buffer for each plan.
    buffers: Vec<Vec<f32>>,
    /// Floats of one sample in each buffer.
    sizes: Vec<usize>,
    /// Positions of the samples that are in it.
    indices: Vec<usize>,
}

impl Loader {
    /// Readies the plans and takes the shapes from the first sample that can be read.
    pub fn new(
        dataset: Dataset,
        preprocess: &[Preprocess],
        options: &LoadOptions,
        (progress, stop): (Arc<Mutex<Progress>>, Arc<AtomicBool>),
    ) -> Result<Self> {
        let (plans, plan_of) = plans(preprocess, dataset.form())?;
        let mut workers: Vec<_> = (0..options.workers.max(1)).map(|_| Worker::default()).collect();
        let (model, shapes) = first_shapes(&dataset, &plans, options, &mut workers[0])?;
        let (mask, fingerprint) = (dataset.mask_columns(), options.fingerprint);
        let range = options.range.clone().unwrap_or(0..dataset.len());
        let end = range.end.min(dataset.len());
        let next = range.start.min(end);
        let job = Job { dataset, plans, shapes, model, fingerprint, mask, stop };
        Ok(Self {
            job,
            options: options.clone(),
            plan_of,
            workers,
            progress,
            next,
            end,
            span: Span::NONE,
        })
    }

    /// Shape of a sample under each preprocessing that was asked for.
    pub fn shapes(&self) -> Vec<Vec<usize>> {
        self.plan_of.iter().map(|&plan| self.job.shapes[plan].clone()).collect()
    }

    /// The next batch; `None` at the end, or when nobody takes it.
    fn batch(&mut self) -> Result<Option<Batch>> {
        let room = self.options.batch_size.min(self.end - self.next);
        let sizes = self.job.sizes();
        let buffers = sizes.iter().map(|&size| buffer(size, room)).collect::<Result<_>>()?;
        let mut draft = Draft { buffers, sizes, indices: Vec::with_capacity(room) };
        while draft.indices.len() < room && self.next < self.end {
            let count = (room - draft.indices.len()).min(self.end - self.next);
            let outcomes = self.fill(&mut draft, count);
            if !self.keep(&mut draft, outcomes)? {
                return Ok(None);
            }
        }
        self.check_floats()?;
        Ok((!draft.indices.is_empty()).then(|| self.finish(draft)))
    }

    /// Whether all float pictures so far hold what they are said to.
    fn check_floats(&self) -> Result<()> {
        let last = self.next == self.end;
        let check = |plan: &Plan| check_all(plan.steps(), self.span, (self.next, last));
        self.job.plans.iter().try_for_each(check)
    }

    /// The ends of the values of float pictures so far, where they are taken as they are and leave 0…1.
    fn beyond(&self) -> Option<[f32; 2]> {
        let kept = self.job.plans.iter().all(|plan| plan.steps().leaves_floats());
        self.span.beyond_unit().filter(|_| kept)
    }

    /// Lets the workers write the next `count` samples behind those that are in the draft.
    fn fill(&mut self, draft: &mut Draft, count: usize) -> Vec<Option<Outcome>> {
        let mut outcomes: Vec<_> = (0..count).map(|_| None).collect();
        let filled = draft.indices.len();
        let mut places: Vec<_> = draft
            .buffers
            .iter_mut()
            .zip(&draft.sizes)
            .map(|(buffer, &size)| buffer[filled * size..].chunks_exact_mut(size))
            .collect();
        let slots = outcomes.iter_mut().zip(self.next..).map(|(outcome, position)| {
            let places = places.iter_mut().filter_map(Iterator::next).collect();
            Slot { position, places, outcome }
        });
        share(&self.job, &mut self.workers[..], count, self.options.skip_unreadable, slots);
        outcomes
    }

    /// Takes in what the workers did, in order; `false` where they were stopped.
    fn keep(&mut self, draft: &mut Draft, outcomes: Vec<Option<Outcome>>) -> Result<bool> {
        let begin = draft.indices.len();
        let mut progress = lock(&self.progress);
        for (place, outcome) in (begin..).zip(outcomes) {
            let Some(Outcome { result, busy }) = outcome else { return Ok(false) };
            let position = self.next;
            self.next += 1;
            progress.busy += busy;
            match result {
                Ok(done) => {
                    self.span = self.span.with(done.span);
                    progress.beyond = self.beyond();
                    draft.admit(place, position);
                    progress.samples += 1;
                    progress.padded += usize::from(done.padded);
                    progress.digests.extend(done.digest.map(|digest| (position, digest)));
                    if let Some(scaling) = done.scaling {
                        progress.resized(position, scaling);
                    }
                }
                Err(Failure::Unreadable(error)) if self.options.skip_unreadable => {
                    let name = self.job.dataset.name(position);
                    progress.skipped.push(Skipped { name, reason: reason(error) });
                }
                Err(Failure::Unreadable(error) | Failure::Unfit(error)) => return Err(error),
            }
        }
        Ok(true)
    }

    fn finish(&self, draft: Draft) -> Batch {
        let Draft { buffers, indices, .. } = draft;
        let layout = if self.job.dataset.has_images() { Layout::Nhwc } else { Layout::Rows };
        let inputs = buffers.into_iter().zip(&self.job.shapes).map(|(mut data, sample)| {
            data.truncate(indices.len() * sample.iter().product::<usize>());
            let shape = [&[indices.len()], sample.as_slice()].concat();
            Arc::new(InputBatch { data, shape, layout })
        });
        let inputs: Vec<_> = inputs.collect();
        let inputs = self.plan_of.iter().map(|&plan| Arc::clone(&inputs[plan])).collect();
        let all = self.job.dataset.labels();
        let labels = all.map(|all| indices.iter().map(|&i| all[i]).collect());
        Batch { inputs, indices, labels }
    }
}

impl Draft {
    /// Counts the sample at `place` in, moved up to the first free place.
    fn admit(&mut self, place: usize, position: usize) {
        let free = self.indices.len();
        if place != free {
            for (buffer, &size) in self.buffers.iter_mut().zip(&self.sizes) {
                buffer.copy_within(place * size..(place + 1) * size, free * size);
            }
        }
        self.indices.push(position);
    }
}

impl Job {
    /// Floats of one sample under each plan.
    fn sizes(&self) -> Vec<usize> {
        self.shapes.iter().map(|shape| shape.iter().product()).collect()
    }

    /// Reads, hashes, decodes and preprocesses one sample into its places.
    fn work(&self, worker: &mut Worker, slot: &mut Slot<'_>) -> Result<Done, Failure> {
        let Worker { stored, spare, scratch } = worker;
        let position = slot.position;
        self.dataset.read(position, stored).map_err(Failure::Unreadable)?;
        let digest = self.fingerprint.then(|| digest(stored));
        let sample = self.dataset.decode(position, stored, spare).map_err(Failure::Unreadable)?;
        let (mut span, mut padded) = (Span::NONE, false);
        for ((plan, shape), place) in self.plans.iter().zip(&self.shapes).zip(&mut slot.places) {
            self.check(plan, shape, &sample, position).map_err(Failure::Unfit)?;
            let found = plan.apply(&sample, scratch, place);
            let name = || self.dataset.name(position);
            check_sample(plan.steps(), found, name).map_err(Failure::Unfit)?;
            span = span.with(found);
            padded |= self.is_padded(place, position).map_err(Failure::Unreadable)?;
        }
        let scalings = self.plans.iter().filter_map(|plan| plan.scaling(&sample));
        let scaling = scalings.max_by(|a, b| a.factor().total_cmp(&b.factor()));
        Ok(Done { digest, scaling, span, padded })
    }

    /// Whether the mask of a sample leaves tokens out; refuses one that leaves out all.
    fn is_padded(&self, row: &[f32], i: usize) -> Result<bool> {
        let Some(mask) = self.mask.and_then(|(start, count)| row.get(start..start + count)) else {
            return Ok(false);
        };
        if mask.iter().any(|&kept| kept != 0.0) {
            return Ok(mask.contains(&0.0));
        }
        let problem =
            format!("{} has no token: its attention_mask is 0 throughout", self.dataset.name(i));
        Err(Error::file("read", self.dataset.path(), problem, "leave that sample out"))
    }

    /// Refuses a sample that becomes another shape than the first.
    fn check(&self, plan: &Plan, shape: &[usize], sample: &Sample<'_>, i: usize) -> Result<()> {
        let found = plan.shape(sample)?;
        if found == shape {
            return Ok(());
        }
        let remedy = match (found.last(), shape.last()) {
            (a, b) if a != b => "give all the same with --channels 3 (or 1)",
            _ => "make them alike with --resize HEIGHTxWIDTH or --preprocess imagenet",
        };
        Err(Error::shape(
            "put images of different sizes in one batch",
            (self.dataset.name(self.model), shape),
            (self.dataset.name(i), &found),
            remedy,
        ))
    }
}

/// A plan for each preprocessing, equal ones only once, and which plan serves which.
fn plans(preprocess: &[Preprocess], form: Form) -> Result<(Vec<Plan>, Vec<usize>)> {
    let mut different: Vec<&Preprocess> = vec![];
    let mut plan_of = vec![];
    for steps in preprocess {
        let known = different.iter().position(|other| other.same_steps(steps));
        plan_of.push(known.unwrap_or(different.len()));
        if known.is_none() {
            different.push(steps);
        }
    }
    let plans: Result<_> = different.into_iter().map(|steps| Plan::new(steps, form)).collect();
    Ok((plans?, plan_of))
}

/// The first sample that can be read, and what it becomes under each plan.
fn first_shapes(
    dataset: &Dataset,
    plans: &[Plan],
    options: &LoadOptions,
    worker: &mut Worker,
) -> Result<(usize, Vec<Vec<usize>>)> {
    let mut first_error = None;
    for i in 0..dataset.len() {
        let read = dataset.read(i, &mut worker.stored);
        match read.and_then(|()| dataset.decode(i, &worker.stored, &mut worker.spare)) {
            Ok(sample) => {
                let shapes: Result<_> = plans.iter().map(|plan| plan.shape(&sample)).collect();
                return Ok((i, shapes?));
            }
            Err(error) if options.skip_unreadable => first_error = first_error.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    let why = first_error.map(reason).unwrap_or_default();
    let problem = format!("none of its {} samples can be read (the first: {why})", dataset.len());
    Err(Error::file("read", dataset.path(), problem, "give data that can be read"))
}

/// Lets the workers take slots in turn; this thread is one of them.
///
/// Without `skip` nobody takes a further slot after a failure. As slots are taken in order, all
/// those before the failed one are done nevertheless.
fn share<'a>(
    job: &Job,
    workers: &mut [Worker],
    count: usize,
    skip: bool,
    slots: impl Iterator<Item = Slot<'a>> + Send,
) {
    let (queue, failed) = (Mutex::new(slots), AtomicBool::new(false));
    let run = |worker: &mut Worker| {
        while !failed.load(Ordering::Relaxed) && !job.stop.load(Ordering::Relaxed) {
            let Some(mut slot) = lock(&queue).next() else { return };
            let start = Instant::now();
            let result = job.work(worker, &mut slot);
            let fatal = matches!(&result, Err(f) if !(skip && f.may_be_left_out()));
            failed.fetch_or(fatal, Ordering::Relaxed);
            *slot.outcome = Some(Outcome { result, busy: start.elapsed() });
        }
    };
    let Some((own, others)) = workers.split_first_mut() else { return };
    thread::scope(|scope| {
        for worker in others.iter_mut().take(count - 1) {
            let name = thread::Builder::new().name("repsim-decode".to_owned());
            let _ = name.spawn_scoped(scope, || run(worker));
        }
        run(own);
    });
}

impl Failure {
    fn may_be_left_out(&self) -> bool {
        matches!(self, Self::Unreadable(_))
    }
}

/// What is wrong with a sample, without its name and what to do.
fn reason(error: Error) -> String {
    match error {
        Error::File { problem, .. } => problem,
        other => other.to_string(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Room for the floats of a batch.
fn buffer(size: usize, samples: usize) -> Result<Vec<f32>> {
    let failed = |said| {
        let problem = format!("a batch of {samples} samples of {size} numbers {said}");
        Error::usage(problem, "give a smaller --batch-size, or smaller samples with --resize")
    };
    let count = size.saturating_mul(samples);
    let mut buffer = files::reserved(count).map_err(failed)?;
    buffer.resize(count, 0.0);
    Ok(buffer)
}
