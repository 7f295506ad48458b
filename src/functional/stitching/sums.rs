//! The normal equations of all pairs of layers, streamed.

use ndarray::{Array1, Array2};
use tch::{Device, Kind, Tensor};

use super::form::Form;
use super::joined::{Alike, Columns, Joined, rows};
use super::resizing::Resizing;
use crate::error::Result;
use crate::torchscript::device::exactly;
use crate::torchscript::tensors;

/// Rows whose squares are taken at a time.
const ROWS: i64 = 4096;

/// Products of as many channels at most are cut in two.
const FEW_CHANNELS: i64 = 64;

/// Sums over rows, a row a sample and position of the target layer: of the source's channels x
/// brought to the target's size, of the target's channels y, and of their products.
///
/// The resizing R is linear. Where R makes maps larger, Σ xᵢyⱼ over the target's positions is
/// ⟨x, Rᵀy⟩ and Σ xᵢxⱼ is ⟨x, RᵀRx⟩: products over as few positions as the smaller maps have. Layers
/// of one size stand side by side, and are resized and multiplied together; those with the same values
/// once.
pub struct NormalEquations {
    targets: Vec<Form>,
    /// Sources by their size, those that any pair wants.
    blocks: Vec<Alike>,
    /// Targets by their size, likewise.
    groups: Vec<Group>,
}

struct Group {
    targets: Alike,
    rows: f64,
    /// ΣY over all targets of the group, their channels side by side.
    sum: Option<Tensor>,
    /// ΣY² of each channel.
    squares: Option<Tensor>,
    /// How each block of sources gets to this size, where it does and is wanted. Made with the first
    /// batch.
    ways: Vec<Option<Way>>,
    /// One a source, where it reaches the group.
    sources: Vec<Option<SourceSums>>,
}

struct SourceSums {
    sum: Tensor,
    products: Tensor,
    cross: Tensor,
}

/// How sources get to the size of a target.
enum Way {
    /// By R.
    Resized(Resizing),
    /// The targets are brought back by Rᵀ; beside it are RᵀR and Rᵀ1.
    Back { back: Resizing, round: Resizing, weights: Tensor },
}

/// The sums of one pair, in float64.
#[derive(Debug, Clone)]
pub struct PairSums {
    /// The source and the size of the target: where they are the same, so are the sums of x.
    pub design: (usize, usize),
    /// Rows.
    pub rows: f64,
    /// Σx.
    pub x: Array1<f64>,
    /// Σy.
    pub y: Array1<f64>,
    /// Σxxᵀ.
    pub xx: Array2<f64>,
    /// Σxyᵀ.
    pub xy: Array2<f64>,
    /// Σy², a channel each.
    pub yy: Array1<f64>,
}

impl NormalEquations {
    /// Nothing yet, of all pairs of a source with a target; `wanted` leaves pairs out.
    pub fn new(sources: &[Form], targets: &[Form], wanted: &dyn Fn(usize, usize) -> bool) -> Self {
        let pair = |i: usize, j: usize| wanted(i, j) && sources[i].reaches(targets[j]);
        let is_source = |i: usize| (0..targets.len()).any(|j| pair(i, j));
        let is_target = |j: usize| (0..sources.len()).any(|i| pair(i, j));
        let width = |of: &Alike| of.members.iter().map(|&j| targets[j].channels()).sum::<usize>();
        let group = |alike: Alike| {
            let sums = |(i, form): (usize, &Form)| {
                let any = alike.members.iter().any(|&j| pair(i, j));
                any.then(|| SourceSums::new(*form, width(&alike)))
            };
            Group::new(sources.iter().enumerate().map(sums).collect(), alike)
        };
        Self {
            targets: targets.to_vec(),
            blocks: Alike::all(sources, &is_source),
            groups: Alike::all(targets, &is_target).into_iter().map(group).collect(),
        }
    }

    /// Adds a batch: the outputs of all sources and targets, in their order. Of those in no pair that is
    /// wanted any tensor will do.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn add(&mut self, sources: &[Tensor], targets: &[Tensor]) -> Result<()> {
        self.add_tokens(sources, targets, None)
    }

    /// The same, with the padding of tokens left out: `mask` is N×T, true for the tokens of a sample, and
    /// heeded by layers of T rows.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn add_tokens(
        &mut self,
        sources: &[Tensor],
        targets: &[Tensor],
        mask: Option<&Tensor>,
    ) -> Result<()> {
        let _exact = exactly();
        let padding = mask.map(Padding::of);
        let both = |p: &Padding| Ok((p.emptied(sources)?, p.emptied(targets)?));
        let emptied: Option<(Vec<Tensor>, Vec<Tensor>)> = padding.as_ref().map(both).transpose()?;
        let (sources, targets) =
            emptied.as_ref().map_or((sources, targets), |(sources, targets)| (sources, targets));
        tch::no_grad(|| {
            let blocks: Vec<Joined> =
                self.blocks.iter().map(|block| block.join(sources)).collect::<Result<_>>()?;
            let Some(device) = blocks.first().map(|block| block.maps.device()) else {
                return Ok(());
            };
            for group in &mut self.groups {
                group.find_ways(&self.blocks, device)?;
            }
            let resized = self.resized(&blocks)?;
            for (place, group) in self.groups.iter_mut().enumerate() {
                let resized: Vec<Option<&Tensor>> =
                    resized.iter().map(|block| block[place].as_ref()).collect();
                group.add(&self.blocks, &blocks, &resized, targets)?;
                group.rows -= padding.as_ref().map_or(0.0, |p| p.rows_of(group.targets.form));
            }
            Ok(())
        })
    }

    /// Each block of sources as each group needs it: Rx, or RᵀRx.
    fn resized(&self, blocks: &[Joined]) -> Result<Vec<Vec<Option<Tensor>>>> {
        let of = |(b, block): (usize, &Joined)| {
            let ways: Vec<Option<&Resizing>> =
                self.groups.iter().map(|g| g.ways[b].as_ref().map(Way::of_sources)).collect();
            let known: Vec<&Resizing> = ways.iter().flatten().copied().collect();
            let mut found = Resizing::each(&block.maps, &known)?.into_iter();
            Ok(ways.iter().map(|way| way.and_then(|_| found.next())).collect())
        };
        blocks.iter().enumerate().map(of).collect()
    }

    /// Rows of a target, padding left out; 0 where it is in no pair.
    pub fn rows_of(&self, target: usize) -> f64 {
        let has = |group: &&Group| group.targets.members.contains(&target);
        self.groups.iter().find(has).map_or(0.0, |group| group.rows)
    }

    /// The sums of a source with a target; `None` where it does not reach it.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn pair(&self, source: usize, target: usize) -> Result<Option<PairSums>> {
        let has = |group: &Group| group.targets.members.contains(&target);
        let Some(place) = self.groups.iter().position(has) else { return Ok(None) };
        let group = &self.groups[place];
        let (Some(sums), Some(y), Some(yy)) = (&group.sources[source], &group.sum, &group.squares)
        else {
            return Ok(None);
        };
        let before = group.targets.members.iter().take_while(|&&j| j != target);
        let first: usize = before.map(|&j| self.targets[j].channels()).sum();
        let (first, width) = (first as i64, self.targets[target].channels() as i64);
        Ok(Some(PairSums {
            design: (source, place),
            rows: group.rows,
            x: tensors::to_vector(&sums.sum)?,
            y: tensors::to_vector(&y.narrow(0, first, width))?,
            xx: tensors::to_matrix(&sums.products)?,
            xy: tensors::to_matrix(&sums.cross.narrow(1, first, width))?,
            yy: tensors::to_vector(&yy.narrow(0, first, width))?,
        }))
    }
}

/// The tokens of a batch that are padding. As zeros they add nothing to any sum but that of rows.
struct Padding {
    /// N×1×T, true for padding.
    places: Tensor,
    rows: f64,
}

impl Padding {
    fn of(mask: &Tensor) -> Self {
        let places = mask.logical_not().unsqueeze(1);
        let rows = places.sum(Kind::Double).double_value(&[]);
        Self { places, rows }
    }

    fn tokens(&self) -> i64 {
        self.places.size()[2]
    }

    /// How many rows of a layer are padding.
    fn rows_of(&self, form: Form) -> f64 {
        match form {
            Form::Rows { rows, .. } if rows == self.tokens() => self.rows,
            _ => 0.0,
        }
    }

    /// Layers with zeros in their place.
    fn emptied(&self, layers: &[Tensor]) -> Result<Vec<Tensor>> {
        let of = |layer: &Tensor| match layer.size()[..] {
            [_, _, rows] if rows == self.tokens() => {
                layer.f_masked_fill(&self.places.to_device(layer.device()), 0.0)
            }
            _ => Ok(layer.shallow_clone()),
        };
        let all = layers.iter().map(of).collect::<Result<_, _>>();
        all.map_err(|e| tensors::torch_error("leave padding out", &e))
    }
}

impl Way {
    fn between(from: Form, to: Form, device: Device) -> Result<Self> {
        let resizing = Resizing::between(from, to, device)?;
        if !from.grows_to(to) {
            return Ok(Self::Resized(resizing));
        }
        Ok(Self::Back {
            back: resizing.adjoint(),
            round: resizing.there_and_back(),
            weights: resizing.weights(from.places()),
        })
    }

    /// What the sources go through.
    fn of_sources(&self) -> &Resizing {
        match self {
            Self::Resized(resizing) => resizing,
            Self::Back { round, .. } => round,
        }
    }

    /// What the targets go through, where the sources do not get to their size.
    fn back(&self) -> Option<&Resizing> {
        match self {
            Self::Resized(_) => None,
            Self::Back { back, .. } => Some(back),
        }
    }
}

impl Group {
    fn new(sources: Vec<Option<SourceSums>>, targets: Alike) -> Self {
        Self { targets, rows: 0.0, sum: None, squares: None, ways: vec![], sources }
    }

    fn find_ways(&mut self, blocks: &[Alike], device: Device) -> Result<()> {
        if !self.ways.is_empty() {
            return Ok(());
        }
        let way = |block: &Alike| {
            let is_wanted = block.members.iter().any(|&i| self.sources[i].is_some());
            is_wanted.then(|| Way::between(block.form, self.targets.form, device)).transpose()
        };
        self.ways = blocks.iter().map(way).collect::<Result<_>>()?;
        Ok(())
    }

    fn add(
        &mut self,
        alike: &[Alike],
        blocks: &[Joined],
        resized: &[Option<&Tensor>],
        targets: &[Tensor],
    ) -> Result<()> {
        let targets = self.targets.join(targets)?;
        let (y, spread) = (targets.rows(), targets.spread());
        self.rows += y.size()[0] as f64;
        let (sum, squares) = moments(&y);
        grow(&mut self.sum, &sum.index_select(0, &spread));
        grow(&mut self.squares, &squares.index_select(0, &spread));
        let backs: Vec<&Resizing> =
            self.ways.iter().filter_map(|way| way.as_ref()?.back()).collect();
        let mut backs = Resizing::each(&targets.maps, &backs)?.into_iter();
        for (b, block) in blocks.iter().enumerate() {
            let (Some(way), Some(resized)) = (&self.ways[b], resized[b]) else { continue };
            let x = rows(resized);
            let products = match (way, way.back().and_then(|_| backs.next())) {
                (Way::Back { weights, .. }, Some(back)) => {
                    Products::behind(&block.rows(), &x, weights, &rows(&back))
                }
                _ => Products::of(&x, &y),
            };
            add_products(&mut self.sources, &alike[b], block, &products, &spread);
        }
        Ok(())
    }
}

impl SourceSums {
    fn new(form: Form, width: usize) -> Self {
        let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Double, Device::Cpu));
        let (channels, width) = (form.channels() as i64, width as i64);
        Self {
            sum: zeros(&[channels]),
            products: zeros(&[channels, channels]),
            cross: zeros(&[channels, width]),
        }
    }
}

/// What the sums over a batch are made of: x and RᵀRx over the positions of the smaller maps, Σx, and
/// Σxyᵀ.
struct Products {
    x: Tensor,
    other: Tensor,
    sum: Tensor,
    cross: Tensor,
}

impl Products {
    fn of(x: &Tensor, y: &Tensor) -> Self {
        let (other, x) = (x.shallow_clone(), x.shallow_clone());
        Self { sum: column_sums(&x), cross: x.tr().matmul(y), x, other }
    }

    fn behind(x: &Tensor, round: &Tensor, weights: &Tensor, back: &Tensor) -> Self {
        let samples = x.size()[0] / weights.size()[0];
        Self {
            sum: x.tr().matmul(&weights.repeat([samples])),
            cross: x.tr().matmul(back),
            x: x.shallow_clone(),
            other: round.shallow_clone(),
        }
    }

    /// Σxxᵀ of some channels. Of few channels BLAS keeps one core busy; halves of the rows keep two.
    fn own(&self, columns: Columns) -> Tensor {
        let of = |rows: &Tensor| rows.narrow(1, columns.first, columns.channels);
        let (x, other) = (of(&self.x), of(&self.other));
        let count = x.size()[0];
        if columns.channels > FEW_CHANNELS || count % 2 != 0 {
            return x.tr().matmul(&other);
        }
        let halves = |rows: Tensor| rows.unflatten(0, [2, count / 2]);
        let products = halves(x).transpose(1, 2).matmul(&halves(other));
        products.sum_dim_intlist([0i64].as_slice(), false, Kind::Double)
    }
}

fn add_products(
    sources: &mut [Option<SourceSums>],
    alike: &Alike,
    block: &Joined,
    of: &Products,
    spread: &Tensor,
) {
    let mut known: Vec<(Columns, Tensor)> = vec![];
    for (&i, &columns) in alike.members.iter().zip(&block.columns) {
        let Some(sums) = &mut sources[i] else { continue };
        let own = match known.iter().find(|(other, _)| *other == columns) {
            Some((_, own)) => own.shallow_clone(),
            None => cpu(&of.own(columns)),
        };
        let narrow = |t: &Tensor| t.narrow(0, columns.first, columns.channels);
        sums.sum += cpu(&narrow(&of.sum));
        sums.products += &own;
        sums.cross += cpu(&narrow(&of.cross).index_select(1, spread));
        known.push((columns, own));
    }
}

fn cpu(tensor: &Tensor) -> Tensor {
    tensor.to_device(Device::Cpu)
}

/// Sums and sums of squares of columns. The squares are of a few rows at a time, which stay in the
/// cache.
fn moments(rows: &Tensor) -> (Tensor, Tensor) {
    let squares = rows.split(ROWS, 0).into_iter().map(|part| column_sums(&(&part * &part)));
    let zeros = Tensor::zeros([rows.size()[1]], (Kind::Double, rows.device()));
    (column_sums(rows), squares.fold(zeros, |sum, part| sum + part))
}

fn column_sums(rows: &Tensor) -> Tensor {
    rows.sum_dim_intlist([0i64].as_slice(), false, Kind::Double)
}

fn grow(sum: &mut Option<Tensor>, more: &Tensor) {
    let more = cpu(more);
    *sum = Some(match sum.take() {
        Some(sum) => sum + more,
        None => more,
    });
}
