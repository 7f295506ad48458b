//! Gram blocks of rows of features, computed where the features are.
//!
//! Features are worked on in slices of columns: centred, multiplied in their precision slice by slice,
//! and the products of the slices summed in float64. Rows that are kept lie slice by slice, so that
//! products read memory in one piece, or without their zeros where memory is short.

use ndarray::Array2;
use tch::{Kind, Tensor};

use crate::error::Result;
use crate::torchscript::{SparseRows, tensors};

/// Features in a slice: as many are summed in their own precision.
const STEP: i64 = SparseRows::STEP;

/// Numbers of a batch that are worked on at a time: 8 MiB of float32.
const WORK: i64 = 1 << 21;

/// Fewest rows of a batch that are multiplied at a time.
const FEWEST: i64 = 64;

/// The same on devices, which are slow to begin something: 256 MiB.
const LARGE_WORK: i64 = 1 << 26;

/// Parts of a batch's rows that are multiplied each with the rows up to its own last: a product of a
/// matrix with itself is symmetric, and half of it is not computed.
const PARTS: i64 = 8;

/// The part of a Gram matrix that a batch adds.
pub struct Block {
    /// Products of the batch's rows with all rows up to its last; row r of b counts up to column n+r,
    /// with n the rows before.
    pub products: Array2<f64>,
}

/// The rows of one layer (or of a range of its features), centred by the mean of the first batch, kept
/// until the last batch is multiplied with them.
pub struct RowStore {
    start: i64,
    width: i64,
    capacity: i64,
    filled: i64,
    panels: Vec<Panel>,
    centre: Option<Tensor>,
    /// The rows as they came, where they are kept without their zeros.
    sparse: Option<SparseRows>,
    large_blocks: bool,
}

/// Slices of equal width, one behind the other.
struct Panel {
    /// The column of the first.
    start: i64,
    slices: i64,
    width: i64,
    /// Slices × rows × width.
    kept: Option<Tensor>,
}

/// Some slices of a panel.
#[derive(Clone, Copy)]
struct Chunk {
    first: i64,
    slices: i64,
}

impl RowStore {
    /// For the features `start..start+width` of a layer; `capacity` rows are kept.
    pub fn new(start: usize, width: usize, capacity: usize) -> Self {
        let (start, width) = (start as i64, width as i64);
        let (slices, rest) = (width / STEP, width % STEP);
        let panel = |start, slices, width| Panel { start, slices, width, kept: None };
        let panels = [panel(start, slices, STEP), panel(start + slices * STEP, 1, rest)];
        Self {
            start,
            width,
            capacity: capacity as i64,
            filled: 0,
            panels: panels.into_iter().filter(|p| p.slices * p.width > 0).collect(),
            centre: None,
            sparse: None,
            large_blocks: false,
        }
    }

    /// For all features of a layer that gives such rows, kept without their zeros; `None` where they are no
    /// float32 numbers on the CPU.
    pub fn sparse(rows: &Tensor, capacity: usize) -> Option<Self> {
        let sparse = SparseRows::like(rows)?;
        let store = Self::new(0, rows.size()[1] as usize, capacity);
        Some(Self { sparse: Some(sparse), ..store })
    }

    /// The memory that the rows will take when all are there that are kept, as those that are there let
    /// expect.
    pub fn expected_bytes(&self) -> u64 {
        let there = self.filled.min(self.capacity);
        match &self.sparse {
            Some(sparse) if there > 0 => {
                (sparse.bytes() as f64 * self.capacity as f64 / there as f64) as u64
            }
            _ => (self.capacity * self.width * size_of::<f32>() as i64) as u64,
        }
    }

    /// The same, which does as much as it can at once, on every device.
    pub fn in_large_blocks(self) -> Self {
        Self { large_blocks: true, ..self }
    }

    /// Squared norm of the centre that is subtracted.
    pub fn centre_norm(&self) -> f64 {
        self.centre.as_ref().map_or(0.0, squared_norm)
    }

    /// Forgets the rows and their centre, but not the memory they lay in; gives the squared norm of the centre.
    pub fn restart(&mut self) -> f64 {
        self.take_centre().map_or(0.0, |centre| squared_norm(&centre))
    }

    /// The same, and gives the centre.
    pub fn take_centre(&mut self) -> Option<Tensor> {
        self.filled = 0;
        self.centre.take()
    }

    /// Products of the rows of a batch with the centre, and their sums, both in float64: what brings
    /// the centre back into the Gram matrix.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn along_centre(&self, rows: &Tensor) -> Result<[Vec<f64>; 2]> {
        let rows = rows.narrow(1, self.start, self.width);
        let count = rows.size()[0];
        let mut along = zeros(&rows, count, 1);
        let mut sums = zeros(&rows, count, 1);
        for start in (0..self.width).step_by(STEP as usize) {
            let length = STEP.min(self.width - start);
            let part = rows.narrow(1, start, length).to_kind(Kind::Double);
            if let Some(centre) = &self.centre {
                along += part.mm(&centre.narrow(1, start, length).to_kind(Kind::Double).tr());
            }
            sums += part.sum_dim_intlist([1i64].as_slice(), true, Kind::Double);
        }
        let numbers = |column: &Tensor| Ok(tensors::to_matrix(column)?.into_iter().collect());
        Ok([numbers(&along)?, numbers(&sums)?])
    }

    /// Products of a batch's rows with all rows before and with themselves; keeps the rows where they
    /// are not the last.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn extend(&mut self, rows: &Tensor) -> Result<Block> {
        Ok(Block { products: tensors::to_matrix(&self.products(rows)?)? })
    }

    /// The same products where the rows are, in float64.
    ///
    /// # Errors
    /// What libtorch said.
    pub fn products(&mut self, rows: &Tensor) -> Result<Tensor> {
        let count = rows.size()[0];
        let large = self.large_blocks || rows.device() != tch::Device::Cpu;
        let (work, parts) = if large { (LARGE_WORK, 1) } else { (WORK, PARTS) };
        let (start, width, filled) = (self.start, self.width, self.filled);
        let centre = self.centre.get_or_insert_with(|| mean(&rows.narrow(1, start, width)));
        let keep = filled + count <= self.capacity;
        let products = zeros(rows, count, filled + count);
        for panel in &mut self.panels {
            if let Some(sparse) = &self.sparse {
                panel.add_sparse(sparse, (rows, centre), filled, &products)?;
                continue;
            }
            if keep && panel.kept.is_none() {
                let shape = [panel.slices, self.capacity, panel.width];
                panel.kept = Some(Tensor::empty(shape, (rows.kind(), rows.device())));
            }
            for chunk in panel.chunks(count, work) {
                let batch = panel.view(rows, 0, chunk);
                let centre = panel.view(centre, start, chunk);
                panel.multiply(chunk, (&batch, &centre), (filled, keep), (&products, parts));
            }
        }
        if let Some(sparse) = self.sparse.as_mut().filter(|_| keep) {
            sparse.push(rows)?;
        }
        self.filled += count;
        Ok(products)
    }
}

impl Panel {
    /// Slices that are worked on together, for batches of so many rows.
    fn chunks(&self, rows: i64, work: i64) -> impl Iterator<Item = Chunk> + use<> {
        let (slices, most) = (self.slices, (work / (rows * self.width).max(1)).max(1));
        let chunk = move |first| Chunk { first, slices: most.min(slices - first) };
        (0..slices).step_by(most as usize).map(chunk)
    }

    /// The columns of a chunk as slices × rows × width; `start` is the column that the rows begin with.
    fn view(&self, rows: &Tensor, start: i64, chunk: Chunk) -> Tensor {
        let first = self.start - start + chunk.first * self.width;
        let columns = rows.narrow(1, first, chunk.slices * self.width);
        columns.unflatten(1, [chunk.slices, self.width]).transpose(0, 1)
    }

    /// Adds the products of a batch, centred, with the `filled` rows before, which are kept without their
    /// zeros, and with itself.
    fn add_sparse(
        &self,
        kept: &SparseRows,
        (rows, centre): (&Tensor, &Tensor),
        filled: i64,
        products: &Tensor,
    ) -> Result<()> {
        let count = rows.size()[0];
        for chunk in self.chunks(filled + count, WORK) {
            let shape = [chunk.slices, filled + count, self.width];
            let all = Tensor::empty(shape, (rows.kind(), rows.device()));
            let own = all.narrow(1, filled, count);
            let _ = self.view(rows, 0, chunk).sub_out(&own, &self.view(centre, 0, chunk));
            if filled > 0 {
                let first = self.start + chunk.first * self.width;
                let centre = centre.narrow(1, first, chunk.slices * self.width);
                kept.read(first, &centre, &all.narrow(1, 0, filled))?;
            }
            add_products((products, PARTS), &own, &all, 0);
        }
        Ok(())
    }

    /// Adds the products of a chunk of a batch, centred, with the `filled` rows before and with itself.
    fn multiply(
        &self,
        chunk: Chunk,
        (batch, centre): (&Tensor, &Tensor),
        (filled, keep): (i64, bool),
        products: (&Tensor, i64),
    ) {
        let count = batch.size()[1];
        let kept = self.kept.as_ref().map(|kept| kept.narrow(0, chunk.first, chunk.slices));
        let Some(kept) = kept.filter(|_| keep || filled > 0) else {
            let own = batch - centre;
            return add_products(products, &own, &own, 0);
        };
        if keep {
            let own = batch.sub_out(&kept.narrow(1, filled, count), centre);
            add_products(products, &own, &kept.narrow(1, 0, filled + count), 0);
        } else {
            let own = batch - centre;
            add_products(products, &own, &kept.narrow(1, 0, filled), 0);
            add_products(products, &own, &own, filled);
        }
    }
}

/// Adds the products of the rows of a batch with others, which stand for the columns of `products` from
/// `offset` on: of its own rows up to each part's last.
fn add_products((products, parts): (&Tensor, i64), batch: &Tensor, others: &Tensor, offset: i64) {
    let (count, columns) = (batch.size()[1], others.size()[1]);
    let before = products.size()[1] - count;
    let part = ((count + parts - 1) / parts).max(FEWEST);
    for first in (0..count).step_by(part as usize) {
        let rows = part.min(count - first);
        let columns = columns.min(before + first + rows - offset);
        let (left, right) = (batch.narrow(1, first, rows), others.narrow(1, 0, columns));
        let found = left.bmm(&right.transpose(1, 2));
        let sum = found.sum_dim_intlist([0i64].as_slice(), false, Kind::Double);
        let _ = products.narrow(0, first, rows).narrow(1, offset, columns).g_add_(&sum);
    }
}

impl Block {
    /// The first row of the batch whose product with itself is not finite.
    pub fn first_not_finite(&self) -> Option<usize> {
        let before = self.products.ncols() - self.products.nrows();
        (0..self.products.nrows()).find(|&i| !self.products[(i, before + i)].is_finite())
    }
}

/// The first row that holds a NaN or an infinity.
pub fn first_not_finite(rows: &Tensor) -> Option<usize> {
    let finite = rows.isfinite().all_dim(1, false);
    let finite: Vec<bool> = Vec::try_from(finite.to_device(tch::Device::Cpu)).ok()?;
    finite.iter().position(|ok| !ok)
}

fn zeros(like: &Tensor, rows: i64, columns: i64) -> Tensor {
    Tensor::zeros([rows, columns], (Kind::Double, like.device()))
}

/// Squared norm of a vector.
pub fn squared_norm(vector: &Tensor) -> f64 {
    vector.to_kind(Kind::Double).square().sum(Kind::Double).double_value(&[])
}

/// The mean of the rows.
pub fn mean(rows: &Tensor) -> Tensor {
    rows.mean_dim([0i64].as_slice(), true, rows.kind())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::{Centring, PackedSymmetric};
    use approx::assert_abs_diff_eq;

    fn scatter(block: &Block) -> f64 {
        Centring::Double.of(&PackedSymmetric::from_square(block.products.view())).scatter()
    }

    #[test]
    fn a_store_gives_what_one_batch_gives() -> Result<()> {
        tch::manual_seed(1);
        let rows = Tensor::randn([10, 20_000], tch::kind::FLOAT_CPU) + 3.0;
        let mut at_once = RowStore::new(0, 20_000, 0);
        let whole = at_once.extend(&rows)?;
        let centre = at_once.centre_norm();
        let mut store = RowStore::new(0, 20_000, 10);
        let mut packed = PackedSymmetric::new();
        for (start, length) in [(0, 4), (4, 4), (8, 2)] {
            packed.push_rows(store.extend(&rows.narrow(0, start, length))?.products.view());
        }
        assert_abs_diff_eq!(centre / 20_000.0, 9.0, epsilon = 0.3);
        let grown = Centring::Double.of(&packed).scatter();
        assert_abs_diff_eq!(grown / scatter(&whole), 1.0, epsilon = 1e-6);
        Ok(())
    }

    #[test]
    fn rows_without_their_zeros_give_what_whole_ones_give() -> Result<()> {
        tch::manual_seed(2);
        let rows = Tensor::randn([11, 20_000], tch::kind::FLOAT_CPU).relu();
        let mut plain = RowStore::new(0, 20_000, 8);
        let sparse = RowStore::sparse(&rows, 8);
        let mut sparse = sparse.ok_or_else(|| crate::error::Error::usage("no store", ""))?;
        for (start, length) in [(0, 4), (4, 4), (8, 3)] {
            let batch = rows.narrow(0, start, length);
            let (one, other) = (plain.extend(&batch)?, sparse.extend(&batch)?);
            for ((i, j), value) in one.products.indexed_iter() {
                if j <= start as usize + i {
                    assert_abs_diff_eq!(*value, other.products[(i, j)], epsilon = 1e-9);
                }
            }
        }
        let share = sparse.expected_bytes() as f64 / plain.expected_bytes() as f64;
        assert!((0.5..0.6).contains(&share), "{share}");
        Ok(())
    }

    #[test]
    fn a_nan_is_found_in_its_row() -> Result<()> {
        let rows = Tensor::from_slice(&[1f32, 2.0, f32::NAN, 4.0, 5.0, 6.0]).reshape([3, 2]);
        assert_eq!(first_not_finite(&rows), Some(1));
        assert!(RowStore::new(0, 2, 3).extend(&rows)?.first_not_finite().is_some());
        Ok(())
    }
}
