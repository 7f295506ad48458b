//! The passes that give floats, from bytes or floats, summed in float64. Sums run in the order of
//! the pixels, on every machine alike.

use super::passes::{Kernel, Part};
use super::{Axis, Window};

/// Values of a row that the vertical pass sums at a time, so that the sums stay in registers.
const BLOCK: usize = 16;

impl<I: Copy + Into<f64>> Kernel<I> for f32
where
    f32: From<I>,
{
    fn horizontal(part: &Part<'_, I>, axis: &Axis, wanted: (&Window, &Window), out: &mut Vec<f32>) {
        match part.channels {
            1 => along::<1, I>(part, axis, wanted, out),
            2 => along::<2, I>(part, axis, wanted, out),
            3 => along::<3, I>(part, axis, wanted, out),
            _ => along::<4, I>(part, axis, wanted, out),
        }
    }

    fn vertical(part: &Part<'_, I>, axis: &Axis, wanted: (&Window, &Window), out: &mut Vec<f32>) {
        let start = out.len();
        let stride = wanted.1.len() * part.channels;
        out.resize(start + wanted.0.len() * stride, 0.0);
        for (line, y) in out[start..].chunks_exact_mut(stride).zip(wanted.0.clone()) {
            let (first, weights) = axis.weights(y);
            down(|tap| part.row(first + tap, wanted.1), weights, line);
        }
    }
}

fn along<const C: usize, I: Copy + Into<f64>>(
    part: &Part<'_, I>,
    axis: &Axis,
    (rows, columns): (&Window, &Window),
    out: &mut Vec<f32>,
) {
    let start = out.len();
    out.resize(start + rows.len() * columns.len() * C, 0.0);
    let needed = axis.needed(columns);
    for (line, y) in out[start..].chunks_exact_mut(columns.len() * C).zip(rows.clone()) {
        let pixels = part.row(y, &needed).as_chunks::<C>().0;
        for (pixel, x) in line.as_chunks_mut::<C>().0.iter_mut().zip(columns.clone()) {
            let (first, weights) = axis.weights(x);
            *pixel = weigh(&pixels[first - needed.start..][..weights.len()], weights);
        }
    }
}

/// One pixel of the horizontal pass.
fn weigh<const C: usize, I: Copy + Into<f64>>(pixels: &[[I; C]], weights: &[f64]) -> [f32; C] {
    let mut sums = [0.0; C];
    for (pixel, &weight) in pixels.iter().zip(weights) {
        for (sum, &value) in sums.iter_mut().zip(pixel) {
            *sum += value.into() * weight;
        }
    }
    sums.map(|sum| sum as f32)
}

/// One row of the vertical pass, from the rows that `row` gives for each weight.
fn down<'a, I: Copy + Into<f64> + 'a>(
    row: impl Fn(usize) -> &'a [I],
    weights: &[f64],
    out: &mut [f32],
) {
    let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
    let done = blocks.len() * BLOCK;
    for (i, block) in blocks.iter_mut().enumerate() {
        let mut sums = [0.0; BLOCK];
        for (tap, &weight) in weights.iter().enumerate() {
            add_weighted(&mut sums, &row(tap)[i * BLOCK..][..BLOCK], weight);
        }
        *block = sums.map(|sum| sum as f32);
    }
    let mut sums = [0.0; BLOCK];
    for (tap, &weight) in weights.iter().enumerate() {
        add_weighted(&mut sums, &row(tap)[done..], weight);
    }
    rest.iter_mut().zip(sums).for_each(|(value, sum)| *value = sum as f32);
}

fn add_weighted<I: Copy + Into<f64>>(sums: &mut [f64; BLOCK], row: &[I], weight: f64) {
    for (sum, &value) in sums.iter_mut().zip(row) {
        *sum += value.into() * weight;
    }
}
