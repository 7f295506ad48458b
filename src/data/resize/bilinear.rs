//! Bilinear without antialiasing, as `torch.nn.functional.interpolate` does it.

use super::{Picture, Target, Window};

/// Where an output pixel lies on one axis: between two input pixels.
///
/// ```text
/// scale = input / output (float32),  at(i) = max((i + ½)·scale − ½, 0)
/// first = ⌊at⌋,  second = min(first + 1, input − 1),  share = at − first
/// value = (1 − share)·x[first] + share·x[second]
/// ```
///
/// Source: PyTorch, `area_pixel_compute_source_index` and `compute_source_index_and_lambda`. `at`
/// is rounded once, as a fused multiply-add rounds it, which is how PyTorch is built.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Tap {
    first: usize,
    second: usize,
    share: f32,
}

impl Tap {
    fn new(i: usize, input: usize, output: usize) -> Self {
        let scale = input as f32 / output as f32;
        let at = ((i as f64 + 0.5) * f64::from(scale) - 0.5).max(0.0) as f32;
        let first = (at as usize).min(input - 1);
        let share = (at - first as f32).clamp(0.0, 1.0);
        Self { first, second: (first + 1).min(input - 1), share }
    }

    fn blend(self, first: f32, second: f32) -> f32 {
        first * (1.0 - self.share) + second * self.share
    }
}

/// Resizes a picture as `torch.nn.functional.interpolate(…, mode="bilinear", align_corners=False)`
/// does, in float32, writing the wanted rows and columns to `out`.
///
/// Neither the target's filter nor antialiasing plays a part. `out` is cleared first; `between`
/// holds the input rows that are needed, resized, and is only there to be used again. PyTorch adds
/// the two terms fused or not, by machine and size, so that its values and these differ in the last
/// bit (3e-5 of 255).
pub fn interpolate<I: Copy + Into<f32>>(
    picture: Picture<'_, I>,
    target: &Target,
    between: &mut Vec<f32>,
    out: &mut Vec<f32>,
) {
    let rows = taps(picture.height, target.size.0, &target.rows);
    let columns = taps(picture.width, target.size.1, &target.columns);
    let mut needed: Vec<_> = rows.iter().flat_map(|tap| [tap.first, tap.second]).collect();
    needed.sort_unstable();
    needed.dedup();
    between.clear();
    for &y in &needed {
        let stride = picture.width * picture.channels;
        let row = &picture.data[y * stride..][..stride];
        match picture.channels {
            1 => along::<1, I>(row, &columns, between),
            2 => along::<2, I>(row, &columns, between),
            3 => along::<3, I>(row, &columns, between),
            _ => along::<4, I>(row, &columns, between),
        }
    }
    out.clear();
    let stride = columns.len() * picture.channels;
    let line = |y| &between[needed.partition_point(|&row| row < y) * stride..][..stride];
    for tap in rows {
        let pairs = line(tap.first).iter().zip(line(tap.second));
        out.extend(pairs.map(|(&first, &second)| tap.blend(first, second)));
    }
}

fn taps(input: usize, output: usize, window: &Window) -> Vec<Tap> {
    window.clone().map(|i| Tap::new(i, input, output)).collect()
}

/// Appends one row, resized.
fn along<const C: usize, I: Copy + Into<f32>>(row: &[I], columns: &[Tap], out: &mut Vec<f32>) {
    let start = out.len();
    out.resize(start + columns.len() * C, 0.0);
    let pixels = row.as_chunks::<C>().0;
    for (pixel, tap) in out[start..].as_chunks_mut::<C>().0.iter_mut().zip(columns) {
        let (first, second) = (&pixels[tap.first], &pixels[tap.second]);
        *pixel = std::array::from_fn(|c| tap.blend(first[c].into(), second[c].into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_lie_between_half_pixel_centres() {
        let at = |i, input, output| {
            let Tap { first, second, share } = Tap::new(i, input, output);
            (first, second, share)
        };
        assert_eq!([0, 1, 2, 3].map(|i| at(i, 2, 4)).map(|tap| tap.2), [0.0, 0.25, 0.75, 0.25]);
        assert_eq!((at(0, 2, 4), at(3, 2, 4)), ((0, 1, 0.0), (1, 1, 0.25)));
        assert_eq!(at(1, 9, 3), (4, 5, 0.0));
        assert!((0..7).map(|i| at(i, 1, 7)).all(|tap| (tap.0, tap.1) == (0, 0)));
    }
}
