//! HSIC averaged over batches: memory independent of the number of samples.

use tch::Tensor;

use super::averaged::Averaged;
use super::cka::{settle, spread};
use super::feed::{Absence, Absences, Consumer, Place, Spreads};
use super::full::why_not_finite;
use super::reduce::Reduce;
use super::rows::{batch_gram, squared_norm};
use crate::error::Result;
use crate::linalg::{Centring, PackedSymmetric};
use crate::similarity::Kernel;
use crate::stats::HsicSums;
use crate::torchscript::Answer;

/// What one layer has given so far.
#[derive(Default)]
struct LayerState {
    gram: Option<PackedSymmetric>,
    scatter: f64,
    centre: Option<Tensor>,
    samples: usize,
    spread: f64,
    /// Scatter relative to the squared norm of the mean below which the rows count as constant.
    constant: f64,
    averaged: Averaged,
    absence: Option<Absence>,
}

/// Sums of HSIC over the batches.
pub struct Minibatch {
    reduce: Reduce,
    kernel: Kernel,
    layers: Vec<Vec<LayerState>>,
    sums: HsicSums,
    dropped: usize,
}

impl Minibatch {
    /// For so many layers of each subject, one or two of them.
    pub fn new(reduce: Reduce, kernel: Kernel, centring: Centring, counts: &[usize]) -> Self {
        let layers = |&n: &usize| (0..n).map(|_| LayerState::default()).collect();
        let last = counts.last().copied().unwrap_or(0);
        Self {
            reduce,
            kernel,
            layers: counts.iter().map(layers).collect(),
            sums: HsicSums::new(centring, counts[0], last),
            dropped: 0,
        }
    }

    /// The sums, why layers have none, what HSIC of a layer is held against, and how many samples
    /// were in batches too small to count.
    pub fn finish(self) -> (HsicSums, Absences, Spreads, usize) {
        let spread = |state: &LayerState| state.spread / state.samples.max(1) as f64;
        let spreads = self.layers.iter().map(|l| l.iter().map(spread).collect()).collect();
        let absence = |state: LayerState| {
            let centre = state.centre.as_ref().map_or(0.0, squared_norm);
            let least = (state.constant * centre * state.samples as f64)
                .max(state.averaged.least(state.constant));
            let constant = state.scatter <= least;
            state.absence.or(constant.then_some(Absence::Constant))
        };
        let layers = self.layers.into_iter();
        let absences = layers.map(|l| l.into_iter().map(absence).collect()).collect();
        (self.sums, absences, spreads, self.dropped)
    }

    fn is_too_small(&self, samples: usize) -> bool {
        samples < self.sums.least_samples()
    }
}

impl Consumer for Minibatch {
    fn wants(&self, _subject: usize) -> bool {
        true
    }

    fn layer(&mut self, at: Place<'_>, output: &Tensor) -> Result<Answer> {
        let small = self.is_too_small(at.samples);
        let state = &mut self.layers[at.subject][at.layer];
        state.gram = None;
        state.constant = at.constant(output);
        if small || state.absence.is_some() {
            return Ok(Answer::Keep);
        }
        let rows = self.reduce.rows(output, at.tokens)?;
        let block = batch_gram(&rows, &mut state.centre)?;
        if let Some(row) = block.first_not_finite() {
            state.absence = Some(why_not_finite(&at, &rows, row));
            return Ok(Answer::Keep);
        }
        let mut gram = PackedSymmetric::from_square(block.products.view());
        state.averaged.add(self.reduce, output, at.tokens)?;
        state.samples += gram.order();
        state.scatter += Centring::Double.of(&gram).scatter();
        match settle(&mut gram, self.kernel) {
            Ok(()) => {
                state.spread += gram.order() as f64 * spread(&gram);
                state.gram = Some(gram);
            }
            Err(absence) => state.absence = Some(absence),
        }
        Ok(Answer::Keep)
    }

    fn batch_done(&mut self, samples: usize) -> Result<()> {
        if self.is_too_small(samples) {
            self.dropped += samples;
            return Ok(());
        }
        let take = |layers: &mut Vec<LayerState>| -> Vec<Option<PackedSymmetric>> {
            layers.iter_mut().map(|l| l.gram.take()).collect()
        };
        let mut grams = self.layers.iter_mut().map(take);
        let (a, b) = (grams.next().unwrap_or_default(), grams.next());
        drop(grams);
        self.sums.add(&a, b.as_deref());
        Ok(())
    }
}
