//! `repsim sensitivity`: which channels predictions rest on, and how they hold under perturbation.

mod args;
mod collect;
mod plot;
mod results;
mod show;

use std::slice;
use std::time::Instant;

use self::collect::Collected;
use super::Status;
use super::inputs::{self, Probed};
use super::output::Messages;
use super::picture;
use super::settings;
use super::target::Aim;
use crate::capture::{Judge, Source, first_samples};
use crate::error::{Error, Result};
use crate::functional::{Ablation, Robustness};
use crate::report::sensitivity::SensitivityReport;
use crate::report::{ModelInput, Warning};
use crate::saliency::Target;
use crate::torchscript::device;

pub use self::args::Args;

/// Probes the channels of a model and perturbs its images.
///
/// # Errors
/// Anything that keeps the report from being made; nothing is written then.
pub fn run(args: &Args, messages: &Messages) -> Result<Status> {
    let started = Instant::now();
    args.check()?;
    let gate = args.gate.prepare("sensitivity", args.output.as_deref())?;
    let mut report = examine(args, messages)?;
    report.timing.total = started.elapsed().as_secs_f64();
    for warning in &report.warnings {
        messages.warning(warning);
    }
    if let Some(path) = &args.plot {
        plot::draw(&report, path)?;
        let shows = "Importance against sensitivity";
        report.pictures = vec![picture::written(shows, path, args.output.as_deref())?];
    }
    show::show(args, &report, messages)?;
    gate.finish(&report, Status::Done, messages)
}

/// What is examined, and how.
struct Run<'a> {
    source: Source<'a>,
    subject: Probed,
    target: Target,
    /// Names of the classes; empty where they are not known.
    names: Vec<String>,
    /// The classes of the samples by the numbers of the logits, or why they are not known.
    labels: Result<Vec<usize>, String>,
    /// What the outputs say of all images.
    judge: Judge,
    ablations: Vec<Ablation>,
    plan: Robustness,
}

/// What a report says besides what was found.
struct Record {
    model: ModelInput,
    warnings: Vec<Warning>,
    loading: f64,
    device: String,
}

fn examine(args: &Args, messages: &Messages) -> Result<SensitivityReport> {
    let loading = Instant::now();
    let dataset = args.data.open_inputs()?;
    let execution = args.run.execution()?;
    let preprocess = args.preprocess.for_model(&dataset, &args.model)?;
    let (mut plan, unperturbed) = args.robustness(&dataset, &preprocess)?;
    let load = args.data.load.options(args.run.threads());
    let source = Source { dataset: &dataset, preprocess: slice::from_ref(&preprocess), load };
    let samples = first_samples(&source, 2)?.swap_remove(0);
    let loaded = inputs::load_all(slice::from_ref(&args.model), &args.run)?;
    let loaded = loaded.into_iter().next();
    let mut loaded = loaded.ok_or_else(|| Error::usage("no model was given", "name one"))?;
    loaded.feed(&dataset)?;
    let wanted = (args.layer.as_slice(), args.target.output_index);
    let (mut subject, model, mut warnings) =
        loaded.into_probed(&samples, wanted, (&execution, messages))?;
    warnings.extend(unperturbed);
    settings::tell_preset(&args.preprocess, &preprocess, messages);
    let aim = args.target.aim(&mut subject.model, &samples, &dataset)?;
    plan.form = aim.form;
    let judge = Judge::new(&aim.naming(), &subject.model);
    let Aim { names, target, labels, warning, .. } = aim;
    warnings.extend(warning);
    let record = Record {
        model,
        warnings,
        loading: loading.elapsed().as_secs_f64(),
        device: device::name(execution.device),
    };
    let ablations = args.ablations()?;
    let mut run = Run { source, subject, target, names, labels, judge, ablations, plan };
    let mut bar = messages.bar();
    let collected = Collected::of(&mut run, &mut bar)?;
    for (layer, ablator) in run.subject.layers.iter().zip(&collected.ablators) {
        if !ablator.is_cut() {
            let name = &layer.name;
            messages.detail(&format!("{name}: a run of the whole network for every channel"));
        }
    }
    Ok(results::report(args, &run, collected, record, messages))
}
