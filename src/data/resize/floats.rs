//! The passes over floats, in float64. Sums run in the order of the pixels, on every machine alike.

use super::passes::{Kernel, Part};
use super::{Axis, Window};

impl Kernel for f32 {
    fn horizontal(
        part: &Part<'_, f32>,
        axis: &Axis,
        wanted: (&Window, &Window),
        out: &mut Vec<f32>,
    ) {
        let channels = part.channels;
        for y in wanted.0.clone() {
            for x in wanted.1.clone() {
                let (first, weights) = axis.weights(x);
                let pixels = part.row(y, &(first..first + weights.len()));
                out.extend((0..channels).map(|c| weigh(&pixels[c..], channels, weights)));
            }
        }
    }

    fn vertical(part: &Part<'_, f32>, axis: &Axis, wanted: (&Window, &Window), out: &mut Vec<f32>) {
        let mut sums = vec![0.0; wanted.1.len() * part.channels];
        for y in wanted.0.clone() {
            let (first, weights) = axis.weights(y);
            sums.fill(0.0);
            for (row, &weight) in (first..).zip(weights) {
                add_weighted(&mut sums, part.row(row, wanted.1), weight);
            }
            out.extend(sums.iter().map(|&sum| sum as f32));
        }
    }
}

fn weigh(pixels: &[f32], channels: usize, weights: &[f64]) -> f32 {
    let values = pixels.iter().step_by(channels);
    values.zip(weights).fold(0.0, |sum, (&v, &w)| sum + f64::from(v) * w) as f32
}

fn add_weighted(sums: &mut [f64], row: &[f32], weight: f64) {
    for (sum, &value) in sums.iter_mut().zip(row) {
        *sum += f64::from(value) * weight;
    }
}
