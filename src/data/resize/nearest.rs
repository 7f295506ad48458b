//! Nearest neighbour: a table of positions for each axis.

use super::passes::Part;
use super::{Interpolation, Target, Window};

/// The input rows and columns a nearest-neighbour resize picks; `None` for other filters.
pub(super) fn positions(
    (height, width): (usize, usize),
    target: &Target,
) -> Option<(Vec<usize>, Vec<usize>)> {
    (target.interpolation == Interpolation::Nearest).then(|| {
        let rows = table(height, target.size.0, &target.rows);
        (rows, table(width, target.size.1, &target.columns))
    })
}

/// Positions along one axis, by repeated addition as Pillow's `ImagingScaleAffine` has it.
fn table(input: usize, output: usize, window: &Window) -> Vec<usize> {
    let step = input as f64 / output as f64;
    let mut at = step * 0.5;
    let mut all = Vec::with_capacity(output);
    for _ in 0..output {
        all.push((at as usize).min(input - 1));
        at += step;
    }
    all[window.clone()].to_vec()
}

/// Copies the pixels at the given rows and columns.
pub(super) fn pick<I: Copy, O: From<I>>(
    part: &Part<'_, I>,
    rows: &[usize],
    columns: &[usize],
    out: &mut Vec<O>,
) {
    for &y in rows {
        for &x in columns {
            out.extend(part.row(y, &(x..x + 1)).iter().map(|&value| O::from(value)));
        }
    }
}
