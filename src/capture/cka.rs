//! HSIC between all layers of one or two models over a data set.

mod batches;
mod parts;

use std::collections::VecDeque;

use self::batches::minibatch;
pub use self::parts::{cut, joined, part};
use super::distinct::Distinct;
use super::estimator::{Chosen, Groups, Scale, choose};
pub use super::estimator::{Estimator, wants_mixed};
use super::features::Features;
use super::feed::{Absence, Absences, Consumer, Feed, Spreads};
use super::full::{FullPass, LayerGram, Left};
use super::minibatch::HsicBlock;
use super::plan::{Needs, Part};
use super::reduce::Reduce;
use super::spatial::{Finished, Spatial};
use super::{Progress, Timing};
use crate::error::{Error, Result};
use crate::linalg::{Centring, PackedSymmetric};
use crate::similarity::{Bias, Kernel};
use crate::stats::{HsicSums, HsicTable};

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
    pub absences: Absences,
    /// Pairs of layers that have no common rows.
    pub apart: Vec<(usize, usize)>,
    /// Samples that count.
    pub samples: usize,
    /// Samples in batches too small for the estimator.
    pub dropped: usize,
    /// Passes over the data.
    pub passes: usize,
    /// Where the time went.
    pub timing: Timing,
    /// The estimator that was taken.
    pub estimator: Estimator,
    /// Why, where the choice was left open.
    pub reason: Option<String>,
    /// The most samples in a batch of HSIC, where the choice was left open and they are in random order.
    pub hsic_batch: Option<usize>,
}

impl Settings {
    /// Checks that the settings go together.
    ///
    /// # Errors
    /// `spatial` with a kernel other than the linear one; batches too small for the estimator.
    pub fn check(&self, batch_size: usize) -> Result<()> {
        let least = self.bias.least_samples();
        if self.estimator == Estimator::Minibatch && batch_size < least {
            let problem = format!(
                "--batch-size {batch_size} is too small for the {} minibatch estimator",
                self.bias
            );
            return Err(Error::usage(problem, format!("use a --batch-size of {least} or more")));
        }
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
    settings.check(feed.batch_size().max(settings.bias.least_samples()))?;
    let mut distinct = Distinct::new(feed);
    let outcome = match measure(&mut distinct, settings, progress) {
        Err(_) if distinct.is_refuted() => measure(&mut distinct, settings, progress),
        found => found,
    };
    Ok(distinct.expanded(outcome?))
}

/// HSIC of all layers that have tensors of their own.
fn measure(
    feed: &mut dyn Feed,
    settings: &Settings,
    progress: &mut dyn Progress,
) -> Result<Outcome> {
    let chosen = chosen(feed, settings);
    let outcome = match (settings.reduce, chosen.estimator) {
        (Reduce::Spatial, _) => spatial(feed, settings, &chosen, progress)?,
        (_, Estimator::Minibatch) => minibatch(feed, settings, &chosen, progress)?,
        _ if chosen.from_features => from_features(feed, settings, progress)?,
        _ => full(feed, settings, progress)?,
    };
    Ok(outcome.by(chosen, feed))
}

/// The estimator taken for a feed.
fn chosen(feed: &dyn Feed, settings: &Settings) -> Chosen {
    let widths = widths(feed, settings.reduce);
    let (samples, batch, mixed) = (feed.samples(), feed.batch_size(), feed.is_mixed());
    choose(&Scale { samples, batch, widths: &widths, mixed }, settings)
}

fn groups(feed: &dyn Feed, gathered: usize) -> Groups {
    Groups::new(feed.samples().div_ceil(feed.batch_size().max(1)), gathered)
}

fn full(feed: &mut dyn Feed, settings: &Settings, progress: &mut dyn Progress) -> Result<Outcome> {
    let Grams { grams, samples, passes, mut timing } = grams(feed, settings, progress)?;
    let measuring = std::time::Instant::now();
    let (table, absences, spreads) = from_grams(grams, samples, settings);
    timing.measure += measuring.elapsed().as_secs_f64();
    let outcome = Outcome { passes, ..Outcome::of(table, absences, samples, timing) };
    Ok(outcome.judged(&spreads))
}

/// The Gram matrices of all layers of a feed.
pub(super) struct Grams {
    pub grams: Vec<Vec<LayerGram>>,
    pub samples: usize,
    pub passes: usize,
    pub timing: Timing,
}

/// Makes the Gram matrices of all layers, in as many passes as the memory asks for.
pub(super) fn grams(
    feed: &mut dyn Feed,
    settings: &Settings,
    progress: &mut dyn Progress,
) -> Result<Grams> {
    let widths = widths(feed, settings.reduce);
    let needs = plan(&widths, feed, settings.memory);
    let mut waiting = Waiting::new(&needs, feed.is_on_cpu() && feed.may_be_single())?;
    let mut grams: Vec<Vec<LayerGram>> =
        widths.iter().map(|w| w.iter().map(|_| LayerGram::default()).collect()).collect();
    let mut timing = Timing::default();
    let (mut samples, mut passes) = (0, 0);
    let mut ran = vec![false; grams.len()];
    while let Some(parts) = waiting.passes.pop_front() {
        passes += 1;
        progress.begin(passes, passes + waiting.passes.len(), feed.samples());
        let pass = FullPass::new(settings.reduce, &parts, needs.kept_rows(), &mut grams);
        let pass = pass.after(ran.clone());
        let mut consumer = if waiting.sparse { pass.sparse(needs.room()) } else { pass };
        samples = feed.pass(&mut consumer, progress, &mut timing)?;
        parts.iter().for_each(|part| ran[part.subject] = true);
        waiting.add(consumer.finish(), &needs)?;
    }
    progress.end();
    Ok(Grams { grams, samples, passes, timing })
}

/// The passes to come.
struct Waiting {
    passes: VecDeque<Vec<Part>>,
    /// Whether rows are kept without their zeros: as many layers in a pass as turn out to fit.
    sparse: bool,
}

impl Waiting {
    fn new(needs: &Needs<'_>, suits: bool) -> Result<Self> {
        let plain = needs.passes()?;
        let whole = (plain.len() > 1 && suits).then(|| needs.whole()).flatten();
        Ok(match whole {
            Some(parts) => Self { passes: VecDeque::from([parts]), sparse: true },
            None => Self { passes: plain.into(), sparse: false },
        })
    }

    fn add(&mut self, left: Left, needs: &Needs<'_>) -> Result<()> {
        if left.plain {
            self.sparse = false;
            self.passes = needs.passes_of(&left.parts)?.into();
        } else if !left.parts.is_empty() {
            self.passes.push_back(left.parts);
        }
        Ok(())
    }
}

/// HSIC of all samples without Gram matrices.
fn from_features(
    feed: &mut dyn Feed,
    settings: &Settings,
    progress: &mut dyn Progress,
) -> Result<Outcome> {
    let consumer = Features::new(settings.reduce, &widths(feed, settings.reduce));
    let mut consumer = if feed.is_on_cpu() { consumer } else { consumer.apart() };
    let (samples, mut timing) = one_pass(feed, &mut consumer, progress)?;
    let measuring = std::time::Instant::now();
    let (centring, needs) = (settings.bias.centring(), settings.bias.least_samples());
    let (table, absences, spreads) = consumer.finish(centring, needs)?;
    timing.measure += measuring.elapsed().as_secs_f64();
    Ok(Outcome::of(table, absences, samples, timing).judged(&spreads))
}

fn one_pass(
    feed: &mut dyn Feed,
    consumer: &mut dyn Consumer,
    progress: &mut dyn Progress,
) -> Result<(usize, Timing)> {
    let mut timing = Timing::default();
    progress.begin(1, 1, feed.samples());
    let samples = feed.pass(consumer, progress, &mut timing)?;
    progress.end();
    Ok((samples, timing))
}

/// The numbers of features, 0 for layers that give the tensor of another.
pub(super) fn widths(feed: &dyn Feed, reduce: Reduce) -> Vec<Vec<usize>> {
    let of = |layers: &Vec<Vec<i64>>| layers.iter().map(|shape| reduce.width(shape)).collect();
    let mut widths: Vec<Vec<usize>> = feed.shapes().iter().map(of).collect();
    for (widths, sources) in widths.iter_mut().zip(feed.sources()) {
        let pairs = widths.iter_mut().zip(sources);
        pairs.filter(|(_, source)| source.is_some()).for_each(|(width, _)| *width = 0);
    }
    widths
}

pub(super) fn plan<'a>(widths: &'a [Vec<usize>], feed: &dyn Feed, memory: u64) -> Needs<'a> {
    Needs { widths, samples: feed.samples(), batch: feed.batch_size(), memory }
}

/// Passes over the data that are needed, at most: rows kept without their zeros may save some.
///
/// # Errors
/// The Gram matrices of the full estimator do not fit into the memory allowed.
pub fn passes_needed(feed: &dyn Feed, settings: &Settings) -> Result<usize> {
    let chosen = chosen(feed, settings);
    let gram = chosen.estimator == Estimator::Full && !chosen.from_features;
    if settings.reduce == Reduce::Spatial || !gram {
        return Ok(1);
    }
    let widths = widths(feed, settings.reduce);
    Ok(plan(&widths, feed, settings.memory).passes()?.len())
}

/// Samples in a batch of stored rows: `widths` holds the numbers of features, a list a file.
pub fn stored_batch(
    settings: &Settings,
    samples: usize,
    batch: usize,
    widths: &[Vec<usize>],
) -> usize {
    let chosen = choose(&Scale { samples, batch, widths, mixed: false }, settings);
    match chosen.estimator {
        Estimator::Full if chosen.from_features => STORED_ROWS,
        Estimator::Full => usize::MAX,
        _ => batch,
    }
}

/// HSIC of linear Gram matrices over the same samples, why layers have none, and what HSIC of each
/// is held against: a list of layers a model.
fn from_grams(
    grams: Vec<Vec<LayerGram>>,
    samples: usize,
    settings: &Settings,
) -> (HsicTable, Absences, Spreads) {
    let Usable { matrices, absences, spreads } = Usable::of(grams, samples, settings);
    let counts: Vec<usize> = matrices.iter().map(Vec::len).collect();
    let last = counts.last().copied().unwrap_or(0);
    let mut sums = HsicSums::new(settings.bias.centring(), counts[0], last);
    sums.add(&matrices[0], matrices.get(1).map(Vec::as_slice));
    (sums.mean(), absences, spreads)
}

/// Gram matrices with the kernel applied, why layers have none, and what HSIC of each is held against: a list
/// of layers a model.
pub(super) struct Usable {
    pub matrices: Vec<Vec<Option<PackedSymmetric>>>,
    pub absences: Absences,
    pub spreads: Spreads,
}

impl Usable {
    /// Settles linear Gram matrices over the same samples.
    pub fn of(grams: Vec<Vec<LayerGram>>, samples: usize, settings: &Settings) -> Self {
        let (mut matrices, mut absences): (Vec<Vec<_>>, _) = (vec![], vec![]);
        for layers in grams {
            let (these, why): (Vec<_>, Vec<_>) =
                layers.into_iter().map(|l| usable(l, samples, settings)).unzip();
            matrices.push(these);
            absences.push(why);
        }
        let of = |layers: &Vec<Option<PackedSymmetric>>| {
            layers.iter().map(|k| k.as_ref().map_or(0.0, spread)).collect()
        };
        Self { spreads: matrices.iter().map(of).collect(), matrices, absences }
    }
}

fn usable(
    layer: LayerGram,
    samples: usize,
    settings: &Settings,
) -> (Option<PackedSymmetric>, Option<Absence>) {
    let LayerGram { mut gram, centre_norm, constant, averaged, absence, .. } = layer;
    let needs = settings.bias.least_samples();
    let few = (samples < needs).then_some(Absence::TooFew { samples, needs });
    // A layer that gives the tensor of another has none.
    let none = (gram.order() == 0).then_some(Absence::Constant);
    if let Some(why) = absence.or(few).or(none) {
        return (None, Some(why));
    }
    let scatter = Centring::Double.of(&gram).scatter();
    let least = (constant * centre_norm * samples as f64).max(averaged.least(constant));
    if scatter <= least {
        return (None, Some(Absence::Constant));
    }
    match settle(&mut gram, settings.kernel) {
        Ok(()) => (Some(gram), None),
        Err(why) => (None, Some(why)),
    }
}

/// The mean squared distance of the samples from their centre, squared: the size that HSIC of a
/// layer with itself has where its samples differ in few directions.
pub(super) fn spread(gram: &PackedSymmetric) -> f64 {
    let mean = Centring::Double.of(gram).scatter() / gram.order().max(1) as f64;
    mean * mean
}

/// Applies the kernel to a linear Gram matrix.
pub(super) fn settle(gram: &mut PackedSymmetric, kernel: Kernel) -> Result<(), Absence> {
    kernel.apply(gram).map_err(|_| Absence::NoSpread)
}

fn spatial(
    feed: &mut dyn Feed,
    settings: &Settings,
    chosen: &Chosen,
    progress: &mut dyn Progress,
) -> Result<Outcome> {
    let minibatch = chosen.estimator == Estimator::Minibatch;
    let mut consumer = Spatial::new(settings.bias.centring(), minibatch, &feed.shapes());
    let (samples, timing) = one_pass(feed, &mut consumer, progress)?;
    let Finished { table, absences, spreads, apart, dropped } = consumer.finish();
    let outcome = Outcome { apart, dropped, ..Outcome::of(table, absences, samples, timing) };
    Ok(outcome.with_enough_samples(settings.bias).judged(&spreads))
}

/// Rows of stored features that are multiplied at a time where no Gram matrix is made.
const STORED_ROWS: usize = 4_096;

/// Share of a layer's spread below which its HSIC with itself is rounding: float32 products of
/// n samples are exact to about 10⁻⁷, and HSIC is their square.
const ROUNDING: f64 = 1e-12;

impl Outcome {
    /// What one pass found.
    pub(super) fn of(table: HsicTable, absences: Absences, samples: usize, timing: Timing) -> Self {
        let (apart, dropped, passes) = (vec![], 0, 1);
        let (estimator, reason, hsic_batch) = (Estimator::Full, None, None);
        Self {
            table,
            absences,
            apart,
            samples,
            dropped,
            passes,
            timing,
            estimator,
            reason,
            hsic_batch,
        }
    }

    /// The same with the estimator that was taken, and why.
    fn by(self, chosen: Chosen, feed: &dyn Feed) -> Self {
        let Chosen { estimator, reason, gathered, .. } = chosen;
        let own = estimator == Estimator::Minibatch && reason.is_some();
        let hsic_batch = own.then(|| groups(feed, gathered).largest() * feed.batch_size());
        Self { estimator, reason, hsic_batch, ..self }
    }

    /// What batches of HSIC gave.
    fn of_minibatches(
        whole: &HsicBlock,
        settings: &Settings,
        samples: usize,
        timing: Timing,
    ) -> Self {
        let outcome = Self::of(whole.sums.mean(), whole.absences(), samples, timing);
        let outcome = Self { dropped: whole.dropped, ..outcome };
        outcome.with_enough_samples(settings.bias).judged(&whole.spreads())
    }

    /// Takes the values from layers whose HSIC with itself says nothing.
    pub(super) fn judged(mut self, spreads: &[Vec<f64>]) -> Self {
        let last = self.absences.len() - 1;
        for (s, own) in [(0, &self.table.aa), (last, &self.table.bb)] {
            for (i, why) in self.absences[s].iter_mut().enumerate() {
                let found = match own[i] {
                    value if !value.is_finite() => Absence::OutOfRange,
                    value if value <= ROUNDING * spreads[s][i] => Absence::Singles,
                    _ => continue,
                };
                why.get_or_insert(found);
            }
        }
        self
    }

    /// Takes the samples of batches too small off, and all values where none are left.
    fn with_enough_samples(mut self, bias: Bias) -> Self {
        let few = Absence::TooFew { samples: self.samples, needs: bias.least_samples() };
        self.samples -= self.dropped;
        if self.samples < bias.least_samples() {
            self.absences.iter_mut().flatten().for_each(|why| *why = Some(few.clone()));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::feed::Place;
    use crate::capture::{Silent, Tokens};
    use approx::assert_abs_diff_eq;
    use tch::{Kind, Tensor};

    /// Layers of one model: 48 rows each, 16 at a time.
    struct Rows(Vec<Tensor>);

    impl Feed for Rows {
        fn shapes(&self) -> Vec<Vec<Vec<i64>>> {
            vec![self.0.iter().map(Tensor::size).collect()]
        }

        fn samples(&self) -> usize {
            48
        }

        fn batch_size(&self) -> usize {
            16
        }

        fn copies(&self, _: usize, _: usize) -> Option<&[usize]> {
            None
        }

        fn pass(
            &mut self,
            consumer: &mut dyn Consumer,
            _: &mut dyn Progress,
            _: &mut Timing,
        ) -> Result<usize> {
            for start in (0..48).step_by(16) {
                for (layer, rows) in self.0.iter().enumerate() {
                    let (name, tokens, samples) = (&|_| String::new(), Tokens::default(), 16);
                    let (subject, indices, single, same) = (0, &[][..], false, None);
                    let at = Place { subject, layer, samples, tokens, name, indices, single, same };
                    consumer.layer(at, &rows.narrow(0, start, 16))?;
                }
                consumer.batch_done(16)?;
            }
            Ok(48)
        }
    }

    /// HSIC of three layers of 5,000 features with memory for so many of their features.
    fn measured(layers: &[Tensor], features: usize) -> Result<Outcome> {
        let mut feed = Rows(layers.iter().map(Tensor::shallow_clone).collect());
        let settings = Settings {
            estimator: Estimator::Full,
            bias: Bias::Unbiased,
            kernel: Kernel::Linear,
            reduce: Reduce::Flatten,
            memory: 3 * PackedSymmetric::bytes(48) + (features * 32 * size_of::<f32>()) as u64,
        };
        compare(&mut feed, &settings, &mut Silent)
    }

    #[test]
    fn rows_that_are_half_zero_take_half_the_passes() -> Result<()> {
        tch::manual_seed(3);
        let dense: Vec<_> =
            (0..3).map(|_| Tensor::randn([48, 5_000], tch::kind::FLOAT_CPU)).collect();
        let halved: Vec<_> = dense.iter().map(Tensor::relu).collect();
        let late = |(halved, dense): (&Tensor, &Tensor)| {
            Tensor::cat(&[halved.narrow(0, 0, 16), dense.narrow(0, 16, 32)], 0)
        };
        let late: Vec<_> = halved.iter().zip(&dense).map(late).collect();
        let double: Vec<_> = vec![halved[0].to_kind(Kind::Double), halved[1].shallow_clone()];
        for (layers, features, passes) in [
            (&halved, 15_000, 1),
            (&halved, 9_000, 1),
            (&dense, 9_000, 3),
            (&late, 9_000, 2),
            (&halved, 4_000, 4),
            (&double, 9_000, 2),
        ] {
            let expected = measured(layers, 1 << 20)?;
            let found = measured(layers, features)?;
            assert_eq!((expected.passes, found.passes), (1, passes), "{features}");
            // Products are of float32 numbers.
            let epsilon = 1e-7 * expected.table.aa[0];
            assert_abs_diff_eq!(found.table.aa, expected.table.aa, epsilon = epsilon);
            assert_abs_diff_eq!(found.table.ab, expected.table.ab, epsilon = epsilon);
        }
        Ok(())
    }
}
