//! The features of layers for the same samples, ready for measures of similarity.
//!
//! A layer no wider than there are samples is kept as its features, and so is a wider one where a
//! measure asks for single units; the others become their Gram matrix and the sums of their rows as
//! the batches come, and so does whatever does not fit into the memory allowed.

use ndarray::Array2;
use tch::{Kind, Tensor};

use super::averaged::Averaged;
use super::feed::{Consumer, Feed, Place};
use super::full::{FullPass, LayerGram};
use super::judge::is_of_classes;
use super::plan::{Needs, Part, bytes_text};
use super::reduce::Reduce;
use super::rows::first_not_finite;
use super::{Progress, Timing};
use crate::classifier::OutputPair;
use crate::error::{Error, Result};
use crate::linalg::Centring;
use crate::similarity::layer::Sparsity;
use crate::similarity::{self, Measure, Options, Representation};
use crate::torchscript::{Answer, tensors};

/// What is wanted of the layers.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// From feature maps to rows: one a sample.
    pub reduce: Reduce,
    /// Options of the measures.
    pub options: Options,
    /// The measures that will be asked.
    pub measures: Vec<Measure>,
    /// How many principal components will be kept of each layer, where not all are.
    pub components: Option<usize>,
    /// Bytes for features, Gram matrices and what the measures keep.
    pub memory: u64,
    /// How many layers are measured at a time, fewer where the memory does not suffice.
    pub threads: usize,
    /// How many halves of the samples will be measured at a time, for intervals.
    pub halves: usize,
    /// Whether layers no wider than there are samples become Gram matrices too: of these HSIC is what
    /// [`cka`](super::cka) makes of them, bit for bit.
    pub grams: bool,
    /// Whether what the two models themselves give is held against each other.
    pub outputs: bool,
}

/// What a layer gave.
pub struct Captured {
    /// D.
    pub width: usize,
    /// Its features or their Gram matrix, or why there are none.
    pub found: Result<Representation, String>,
    /// How sparse its features are.
    pub sparsity: Sparsity,
}

/// What all layers gave.
pub struct Outcome {
    /// A list of layers a subject.
    pub layers: Vec<Vec<Captured>>,
    /// Name of each sample.
    pub names: Vec<String>,
    /// Position of each sample in the data set; empty for stored representations.
    pub indices: Vec<usize>,
    /// What two models gave for all samples, where that was wanted and both gave a row of N×K outputs.
    pub outputs: Option<OutputPair>,
    /// How many layers the memory lets be measured at a time.
    pub threads: usize,
    /// Passes over the data.
    pub passes: usize,
    /// Where the time went.
    pub timing: Timing,
}

/// Runs over the data, once where the memory suffices, and keeps what the layers give.
///
/// # Errors
/// The data cannot be read, a model does not run on it, or the memory allowed is not enough for what
/// the measures keep.
pub fn represent(
    feed: &mut dyn Feed,
    wanted: &Wanted,
    progress: &mut dyn Progress,
) -> Result<Outcome> {
    let plan = Plan::new(feed, wanted)?;
    let mut grams = plan.grams.iter().map(|l| l.iter().map(|_| LayerGram::default()).collect());
    let mut grams: Vec<Vec<LayerGram>> = grams.by_ref().collect();
    let mut kept = Kept::new(&plan.widths, feed.samples());
    let mut timing = Timing::default();
    for (i, parts) in plan.passes.iter().enumerate() {
        progress.begin(i + 1, plan.passes.len(), feed.samples());
        let judged = vec![i > 0; grams.len()];
        let pass = FullPass::new(wanted.reduce, parts, plan.rows, &mut grams);
        let pass = pass.with_means().after(judged);
        let mut consumer = Pass { wanted, plan: &plan, kept: &mut kept, pass, first: i == 0 };
        feed.pass(&mut consumer, progress, &mut timing)?;
        consumer.pass.finish();
    }
    progress.end();
    let passes = plan.passes.len();
    let copies = |s: usize, l: usize| feed.copies(s, l);
    let layers = plan.made(grams, &mut kept, wanted, &copies);
    let outputs = kept.outputs.whole(kept.done);
    let (names, indices, threads) = (kept.names, kept.indices, plan.threads);
    Ok(Outcome { layers, names, indices, outputs, threads, passes, timing })
}

/// Of each sample the first that is the same to a layer of a subject.
type Copies<'a> = dyn Fn(usize, usize) -> Option<&'a [usize]> + 'a;

/// Which layers are kept as features, and in which pass the Gram matrices of the others are made.
struct Plan {
    /// D of every layer.
    widths: Vec<Vec<usize>>,
    /// D of those that become Gram matrices, 0 for the others.
    grams: Vec<Vec<usize>>,
    /// How many layers can be measured at a time.
    threads: usize,
    /// Rows that the passes keep.
    rows: usize,
    passes: Vec<Vec<Part>>,
}

impl Plan {
    fn new(feed: &dyn Feed, wanted: &Wanted) -> Result<Self> {
        let of = |layers: &Vec<Vec<i64>>| layers.iter().map(|s| wanted.reduce.width(s)).collect();
        let widths: Vec<Vec<usize>> = feed.shapes().iter().map(of).collect();
        let n = feed.samples();
        let kept: u64 = widths.iter().flatten().map(|&width| wanted.bytes(n, width)).sum();
        let working = wanted.working_bytes(n, &widths);
        // Half of what is left is for the features.
        let fit = wanted.memory.saturating_sub(kept) / 2 / working.max(1);
        let threads = (fit as usize).clamp(1, wanted.threads.max(1));
        let beside = kept + working * threads as u64;
        let too_large = || too_large(widths.iter().map(Vec::len).sum(), n, beside, wanted.memory);
        let room = wanted.memory.checked_sub(beside).ok_or_else(too_large)?;
        let (grams, left) = match wanted.grams {
            true => (widths.clone(), room),
            false => split(&widths, n, room, &|width| wanted.takes_units(width)),
        };
        let needs = Needs { widths: &grams, samples: n, batch: feed.batch_size(), memory: left };
        let mut passes = needs.passes().map_err(|_| too_large())?;
        if passes.is_empty() {
            passes.push(vec![]);
        }
        let rows = needs.kept_rows();
        Ok(Self { grams, threads, rows, passes, widths })
    }

    fn is_gram(&self, at: &Place<'_>) -> bool {
        self.grams[at.subject][at.layer] > 0
    }

    fn made(
        &self,
        grams: Vec<Vec<LayerGram>>,
        kept: &mut Kept,
        wanted: &Wanted,
        copies: &Copies<'_>,
    ) -> Vec<Vec<Captured>> {
        let one = |s: usize, l: usize, gram: LayerGram, kept: &mut Kept| {
            let width = self.widths[s][l];
            let mut state = std::mem::take(&mut kept.layers[s][l]);
            let found = match self.grams[s][l] {
                0 => state.features(wanted.options, &kept.names),
                _ => of_gram(gram, width, wanted.options, &kept.names),
            };
            let found = found.map(|layer| match copies(s, l) {
                Some(copies) => layer.with_copies(copies),
                None => layer,
            });
            Captured { width, found, sparsity: state.sparsity }
        };
        let mut all = vec![];
        for (s, layers) in grams.into_iter().enumerate() {
            let layers = layers.into_iter().enumerate();
            all.push(layers.map(|(l, gram)| one(s, l, gram, kept)).collect());
        }
        all
    }
}

impl Wanted {
    /// Whether a layer of so many features is kept as these, however many they are.
    fn takes_units(&self, width: usize) -> bool {
        self.components.is_none() && self.measures.iter().any(|m| m.takes_units_of(width))
    }

    /// What a thread takes besides while it makes what measures keep of a layer.
    fn working_bytes(&self, samples: usize, widths: &[Vec<usize>]) -> u64 {
        let width = |width: usize| self.components.map_or(width, |most| most.min(width));
        let of = |&all: &usize| similarity::working_bytes(&self.measures, samples, width(all));
        widths.iter().flatten().map(of).max().unwrap_or(0)
    }

    /// What measures keep of a layer.
    fn bytes(&self, samples: usize, width: usize) -> u64 {
        let width = self.components.map_or(width, |most| most.min(width));
        let kept = |samples: usize| similarity::kept_bytes(&self.measures, samples, width);
        let half = samples / 2;
        let columns = if self.takes_units(width) { width } else { width.min(half) };
        let source = 8 * (half * columns) as u64;
        kept(samples) + self.halves as u64 * (source + kept(half))
    }
}

/// The widths of the layers that become Gram matrices, 0 for those kept as features: the narrow ones
/// first, as far as they fit beside the matrices of the others. Also the memory left for those.
fn split(
    widths: &[Vec<usize>],
    samples: usize,
    memory: u64,
    units: &dyn Fn(usize) -> bool,
) -> (Vec<Vec<usize>>, u64) {
    let mut order: Vec<(usize, usize, usize)> = vec![];
    for (s, layers) in widths.iter().enumerate() {
        order.extend(layers.iter().enumerate().map(|(l, &width)| (width, s, l)));
    }
    order.sort_unstable();
    let mut grams = widths.to_vec();
    let matrix = crate::linalg::PackedSymmetric::bytes(samples);
    // An eighth is left to the rows that the matrices are made from.
    let share = memory / 8 * 7;
    let mut taken = matrix * order.len() as u64;
    let mut features = 0;
    for (width, s, l) in order {
        let bytes = 8 * (samples * width) as u64;
        let after = (taken - matrix).saturating_add(bytes);
        if bytes <= matrix || (width <= samples || units(width)) && after <= share {
            taken = after;
            features += bytes;
            grams[s][l] = 0;
        }
    }
    (grams, memory - features)
}

fn too_large(layers: usize, samples: usize, beside: u64, memory: u64) -> Error {
    let problem = format!(
        "the measures take {} for {layers} layers over {samples} samples, and --memory is {}",
        bytes_text(beside),
        bytes_text(memory)
    );
    Error::usage(
        problem,
        "use fewer --layers or --measures, fewer samples (--limit), or more --memory",
    )
}

/// Rows that come in batches.
#[derive(Default)]
struct Rows {
    width: usize,
    values: Vec<f64>,
}

impl Rows {
    fn add(&mut self, rows: &Tensor) -> Result<()> {
        let rows = tensors::to_matrix(rows)?;
        self.width = rows.ncols();
        self.values.extend(rows.iter());
        Ok(())
    }

    fn whole(self) -> Option<Array2<f64>> {
        let rows = self.values.len().checked_div(self.width)?;
        Array2::from_shape_vec((rows, self.width), self.values).ok()
    }
}

/// What a layer has given so far.
#[derive(Default)]
struct State {
    rows: Rows,
    sparsity: Sparsity,
    /// Scatter relative to the squared norm of the mean below which the rows count as constant.
    constant: f64,
    averaged: Averaged,
    absence: Option<String>,
}

impl State {
    fn features(&mut self, options: Options, names: &[String]) -> Result<Representation, String> {
        if let Some(why) = self.absence.take() {
            return Err(why);
        }
        let mut features = std::mem::take(&mut self.rows).whole().unwrap_or_default();
        self.averaged.settle(&mut features, self.constant);
        Representation::within(features, options, self.constant)
            .map_err(|why| why.of_samples(names))
    }
}

fn of_gram(
    gram: LayerGram,
    width: usize,
    options: Options,
    names: &[String],
) -> Result<Representation, String> {
    if let Some(why) = gram.absence {
        return Err(why.to_string());
    }
    let constant = gram.constant;
    if Centring::Double.of(&gram.gram).scatter() <= gram.averaged.least(constant) {
        return Err(similarity::Absence::Constant.of_samples(names));
    }
    Representation::of_products(gram.products(), width, options, constant)
        .map_err(|why| why.of_samples(names))
}

/// All that is kept.
struct Kept {
    layers: Vec<Vec<State>>,
    names: Vec<String>,
    indices: Vec<usize>,
    outputs: Outputs,
    /// Samples of batches that are done.
    done: usize,
}

impl Kept {
    fn new(widths: &[Vec<usize>], samples: usize) -> Self {
        let layers = |l: &Vec<usize>| l.iter().map(|_| State::default()).collect();
        Self {
            layers: widths.iter().map(layers).collect(),
            names: Vec::with_capacity(samples),
            indices: vec![],
            outputs: Outputs::default(),
            done: 0,
        }
    }

    fn note_samples(&mut self, at: &Place<'_>) {
        if self.names.len() == self.done {
            self.names.extend((0..at.samples).map(|row| (at.name)(row)));
            self.indices.extend(at.indices);
        }
    }
}

/// What two models themselves gave.
#[derive(Default)]
struct Outputs {
    pair: OutputPair,
    /// Those of this batch, of each model.
    batch: [Option<Array2<f64>>; 2],
}

impl Outputs {
    fn take(&mut self, at: Place<'_>, output: &Tensor) -> Result<()> {
        if let Some(slot) = self.batch.get_mut(at.subject)
            && is_of_classes(output, at.samples)
        {
            let rows = output.detach().reshape([at.samples as i64, -1]);
            *slot = Some(tensors::to_matrix(&rows)?);
        }
        Ok(())
    }

    fn batch_done(&mut self) {
        if let [Some(a), Some(b)] = std::mem::take(&mut self.batch) {
            self.pair.add(a.view(), b.view());
        }
    }

    /// What was given for all of so many samples; nothing where a batch gave none.
    fn whole(&mut self, samples: usize) -> Option<OutputPair> {
        let pair = std::mem::take(&mut self.pair);
        (samples > 0 && pair.samples() == samples).then_some(pair)
    }
}

/// One pass over the data.
struct Pass<'a> {
    wanted: &'a Wanted,
    plan: &'a Plan,
    kept: &'a mut Kept,
    pass: FullPass<'a>,
    first: bool,
}

impl Consumer for Pass<'_> {
    fn wants(&self, subject: usize) -> bool {
        self.first || self.pass.wants(subject)
    }

    fn layer(&mut self, at: Place<'_>, output: &Tensor) -> Result<Answer> {
        if !self.first {
            return self.pass.layer(at, output);
        }
        self.kept.note_samples(&at);
        let rows = self.wanted.reduce.rows(output, at.tokens)?;
        let state = &mut self.kept.layers[at.subject][at.layer];
        state.constant = at.constant(output);
        add_sparsity(&mut state.sparsity, &rows)?;
        if self.plan.is_gram(&at) {
            self.pass.layer(at, output)?;
        } else if let Some(row) = first_not_finite(&rows) {
            let why = || format!("NaN or infinite for sample {}", (at.name)(row));
            state.absence.get_or_insert_with(why);
        } else {
            state.averaged.add(self.wanted.reduce, output, at.tokens)?;
            state.rows.add(&rows)?;
        }
        Ok(Answer::Keep)
    }

    fn output(&mut self, at: Place<'_>, output: Option<&Tensor>) -> Result<()> {
        match output.filter(|_| self.first && self.wanted.outputs) {
            Some(output) => self.kept.outputs.take(at, output),
            None => Ok(()),
        }
    }

    fn batch_done(&mut self, samples: usize) -> Result<()> {
        if self.first {
            self.kept.done += samples;
            self.kept.outputs.batch_done();
        }
        self.pass.batch_done(samples)
    }
}

fn add_sparsity(sparsity: &mut Sparsity, rows: &Tensor) -> Result<()> {
    let axis = [1i64].as_slice();
    let sums = Tensor::stack(
        &[
            rows.eq(0.0).sum_dim_intlist(axis, false, Kind::Double),
            rows.abs().sum_dim_intlist(axis, false, Kind::Double),
            rows.square().sum_dim_intlist(axis, false, Kind::Double).sqrt(),
        ],
        1,
    );
    let width = rows.size()[1] as usize;
    for row in tensors::to_matrix(&sums)?.rows() {
        sparsity.add(width, row[0] as usize, row[1], row[2]);
    }
    Ok(())
}
