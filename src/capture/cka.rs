//! HSIC between all layers of one or two models over a data set.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::feed::{Absence, Feed};
use super::full::{FullPass, LayerGram};
use super::minibatch::Minibatch;
use super::plan::Needs;
use super::reduce::Reduce;
use super::spatial::{Finished, Spatial};
use super::{Progress, Timing};
use crate::error::{Error, Result};
use crate::linalg::{Centring, PackedSymmetric};
use crate::similarity::cka::CONSTANT;
use crate::similarity::{Bias, Kernel};
use crate::stats::{HsicSums, HsicTable};

/// Over which samples HSIC is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Estimator {
    /// All samples in one Gram matrix a layer: exact whatever the batch size.
    #[default]
    Full,
    /// HSIC averaged over batches (Nguyen, Raghu & Kornblith 2021): memory independent of n.
    Minibatch,
}

impl FromStr for Estimator {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "full" => Ok(Self::Full),
            "minibatch" => Ok(Self::Minibatch),
            _ => Err("expected full or minibatch".to_owned()),
        }
    }
}

impl fmt::Display for Estimator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Minibatch => "minibatch",
        })
    }
}

/// What changes the numbers, and the memory they may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Over which samples.
    pub estimator: Estimator,
    /// Which estimator of HSIC.
    pub bias: Bias,
    /// Between samples.
    pub kernel: Kernel,
    /// From feature maps to rows.
    pub reduce: Reduce,
    /// Bytes for Gram matrices and kept rows.
    pub memory: u64,
}

/// What a comparison found.
pub struct Outcome {
    /// HSIC of all pairs of layers.
    pub table: HsicTable,
    /// Why layers have no value: a list a model.
    pub absences: Vec<Vec<Option<Absence>>>,
    /// Pairs of layers that have no common rows.
    pub apart: Vec<(usize, usize)>,
    /// Samples that count.
    pub samples: usize,
    /// Samples in batches too small for the estimator.
    pub dropped: usize,
    /// How often the data was gone over.
    pub passes: usize,
    /// Where the time went.
    pub timing: Timing,
}

impl Settings {
    /// Checks that the settings go together.
    ///
    /// # Errors
    /// `spatial` with a kernel other than the linear one.
    pub fn check(&self) -> Result<()> {
        match (self.reduce, self.kernel) {
            (Reduce::Spatial, Kernel::Rbf { .. }) => Err(Error::usage(
                "--reduce spatial has no Gram matrix to apply an rbf kernel to",
                "use --kernel linear, or --reduce flatten or gap",
            )),
            _ => Ok(()),
        }
    }
}

/// Compares the layers of one model with themselves, or of two with each other's.
///
/// # Errors
/// The data cannot be read, a model does not run on it, a layer runs irregularly, or the Gram
/// matrices do not fit into the memory allowed.
pub fn compare(
    feed: &mut dyn Feed,
    settings: &Settings,
    progress: &mut dyn Progress,
) -> Result<Outcome> {
    settings.check()?;
    match (settings.reduce, settings.estimator) {
        (Reduce::Spatial, _) => spatial(feed, settings, progress),
        (_, Estimator::Minibatch) => minibatch(feed, settings, progress),
        (_, Estimator::Full) => full(feed, settings, progress),
    }
}

fn full(feed: &mut dyn Feed, settings: &Settings, progress: &mut dyn Progress) -> Result<Outcome> {
    let widths = widths(feed, settings.reduce);
    let needs = plan(&widths, feed, settings.memory);
    let passes = needs.passes()?;
    let mut grams: Vec<Vec<LayerGram>> =
        widths.iter().map(|w| w.iter().map(|_| LayerGram::default()).collect()).collect();
    let mut timing = Timing::default();
    let mut samples = 0;
    for (i, parts) in passes.iter().enumerate() {
        progress.begin(i + 1, passes.len(), feed.samples());
        let mut consumer = FullPass::new(settings.reduce, parts, needs.kept_rows(), &mut grams);
        samples = feed.pass(&mut consumer, progress, &mut timing)?;
        consumer.finish();
    }
    progress.end();
    let measuring = std::time::Instant::now();
    let (table, absences) = from_grams(grams, samples, settings);
    timing.measure += measuring.elapsed().as_secs_f64();
    let passes = passes.len();
    Ok(Outcome { table, absences, apart: vec![], samples, dropped: 0, passes, timing })
}

fn widths(feed: &dyn Feed, reduce: Reduce) -> Vec<Vec<usize>> {
    let of = |layers: &Vec<Vec<i64>>| layers.iter().map(|shape| reduce.width(shape)).collect();
    feed.shapes().iter().map(of).collect()
}

fn plan<'a>(widths: &'a [Vec<usize>], feed: &dyn Feed, memory: u64) -> Needs<'a> {
    Needs { widths, samples: feed.samples(), batch: feed.batch_size(), memory }
}

/// How often the data has to be gone over.
///
/// # Errors
/// The Gram matrices of the full estimator do not fit into the memory allowed.
pub fn passes_needed(feed: &dyn Feed, settings: &Settings) -> Result<usize> {
    match (settings.reduce, settings.estimator) {
        (Reduce::Flatten | Reduce::Gap, Estimator::Full) => {
            let widths = widths(feed, settings.reduce);
            Ok(plan(&widths, feed, settings.memory).passes()?.len())
        }
        _ => Ok(1),
    }
}

/// HSIC of linear Gram matrices over the same samples: a list of layers a model.
pub fn from_grams(
    grams: Vec<Vec<LayerGram>>,
    samples: usize,
    settings: &Settings,
) -> (HsicTable, Vec<Vec<Option<Absence>>>) {
    let mut absences = Vec::new();
    let mut matrices: Vec<Vec<Option<PackedSymmetric>>> = Vec::new();
    for layers in grams {
        let (these, why): (Vec<_>, Vec<_>) =
            layers.into_iter().map(|l| usable(l, samples, settings)).unzip();
        matrices.push(these);
        absences.push(why);
    }
    let counts: Vec<usize> = matrices.iter().map(Vec::len).collect();
    let last = counts.last().copied().unwrap_or(0);
    let mut sums = HsicSums::new(settings.bias.centring(), counts[0], last);
    sums.add(&matrices[0], matrices.get(1).map(Vec::as_slice));
    (sums.mean(), absences)
}

fn usable(
    layer: LayerGram,
    samples: usize,
    settings: &Settings,
) -> (Option<PackedSymmetric>, Option<Absence>) {
    let LayerGram { mut gram, centre_norm, absence } = layer;
    let needs = settings.bias.least_samples();
    let few = (samples < needs).then_some(Absence::TooFew(samples, needs));
    if let Some(why) = absence.or(few) {
        return (None, Some(why));
    }
    let scatter = Centring::Double.of(&gram).scatter();
    if scatter <= CONSTANT * centre_norm * samples as f64 {
        return (None, Some(Absence::Constant));
    }
    match settle(&mut gram, settings.kernel) {
        Ok(()) => (Some(gram), None),
        Err(why) => (None, Some(why)),
    }
}

/// Applies the kernel to a linear Gram matrix.
pub(super) fn settle(gram: &mut PackedSymmetric, kernel: Kernel) -> Result<(), Absence> {
    kernel.apply(gram).map_err(|_| Absence::NoSpread)
}

fn minibatch(
    feed: &mut dyn Feed,
    settings: &Settings,
    progress: &mut dyn Progress,
) -> Result<Outcome> {
    let counts: Vec<usize> = feed.shapes().iter().map(Vec::len).collect();
    let centring = settings.bias.centring();
    let mut consumer = Minibatch::new(settings.reduce, settings.kernel, centring, &counts);
    let mut timing = Timing::default();
    progress.begin(1, 1, feed.samples());
    let samples = feed.pass(&mut consumer, progress, &mut timing)?;
    progress.end();
    let (sums, absences, dropped) = consumer.finish();
    let table = sums.mean();
    let outcome = Outcome { table, absences, apart: vec![], samples, dropped, passes: 1, timing };
    Ok(outcome.with_enough_samples(settings.bias))
}

fn spatial(
    feed: &mut dyn Feed,
    settings: &Settings,
    progress: &mut dyn Progress,
) -> Result<Outcome> {
    let minibatch = settings.estimator == Estimator::Minibatch;
    let mut consumer = Spatial::new(settings.bias.centring(), minibatch, &feed.shapes());
    let mut timing = Timing::default();
    progress.begin(1, 1, feed.samples());
    let samples = feed.pass(&mut consumer, progress, &mut timing)?;
    progress.end();
    let Finished { table, absences, apart, dropped } = consumer.finish();
    let outcome = Outcome { table, absences, apart, samples, dropped, passes: 1, timing };
    Ok(outcome.with_enough_samples(settings.bias))
}

impl Outcome {
    /// Takes the samples of batches too small off, and all values where none are left.
    fn with_enough_samples(mut self, bias: Bias) -> Self {
        let few = Absence::TooFew(self.samples, bias.least_samples());
        self.samples -= self.dropped;
        if self.samples < bias.least_samples() {
            self.absences.iter_mut().flatten().for_each(|why| *why = Some(few.clone()));
        }
        self
    }
}
