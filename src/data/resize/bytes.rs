//! The passes over bytes, in 22-bit fixed point.

use super::coefficients::PRECISION;
use super::passes::{Kernel, Part};
use super::{Axis, Window};

/// Bytes of a row that the vertical pass sums at a time, so that the sums stay in registers.
const BLOCK: usize = 32;

/// One half, to round by.
const HALF: i32 = 1 << (PRECISION - 1);

impl Kernel<u8> for u8 {
    fn horizontal(part: &Part<'_, u8>, axis: &Axis, wanted: (&Window, &Window), out: &mut Vec<u8>) {
        match part.channels {
            1 => along::<1>(part, axis, wanted, out),
            2 => along::<2>(part, axis, wanted, out),
            3 => along::<3>(part, axis, wanted, out),
            _ => along::<4>(part, axis, wanted, out),
        }
    }

    fn vertical(part: &Part<'_, u8>, axis: &Axis, wanted: (&Window, &Window), out: &mut Vec<u8>) {
        let start = out.len();
        let stride = wanted.1.len() * part.channels;
        out.resize(start + wanted.0.len() * stride, 0);
        for (line, y) in out[start..].chunks_exact_mut(stride).zip(wanted.0.clone()) {
            let (first, weights) = axis.fixed(y);
            let rows: Vec<_> =
                (first..first + weights.len()).map(|row| part.row(row, wanted.1)).collect();
            down(&rows, weights, line);
        }
    }
}

fn along<const C: usize>(
    part: &Part<'_, u8>,
    axis: &Axis,
    (rows, columns): (&Window, &Window),
    out: &mut Vec<u8>,
) {
    let start = out.len();
    out.resize(start + rows.len() * columns.len() * C, 0);
    let needed = axis.needed(columns);
    let taps: Vec<_> = columns.clone().map(|x| axis.fixed(x)).collect();
    for (line, y) in out[start..].chunks_exact_mut(columns.len() * C).zip(rows.clone()) {
        let pixels = part.row(y, &needed).as_chunks::<C>().0;
        for (pixel, &(first, weights)) in line.as_chunks_mut::<C>().0.iter_mut().zip(&taps) {
            let first = first - needed.start;
            *pixel = weigh(&pixels[first..first + weights.len()], weights);
        }
    }
}

/// One pixel of the horizontal pass.
fn weigh<const C: usize>(pixels: &[[u8; C]], weights: &[i32]) -> [u8; C] {
    let mut sums = [HALF; C];
    for (pixel, &weight) in pixels.iter().zip(weights) {
        for (sum, &value) in sums.iter_mut().zip(pixel) {
            *sum += i32::from(value) * weight;
        }
    }
    sums.map(to_byte)
}

/// One row of the vertical pass.
fn down(rows: &[&[u8]], weights: &[i32], out: &mut [u8]) {
    let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
    let done = blocks.len() * BLOCK;
    for (i, block) in blocks.iter_mut().enumerate() {
        let mut sums = [HALF; BLOCK];
        for (row, &weight) in rows.iter().zip(weights) {
            for (sum, &value) in sums.iter_mut().zip(&row[i * BLOCK..(i + 1) * BLOCK]) {
                *sum += i32::from(value) * weight;
            }
        }
        *block = sums.map(to_byte);
    }
    for (x, byte) in (done..).zip(rest) {
        let terms = rows.iter().zip(weights).map(|(row, &weight)| i32::from(row[x]) * weight);
        *byte = to_byte(HALF + terms.sum::<i32>());
    }
}

/// Back from fixed point, held to a byte's range.
fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}
