//! Gram blocks of rows of features, computed where the features are.
//!
//! Features are worked on a slice of columns at a time, small enough to stay in the cache: centred
//! there, multiplied in their precision, and the products summed in float64.

use ndarray::Array2;
use tch::{Kind, Tensor};

use crate::error::Result;
use crate::torchscript::tensors;

/// Numbers in a slice of columns: 1 MiB of float32.
const SLICE: i64 = 1 << 18;

/// The part of a Gram matrix that a batch adds.
pub struct Block {
    /// Products of the batch's rows with all rows up to its last.
    pub products: Array2<f64>,
}

/// The Gram matrix of one batch. `centre` is subtracted from the features: the mean of the first
/// batch, set there and kept, so that later batches are read once.
pub fn batch_gram(rows: &Tensor, centre: &mut Option<Tensor>) -> Result<Block> {
    let centre = centre.get_or_insert_with(|| mean(rows));
    let (count, width) = size(rows);
    let mut sum = zeros(rows, count, count);
    for (start, length) in slices(width, count) {
        let centred = rows.narrow(1, start, length) - centre.narrow(1, start, length);
        sum += centred.mm(&centred.tr()).to_kind(Kind::Double);
    }
    Ok(Block { products: tensors::to_matrix(&sum)? })
}

/// The rows of one layer (or of a range of its features) over all samples, centred by the mean of
/// the first batch, kept until the last batch is multiplied with them.
pub struct RowStore {
    start: i64,
    width: i64,
    capacity: i64,
    filled: i64,
    kept: Option<Tensor>,
    centre: Option<Tensor>,
}

impl RowStore {
    /// For the features `start..start+width` of a layer; `capacity` rows are kept.
    pub fn new(start: usize, width: usize, capacity: usize) -> Self {
        Self {
            start: start as i64,
            width: width as i64,
            capacity: capacity as i64,
            filled: 0,
            kept: None,
            centre: None,
        }
    }

    /// Squared norm of the centre that is subtracted.
    pub fn centre_norm(&self) -> f64 {
        self.centre.as_ref().map_or(0.0, squared_norm)
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
        for (start, length) in slices(self.width, count) {
            let part = rows.narrow(1, start, length).to_kind(Kind::Double);
            if let Some(centre) = &self.centre {
                along += part.mm(&centre.narrow(1, start, length).to_kind(Kind::Double).tr());
            }
            sums += part.sum_dim_intlist([1i64].as_slice(), true, Kind::Double);
        }
        let numbers = |column: &Tensor| Ok(tensors::to_matrix(column)?.into_iter().collect());
        Ok([numbers(&along)?, numbers(&sums)?])
    }

    /// Products of a batch's rows with all rows before and with themselves; keeps the rows.
    pub fn extend(&mut self, rows: &Tensor) -> Result<Block> {
        let rows = rows.narrow(1, self.start, self.width);
        let count = rows.size()[0];
        let centre =
            self.centre.get_or_insert_with(|| rows.mean_dim([0i64].as_slice(), true, rows.kind()));
        let keep = self.filled + count <= self.capacity;
        if keep && self.kept.is_none() {
            let shape = [self.capacity, self.width];
            self.kept = Some(Tensor::empty(shape, (rows.kind(), rows.device())));
        }
        let mut own = zeros(&rows, count, count);
        let mut past = zeros(&rows, count, self.filled);
        for (start, length) in slices(self.width, count) {
            let centred = rows.narrow(1, start, length) - centre.narrow(1, start, length);
            own += centred.mm(&centred.tr()).to_kind(Kind::Double);
            let Some(kept) = &self.kept else { continue };
            let columns = kept.narrow(1, start, length);
            if self.filled > 0 {
                let before = columns.narrow(0, 0, self.filled);
                past += centred.mm(&before.tr()).to_kind(Kind::Double);
            }
            if keep {
                columns.narrow(0, self.filled, count).copy_(&centred);
            }
        }
        self.filled += count;
        Ok(Block { products: tensors::to_matrix(&Tensor::cat(&[past, own], 1))? })
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

fn size(rows: &Tensor) -> (i64, i64) {
    let shape = rows.size();
    (shape[0], shape[1])
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

/// Ranges of columns of about `SLICE` numbers each.
fn slices(width: i64, rows: i64) -> impl Iterator<Item = (i64, i64)> {
    let step = (SLICE / rows.max(1)).max(64);
    (0..width).step_by(step as usize).map(move |start| (start, step.min(width - start)))
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
        let mut centre = None;
        let whole = batch_gram(&rows, &mut centre)?;
        let centre = centre.as_ref().map_or(0.0, squared_norm);
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
    fn a_nan_is_found_in_its_row() -> Result<()> {
        let rows = Tensor::from_slice(&[1f32, 2.0, f32::NAN, 4.0, 5.0, 6.0]).reshape([3, 2]);
        assert_eq!(first_not_finite(&rows), Some(1));
        assert!(RowStore::new(0, 2, 3).extend(&rows)?.first_not_finite().is_some());
        Ok(())
    }
}
