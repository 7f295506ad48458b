//! Correlations between all channels of two layers, in one pass.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, Axis, s};

/// Most rows that are centred at once, which bounds the memory a batch takes.
const ROWS: usize = 1 << 13;

/// Pearson correlation between each channel of one layer and each of another over the rows seen so
/// far, in float64.
///
/// With n rows, the means a and b of two channels, their sums of squares S and their sum of
/// products P about the means, and n′ rows more with a′, b′, S′, P′:
///
/// ```text
/// P″ = P + P′ + (nn′/(n+n′))·(a′−a)(b′−b)      S″ likewise      r = P / √(S_a S_b)
/// ```
///
/// (Chan, Golub & LeVeque 1979). The first row is subtracted from all before anything is summed, so
/// that a large mean costs no digits. Memory is K_A·K_B, whatever n.
#[derive(Debug, Clone, PartialEq)]
pub struct Correlations {
    count: usize,
    left: Channels,
    right: Channels,
    /// Σ(a−ā)(b−b̄), K_A×K_B.
    products: Array2<f64>,
}

/// What is known of the channels of one layer.
#[derive(Debug, Clone, PartialEq)]
struct Channels {
    /// The first row; the mean is relative to it.
    origin: Array1<f64>,
    mean: Array1<f64>,
    /// Σ(a−ā)² of each.
    squares: Array1<f64>,
}

impl Correlations {
    /// No rows yet, of layers with K_A and K_B channels.
    pub fn new(left: usize, right: usize) -> Self {
        Self {
            count: 0,
            left: Channels::new(left),
            right: Channels::new(right),
            products: Array2::zeros((left, right)),
        }
    }

    /// Rows seen.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds n×K_A and n×K_B matrices: a row a sample, or a position of one, the same in both. The
    /// rows of a K×H×W feature map are the transpose of its K×HW matrix, which is taken as fast.
    ///
    /// # Panics
    /// If the numbers of rows differ, or a number of channels is another.
    pub fn push_rows<A, B>(&mut self, left: ArrayView2<'_, A>, right: ArrayView2<'_, B>)
    where
        A: Copy + Into<f64>,
        B: Copy + Into<f64>,
    {
        assert_eq!(left.nrows(), right.nrows(), "rows in pairs");
        let blocks =
            left.axis_chunks_iter(Axis(0), ROWS).zip(right.axis_chunks_iter(Axis(0), ROWS));
        for (left, right) in blocks {
            let rows = left.nrows();
            let left = self.left.join(self.count, left);
            let right = self.right.join(self.count, right);
            general_mat_mul(1.0, &left, &right.t(), 1.0, &mut self.products);
            self.count += rows;
        }
    }

    /// Adds the rows that another one saw.
    ///
    /// # Panics
    /// If a number of channels is another.
    pub fn merge(&mut self, other: &Self) {
        if self.count == 0 {
            self.clone_from(other);
        } else if other.count > 0 {
            let counts = (self.count, other.count);
            let left = self.left.merge(&other.left, counts).insert_axis(Axis(1));
            let right = self.right.merge(&other.right, counts).insert_axis(Axis(0));
            self.products += &other.products;
            self.products += &(&left * &right);
            self.count += other.count;
        }
    }

    /// The correlations, K_A×K_B; NaN where a channel is constant, is not finite, or no row was
    /// seen.
    pub fn finish(&self) -> Array2<f64> {
        let (left, right) = (self.left.spread(), self.right.spread());
        let mut found = &self.products / &left.insert_axis(Axis(1)) / &right.insert_axis(Axis(0));
        found.mapv_inplace(|r| if r.is_finite() { r.clamp(-1.0, 1.0) } else { f64::NAN });
        found
    }
}

impl Channels {
    fn new(count: usize) -> Self {
        let zeros = Array1::zeros(count);
        Self { origin: zeros.clone(), mean: zeros.clone(), squares: zeros }
    }

    /// Adds n×K rows, at least one, to `seen` others. Returns the factor of their sums of products,
    /// K×(n+1): the rows less their mean, and the distance of their mean.
    fn join<T: Copy + Into<f64>>(&mut self, seen: usize, rows: ArrayView2<'_, T>) -> Array2<f64> {
        let count = rows.nrows();
        if seen == 0 {
            self.origin = rows.row(0).mapv(Into::into);
        }
        let mut centred = Array2::zeros((rows.ncols(), count + 1));
        let mut own = centred.slice_mut(s![.., ..count]);
        own.zip_mut_with(&rows.t(), |own, &value| *own = value.into());
        own -= &self.origin.view().insert_axis(Axis(1));
        let mean = take_mean(&mut centred, count);
        // What rounding left of the mean, removed in a second step.
        let mean = mean + take_mean(&mut centred, count);
        let apart = mean - &self.mean;
        centred.column_mut(count).assign(&(&apart * weight(seen, count)));
        self.mean.scaled_add(count as f64 / (seen + count) as f64, &apart);
        self.squares += &centred.map_axis(Axis(1), |channel| channel.dot(&channel));
        centred
    }

    /// Adds what another one saw, and returns the distance of the means that products need.
    fn merge(&mut self, other: &Self, (seen, count): (usize, usize)) -> Array1<f64> {
        let apart = (&other.origin - &self.origin) + &other.mean - &self.mean;
        self.mean.scaled_add(count as f64 / (seen + count) as f64, &apart);
        let apart = apart * weight(seen, count);
        self.squares += &(&other.squares + &apart.mapv(|v| v * v));
        apart
    }

    /// √Σ(a−ā)², NaN where that is zero.
    fn spread(&self) -> Array1<f64> {
        self.squares.mapv(|v| if v > 0.0 { v.sqrt() } else { f64::NAN })
    }
}

/// Subtracts from the first `count` columns their mean, and returns it.
fn take_mean(values: &mut Array2<f64>, count: usize) -> Array1<f64> {
    let mut own = values.slice_mut(s![.., ..count]);
    let mean = own.sum_axis(Axis(1)) / count as f64;
    own -= &mean.view().insert_axis(Axis(1));
    mean
}

/// √(nn′/(n+n′)).
fn weight(n: usize, more: usize) -> f64 {
    let (n, more) = (n as f64, more as f64);
    (n * more / (n + more)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    /// Whole numbers that no float64 rounds, also far from zero.
    fn rows(count: usize, channels: usize, seed: usize, offset: f64) -> Array2<f64> {
        Array2::from_shape_fn((count, channels), |(i, j)| {
            ((i * i * (j + seed) + 5 * j * i + seed * i) % 17) as f64 + offset
        })
    }

    fn by_definition(left: &Array2<f64>, right: &Array2<f64>) -> Array2<f64> {
        let centred = |values: &Array2<f64>| values - &values.mean_axis(Axis(0)).expect("rows");
        let (left, right) = (centred(left), centred(right));
        Array2::from_shape_fn((left.ncols(), right.ncols()), |(i, j)| {
            let (a, b) = (left.column(i), right.column(j));
            a.dot(&b) / (a.dot(&a) * b.dot(&b)).sqrt()
        })
    }

    fn streamed(left: &Array2<f64>, right: &Array2<f64>, batch: usize) -> Correlations {
        let mut found = Correlations::new(left.ncols(), right.ncols());
        let batches = left.axis_chunks_iter(Axis(0), batch);
        batches
            .zip(right.axis_chunks_iter(Axis(0), batch))
            .for_each(|(a, b)| found.push_rows(a, b));
        found
    }

    #[test]
    fn any_batches_give_the_definition_at_any_offset() {
        for offset in [0.0, 1e3, 2f64.powi(40)] {
            let (left, right) = (rows(50, 3, 3, offset), rows(50, 4, 8, -offset));
            let expected = by_definition(&rows(50, 3, 3, 0.0), &rows(50, 4, 8, 0.0));
            for batch in [1, 2, 7, 49, 50] {
                let found = streamed(&left, &right, batch);
                assert_eq!(found.count(), 50);
                assert_relative_eq!(found.finish(), expected, epsilon = 1e-12);
            }
        }
    }

    #[test]
    fn merging_at_every_point_gives_the_whole() {
        let offset = 2f64.powi(40);
        let (left, right) = (rows(20, 3, 3, offset), rows(20, 2, 5, offset));
        let expected = by_definition(&rows(20, 3, 3, 0.0), &rows(20, 2, 5, 0.0));
        for split in 0..=20 {
            let (a, b) = left.view().split_at(Axis(0), split);
            let (c, d) = right.view().split_at(Axis(0), split);
            let (mut first, mut second) = (Correlations::new(3, 2), Correlations::new(3, 2));
            first.push_rows(a, c);
            second.push_rows(b, d);
            first.merge(&second);
            assert_eq!(first.count(), 20);
            assert_relative_eq!(first.finish(), expected, epsilon = 1e-12);
        }
    }

    #[test]
    fn more_rows_than_a_block() {
        let count = ROWS + 100;
        let (left, right) = (rows(count, 2, 3, 0.5), rows(count, 3, 4, 7.0));
        let mut found = Correlations::new(2, 3);
        found.push_rows(left.view(), right.view());
        assert_relative_eq!(found.finish(), by_definition(&left, &right), epsilon = 1e-12);
    }

    #[test]
    fn a_channel_is_itself_and_the_opposite_of_its_negative() {
        let left = rows(40, 3, 3, 0.0);
        let negative = left.mapv(|v| (5.0 - v * 0.1) as f32);
        let mut found = Correlations::new(3, 3);
        found.push_rows(left.view(), negative.view());
        assert_relative_eq!(found.finish().diag(), Array1::from_elem(3, -1.0), epsilon = 1e-6);
        let mut itself = Correlations::new(3, 3);
        itself.push_rows(left.view(), left.view());
        assert_relative_eq!(itself.finish().diag(), Array1::ones(3), epsilon = 1e-12);
    }

    #[test]
    fn constant_channels_correlate_with_none() {
        let (mut left, right) = (rows(30, 3, 3, 0.0), rows(30, 2, 4, 0.0));
        left.column_mut(1).fill(0.1);
        let mut broken = right.clone();
        broken[(4, 0)] = f64::NAN;
        broken[(5, 1)] = f64::INFINITY;
        let found = streamed(&left, &right, 7).finish();
        assert!(found.row(1).iter().all(|r| r.is_nan()));
        assert!(found.row(0).iter().chain(found.row(2)).all(|r| r.is_finite()));
        assert!(streamed(&left, &broken, 7).finish().iter().all(|r| r.is_nan()));
        let mut merged = streamed(&left, &right, 7);
        merged.merge(&streamed(&left, &right, 30));
        assert!(merged.finish().row(1).iter().all(|r| r.is_nan()));
    }

    #[test]
    fn one_broken_channel_leaves_the_others_alone() {
        let (left, mut right) = (rows(30, 3, 3, 0.0), rows(30, 2, 4, 0.0));
        let whole = streamed(&left, &right, 8).finish();
        right[(0, 0)] = f64::NAN;
        let found = streamed(&left, &right, 8).finish();
        assert!(found.column(0).iter().all(|r| r.is_nan()));
        assert_relative_eq!(found.column(1), whole.column(1), epsilon = 1e-12);
    }

    #[test]
    fn without_rows_there_is_nothing() {
        let mut none = Correlations::new(2, 3);
        none.push_rows(Array2::<f32>::zeros((0, 2)).view(), Array2::<f32>::zeros((0, 3)).view());
        none.merge(&Correlations::new(2, 3));
        assert_eq!(none.count(), 0);
        assert!(none.finish().iter().all(|r| r.is_nan()));
        let one = streamed(&rows(1, 2, 1, 0.0), &rows(1, 3, 1, 0.0), 1).finish();
        assert!(one.dim() == (2, 3) && one.iter().all(|r| r.is_nan()));
    }

    proptest! {
        #[test]
        fn scale_and_shift_change_nothing(
            values in prop::collection::vec(-9f64..9.0, 60),
            batch in 1usize..20,
        ) {
            let all = Array2::from_shape_vec((12, 5), values).expect("fits");
            let (left, right) = all.view().split_at(Axis(1), 2);
            let (left, right) = (left.to_owned(), right.to_owned());
            let found = streamed(&left, &right, batch).finish();
            let moved = left.mapv(|v| 3.0 * v + 7.0);
            assert_relative_eq!(streamed(&moved, &right, 12).finish(), found, epsilon = 1e-9);
            let turned = streamed(&right, &left, batch).finish();
            assert_relative_eq!(turned.t(), found, epsilon = 1e-12);
        }
    }
}
