//! HSIC averaged over batches: memory independent of the number of samples.

use tch::Tensor;

use super::averaged::Averaged;
use super::cka::{settle, spread};
use super::estimator::Groups;
use super::feed::{Absence, Absences, Consumer, Place, Spreads};
use super::full::why_not_finite;
use super::reduce::Reduce;
use super::rows::RowStore;
use crate::error::Result;
use crate::linalg::{Centring, PackedSymmetric};
use crate::similarity::Kernel;
use crate::stats::HsicSums;
use crate::torchscript::Answer;

/// What one layer has given so far.
#[derive(Default)]
struct LayerState {
    rows: Option<RowStore>,
    /// Of the samples of the current batch of HSIC.
    gram: PackedSymmetric,
    scatter: f64,
    samples: usize,
    spread: f64,
    /// Scatter relative to the squared norm of the mean below which the rows count as constant.
    constant: f64,
    averaged: Averaged,
    absence: Option<Absence>,
}

/// Sums of HSIC over batches of samples, each of them one or more batches of the models.
pub struct Minibatch {
    reduce: Reduce,
    kernel: Kernel,
    layers: Vec<Vec<LayerState>>,
    sums: HsicSums,
    groups: Groups,
    /// Rows kept of a layer.
    kept: usize,
    /// Batches of the models that are done.
    done: usize,
    /// Samples in the current batch of HSIC.
    held: usize,
    dropped: usize,
}

impl LayerState {
    fn why_absent(self) -> Option<Absence> {
        let centre = self.rows.as_ref().map_or(0.0, RowStore::centre_norm);
        let least =
            (self.constant * centre * self.samples as f64).max(self.averaged.least(self.constant));
        let constant = self.scatter <= least;
        self.absence.or(constant.then_some(Absence::Constant))
    }

    /// The Gram matrix of the samples that are together now.
    fn take_gram(&mut self, kernel: Kernel) -> Option<PackedSymmetric> {
        self.rows.iter_mut().for_each(RowStore::clear);
        let mut gram = std::mem::take(&mut self.gram);
        if self.absence.is_some() || gram.order() == 0 {
            return None;
        }
        self.samples += gram.order();
        self.scatter += Centring::Double.of(&gram).scatter();
        match settle(&mut gram, kernel) {
            Ok(()) => {
                self.spread += gram.order() as f64 * spread(&gram);
                Some(gram)
            }
            Err(absence) => {
                self.absence = Some(absence);
                None
            }
        }
    }
}

impl Minibatch {
    /// For so many layers of each subject, one or two of them; the models give `batch` samples at a time.
    pub fn new(
        (reduce, kernel): (Reduce, Kernel),
        centring: Centring,
        counts: &[usize],
        (groups, batch): (Groups, usize),
    ) -> Self {
        let layers = |&n: &usize| (0..n).map(|_| LayerState::default()).collect();
        let last = counts.last().copied().unwrap_or(0);
        Self {
            reduce,
            kernel,
            layers: counts.iter().map(layers).collect(),
            sums: HsicSums::new(centring, counts[0], last),
            groups,
            kept: (groups.largest() - 1) * batch,
            done: 0,
            held: 0,
            dropped: 0,
        }
    }

    /// The sums, why layers have none, what HSIC of a layer is held against, and how many samples
    /// were in batches too small to count.
    pub fn finish(mut self) -> (HsicSums, Absences, Spreads, usize) {
        self.close();
        let spread = |state: &LayerState| state.spread / state.samples.max(1) as f64;
        let spreads = self.layers.iter().map(|l| l.iter().map(spread).collect()).collect();
        let layers = self.layers.into_iter();
        let absences =
            layers.map(|l| l.into_iter().map(LayerState::why_absent).collect()).collect();
        (self.sums, absences, spreads, self.dropped)
    }

    /// Adds HSIC of the samples that are together.
    fn close(&mut self) {
        let held = std::mem::take(&mut self.held);
        if held < self.sums.least_samples() {
            self.dropped += held;
            self.layers.iter_mut().flatten().for_each(LayerState::forget);
            return;
        }
        let kernel = self.kernel;
        let take = |layers: &mut Vec<LayerState>| -> Vec<Option<PackedSymmetric>> {
            layers.iter_mut().map(|l| l.take_gram(kernel)).collect()
        };
        let mut grams = self.layers.iter_mut().map(take);
        let (a, b) = (grams.next().unwrap_or_default(), grams.next());
        drop(grams);
        self.sums.add(&a, b.as_deref());
    }

    /// Whether samples are a batch of HSIC by themselves, and too few for it.
    fn is_too_small(&self, samples: usize) -> bool {
        self.groups.largest() == 1 && samples < self.sums.least_samples()
    }
}

impl LayerState {
    fn forget(&mut self) {
        self.rows.iter_mut().for_each(RowStore::clear);
        self.gram = PackedSymmetric::new();
    }
}

impl Consumer for Minibatch {
    fn wants(&self, _subject: usize) -> bool {
        true
    }

    fn layer(&mut self, at: Place<'_>, output: &Tensor) -> Result<Answer> {
        let (small, kept) = (self.is_too_small(at.samples), self.kept);
        let state = &mut self.layers[at.subject][at.layer];
        state.constant = at.constant(output);
        if small || state.absence.is_some() {
            return Ok(Answer::Keep);
        }
        let rows = self.reduce.rows(output, at.tokens)?;
        let width = rows.size()[1] as usize;
        let store = state.rows.get_or_insert_with(|| RowStore::new(0, width, kept));
        let block = store.extend(&rows)?;
        if let Some(row) = block.first_not_finite() {
            state.absence = Some(why_not_finite(&at, &rows, row));
            return Ok(Answer::Keep);
        }
        state.averaged.add(self.reduce, output, at.tokens)?;
        state.gram.push_rows(block.products.view());
        Ok(Answer::Keep)
    }

    fn batch_done(&mut self, samples: usize) -> Result<()> {
        self.held += samples;
        self.done += 1;
        if self.groups.ends_with(self.done - 1) {
            self.close();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::stored::StoredFeed;
    use crate::capture::{Feed, Silent, Timing};
    use approx::assert_relative_eq;
    use ndarray::{Array2, ArrayD};

    fn sums(rows: &[Vec<ArrayD<f64>>], batch: usize, gathered: usize) -> Result<HsicSums> {
        let mut feed = StoredFeed::new(rows, batch)?;
        let groups = Groups::new(feed.samples().div_ceil(batch), gathered);
        let what = (Reduce::Flatten, Kernel::Rbf { fraction: 0.5 });
        let mut minibatch = Minibatch::new(what, Centring::Unbiased, &[1, 1], (groups, batch));
        feed.pass(&mut minibatch, &mut Silent, &mut Timing::default())?;
        let (sums, absences, _, dropped) = minibatch.finish();
        assert_eq!((absences, dropped), (vec![vec![None], vec![None]], 0));
        Ok(sums)
    }

    #[test]
    fn rows_of_several_batches_are_one_batch_of_hsic() -> Result<()> {
        let layer = |width: usize, seed: usize| {
            let value = |(i, j): (usize, usize)| ((i * 7 + j * j * seed + i * j) % 13) as f64;
            vec![Array2::from_shape_fn((46, width), value).into_dyn()]
        };
        let rows = [layer(5_000, 3), layer(9, 5)];
        // 16, 16 and 14 samples.
        let (gathered, whole) = (sums(&rows, 4, 4)?.mean(), sums(&rows, 16, 1)?.mean());
        assert_relative_eq!(gathered.ab, whole.ab, max_relative = 1e-12);
        assert_relative_eq!(gathered.aa, whole.aa, max_relative = 1e-12);
        assert_relative_eq!(gathered.bb, whole.bb, max_relative = 1e-12);
        Ok(())
    }
}
