//! What the values of each channel are like, in one pass.

use ndarray::{Array1, ArrayView2, Axis, Zip};

/// The values of one channel in a few numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Channel {
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, √(Σ(x−m)²/n).
    pub std: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Share of them above zero.
    pub active: f64,
}

/// Mean, deviation, range and activity of each channel over the rows seen so far, in float64.
///
/// Rows are positions of feature maps. Batches are joined as by [`Moments`](super::Moments):
/// with n rows of mean m and sum of squares S = Σ(x−m)², and b more of m′ and S′,
///
/// ```text
/// m″ = m + (b/(n+b))·(m′−m)        S″ = S + S′ + (nb/(n+b))·(m′−m)²
/// ```
///
/// (Chan, Golub & LeVeque 1979). A channel with a NaN or an infinity has NaN for mean and deviation.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelMoments {
    count: usize,
    mean: Array1<f64>,
    squares: Array1<f64>,
    min: Array1<f64>,
    max: Array1<f64>,
    active: Array1<f64>,
}

impl ChannelMoments {
    /// No rows yet, of K channels.
    pub fn new(channels: usize) -> Self {
        let of = |value| Array1::from_elem(channels, value);
        Self {
            count: 0,
            mean: of(0.0),
            squares: of(0.0),
            min: of(f64::INFINITY),
            max: of(f64::NEG_INFINITY),
            active: of(0.0),
        }
    }

    /// Rows seen.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds the rows of an n×K matrix.
    ///
    /// # Panics
    /// Where K is another.
    pub fn push_rows(&mut self, rows: ArrayView2<'_, f32>) {
        let count = rows.nrows();
        if count == 0 {
            return;
        }
        let mut mean = Array1::<f64>::zeros(self.mean.len());
        for row in rows.rows() {
            mean.zip_mut_with(&row, |sum, &v| *sum += f64::from(v));
            self.min.zip_mut_with(&row, |least, &v| *least = least.min(f64::from(v)));
            self.max.zip_mut_with(&row, |most, &v| *most = most.max(f64::from(v)));
            self.active.zip_mut_with(&row, |n, &v| *n += if v > 0.0 { 1.0 } else { 0.0 });
        }
        mean /= count as f64;
        let mut squares = Array1::<f64>::zeros(mean.len());
        for row in rows.axis_iter(Axis(0)) {
            Zip::from(&mut squares).and(&row).and(&mean).for_each(|sum, &v, &m| {
                let apart = f64::from(v) - m;
                *sum += apart * apart;
            });
        }
        self.join(count, &mean, &squares);
    }

    fn join(&mut self, count: usize, mean: &Array1<f64>, squares: &Array1<f64>) {
        let (n, b) = (self.count as f64, count as f64);
        let apart = mean - &self.mean;
        self.mean.scaled_add(b / (n + b), &apart);
        self.squares += squares;
        self.squares.scaled_add(n * b / (n + b), &(&apart * &apart));
        self.count += count;
    }

    /// One entry a channel; NaN where no row was seen.
    pub fn finish(&self) -> Vec<Channel> {
        let n = self.count as f64;
        let none = if self.count == 0 { f64::NAN } else { 0.0 };
        let of = |i: usize| Channel {
            mean: self.mean[i] + none,
            std: (self.squares[i] / n).sqrt(),
            min: self.min[i] + none,
            max: self.max[i] + none,
            active: self.active[i] / n,
        };
        (0..self.mean.len()).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use ndarray::{Array2, array};

    fn streamed(rows: &Array2<f32>, batch: usize) -> Vec<Channel> {
        let mut found = ChannelMoments::new(rows.ncols());
        rows.axis_chunks_iter(Axis(0), batch).for_each(|part| found.push_rows(part));
        assert_eq!(found.count(), rows.nrows());
        found.finish()
    }

    #[test]
    fn a_column_in_numbers() {
        let rows = array![[1.0f32, -3.0], [2.0, 0.0], [6.0, 0.0]];
        let found = streamed(&rows, 3);
        assert_relative_eq!(found[0].mean, 3.0);
        assert_relative_eq!(found[0].std, (14.0f64 / 3.0).sqrt());
        assert_eq!((found[0].min, found[0].max, found[0].active), (1.0, 6.0, 1.0));
        assert_eq!((found[1].min, found[1].max, found[1].active), (-3.0, 0.0, 0.0));
    }

    #[test]
    fn any_batches_give_the_same_far_from_zero() {
        let rows = Array2::from_shape_fn((50, 3), |(i, j)| 4e6 + ((i * i * (j + 3)) % 17) as f32);
        let expected = rows.mapv(|v| f64::from(v) - 4e6);
        let deviation = expected.std_axis(Axis(0), 0.0);
        for batch in [1, 7, 49, 50] {
            for (j, channel) in streamed(&rows, batch).iter().enumerate() {
                assert_relative_eq!(channel.std, deviation[j], max_relative = 1e-9);
                assert_relative_eq!(
                    channel.mean - 4e6,
                    expected.column(j).sum() / 50.0,
                    epsilon = 1e-7
                );
            }
        }
    }

    #[test]
    fn what_is_not_finite_leaves_the_other_channels_alone() {
        let rows = array![[f32::NAN, 1.0], [2.0, f32::INFINITY], [2.0, 3.0]];
        let found = streamed(&rows, 2);
        assert!(found[0].mean.is_nan() && found[1].std.is_nan());
        let whole = streamed(&array![[1.0f32], [2.0]], 1);
        assert_relative_eq!(whole[0].mean, 1.5);
        let none = ChannelMoments::new(1).finish();
        assert!(none[0].mean.is_nan() && none[0].min.is_nan() && none[0].active.is_nan());
    }
}
