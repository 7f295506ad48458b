//! Mean, deviation, range and activity of channels, in one pass.

use ndarray::{Array1, ArrayView2, Zip};

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

/// Mean and scatter of the values of C channels seen so far, in float64, their range, and how many are
/// above zero.
///
/// With n values of mean m and scatter S = Σ(x−m)² of a channel, and b more of mean m′ and scatter
/// S′, all values together have
///
/// ```text
/// m″ = m + (b/(n+b))·(m′−m)        S″ = S + S′ + (nb/(n+b))·(m′−m)²
/// ```
///
/// (Chan, Golub & LeVeque 1979). Unlike [`Moments`](super::Moments) it keeps no covariance: memory
/// is C, whatever n. A channel with a NaN or an infinity has NaN for mean or deviation.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelMoments {
    count: f64,
    mean: Array1<f64>,
    scatter: Array1<f64>,
    low: Array1<f64>,
    high: Array1<f64>,
    positive: Array1<f64>,
}

/// What some values of each of C channels add to [`ChannelMoments`], computed where they are.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelSums {
    /// Values a channel.
    pub count: usize,
    /// Their mean, C.
    pub mean: Array1<f64>,
    /// Σ(x − mean)², C.
    pub scatter: Array1<f64>,
    /// The smallest, C.
    pub low: Array1<f64>,
    /// The largest, C.
    pub high: Array1<f64>,
    /// How many are above zero, C.
    pub positive: Array1<f64>,
}

impl ChannelSums {
    /// Those of an n×C matrix.
    pub fn of_rows(rows: ArrayView2<'_, f32>) -> Self {
        let of = |value| Array1::from_elem(rows.ncols(), value);
        let (mut mean, mut scatter, mut positive) = (of(0.0f64), of(0.0f64), of(0.0));
        let (mut low, mut high) = (of(f64::INFINITY), of(f64::NEG_INFINITY));
        for row in rows.rows() {
            mean.zip_mut_with(&row, |sum, &v| *sum += f64::from(v));
            low.zip_mut_with(&row, |least, &v| *least = least.min(f64::from(v)));
            high.zip_mut_with(&row, |most, &v| *most = most.max(f64::from(v)));
            positive.zip_mut_with(&row, |n, &v| *n += if v > 0.0 { 1.0 } else { 0.0 });
        }
        mean /= rows.nrows().max(1) as f64;
        for row in rows.rows() {
            Zip::from(&mut scatter).and(&row).and(&mean).for_each(|sum, &v, &m| {
                let apart = f64::from(v) - m;
                *sum += apart * apart;
            });
        }
        Self { count: rows.nrows(), mean, scatter, low, high, positive }
    }
}

impl ChannelMoments {
    /// No values yet, of so many channels.
    pub fn new(channels: usize) -> Self {
        Self {
            count: 0.0,
            mean: Array1::zeros(channels),
            scatter: Array1::zeros(channels),
            low: Array1::from_elem(channels, f64::INFINITY),
            high: Array1::from_elem(channels, f64::NEG_INFINITY),
            positive: Array1::zeros(channels),
        }
    }

    /// Adds values.
    ///
    /// # Panics
    /// Where C is another.
    pub fn add(&mut self, sums: &ChannelSums) {
        if sums.count == 0 {
            return;
        }
        let (n, b) = (self.count, sums.count as f64);
        let apart = &sums.mean - &self.mean;
        self.scatter += &sums.scatter;
        self.scatter += &(apart.mapv(|d| d * d) * (n * b / (n + b)));
        self.mean.scaled_add(b / (n + b), &apart);
        Zip::from(&mut self.low).and(&sums.low).for_each(|a, b| *a = a.min(*b));
        Zip::from(&mut self.high).and(&sums.high).for_each(|a, b| *a = a.max(*b));
        self.positive += &sums.positive;
        self.count += b;
    }

    /// C.
    pub fn channels(&self) -> usize {
        self.mean.len()
    }

    /// Values a channel.
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// The mean of each channel.
    pub fn mean(&self) -> &Array1<f64> {
        &self.mean
    }

    /// The standard deviation of each channel, over n and not n − 1; exactly 0 where all of its
    /// values are equal.
    pub fn std(&self) -> Array1<f64> {
        let std = self.scatter.mapv(|s| (s / self.count).sqrt());
        let of = |(c, std): (usize, &f64)| if self.is_constant(c) { 0.0 } else { *std };
        std.iter().enumerate().map(of).collect()
    }

    /// Whether all values of a channel are equal.
    pub fn is_constant(&self, channel: usize) -> bool {
        self.low[channel] == self.high[channel] && self.mean[channel].is_finite()
    }

    /// One entry a channel; NaN where there was no value.
    pub fn channels_in_numbers(&self) -> Vec<Channel> {
        let std = self.std();
        let none = if self.count > 0.0 { 0.0 } else { f64::NAN };
        let of = |c: usize| Channel {
            mean: self.mean[c] + none,
            std: std[c],
            min: self.low[c] + none,
            max: self.high[c] + none,
            active: self.positive[c] / self.count,
        };
        (0..self.channels()).map(of).collect()
    }

    /// Whether all values of a channel are 0.
    pub fn is_dead(&self, channel: usize) -> bool {
        self.is_constant(channel) && self.low[channel] == 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use ndarray::{Array2, Axis, array};

    fn streamed(rows: &Array2<f32>, batch: usize) -> ChannelMoments {
        let mut moments = ChannelMoments::new(rows.ncols());
        let parts = rows.axis_chunks_iter(Axis(0), batch);
        parts.for_each(|part| moments.add(&ChannelSums::of_rows(part)));
        moments
    }

    #[test]
    fn any_batches_give_the_definition() {
        let offset = 2f64.powi(22);
        let small = |(i, j): (usize, usize)| ((i * i * (j + 3) + 5 * j * i) % 17) as f32;
        let rows = Array2::from_shape_fn((40, 3), |at| small(at) + offset as f32);
        let near = Array2::from_shape_fn((40, 3), |at| f64::from(small(at)));
        let expected = near.std_axis(Axis(0), 0.0);
        for batch in [1, 3, 39, 40] {
            let moments = streamed(&rows, batch);
            assert_eq!((moments.count(), moments.channels()), (40, 3));
            assert_relative_eq!(moments.std(), expected, max_relative = 1e-9);
            assert_relative_eq!(
                moments.mean() - offset,
                near.sum_axis(Axis(0)) / 40.0,
                epsilon = 1e-8
            );
        }
    }

    #[test]
    fn a_channel_in_numbers() {
        let rows = array![[1.0f32, -3.0], [2.0, 0.0], [6.0, 0.0]];
        let found = streamed(&rows, 2).channels_in_numbers();
        assert_relative_eq!(found[0].mean, 3.0);
        assert_relative_eq!(found[0].std, (14.0f64 / 3.0).sqrt(), max_relative = 1e-15);
        assert_eq!((found[0].min, found[0].max, found[0].active), (1.0, 6.0, 1.0));
        assert_eq!((found[1].min, found[1].max, found[1].active), (-3.0, 0.0, 0.0));
        let none = ChannelMoments::new(1).channels_in_numbers();
        assert!(none[0].mean.is_nan() && none[0].min.is_nan() && none[0].active.is_nan());
    }

    #[test]
    fn equal_values_have_no_deviation() {
        let rows = Array2::from_shape_fn((7, 3), |(i, j)| [0.1, 0.0, i as f32][j]);
        let moments = streamed(&rows, 2);
        let std = moments.std();
        assert_eq!((std[0], std[1]), (0.0, 0.0));
        assert!(std[2] > 0.0);
        assert_eq!([0, 1, 2].map(|c| moments.is_constant(c)), [true, true, false]);
        assert_eq!([0, 1, 2].map(|c| moments.is_dead(c)), [false, true, false]);
    }

    #[test]
    fn what_is_not_finite_leaves_the_other_channels_alone() {
        let rows = array![[f32::NAN, 1.0, 1.0], [2.0, f32::INFINITY, 2.0], [2.0, 3.0, 3.0]];
        let found = streamed(&rows, 2).channels_in_numbers();
        assert!(found[0].mean.is_nan() && found[0].std.is_nan() && found[1].std.is_nan());
        assert_relative_eq!(found[2].mean, 2.0);
    }
}
