//! `repsim stitch`: whether one network can use another's features.

mod against;
mod args;
mod fit;
mod measure;
mod networks;
mod plot;
mod results;
mod show;
mod split;

use std::time::Instant;

use self::args::Fit;
use self::networks::Networks;
use self::split::Split;
use super::Status;
use super::output::Messages;
use super::{duplicates, notices, picture};
use crate::capture::{Progress, Timing, first_samples};
use crate::capture::{Source, each_batch};
use crate::data::{Dataset, Enlarged, LoadOptions, Preprocess, Skipped, Summary};
use crate::error::{Error, Result};
use crate::report::stitch::StitchReport;
use crate::report::{DataInput, Warning};
use crate::torchscript::device;

pub use self::args::Args;

/// Stitches layers of one model to layers of another.
///
/// # Errors
/// Anything that keeps the report from being made; nothing is written then.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    let started = Instant::now();
    args.check()?;
    let gate = args.gate.prepare("stitch", args.output.as_deref())?;
    let mut report = stitch(args, messages)?;
    report.timing.total = started.elapsed().as_secs_f64();
    for warning in &report.warnings {
        messages.warning(warning);
    }
    for (shows, path) in plot::draw(args, &report)? {
        report.pictures.push(picture::written(shows, path, args.output.as_deref())?);
    }
    show::show(args, &report, messages)?;
    gate.finish(&report, Status::Done, messages)
}

/// The samples, and how they are read.
struct Samples {
    dataset: Dataset,
    preprocess: Vec<Preprocess>,
    load: LoadOptions,
}

impl Samples {
    /// Those at some positions, in their order.
    fn part(&self, positions: &[usize]) -> Self {
        let (preprocess, load) = (self.preprocess.clone(), self.load.clone());
        Self { dataset: self.dataset.only(positions), preprocess, load }
    }

    fn source(&self) -> Source<'_> {
        let (dataset, preprocess) = (&self.dataset, self.preprocess.as_slice());
        Source { dataset, preprocess, load: self.load.clone() }
    }
}

fn stitch(args: &Args, messages: &Messages) -> Result<StitchReport> {
    let loading = Instant::now();
    let dataset = args.data.open_inputs()?;
    let a = args.preprocess.for_model(&dataset, &args.models[0])?;
    let model_b = args.models.get(1).map(|model| model.as_path());
    let b = args.preprocess_b.for_model((&args.preprocess, &a), &dataset, model_b)?;
    let one = args.models.len() == 1 || a.same_steps(&b);
    let preprocess = if one { vec![a] } else { vec![a, b] };
    let mut load = args.data.load.options(args.run.threads());
    load.fingerprint = false;
    let samples = Samples { dataset, preprocess, load };
    let first = first_samples(&samples.source(), 2)?;
    super::own_steps::tell(&args.preprocess, &samples.preprocess, messages);
    let split = Split::of(args, samples.dataset.len())?;
    let mut networks = Networks::load(args, &first, &samples.dataset, &split)?;
    if let (Fit::Trained, Some(reason)) = (args.fit.fit, &networks.unlabelled) {
        return Err(Error::usage(
            format!("--fit trained needs the class of each image: {reason}"),
            "give a folder with a sub-folder a class (--labels FILE orders them), or take --fit direct",
        ));
    }
    let loading = loading.elapsed().as_secs_f64();
    let device = device::name(networks.execution.device);
    messages.detail(&format!("ready after {loading:.2} s, on {device}"));
    let mut work = Work {
        samples,
        split,
        timing: Timing::default(),
        pass: 0,
        passes: 0,
        skipped: vec![],
        enlarged: None,
    };
    work.passes = 2 + usize::from(!work.split.aside.is_empty());
    work.passes += args.fit.epochs();
    work.passes += usize::from(args.fit.against.is_some());
    let mut bar = messages.bar();
    let stitches = fit::fit(args, &mut networks, &mut work, &mut bar)?;
    let found = measure::measure(&mut networks, stitches, &mut work, &mut bar)?;
    let cka = args.fit.against.map(|_| against::structure(&mut networks, &mut work, &mut bar));
    let cka = cka.transpose()?;
    results::report(args, networks, found, cka, work, (loading, device), messages)
}

/// The passes over the data.
struct Work {
    samples: Samples,
    split: Split,
    timing: Timing,
    pass: usize,
    passes: usize,
    /// Samples that were left out.
    skipped: Vec<Skipped>,
    /// The sample that was enlarged most.
    enlarged: Option<Enlarged>,
}

impl Work {
    /// Gives the samples at some positions batch by batch, with the positions of each batch.
    fn pass(
        &mut self,
        positions: &[usize],
        bar: &mut dyn Progress,
        mut take: impl FnMut(&[usize], &[tch::Tensor]) -> Result<()>,
    ) -> Result<()> {
        self.pass += 1;
        bar.begin(self.pass, self.passes, positions.len());
        let part = self.samples.part(positions);
        let summary = each_batch(&part.source(), &mut self.timing, |batch, inputs| {
            let own: Vec<usize> = batch.indices.iter().map(|&i| positions[i]).collect();
            take(&own, inputs)?;
            bar.advance(own.len());
            Ok(())
        });
        bar.end();
        let summary = summary?;
        let factor = |enlarged: &Option<Enlarged>| enlarged.as_ref().map_or(0.0, |e| e.factor);
        if factor(&summary.enlarged) > factor(&self.enlarged) {
            self.enlarged = summary.enlarged;
        }
        for sample in summary.skipped {
            if !self.skipped.contains(&sample) {
                self.skipped.push(sample);
            }
        }
        Ok(())
    }

    /// Those of some positions that were not left out.
    fn read(&self, positions: &[usize]) -> Vec<usize> {
        positions.iter().copied().filter(|&i| !self.is_skipped(i)).collect()
    }

    fn is_skipped(&self, position: usize) -> bool {
        let name = self.samples.dataset.name(position);
        self.skipped.iter().any(|sample| sample.name == name)
    }

    /// What is said of the data, with a warning of what was left out.
    ///
    /// # Errors
    /// They cannot be read again.
    fn data(&self, warnings: &mut Vec<Warning>) -> Result<DataInput> {
        let dataset = &self.samples.dataset;
        let used: Vec<usize> = (0..dataset.len()).filter(|&i| !self.is_skipped(i)).collect();
        let (fingerprint, copies) =
            dataset.only(&used).fingerprint_and_copies(self.samples.load.workers)?;
        let read = Summary {
            samples: used.len(),
            fingerprint: Some(fingerprint),
            copies,
            skipped: self.skipped.clone(),
            enlarged: self.enlarged.clone(),
            beyond: None,
            padded: 0,
            decode_seconds: 0.0,
        };
        let path = dataset.path().display().to_string();
        warnings.extend(duplicates::of_fit(read.copies.as_deref(), &path));
        let data = DataInput::new(dataset, Some(read), &self.samples.preprocess);
        warnings.extend(notices::of_data(&data));
        Ok(data)
    }
}
