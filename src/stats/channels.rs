//! Mean, deviation and range of channels, in one pass.

use ndarray::{Array1, Zip};

/// Mean and scatter of the values of C channels seen so far, in float64, and their range.
///
/// With n values of mean m and scatter S = Σ(x−m)² of a channel, and b more of mean m′ and scatter
/// S′, all values together have
///
/// ```text
/// m″ = m + (b/(n+b))·(m′−m)        S″ = S + S′ + (nb/(n+b))·(m′−m)²
/// ```
///
/// (Chan, Golub & LeVeque 1979). Unlike [`Moments`](super::Moments) it keeps no covariance: memory
/// is C, whatever n.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelMoments {
    count: f64,
    mean: Array1<f64>,
    scatter: Array1<f64>,
    low: Array1<f64>,
    high: Array1<f64>,
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
        self.low[channel] == self.high[channel]
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
    use ndarray::{Array2, ArrayView2, Axis};

    fn sums(rows: ArrayView2<'_, f64>) -> ChannelSums {
        let mean = rows.mean_axis(Axis(0)).unwrap_or_default();
        let apart = &rows - &mean;
        let fold = |start: f64, f: fn(f64, f64) -> f64| {
            rows.map_axis(Axis(0), |column| column.iter().copied().fold(start, f))
        };
        ChannelSums {
            count: rows.nrows(),
            scatter: (&apart * &apart).sum_axis(Axis(0)),
            mean,
            low: fold(f64::INFINITY, f64::min),
            high: fold(f64::NEG_INFINITY, f64::max),
        }
    }

    #[test]
    fn any_batches_give_the_definition() {
        let offset = 2f64.powi(30);
        let rows = Array2::from_shape_fn((40, 3), |(i, j)| {
            ((i * i * (j + 3) + 5 * j * i) % 17) as f64 + offset
        });
        let expected = rows.std_axis(Axis(0), 0.0);
        for batch in [1, 3, 39, 40] {
            let mut moments = ChannelMoments::new(3);
            rows.axis_chunks_iter(Axis(0), batch).for_each(|part| moments.add(&sums(part)));
            assert_eq!((moments.count(), moments.channels()), (40, 3));
            assert_relative_eq!(moments.std(), expected, max_relative = 1e-12);
            assert_relative_eq!(
                moments.mean() - offset,
                rows.mapv(|v| v - offset).sum_axis(Axis(0)) / 40.0,
                epsilon = 1e-6
            );
        }
    }

    #[test]
    fn equal_values_have_no_deviation() {
        let rows = Array2::from_shape_fn((7, 3), |(i, j)| [0.1, 0.0, i as f64][j]);
        let mut moments = ChannelMoments::new(3);
        rows.axis_chunks_iter(Axis(0), 2).for_each(|part| moments.add(&sums(part)));
        let std = moments.std();
        assert_eq!((std[0], std[1]), (0.0, 0.0));
        assert!(std[2] > 0.0);
        assert_eq!([0, 1, 2].map(|c| moments.is_constant(c)), [true, true, false]);
        assert_eq!([0, 1, 2].map(|c| moments.is_dead(c)), [false, true, false]);
    }
}
