//! Every position of a feature map as a sample of its channels: HSIC from moments of features.

use ndarray::Array2;
use tch::{Kind, Tensor};

use super::feed::{Absence, Absences, Consumer, Place, Spreads};
use super::full::why_not_finite;
use super::reduce::Reduce;
use super::rows::{mean, squared_norm};
use crate::error::Result;
use crate::linalg::Centring;
use crate::stats::{HsicTable, LayerMoments, PairMoments, PairProducts, least_samples};
use crate::torchscript::{Answer, tensors};

/// Rows that are multiplied at a time, so that float32 sums stay short.
const SLICE: i64 = 1 << 13;

/// One layer: its moments, and its rows of the current batch.
struct LayerState {
    width: usize,
    positions: usize,
    centre: Option<Tensor>,
    moments: LayerMoments,
    rows: Option<Tensor>,
    absence: Option<Absence>,
    own: PairMoments,
    /// Σ over batches of the scatter, of n·‖centre‖², of n·(scatter/n)².
    totals: [f64; 3],
    rows_seen: f64,
    /// Scatter relative to the squared norm of the mean below which the rows count as constant.
    constant: f64,
}

/// Moments of all pairs of layers that have the same number of positions.
pub struct Spatial {
    centring: Centring,
    minibatch: bool,
    layers: Vec<Vec<LayerState>>,
    pairs: Vec<(usize, usize, PairMoments)>,
    sums: HsicTable,
    weight: f64,
    dropped: usize,
}

/// What [`Spatial::finish`] gives.
pub struct Finished {
    /// HSIC of all pairs; zero for those without common rows.
    pub table: HsicTable,
    /// Why layers have none.
    pub absences: Absences,
    /// The mean squared spread of the rows, squared: what HSIC of a layer is held against.
    pub spreads: Spreads,
    /// Pairs of layers whose numbers of positions differ.
    pub apart: Vec<(usize, usize)>,
    /// Samples in batches too small to count.
    pub dropped: usize,
}

impl LayerState {
    fn new((width, positions): (usize, usize)) -> Self {
        Self {
            width,
            positions,
            centre: None,
            moments: LayerMoments::new(width),
            rows: None,
            absence: None,
            own: PairMoments::new(width, width),
            totals: [0.0; 3],
            rows_seen: 0.0,
            constant: 0.0,
        }
    }

    /// Centres the rows of a batch and adds them to the layer's own moments.
    fn take(&mut self, rows: &Tensor) -> Result<bool> {
        let centre = self.centre.get_or_insert_with(|| mean(rows));
        let rows = rows - &*centre;
        let own = products(&rows, &rows)?;
        if !own.norms.is_finite() {
            return Ok(false);
        }
        let sum =
            tensors::to_vector(&rows.sum_dim_intlist([0i64].as_slice(), false, Kind::Double))?;
        let squares = (0..self.width).map(|i| own.products[(i, i)]).sum();
        self.moments.add(rows.size()[0] as usize, sum.view(), squares);
        self.own.add(&own);
        self.rows = Some(rows);
        Ok(true)
    }

    fn add_totals(&mut self) {
        let n = self.moments.samples() as f64;
        let scatter = self.moments.scatter();
        let centre = self.centre.as_ref().map_or(0.0, squared_norm);
        let added = [scatter, n * centre, scatter * scatter / n.max(1.0)];
        self.totals.iter_mut().zip(added).for_each(|(total, value)| *total += value);
        self.rows_seen += n;
    }

    fn why_absent(&self) -> Option<Absence> {
        let constant = self.totals[0] <= self.constant * self.totals[1];
        self.absence.clone().or(constant.then_some(Absence::Constant))
    }

    fn spread(&self) -> f64 {
        self.totals[2] / self.rows_seen.max(1.0)
    }

    fn clear(&mut self) {
        self.centre = None;
        self.moments = LayerMoments::new(self.width);
        self.own = PairMoments::new(self.width, self.width);
    }
}

impl Spatial {
    /// For layers of the given shapes: a list a subject, one or two of them.
    pub fn new(centring: Centring, minibatch: bool, shapes: &[Vec<Vec<i64>>]) -> Self {
        let size = |s: &Vec<i64>| (Reduce::Spatial.width(s), Reduce::Spatial.positions(s));
        let state = |s: &Vec<i64>| LayerState::new(size(s));
        let layers: Vec<Vec<LayerState>> =
            shapes.iter().map(|l| l.iter().map(state).collect()).collect();
        let (a, b) = (&layers[0], &layers[layers.len() - 1]);
        let mut pairs = Vec::new();
        for (i, x) in a.iter().enumerate() {
            for (j, y) in b.iter().enumerate() {
                if x.positions == y.positions && (layers.len() == 2 || i <= j) {
                    pairs.push((i, j, PairMoments::new(x.width, y.width)));
                }
            }
        }
        let sums = HsicTable {
            ab: Array2::zeros((a.len(), b.len())),
            aa: ndarray::Array1::zeros(a.len()),
            bb: ndarray::Array1::zeros(b.len()),
        };
        Self { centring, minibatch, layers, pairs, sums, weight: 0.0, dropped: 0 }
    }

    /// HSIC over all that was added.
    pub fn finish(mut self) -> Finished {
        if !self.minibatch {
            self.close();
        }
        let scale = if self.weight > 0.0 { 1.0 / self.weight } else { 0.0 };
        self.sums.ab *= scale;
        self.sums.aa *= scale;
        self.sums.bb *= scale;
        let apart = self.apart();
        let all = |of: fn(&LayerState) -> Option<Absence>| {
            self.layers.iter().map(|l| l.iter().map(of).collect()).collect()
        };
        let absences = all(LayerState::why_absent);
        let spreads =
            self.layers.iter().map(|l| l.iter().map(LayerState::spread).collect()).collect();
        Finished { table: self.sums, absences, spreads, apart, dropped: self.dropped }
    }

    fn apart(&self) -> Vec<(usize, usize)> {
        let (a, b) = (&self.layers[0], &self.layers[self.layers.len() - 1]);
        let all = (0..a.len()).flat_map(|i| (0..b.len()).map(move |j| (i, j)));
        all.filter(|&(i, j)| a[i].positions != b[j].positions).collect()
    }

    /// Adds HSIC of the moments gathered to the sums, weighed by the samples.
    fn close(&mut self) {
        let weight = self.layers[0].iter().map(samples).fold(0.0, f64::max);
        self.weight += weight;
        let own = self.layers.len() == 1;
        let (first, last) = (&self.layers[0], &self.layers[self.layers.len() - 1]);
        for (i, j, pair) in &self.pairs {
            let value = weight * pair.hsic(&first[*i].moments, &last[*j].moments, self.centring);
            self.sums.ab[(*i, *j)] += value;
            if own && i != j {
                self.sums.ab[(*j, *i)] += value;
            }
        }
        let self_hsic = |l: &LayerState| weight * l.own.hsic(&l.moments, &l.moments, self.centring);
        first.iter().zip(&mut self.sums.aa).for_each(|(l, s)| *s += self_hsic(l));
        last.iter().zip(&mut self.sums.bb).for_each(|(l, s)| *s += self_hsic(l));
        for layer in self.layers.iter_mut().flatten() {
            layer.add_totals();
        }
    }

    /// Forgets the moments gathered.
    fn reset(&mut self) {
        for layer in self.layers.iter_mut().flatten() {
            layer.clear();
        }
        for (_, _, pair) in &mut self.pairs {
            pair.clear();
        }
    }
}

fn samples(layer: &LayerState) -> f64 {
    (layer.moments.samples() / layer.positions.max(1)) as f64
}

impl Consumer for Spatial {
    fn wants(&self, _subject: usize) -> bool {
        true
    }

    fn layer(&mut self, at: Place<'_>, output: &Tensor) -> Result<Answer> {
        let state = &mut self.layers[at.subject][at.layer];
        state.constant = at.constant(output);
        if state.absence.is_none() {
            let rows = Reduce::Spatial.rows(output, at.tokens)?.contiguous();
            if !state.take(&rows)? {
                // Without the mask, so that each sample has equally many rows.
                let rows = Reduce::Spatial.rows(output, 0)?.contiguous();
                state.absence = Some(why_not_finite(&at, &rows, 0));
            }
        }
        if at.subject + 1 == self.layers.len() {
            self.multiply(at.layer)?;
        }
        if at.subject == 1 {
            self.layers[1][at.layer].rows = None;
        }
        Ok(Answer::Keep)
    }

    fn batch_done(&mut self, samples: usize) -> Result<()> {
        for layer in self.layers.iter_mut().flatten() {
            layer.rows = None;
        }
        if self.minibatch {
            match samples >= least_samples(self.centring) {
                true => self.close(),
                false => self.dropped += samples,
            }
            self.reset();
        }
        Ok(())
    }
}

impl Spatial {
    /// Products of the current rows of layer `j` of the last subject with those of the first.
    fn multiply(&mut self, j: usize) -> Result<()> {
        let last = self.layers.len() - 1;
        for (i, _, pair) in self.pairs.iter_mut().filter(|p| p.1 == j) {
            let (x, y) = (&self.layers[0][*i].rows, &self.layers[last][j].rows);
            if let (Some(x), Some(y)) = (x, y) {
                pair.add(&products(x, y)?);
            }
        }
        Ok(())
    }
}

/// The sums over the rows of two matrices of the same height.
fn products(x: &Tensor, y: &Tensor) -> Result<PairProducts> {
    let device = x.device();
    let (wide, high) = (x.size()[1], y.size()[1]);
    let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Double, device));
    let (mut xy, mut norms) = (zeros(&[wide, high]), zeros(&[]));
    let (mut x_by_y, mut y_by_x) = (zeros(&[wide]), zeros(&[high]));
    let rows = x.size()[0];
    for start in (0..rows).step_by(SLICE as usize) {
        let length = SLICE.min(rows - start);
        let (x, y) = (x.narrow(0, start, length), y.narrow(0, start, length));
        let (qx, qy) = (squares(&x), squares(&y));
        xy += x.tr().mm(&y).to_kind(Kind::Double);
        norms += qx.to_kind(Kind::Double).dot(&qy.to_kind(Kind::Double));
        x_by_y += x.tr().mv(&qy).to_kind(Kind::Double);
        y_by_x += y.tr().mv(&qx).to_kind(Kind::Double);
    }
    Ok(PairProducts {
        products: tensors::to_matrix(&xy)?,
        norms: norms.double_value(&[]),
        x_by_y: tensors::to_vector(&x_by_y)?,
        y_by_x: tensors::to_vector(&y_by_x)?,
    })
}

fn squares(rows: &Tensor) -> Tensor {
    rows.square().sum_dim_intlist([1i64].as_slice(), false, rows.kind())
}
