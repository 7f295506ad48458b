//! HSIC averaged over batches: memory independent of the number of samples.

use serde::{Deserialize, Serialize};
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
use crate::stats::{Blocks, Division, HsicSums, Sum};
use crate::torchscript::Answer;

/// Blocks that batches of HSIC are summed in, at most: shards hold whole ones.
const MOST_BLOCKS: usize = 1024;

/// The rows of one layer in the current batch of HSIC.
#[derive(Default)]
struct LayerState {
    rows: Option<RowStore>,
    gram: PackedSymmetric,
    /// Whether it has no values any more.
    is_absent: bool,
}

/// What batches of HSIC gave of one layer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerSums {
    scatter: f64,
    samples: usize,
    spread: f64,
    /// Σ over batches of n·‖centre‖².
    norm: f64,
    /// Scatter relative to the squared norm of the mean below which the rows count as constant.
    constant: f64,
    averaged: Averaged,
    absence: Option<Absence>,
}

/// What batches of HSIC gave of all layers: a list a subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HsicBlock {
    /// HSIC of all pairs.
    pub sums: HsicSums,
    layers: Vec<Vec<LayerSums>>,
    /// Samples in batches too small to count.
    pub dropped: usize,
}

/// Sums of HSIC over batches of samples, each of them one or more batches of the models.
pub struct Minibatch {
    reduce: Reduce,
    kernel: Kernel,
    centring: Centring,
    layers: Vec<Vec<LayerState>>,
    /// What the current block gave so far.
    block: HsicBlock,
    blocks: Blocks<HsicBlock>,
    cut: Cut,
    /// Rows kept of a layer.
    kept: usize,
    /// The number of the next batch of the models.
    next: usize,
    /// Samples in the current batch of HSIC.
    held: usize,
}

/// How the batches of the models become batches of HSIC, and those blocks.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    groups: Groups,
    division: Division,
}

impl Cut {
    /// Of batches that are put together so.
    pub fn new(groups: Groups) -> Self {
        Self { groups, division: Division::new(groups.count(), MOST_BLOCKS) }
    }

    /// The number of blocks.
    pub fn blocks(self) -> usize {
        self.division.blocks()
    }

    /// The first batch of the models in a block; of the one behind the last, the number of batches.
    pub fn first_batch(self, block: usize) -> usize {
        self.groups.first_of(self.division.first_of(block))
    }
}

impl Sum for LayerSums {
    fn merge(&mut self, later: Self) {
        self.scatter += later.scatter;
        self.samples += later.samples;
        self.spread += later.spread;
        self.norm += later.norm;
        self.constant = self.constant.max(later.constant);
        self.averaged.merge(&later.averaged);
        self.absence = self.absence.take().or(later.absence);
    }
}

impl Sum for HsicBlock {
    fn merge(&mut self, later: Self) {
        self.sums.merge(later.sums);
        let layers = self.layers.iter_mut().flatten().zip(later.layers.into_iter().flatten());
        layers.for_each(|(own, more)| own.merge(more));
        self.dropped += later.dropped;
    }
}

impl LayerSums {
    /// Why a layer has no values.
    fn why_absent(&self) -> Option<Absence> {
        let least = (self.constant * self.norm).max(self.averaged.least(self.constant));
        let constant = self.scatter <= least;
        self.absence.clone().or(constant.then_some(Absence::Constant))
    }

    /// What HSIC of the layer is held against.
    fn mean_spread(&self) -> f64 {
        self.spread / self.samples.max(1) as f64
    }
}

impl HsicBlock {
    /// Nothing yet, for so many layers of each subject, one or two of them.
    pub fn new(centring: Centring, counts: &[usize]) -> Self {
        let last = counts.last().copied().unwrap_or(0);
        Self {
            sums: HsicSums::new(centring, counts[0], last),
            layers: counts.iter().map(|&n| vec![LayerSums::default(); n]).collect(),
            dropped: 0,
        }
    }

    /// Whether it is of so many layers of each subject.
    pub fn is_of(&self, centring: Centring, counts: &[usize]) -> bool {
        let last = counts.last().copied().unwrap_or(0);
        self.sums.are_of(centring, counts[0], last)
            && self.layers.iter().map(Vec::len).eq(counts.iter().copied())
    }

    /// The same of other layers: layer l of subject s has the sums of layer `source(s, l)`.
    #[must_use]
    pub fn rearranged(self, source: &dyn Fn(usize, usize) -> usize) -> Self {
        let last = self.layers.len() - 1;
        let sums = self.sums.rearranged(&|i| source(0, i), &|j| source(last, j));
        let of = |(s, layers): (usize, &Vec<LayerSums>)| {
            (0..layers.len()).map(|l| layers[source(s, l)].clone()).collect()
        };
        let layers = self.layers.iter().enumerate().map(of).collect();
        Self { sums, layers, dropped: self.dropped }
    }

    /// Why layers have no values.
    pub fn absences(&self) -> Absences {
        self.layers.iter().map(|l| l.iter().map(LayerSums::why_absent).collect()).collect()
    }

    /// What HSIC of each layer is held against.
    pub fn spreads(&self) -> Spreads {
        self.layers.iter().map(|l| l.iter().map(LayerSums::mean_spread).collect()).collect()
    }
}

impl LayerState {
    /// Forgets the samples that are together, and the centre of their rows; gives its squared norm.
    fn forget(&mut self) -> f64 {
        self.gram = PackedSymmetric::new();
        self.rows.as_mut().map_or(0.0, RowStore::restart)
    }

    /// The Gram matrix of the samples that are together now.
    fn take_gram(&mut self, kernel: Kernel, sums: &mut LayerSums) -> Option<PackedSymmetric> {
        let mut gram = std::mem::take(&mut self.gram);
        let centre = self.forget();
        if self.is_absent || gram.order() == 0 {
            return None;
        }
        sums.samples += gram.order();
        sums.norm += centre * gram.order() as f64;
        sums.scatter += Centring::Double.of(&gram).scatter();
        match settle(&mut gram, kernel) {
            Ok(()) => {
                sums.spread += gram.order() as f64 * spread(&gram);
                Some(gram)
            }
            Err(absence) => {
                sums.absence = Some(absence);
                self.is_absent = true;
                None
            }
        }
    }
}

impl Minibatch {
    /// For so many layers of each subject, one or two of them, from a block on; the models give `batch` samples at
    /// a time.
    pub fn new(
        (reduce, kernel): (Reduce, Kernel),
        centring: Centring,
        counts: &[usize],
        (cut, batch, first): (Cut, usize, usize),
    ) -> Self {
        let layers = |&n: &usize| (0..n).map(|_| LayerState::default()).collect();
        Self {
            reduce,
            kernel,
            centring,
            layers: counts.iter().map(layers).collect(),
            block: HsicBlock::new(centring, counts),
            blocks: Blocks::new(),
            cut,
            kept: (cut.groups.largest() - 1) * batch,
            next: cut.first_batch(first),
            held: 0,
        }
    }

    /// What the blocks gave.
    pub fn finish(mut self) -> Blocks<HsicBlock> {
        if self.held > 0 {
            self.close();
            self.close_block();
        }
        self.blocks
    }

    /// Adds HSIC of the samples that are together.
    fn close(&mut self) {
        let held = std::mem::take(&mut self.held);
        let block = &mut self.block;
        if held < block.sums.least_samples() {
            block.dropped += held;
            self.layers.iter_mut().flatten().for_each(|layer| {
                layer.forget();
            });
            return;
        }
        let kernel = self.kernel;
        let subjects = self.layers.iter_mut().zip(&mut block.layers);
        let mut grams = subjects.map(|(layers, sums)| -> Vec<Option<PackedSymmetric>> {
            layers.iter_mut().zip(sums).map(|(l, sums)| l.take_gram(kernel, sums)).collect()
        });
        let (a, b) = (grams.next().unwrap_or_default(), grams.next());
        drop(grams);
        block.sums.add(&a, b.as_deref());
    }

    /// Puts the current block, to which the last batch belongs, behind those before it.
    fn close_block(&mut self) {
        let counts: Vec<usize> = self.layers.iter().map(Vec::len).collect();
        let block = std::mem::replace(&mut self.block, HsicBlock::new(self.centring, &counts));
        let group = self.cut.groups.group_of(self.next - 1);
        self.blocks.push(self.cut.division.block_of(group), block);
    }

    /// Whether samples are a batch of HSIC by themselves, and too few for it.
    fn is_too_small(&self, samples: usize) -> bool {
        self.cut.groups.largest() == 1 && samples < self.block.sums.least_samples()
    }
}

impl Consumer for Minibatch {
    fn wants(&self, _subject: usize) -> bool {
        true
    }

    fn layer(&mut self, at: Place<'_>, output: &Tensor) -> Result<Answer> {
        let (small, kept) = (self.is_too_small(at.samples), self.kept);
        let state = &mut self.layers[at.subject][at.layer];
        let sums = &mut self.block.layers[at.subject][at.layer];
        sums.constant = at.constant(output);
        if small || state.is_absent {
            return Ok(Answer::Keep);
        }
        let rows = self.reduce.rows(output, at.tokens)?;
        let width = rows.size()[1] as usize;
        let store = state.rows.get_or_insert_with(|| RowStore::new(0, width, kept));
        let block = store.extend(&rows)?;
        if let Some(row) = block.first_not_finite() {
            sums.absence = Some(why_not_finite(&at, &rows, row));
            state.is_absent = true;
            return Ok(Answer::Keep);
        }
        sums.averaged.add(self.reduce, output, at.tokens)?;
        state.gram.push_rows(block.products.view());
        Ok(Answer::Keep)
    }

    fn batch_done(&mut self, samples: usize) -> Result<()> {
        self.held += samples;
        self.next += 1;
        let batch = self.next - 1;
        if self.cut.groups.ends_with(batch) {
            self.close();
            if self.cut.division.ends_with(self.cut.groups.group_of(batch)) {
                self.close_block();
            }
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
        let cut = Cut::new(groups);
        let mut minibatch = Minibatch::new(what, Centring::Unbiased, &[1, 1], (cut, batch, 0));
        feed.pass(&mut minibatch, &mut Silent, &mut Timing::default())?;
        let block = minibatch.finish().total();
        let block = block.unwrap_or_else(|| HsicBlock::new(Centring::Unbiased, &[1, 1]));
        assert_eq!((block.absences(), block.dropped), (vec![vec![None], vec![None]], 0));
        Ok(block.sums)
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
