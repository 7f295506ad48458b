//! The normal equations of all pairs of layers, streamed.

use ndarray::{Array1, Array2};
use tch::{Kind, Tensor};

use super::form::{Form, Resizing, laid, rows};
use crate::error::Result;
use crate::torchscript::tensors;

/// Sums over rows, a row a sample and position of the target layer: of the source's channels x
/// brought to the target's size, of the target's channels y, and of their products.
///
/// The resizing R is linear. Where R makes maps larger, Σ xᵢyⱼ over the target's positions is
/// ⟨x, Rᵀy⟩ and Σ xᵢxⱼ is ⟨x, RᵀRx⟩: products over as few positions as the smaller maps have. Layers
/// of one size stand side by side, and are resized and multiplied together.
pub struct NormalEquations {
    sources: Vec<Form>,
    targets: Vec<Form>,
    /// Distinct sizes of targets, each with the targets that have it.
    groups: Vec<Group>,
}

struct Group {
    /// A target with this size.
    form: Form,
    targets: Vec<usize>,
    rows: f64,
    /// ΣY over all targets of the group, their channels side by side.
    sum: Option<Tensor>,
    /// ΣY² of each channel.
    squares: Option<Tensor>,
    /// One a source, where it reaches the group.
    sources: Vec<Option<SourceSums>>,
}

struct SourceSums {
    sum: Tensor,
    products: Tensor,
    cross: Tensor,
}

/// The sums of one pair, in float64.
#[derive(Debug, Clone)]
pub struct PairSums {
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
        let mut groups: Vec<Group> = vec![];
        for (place, &form) in targets.iter().enumerate() {
            if !(0..sources.len()).any(|i| wanted(i, place) && sources[i].reaches(form)) {
                continue;
            }
            match groups.iter_mut().find(|group| same_places(group.form, form)) {
                Some(group) => group.targets.push(place),
                None => groups.push(Group::new(form, place)),
            }
        }
        let mut made = Self { sources: sources.to_vec(), targets: targets.to_vec(), groups };
        for group in &mut made.groups {
            let wants = |i: usize| group.targets.iter().any(|&j| wanted(i, j));
            let width = group.targets.iter().map(|&j| targets[j].channels()).sum::<usize>();
            let sums = |(i, form): (usize, &Form)| {
                (form.reaches(group.form) && wants(i)).then(|| SourceSums::new(*form, width))
            };
            group.sources = sources.iter().enumerate().map(sums).collect();
        }
        made
    }

    /// Adds a batch: the outputs of all sources and targets, in their order. Of those in no pair that is
    /// wanted any tensor will do.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn add(&mut self, sources: &[Tensor], targets: &[Tensor]) -> Result<()> {
        tch::no_grad(|| {
            let blocks = self.blocks(sources)?;
            self.groups.iter_mut().try_for_each(|group| group.add(&self.sources, &blocks, targets))
        })
    }

    /// The sources that any pair wants, those of one size side by side.
    fn blocks(&self, sources: &[Tensor]) -> Result<Vec<Block>> {
        let is_wanted = |i: usize| self.groups.iter().any(|group| group.sources[i].is_some());
        let mut blocks: Vec<(Form, Vec<usize>)> = vec![];
        for (i, &form) in self.sources.iter().enumerate().filter(|(i, _)| is_wanted(*i)) {
            match blocks.iter_mut().find(|(other, _)| same_places(*other, form)) {
                Some((_, members)) => members.push(i),
                None => blocks.push((form, vec![i])),
            }
        }
        let joined = |(form, members): (Form, Vec<usize>)| {
            side_by_side(&members, sources).map(|maps| Block { form, members, maps })
        };
        blocks.into_iter().map(joined).collect()
    }

    /// Adds what others have summed over other samples.
    pub fn merge(&mut self, other: &Self) {
        for (group, theirs) in self.groups.iter_mut().zip(&other.groups) {
            group.merge(theirs);
        }
    }

    /// The sums of a source with a target; `None` where it does not reach it.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn pair(&self, source: usize, target: usize) -> Result<Option<PairSums>> {
        let Some(group) = self.groups.iter().find(|group| group.targets.contains(&target)) else {
            return Ok(None);
        };
        let (Some(sums), Some(y), Some(yy)) = (&group.sources[source], &group.sum, &group.squares)
        else {
            return Ok(None);
        };
        let before = group.targets.iter().take_while(|&&j| j != target);
        let first: usize = before.map(|&j| self.targets[j].channels()).sum();
        let (first, width) = (first as i64, self.targets[target].channels() as i64);
        Ok(Some(PairSums {
            rows: group.rows,
            x: tensors::to_vector(&sums.sum)?,
            y: tensors::to_vector(&y.narrow(0, first, width))?,
            xx: tensors::to_matrix(&sums.products)?,
            xy: tensors::to_matrix(&sums.cross.narrow(1, first, width))?,
            yy: tensors::to_vector(&yy.narrow(0, first, width))?,
        }))
    }
}

/// Whether two layers have the same positions, so that their channels can stand side by side.
fn same_places(a: Form, b: Form) -> bool {
    match (a, b) {
        (Form::Maps { size: a, .. }, Form::Maps { size: b, .. }) => a == b,
        (Form::Rows { rows: a, .. }, Form::Rows { rows: b, .. }) => a == b,
        (Form::Vector { .. }, Form::Vector { .. }) => true,
        _ => false,
    }
}

impl Group {
    fn new(form: Form, target: usize) -> Self {
        Self { form, targets: vec![target], rows: 0.0, sum: None, squares: None, sources: vec![] }
    }

    fn add(&mut self, forms: &[Form], blocks: &[Block], targets: &[Tensor]) -> Result<()> {
        let maps = side_by_side(&self.targets, targets)?;
        let y = rows(&maps)?;
        self.rows += y.size()[0] as f64;
        grow(&mut self.sum, column_sums(&y));
        grow(&mut self.squares, column_sums(&(&y * &y)));
        let wanted = |block: &&Block| block.members.iter().any(|&i| self.sources[i].is_some());
        let products: Vec<(&Block, Products)> = blocks
            .iter()
            .filter(wanted)
            .map(|block| Ok((block, Products::of(block, self.form, &maps)?)))
            .collect::<Result<_>>()?;
        for (block, products) in products {
            self.add_block(forms, block, &products);
        }
        Ok(())
    }

    fn add_block(&mut self, forms: &[Form], block: &Block, of: &Products) {
        let mut first = 0;
        for &i in &block.members {
            let channels = forms[i].channels() as i64;
            if let Some(sums) = &mut self.sources[i] {
                let own = of.x.narrow(1, first, channels);
                let products = own.tr().matmul(&of.other.narrow(1, first, channels));
                sums.sum += cpu(&of.sum.narrow(0, first, channels));
                sums.products += cpu(&products);
                sums.cross += cpu(&of.cross.narrow(0, first, channels));
            }
            first += channels;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        if let (Some(sum), Some(squares)) = (&other.sum, &other.squares) {
            grow(&mut self.sum, sum.shallow_clone());
            grow(&mut self.squares, squares.shallow_clone());
        }
        for (mine, theirs) in self.sources.iter_mut().zip(&other.sources) {
            let (Some(mine), Some(theirs)) = (mine, theirs) else { continue };
            mine.sum += &theirs.sum;
            mine.products += &theirs.products;
            mine.cross += &theirs.cross;
        }
    }
}

impl SourceSums {
    fn new(form: Form, width: usize) -> Self {
        let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Double, tch::Device::Cpu));
        let (channels, width) = (form.channels() as i64, width as i64);
        Self {
            sum: zeros(&[channels]),
            products: zeros(&[channels, channels]),
            cross: zeros(&[channels, width]),
        }
    }
}

/// Layers of one size, N×H×W×ΣC.
struct Block {
    form: Form,
    members: Vec<usize>,
    maps: Tensor,
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
    fn of(block: &Block, to: Form, targets: &Tensor) -> Result<Self> {
        let resizing = Resizing::between(block.form, to, targets.device())?;
        if !block.form.grows_to(to) {
            let x = rows(&resizing.there(&block.maps))?;
            let (sum, cross) = (column_sums(&x), x.tr().matmul(&rows(targets)?));
            return Ok(Self { other: x.shallow_clone(), x, sum, cross });
        }
        let x = rows(&block.maps)?;
        let other = rows(&resizing.there_and_back(&block.maps))?;
        let weights = resizing.weights(block.form.places()).to_device(x.device());
        let sum = x.tr().matmul(&weights.repeat([block.maps.size()[0]]));
        let cross = x.tr().matmul(&rows(&resizing.back(targets))?);
        Ok(Self { x, other, sum, cross })
    }
}

/// The channels of some layers side by side, in float64: N×H×W×ΣC.
fn side_by_side(places: &[usize], outputs: &[Tensor]) -> Result<Tensor> {
    let each = places.iter().map(|&i| laid(&outputs[i])).collect::<Result<Vec<_>>>()?;
    Tensor::f_cat(&each, -1).map_err(|e| tensors::torch_error("join layers", &e))
}

fn cpu(tensor: &Tensor) -> Tensor {
    tensor.to_device(tch::Device::Cpu)
}

fn column_sums(rows: &Tensor) -> Tensor {
    rows.sum_dim_intlist([0i64].as_slice(), false, Kind::Double)
}

fn grow(sum: &mut Option<Tensor>, more: Tensor) {
    let more = more.to_device(tch::Device::Cpu);
    *sum = Some(match sum.take() {
        Some(sum) => sum + more,
        None => more,
    });
}
