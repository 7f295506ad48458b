//! HSIC of all samples from sums of products of features: for many samples of few features.

use std::ops::Range;

use ndarray::{Array1, Array2, s};
use tch::{Kind, Tensor};

use super::averaged::Averaged;
use super::feed::{Absence, Absences, Consumer, Place, Spreads};
use super::full::why_not_finite;
use super::reduce::Reduce;
use super::rows::{first_not_finite, mean, squared_norm};
use super::seen::{Names, Seen};
use crate::error::Result;
use crate::linalg::Centring;
use crate::stats::{HsicTable, LayerMoments, PairMoments, PairProducts};
use crate::torchscript::{Answer, tensors};

/// One layer: its sums, and where its features stand among those of its model.
struct LayerState {
    columns: Range<usize>,
    centre: Option<Tensor>,
    moments: LayerMoments,
    own: PairMoments,
    /// Scatter relative to the squared norm of the mean below which the rows count as constant.
    constant: f64,
    averaged: Averaged,
    absence: Option<Absence>,
    /// What is not read yet.
    apart: Option<Apart>,
}

/// Sums of one layer that stay where its outputs are, in float64: those of [`LayerMoments`], [`PairMoments`] of the
/// layer with itself and [`Averaged`].
#[derive(Default)]
struct Apart {
    samples: usize,
    sum: Sum,
    total: Sum,
    products: Sum,
    norms: Sum,
    by_own: Sum,
    averaged: Sum,
    seen: Seen,
}

/// A sum that begins with its first term.
#[derive(Default)]
struct Sum(Option<Tensor>);

/// The layers of one model, side by side.
struct Side {
    layers: Vec<LayerState>,
    width: usize,
    /// The centred rows of the current batch and their squared norms, in float64, of each layer.
    rows: Vec<Option<(Tensor, Tensor)>>,
    /// Whether sums stay where the outputs are, and products of features are in the features' own precision.
    apart: bool,
}

/// The rows of a batch of all layers of a model, and of each layer the squared norms of its rows.
struct Stacked {
    rows: Tensor,
    squares: Tensor,
}

/// The sums over samples of all pairs of layers of two models, or of one with itself: with X and Y the
/// features of all layers side by side, and P and Q the squared norms of the rows, a column a layer,
///
/// ```text
/// XᵀY   PᵀQ   XᵀQ   YᵀP
/// ```
///
/// of which each pair of layers has its part ([`PairMoments`]).
pub struct Features {
    reduce: Reduce,
    sides: Vec<Side>,
    products: Tensor,
    norms: Tensor,
    x_by_y: Tensor,
    y_by_x: Tensor,
    names: Names,
}

impl Sum {
    fn add(&mut self, term: &Tensor) {
        let term = term.to_kind(Kind::Double);
        self.0 = Some(self.0.take().map_or_else(|| term.copy(), |sum| sum + &term));
    }
}

impl Apart {
    /// Adds centred rows and their squared norms.
    fn add(&mut self, rows: &Tensor, squares: &Tensor) {
        self.samples += rows.size()[0] as usize;
        self.sum.add(&rows.sum_dim_intlist([0i64].as_slice(), false, Kind::Double));
        self.total.add(&squares.sum(Kind::Double).reshape([1]));
        self.products.add(&rows.tr().mm(rows));
        self.norms.add(&squares.dot(squares).reshape([1]));
        self.by_own.add(&rows.tr().mv(&squares.to_kind(rows.kind())));
    }

    /// Adds all of it to the sums that are read.
    fn settle(self, layer: &mut LayerState, names: &Names) -> Result<()> {
        let (Some(sum), Some(total)) = (self.sum.0, self.total.0) else { return Ok(()) };
        let (Some(products), Some(norms)) = (self.products.0, self.norms.0) else { return Ok(()) };
        let Some(by_own) = self.by_own.0 else { return Ok(()) };
        let (total, by_own) = (tensors::to_vector(&total)?[0], tensors::to_vector(&by_own)?);
        layer.moments.add(self.samples, tensors::to_vector(&sum)?.view(), total);
        layer.own.add(&PairProducts {
            products: tensors::to_matrix(&products)?,
            norms: tensors::to_vector(&norms)?[0],
            x_by_y: by_own.clone(),
            y_by_x: by_own,
        });
        if let Some(averaged) = &self.averaged.0 {
            layer.averaged = Averaged::of(averaged)?;
        }
        layer.absence = self.seen.why_not_finite(names)?;
        Ok(())
    }
}

impl LayerState {
    fn new(columns: Range<usize>) -> Self {
        let width = columns.len();
        Self {
            columns,
            centre: None,
            moments: LayerMoments::new(width),
            own: PairMoments::new(width, width),
            constant: 0.0,
            averaged: Averaged::default(),
            absence: None,
            apart: None,
        }
    }

    /// The scatter up to which its rows are constant.
    fn least(&self) -> f64 {
        let centre = self.centre.as_ref().map_or(0.0, squared_norm);
        let of_centre = self.constant * centre * self.moments.samples() as f64;
        of_centre.max(self.averaged.least(self.constant))
    }

    fn why_absent(&self, needs: usize) -> Option<Absence> {
        let samples = self.moments.samples();
        let few = (samples < needs).then_some(Absence::TooFew { samples, needs });
        let constant = self.moments.scatter() <= self.least();
        self.absence.clone().or(few).or(constant.then_some(Absence::Constant))
    }

    fn spread(&self) -> f64 {
        let mean = self.moments.scatter() / self.moments.samples().max(1) as f64;
        mean * mean
    }

    /// Adds centred rows to the layer's own sums.
    fn add(&mut self, rows: &Tensor, squares: &Tensor) -> Result<()> {
        if let Some(apart) = &mut self.apart {
            apart.add(rows, squares);
            return Ok(());
        }
        let sum = rows.sum_dim_intlist([0i64].as_slice(), false, Kind::Double);
        let total = squares.sum(Kind::Double).double_value(&[]);
        let samples = rows.size()[0] as usize;
        self.moments.add(samples, tensors::to_vector(&sum)?.view(), total);
        let by_own = tensors::to_vector(&rows.tr().mv(squares))?;
        self.own.add(&PairProducts {
            products: tensors::to_matrix(&rows.tr().mm(rows))?,
            norms: squares.dot(squares).double_value(&[]),
            x_by_y: by_own.clone(),
            y_by_x: by_own,
        });
        Ok(())
    }
}

impl Side {
    fn new(widths: &[usize]) -> Self {
        let mut width = 0;
        let layers = widths.iter().map(|&features| {
            width += features;
            LayerState::new(width - features..width)
        });
        let layers: Vec<LayerState> = layers.collect();
        let rows = layers.iter().map(|_| None).collect();
        Self { layers, width, rows, apart: false }
    }

    /// The rows of the batch side by side, with zeros for layers that gave none.
    fn stack(&mut self, samples: usize, like: &Tensor) -> Result<Stacked> {
        let samples = samples as i64;
        let zeros = |width, kind| Tensor::zeros([samples, width], (kind, like.device()));
        let mut all = vec![];
        let mut norms = vec![];
        for (layer, rows) in self.layers.iter_mut().zip(&mut self.rows) {
            let (rows, squares) = match rows.take() {
                Some((rows, squares)) => {
                    layer.add(&rows, &squares)?;
                    (rows, squares.unsqueeze(1))
                }
                None => {
                    let width = layer.columns.len() as i64;
                    (zeros(width, like.kind()), zeros(1, Kind::Double))
                }
            };
            all.push(rows);
            norms.push(squares);
        }
        Ok(Stacked { rows: Tensor::cat(&all, 1), squares: Tensor::cat(&norms, 1) })
    }
}

impl Features {
    /// For layers of so many features, a list a model.
    pub fn new(reduce: Reduce, widths: &[Vec<usize>]) -> Self {
        let sides: Vec<Side> = widths.iter().map(|widths| Side::new(widths)).collect();
        let zero = || Tensor::zeros([0i64], (Kind::Double, tch::Device::Cpu));
        let (products, norms, x_by_y, y_by_x) = (zero(), zero(), zero(), zero());
        Self { reduce, sides, products, norms, x_by_y, y_by_x, names: Names::default() }
    }

    /// The same, for outputs on a device that computes while the program goes on.
    pub fn apart(mut self) -> Self {
        for side in &mut self.sides {
            side.apart = true;
            side.layers.iter_mut().for_each(|layer| layer.apart = Some(Apart::default()));
        }
        self
    }

    fn layer_apart(&mut self, at: &Place<'_>, output: &Tensor) -> Result<()> {
        let place = self.names.note(at);
        let side = &mut self.sides[at.subject];
        let layer = &mut side.layers[at.layer];
        let rows = self.reduce.rows(output, at.tokens)?;
        let centred = &rows - &*layer.centre.get_or_insert_with(|| mean(&rows));
        let squares = centred.square().sum_dim_intlist([1i64].as_slice(), false, Kind::Double);
        if let Some(apart) = &mut layer.apart {
            apart.seen.add(place, &rows, &squares);
            if let Some(sizes) = Averaged::squares(self.reduce, output, at.tokens) {
                apart.averaged.add(&sizes);
            }
        }
        side.rows[at.layer] = Some((centred, squares));
        Ok(())
    }

    /// HSIC of all pairs of layers, why layers have none, and what HSIC of each is held against.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn finish(
        mut self,
        centring: Centring,
        needs: usize,
    ) -> Result<(HsicTable, Absences, Spreads)> {
        for layer in self.sides.iter_mut().flat_map(|side| &mut side.layers) {
            if let Some(apart) = layer.apart.take() {
                apart.settle(layer, &self.names)?;
            }
        }
        let (a, b) = (&self.sides[0], &self.sides[self.sides.len() - 1]);
        let own = |side: &Side| -> Array1<f64> {
            side.layers.iter().map(|l| l.own.hsic(&l.moments, &l.moments, centring)).collect()
        };
        let (products, norms) = (whole(&self.products, a.width, b.width)?, &self.norms);
        let norms = whole(norms, a.layers.len(), b.layers.len())?;
        let x_by_y = whole(&self.x_by_y, a.width, b.layers.len())?;
        let y_by_x = whole(&self.y_by_x, b.width, a.layers.len())?;
        let ab = Array2::from_shape_fn(norms.dim(), |(i, j)| {
            let (x, y) = (&a.layers[i], &b.layers[j]);
            let mut pair = PairMoments::new(x.columns.len(), y.columns.len());
            pair.add(&PairProducts {
                products: products.slice(s![x.columns.clone(), y.columns.clone()]).to_owned(),
                norms: norms[(i, j)],
                x_by_y: x_by_y.slice(s![x.columns.clone(), j]).to_owned(),
                y_by_x: y_by_x.slice(s![y.columns.clone(), i]).to_owned(),
            });
            pair.hsic(&x.moments, &y.moments, centring)
        });
        let table = HsicTable { ab, aa: own(a), bb: own(b) };
        let why = |side: &Side| side.layers.iter().map(|l| l.why_absent(needs)).collect();
        let spreads = |side: &Side| side.layers.iter().map(LayerState::spread).collect();
        Ok((table, self.sides.iter().map(why).collect(), self.sides.iter().map(spreads).collect()))
    }
}

/// A sum as an array; zeros where nothing was added.
fn whole(sum: &Tensor, rows: usize, columns: usize) -> Result<Array2<f64>> {
    match sum.numel() {
        0 => Ok(Array2::zeros((rows, columns))),
        _ => tensors::to_matrix(sum),
    }
}

/// Adds the products of the columns of two matrices of the same height, the second in the precision of the first.
fn add_products(sum: &mut Tensor, x: &Tensor, y: &Tensor) {
    match sum.numel() {
        _ if x.kind() != Kind::Double => {
            let found = x.tr().mm(&y.to_kind(x.kind())).to_kind(Kind::Double);
            *sum = if sum.numel() == 0 { found } else { &*sum + found };
        }
        0 => *sum = x.tr().mm(y),
        _ => *sum = sum.addmm_(&x.tr(), y),
    }
}

impl Consumer for Features {
    fn wants(&self, _subject: usize) -> bool {
        true
    }

    fn layer(&mut self, at: Place<'_>, output: &Tensor) -> Result<Answer> {
        let side = &mut self.sides[at.subject];
        let layer = &mut side.layers[at.layer];
        layer.constant = at.constant(output);
        if side.apart {
            self.layer_apart(&at, output)?;
            return Ok(Answer::Keep);
        }
        if layer.absence.is_some() {
            return Ok(Answer::Keep);
        }
        let rows = self.reduce.rows(output, at.tokens)?;
        let centre = layer.centre.get_or_insert_with(|| mean(&rows));
        let centred = (&rows - &*centre).to_kind(Kind::Double);
        let squares = centred.square().sum_dim_intlist([1i64].as_slice(), false, Kind::Double);
        if let Some(row) = first_not_finite(&squares.unsqueeze(1)) {
            layer.absence = Some(why_not_finite(&at, &rows, row));
            return Ok(Answer::Keep);
        }
        layer.averaged.add(self.reduce, output, at.tokens)?;
        side.rows[at.layer] = Some((centred, squares));
        Ok(Answer::Keep)
    }

    fn batch_done(&mut self, samples: usize) -> Result<()> {
        self.names.batch_done(samples);
        let given = self.sides.iter().flat_map(|side| &side.rows).flatten().next();
        let Some(like) = given.map(|(rows, _)| rows.shallow_clone()) else { return Ok(()) };
        let stacked = self.sides.iter_mut().map(|side| side.stack(samples, &like));
        let stacked: Vec<Stacked> = stacked.collect::<Result<_>>()?;
        let (x, y) = (&stacked[0], &stacked[stacked.len() - 1]);
        add_products(&mut self.products, &x.rows, &y.rows);
        add_products(&mut self.norms, &x.squares, &y.squares);
        add_products(&mut self.x_by_y, &x.rows, &y.squares);
        add_products(&mut self.y_by_x, &y.rows, &x.squares);
        Ok(())
    }
}
