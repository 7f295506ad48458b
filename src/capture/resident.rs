//! HSIC averaged over batches, kept where the layers' outputs are.
//!
//! A device computes while the program goes on: whoever reads a number waits for all before it. Here none is read
//! before the end. Products are those of [`RowStore`]: of centred rows in their own precision, slice by slice, summed
//! in float64; what comes behind them is of n×n matrices, and in float64.

use ndarray::Array1;
use tch::{Device, Kind, Tensor};

use super::averaged::Averaged;
use super::estimator::Groups;
use super::feed::{Absence, Absences, Consumer, Place, Spreads};
use super::reduce::Reduce;
use super::rows::RowStore;
use super::seen::{Names, Seen};
use crate::error::Result;
use crate::linalg::Centring;
use crate::stats::{HsicTable, least_samples, normaliser};
use crate::torchscript::{Answer, tensors};

/// Entries of each centred Gram matrix that are stacked for one matrix product.
const CHUNK: i64 = 1 << 18;

/// What one layer has given so far.
#[derive(Default)]
struct LayerState {
    rows: Option<RowStore>,
    /// Rows of the Gram matrix of the current batch of HSIC, each batch up to its last column.
    blocks: Vec<Tensor>,
    seen: Seen,
    /// Of what rows are means of: see [`Averaged`].
    squares: Option<Tensor>,
    /// Σ over batches of HSIC of n·‖centre‖².
    norm: Option<Tensor>,
    /// Scatter relative to the squared norm of the mean below which the rows count as constant.
    constant: f64,
}

/// Sums over batches for the layers of one model, in float64.
struct Side {
    layers: Vec<LayerState>,
    /// Σ n·HSIC of each layer with itself.
    own: Tensor,
    scatter: Tensor,
    spread: Tensor,
}

/// Sums of HSIC over batches of samples as those of [`super::minibatch::Minibatch`], for linear Gram matrices.
pub struct Resident {
    reduce: Reduce,
    centring: Centring,
    sides: Vec<Side>,
    /// Σ n·HSIC of all pairs.
    pairs: Tensor,
    groups: Groups,
    /// Rows kept of a layer.
    kept: usize,
    /// Batches of the models that are done.
    done: usize,
    /// Samples in the current batch of HSIC.
    held: usize,
    /// Samples in the batches that count.
    samples: usize,
    dropped: usize,
    names: Names,
}

/// The Gram matrices of a batch of HSIC, their lower triangles, and what centres them.
struct Grams {
    /// Layers × n × n.
    lower: Tensor,
    /// Layers × n.
    diagonal: Tensor,
    /// Layers × n: sums of the rows of the whole matrices.
    sums: Tensor,
}

impl LayerState {
    /// Forgets the samples that are together, and gives their centre.
    fn forget(&mut self) -> Option<Tensor> {
        self.blocks.clear();
        self.rows.as_mut().and_then(RowStore::take_centre)
    }

    /// Puts the rows of the Gram matrix into one, and makes room for the next.
    fn take_gram(&mut self, into: &Tensor) {
        let mut first = 0;
        for block in &self.blocks {
            let (count, columns) = (block.size()[0], block.size()[1]);
            let mut rows = into.narrow(0, first, count).narrow(1, 0, columns);
            rows.copy_(block);
            first += count;
        }
        if let Some(centre) = self.forget() {
            let norm = centre.to_kind(Kind::Double).square().sum(Kind::Double) * first as f64;
            self.norm = Some(self.norm.take().map_or_else(|| norm.copy(), |sum| sum + &norm));
        }
    }

    /// Why there is no value; `scatter` is that of all rows.
    fn why_absent(&self, names: &Names, scatter: f64) -> Result<Option<Absence>> {
        let norm = self.norm.as_ref().map_or(0.0, |norm| norm.double_value(&[]));
        let averaged = self.squares.as_ref().map(Averaged::of).transpose()?.unwrap_or_default();
        let least = (self.constant * norm).max(averaged.least(self.constant));
        let constant = (scatter <= least).then_some(Absence::Constant);
        Ok(self.seen.why_not_finite(names)?.or(constant))
    }
}

impl Side {
    fn new(layers: usize) -> Self {
        let zeros = || zeros(&[layers as i64], Device::Cpu);
        let layers = (0..layers).map(|_| LayerState::default()).collect();
        Self { layers, own: zeros(), scatter: zeros(), spread: zeros() }
    }

    fn device(&self) -> Option<Device> {
        self.layers.iter().find_map(|layer| layer.blocks.first().map(Tensor::device))
    }

    /// The Gram matrices of the samples that are together, zeros for layers without one.
    fn take_grams(&mut self, n: i64, device: Device) -> Grams {
        let lower = zeros(&[self.layers.len() as i64, n, n], device);
        for (layer, state) in self.layers.iter_mut().enumerate() {
            state.take_gram(&lower.select(0, layer as i64));
        }
        let grams = Grams::new(lower);
        let scatter = grams.scatter();
        add(&mut self.spread, &(scatter.square() / n as f64));
        add(&mut self.scatter, &scatter);
        grams
    }
}

impl Grams {
    /// Of matrices of which only the lower triangles are heeded.
    fn new(mut lower: Tensor) -> Self {
        let lower = lower.tril_(0);
        let diagonal = lower.diagonal(0, 1, 2).copy();
        let sums = sum(&lower, 2) + sum(&lower, 1) - &diagonal;
        Self { lower, diagonal, sums }
    }

    fn order(&self) -> i64 {
        self.lower.size()[1]
    }

    /// Traces of the doubly centred matrices.
    fn scatter(&self) -> Tensor {
        sum(&self.diagonal, 1) - sum(&self.sums, 1) / self.order() as f64
    }

    /// Rows `first..last` of every centred matrix, one matrix a row, so that inner products are those of the whole
    /// symmetric matrices: entries below the diagonal count √2 times. See [`Centring`].
    fn centred(&self, centring: Centring, first: i64, last: i64) -> Tensor {
        let n = self.order() as f64;
        let (sums, each, all, diagonal) = match centring {
            Centring::Double => (self.sums.shallow_clone(), n, n * n, 1.0),
            Centring::Unbiased => {
                (&self.sums - &self.diagonal, n - 2.0, (n - 1.0) * (n - 2.0), 0.0)
            }
        };
        let total = (sum(&sums, 1) / all).unsqueeze(1).unsqueeze(2);
        let offsets = sums / each;
        let of_rows = offsets.narrow(1, first, last - first).unsqueeze(2);
        let of_columns = offsets.narrow(1, 0, last).unsqueeze(1);
        let part = self.lower.narrow(1, first, last - first).narrow(2, 0, last);
        let weights = Tensor::ones([last - first, last], (Kind::Double, part.device()));
        let below = weights.tril(first - 1) * std::f64::consts::SQRT_2;
        let weights = below + (weights.tril(first) - weights.tril(first - 1)) * diagonal;
        ((part - of_rows - of_columns + total) * weights).flatten(1, 2)
    }
}

fn zeros(shape: &[i64], device: Device) -> Tensor {
    Tensor::zeros(shape, (Kind::Double, device))
}

fn sum(tensor: &Tensor, axis: i64) -> Tensor {
    tensor.sum_dim_intlist([axis].as_slice(), false, Kind::Double)
}

/// Adds to a sum, which moves to where the values are.
fn add(total: &mut Tensor, values: &Tensor) {
    *total = total.to_device(values.device()) + values;
}

impl Resident {
    /// As [`super::minibatch::Minibatch::new`].
    pub fn new(
        reduce: Reduce,
        centring: Centring,
        counts: &[usize],
        (groups, batch): (Groups, usize),
    ) -> Self {
        let last = counts.last().copied().unwrap_or(0);
        Self {
            reduce,
            centring,
            sides: counts.iter().map(|&layers| Side::new(layers)).collect(),
            pairs: zeros(&[counts[0] as i64, last as i64], Device::Cpu),
            kept: (groups.largest() - 1) * batch,
            groups,
            done: 0,
            held: 0,
            samples: 0,
            dropped: 0,
            names: Names::default(),
        }
    }

    /// The means, why layers have none, what HSIC of a layer is held against, and how many samples were in batches
    /// too small to count.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn finish(mut self) -> Result<(HsicTable, Absences, Spreads, usize)> {
        self.close();
        let mean = if self.samples > 0 { 1.0 / self.samples as f64 } else { 0.0 };
        let ab = tensors::to_matrix(&self.pairs)? * mean;
        let mut owns = vec![];
        let (mut absences, mut spreads): (Absences, Spreads) = (vec![], vec![]);
        for side in &self.sides {
            let scatter = tensors::to_vector(&side.scatter)?;
            let states = side.layers.iter().zip(&scatter);
            let why = states.map(|(state, &s)| state.why_absent(&self.names, s));
            absences.push(why.collect::<Result<_>>()?);
            spreads.push((tensors::to_vector(&side.spread)? * mean).to_vec());
            owns.push(tensors::to_vector(&side.own)? * mean);
        }
        let (aa, bb): (Array1<f64>, Array1<f64>) = match owns.as_slice() {
            [a, b] => (a.clone(), b.clone()),
            _ => (ab.diag().to_owned(), ab.diag().to_owned()),
        };
        Ok((HsicTable { ab, aa, bb }, absences, spreads, self.dropped))
    }

    /// Adds HSIC of the samples that are together.
    fn close(&mut self) {
        let held = std::mem::take(&mut self.held);
        let device = self.sides.iter().find_map(Side::device);
        let Some(device) = device.filter(|_| held >= least_samples(self.centring)) else {
            self.dropped += held;
            self.sides.iter_mut().flat_map(|side| &mut side.layers).for_each(|layer| {
                layer.forget();
            });
            return;
        };
        let n = held as i64;
        self.samples += held;
        let factor = n as f64 / normaliser(self.centring, held);
        let grams: Vec<Grams> =
            self.sides.iter_mut().map(|side| side.take_grams(n, device)).collect();
        for first in (0..n).step_by((CHUNK / n).max(1) as usize) {
            let last = (first + (CHUNK / n).max(1)).min(n);
            let rows =
                grams.iter().map(|gram| gram.centred(self.centring, first, last) * factor.sqrt());
            let rows: Vec<Tensor> = rows.collect();
            add(&mut self.pairs, &rows[0].mm(&rows[rows.len() - 1].tr()));
            for (side, rows) in self.sides.iter_mut().zip(&rows) {
                add(&mut side.own, &sum(&rows.square(), 1));
            }
        }
    }

    fn is_too_small(&self, samples: usize) -> bool {
        self.groups.largest() == 1 && samples < least_samples(self.centring)
    }
}

impl Consumer for Resident {
    fn wants(&self, _subject: usize) -> bool {
        true
    }

    fn layer(&mut self, at: Place<'_>, output: &Tensor) -> Result<Answer> {
        let (small, kept, place) = (self.is_too_small(at.samples), self.kept, self.names.note(&at));
        let state = &mut self.sides[at.subject].layers[at.layer];
        state.constant = at.constant(output);
        if small {
            return Ok(Answer::Keep);
        }
        let rows = self.reduce.rows(output, at.tokens)?;
        let width = rows.size()[1] as usize;
        let store =
            state.rows.get_or_insert_with(|| RowStore::new(0, width, kept).in_large_blocks());
        let block = store.products(&rows)?;
        let before = block.size()[1] - block.size()[0];
        state.seen.add(place, &rows, &block.diagonal(before, 0, 1));
        if let Some(sizes) = Averaged::squares(self.reduce, output, at.tokens) {
            state.squares = Some(state.squares.take().map_or_else(|| sizes.copy(), |s| s + &sizes));
        }
        state.blocks.push(block);
        Ok(Answer::Keep)
    }

    fn batch_done(&mut self, samples: usize) -> Result<()> {
        self.held += samples;
        self.names.batch_done(samples);
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
    use crate::capture::minibatch::{Cut, HsicBlock, Minibatch};
    use crate::capture::stored::StoredFeed;
    use crate::capture::{Feed, Silent, Timing};
    use crate::similarity::Kernel;
    use approx::assert_relative_eq;
    use ndarray::Array2;

    #[test]
    fn rows_of_several_batches_are_one_batch_of_hsic() -> Result<()> {
        let layer = |width: usize, seed: usize| {
            let value = |(i, j): (usize, usize)| ((i * 7 + j * j * seed + i * j) % 13) as f64;
            vec![Array2::from_shape_fn((46, width), value).into_dyn()]
        };
        let mut feed = StoredFeed::new(&[layer(5_000, 3), layer(9, 5)], 4)?;
        // 16, 16 and 14 samples.
        let groups = || Groups::new(feed.samples().div_ceil(4), 4);
        let what = (Reduce::Flatten, Kernel::Linear);
        let mut here =
            Minibatch::new(what, Centring::Unbiased, &[1, 1], (Cut::new(groups()), 4, 0));
        let mut there = Resident::new(Reduce::Flatten, Centring::Unbiased, &[1, 1], (groups(), 4));
        feed.pass(&mut here, &mut Silent, &mut Timing::default())?;
        feed.pass(&mut there, &mut Silent, &mut Timing::default())?;
        let whole = here.finish().total();
        let whole = whole.unwrap_or_else(|| HsicBlock::new(Centring::Unbiased, &[1, 1]));
        let (mean, spreads) = (whole.sums.mean(), whole.spreads());
        let (table, found, of_found, left) = there.finish()?;
        assert_eq!((found, left), (whole.absences(), whole.dropped));
        assert_relative_eq!(table.ab, mean.ab, max_relative = 1e-12);
        assert_relative_eq!(table.bb, mean.bb, max_relative = 1e-12);
        assert_relative_eq!(of_found[0][0], spreads[0][0], max_relative = 1e-12);
        Ok(())
    }

    #[test]
    fn matrices_are_centred_in_parts() {
        let square = Tensor::rand([2, 7, 7], tch::kind::DOUBLE_CPU);
        let square = &square + square.transpose(1, 2);
        for centring in [Centring::Double, Centring::Unbiased] {
            let grams = Grams::new(square.copy());
            let whole = grams.centred(centring, 0, 7);
            let parts = [(0, 3), (3, 5), (5, 7)].map(|(a, b)| grams.centred(centring, a, b));
            let of_parts =
                parts.iter().fold(zeros(&[2, 2], Device::Cpu), |all, p| all + p.mm(&p.tr()));
            assert!(of_parts.allclose(&whole.mm(&whole.tr()), 1e-12, 1e-12, false));
        }
    }
}
