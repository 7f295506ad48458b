//! Symmetric matrices that grow by rows.

use ndarray::{Array2, ArrayView2};

/// A symmetric n×n matrix as its lower triangle, row by row.
///
/// Entry (i, j) with j ≤ i stands at i(i+1)/2 + j, so a matrix over samples that arrive in batches
/// grows at its end, and takes half the memory of the square.
///
/// ```
/// use ndarray::array;
/// use repsim::linalg::PackedSymmetric;
/// let mut k = PackedSymmetric::new();
/// k.push_rows(array![[1.0]].view());
/// k.push_rows(array![[2.0, 3.0]].view());
/// assert_eq!((k.order(), k.get(0, 1), k.get(1, 1)), (2, 2.0, 3.0));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PackedSymmetric {
    order: usize,
    values: Vec<f64>,
}

/// Number of entries in the lower triangle of an n×n matrix.
const fn triangle(n: usize) -> usize {
    n * (n + 1) / 2
}

impl PackedSymmetric {
    /// An empty matrix.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty matrix with room for order `n`.
    pub fn with_order(n: usize) -> Self {
        Self { order: 0, values: Vec::with_capacity(triangle(n)) }
    }

    /// The lower triangle of a square matrix.
    pub fn from_square(square: ArrayView2<'_, f64>) -> Self {
        let mut packed = Self::with_order(square.nrows());
        packed.push_rows(square);
        packed
    }

    /// Bytes that a matrix of order `n` takes.
    pub const fn bytes(n: usize) -> u64 {
        (triangle(n) * size_of::<f64>()) as u64
    }

    /// Number of rows.
    pub fn order(&self) -> usize {
        self.order
    }

    /// Appends b rows. Of the b×(n+b) block, row r counts up to column n+r; the rest mirrors it.
    ///
    /// # Panics
    /// If the block has fewer than n+b columns.
    pub fn push_rows<T: Copy + Into<f64>>(&mut self, block: ArrayView2<'_, T>) {
        for row in block.rows() {
            self.values.extend(row.iter().take(self.order + 1).map(|&v| v.into()));
            self.order += 1;
            assert_eq!(self.values.len(), triangle(self.order), "a block has too few columns");
        }
    }

    /// Adds b rows, beginning at row `first`, to those that are there: another part of the features.
    ///
    /// # Panics
    /// If the rows are not there, or the block has fewer than first+b columns.
    pub fn add_rows<T: Copy + Into<f64>>(&mut self, first: usize, block: ArrayView2<'_, T>) {
        for (r, row) in block.rows().into_iter().enumerate() {
            let target = self.row_mut(first + r);
            assert!(row.len() >= target.len(), "a block has too few columns");
            target.iter_mut().zip(row).for_each(|(t, &v)| *t += v.into());
        }
    }

    /// Row i up to the diagonal: its entries (i, 0) to (i, i).
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[triangle(i)..triangle(i + 1)]
    }

    /// As [`PackedSymmetric::row`], to be changed.
    pub fn row_mut(&mut self, i: usize) -> &mut [f64] {
        &mut self.values[triangle(i)..triangle(i + 1)]
    }

    /// Entry (i, j).
    pub fn get(&self, i: usize, j: usize) -> f64 {
        self.row(i.max(j))[i.min(j)]
    }

    /// The diagonal.
    pub fn diagonal(&self) -> impl Iterator<Item = f64> + '_ {
        (0..self.order).map(|i| self.values[triangle(i) + i])
    }

    /// The whole n×n matrix.
    pub fn to_square(&self) -> Array2<f64> {
        Array2::from_shape_fn((self.order, self.order), |(i, j)| self.get(i, j))
    }

    /// A matrix of order `n` by its entries: `entry(i, j)` for j ≤ i.
    pub fn from_fn(n: usize, entry: impl Fn(usize, usize) -> f64) -> Self {
        let values = (0..n).flat_map(|i| (0..=i).map(move |j| (i, j)));
        Self { order: n, values: values.map(|(i, j)| entry(i, j)).collect() }
    }

    /// Rows and columns by their positions, which may recur: entry (i, j) is `(rows[i], rows[j])`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self::from_fn(rows.len(), |i, j| self.get(rows[i], rows[j]))
    }

    /// Sums over the rows of the whole matrix, the diagonal left out.
    pub fn off_diagonal_row_sums(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.order];
        for i in 0..self.order {
            let off = &self.row(i)[..i];
            sums[i] += off.iter().sum::<f64>();
            sums[..i].iter_mut().zip(off).for_each(|(s, v)| *s += v);
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn grows_in_blocks_as_at_once() {
        let square = array![[1.0, 2.0, 3.0], [2.0, 4.0, 5.0], [3.0, 5.0, 6.0]];
        let whole = PackedSymmetric::from_square(square.view());
        let mut grown = PackedSymmetric::new();
        grown.push_rows(square.slice(ndarray::s![..1, ..1]));
        grown.push_rows(square.slice(ndarray::s![1.., ..]));
        assert_eq!(grown, whole);
        assert_eq!(whole.diagonal().collect::<Vec<_>>(), [1.0, 4.0, 6.0]);
        assert_eq!(whole.off_diagonal_row_sums(), [5.0, 7.0, 8.0]);
    }

    #[test]
    fn parts_add_up() {
        let ones = ndarray::Array2::<f32>::ones((2, 2));
        let mut k = PackedSymmetric::new();
        k.push_rows(ones.view());
        k.add_rows(1, ones.slice(ndarray::s![1.., ..]));
        assert_eq!((k.get(0, 0), k.get(1, 0), k.get(1, 1)), (1.0, 2.0, 2.0));
    }
}
