//! The weights of one axis.

use std::collections::HashMap;
use std::sync::Arc;

use super::Interpolation;

/// Bits behind the point of a fixed-point weight: 32 less 8 of a pixel less 2 of overshoot.
pub(super) const PRECISION: u32 = 22;

/// How many axes a cache keeps before it starts again.
const CACHED: usize = 256;

/// The weights that turn `input` pixels of one axis into `output` pixels.
///
/// ```text
/// scale = input / output,  stretch = max(scale, 1),  centre(i) = (i + ½)·scale
/// w(i, j) = f((j + ½ − centre(i)) / stretch) / Σⱼ …   for |j − centre(i)| ≲ support·stretch
/// ```
///
/// Source: Pillow, `precompute_coeffs` and `normalize_coeffs_8bpc`.
#[derive(Debug, Clone)]
pub struct Axis {
    taps: Vec<Taps>,
    weights: Vec<f64>,
    fixed: Vec<i32>,
}

/// Which input pixels an output pixel is made of.
#[derive(Debug, Clone, Copy)]
struct Taps {
    first: usize,
    begin: usize,
    end: usize,
}

impl Axis {
    /// Weights for an axis of `input` pixels made into `output`; both must be at least one.
    pub fn new(input: usize, output: usize, filter: Interpolation) -> Self {
        let scale = input as f64 / output as f64;
        let stretch = scale.max(1.0);
        let support = filter.support() * stretch;
        let mut axis = Self { taps: Vec::with_capacity(output), weights: vec![], fixed: vec![] };
        for i in 0..output {
            let centre = (i as f64 + 0.5) * scale;
            let first = (centre - support + 0.5).max(0.0) as usize;
            let last = ((centre + support + 0.5) as usize).min(input);
            axis.push(first, last, |j| filter.weight((j as f64 - centre + 0.5) * (1.0 / stretch)));
        }
        axis
    }

    /// Appends one output pixel made of the input pixels `first..last`.
    fn push(&mut self, first: usize, last: usize, weight: impl Fn(usize) -> f64) {
        let begin = self.weights.len();
        self.weights.extend((first..last).map(weight));
        let total: f64 = self.weights[begin..].iter().sum();
        for value in &mut self.weights[begin..] {
            if total != 0.0 {
                *value /= total;
            }
            self.fixed.push(fixed_point(*value));
        }
        self.taps.push(Taps { first, begin, end: self.weights.len() });
    }

    /// Number of output pixels.
    pub fn len(&self) -> usize {
        self.taps.len()
    }

    /// Whether the axis has no output pixel.
    pub fn is_empty(&self) -> bool {
        self.taps.is_empty()
    }

    /// First input pixel and float64 weights of output pixel `i`.
    pub(super) fn weights(&self, i: usize) -> (usize, &[f64]) {
        let taps = self.taps[i];
        (taps.first, &self.weights[taps.begin..taps.end])
    }

    /// First input pixel and 22-bit fixed-point weights of output pixel `i`.
    pub(super) fn fixed(&self, i: usize) -> (usize, &[i32]) {
        let taps = self.taps[i];
        (taps.first, &self.fixed[taps.begin..taps.end])
    }

    /// The input pixels that the output pixels of `window` are made of.
    pub(super) fn needed(&self, window: &super::Window) -> super::Window {
        let taps = &self.taps[window.clone()];
        let first = taps.iter().map(|t| t.first).min().unwrap_or(0);
        let last = taps.iter().map(|t| t.first + t.end - t.begin).max().unwrap_or(0);
        first..last
    }
}

/// Rounds half away from zero, as C's `(int)(±0.5 + w·2²²)`.
fn fixed_point(weight: f64) -> i32 {
    let scaled = weight * f64::from(1_u32 << PRECISION);
    if weight < 0.0 { (scaled - 0.5) as i32 } else { (scaled + 0.5) as i32 }
}

/// Weights already computed, by input size, output size and filter; one for each worker.
#[derive(Debug, Default)]
pub struct AxisCache {
    axes: HashMap<(usize, usize, Interpolation), Arc<Axis>>,
}

impl AxisCache {
    /// The weights of one axis, computed at the first call.
    pub fn get(&mut self, input: usize, output: usize, filter: Interpolation) -> Arc<Axis> {
        if self.axes.len() >= CACHED {
            self.axes.clear();
        }
        let new = || Arc::new(Axis::new(input, output, filter));
        Arc::clone(self.axes.entry((input, output, filter)).or_insert_with(new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_every_pixel_sum_to_one() {
        for filter in Interpolation::ALL.into_iter().skip(1) {
            for (input, output) in [(1, 7), (7, 1), (500, 341), (3, 8), (9, 9)] {
                let axis = Axis::new(input, output, filter);
                assert_eq!(axis.len(), output);
                for i in 0..output {
                    let total: f64 = axis.weights(i).1.iter().sum();
                    assert!((total - 1.0).abs() < 1e-12, "{filter} {input} to {output} at {i}");
                }
            }
        }
    }

    #[test]
    fn fixed_point_rounds_away_from_zero() {
        let unit = 1.0 / f64::from(1 << PRECISION);
        assert_eq!([0.5, -0.5, 1.4, -1.6].map(|v| fixed_point(v * unit)), [1, -1, 1, -2]);
    }
}
