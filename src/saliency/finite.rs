//! The derivative from its definition, (S(x + h·d) − S(x)) / h, beside the one of autograd.

use tch::{Kind, Tensor};

use super::focus::Network;
use super::target::Classes;
use crate::error::{Error, Result};

/// A part of an image that is changed as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patch {
    /// Its first row.
    pub row: usize,
    /// Its first column.
    pub column: usize,
    /// Its side: 1 for a pixel.
    pub side: usize,
}

/// The quotient at one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// h, in what the network takes.
    pub h: f64,
    /// (S(x + h·d) − S(x)) / h.
    pub quotient: f64,
    /// Its distance from autograd's derivative, relative to that, where that is not zero.
    pub relative_error: Option<f64>,
}

/// What was found of one patch of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The patch.
    pub patch: Patch,
    /// The derivative along d: the sum of ∂S/∂x over the pixels and channels of the patch.
    pub autograd: f64,
    /// One for each h, falling.
    pub steps: Vec<Step>,
    /// The h at which the quotient comes closest; below it rounding takes over.
    pub best: f64,
}

/// The steps taken: 10⁻¹ to 10⁻⁶.
pub const STEPS: [f64; 6] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6];

/// The quotients for one image (1×C×H×W) and its gradient: d is 1 on the patch, in every channel,
/// and 0 elsewhere. `size` images go through the network at a time.
///
/// # Errors
/// A patch lies outside the image, or the model does not run.
pub fn series(
    model: &mut dyn Network,
    input: &Tensor,
    gradient: &Tensor,
    (classes, patch): (&Classes, Patch),
    size: usize,
) -> Result<Series> {
    check(input, patch)?;
    let of = |t: &Tensor| {
        let side = patch.side as i64;
        t.narrow(-2, patch.row as i64, side).narrow(-1, patch.column as i64, side)
    };
    let autograd = of(gradient).sum(Kind::Double).double_value(&[]);
    let count = STEPS.len() + 1;
    let batch = input.repeat([count as i64, 1, 1, 1]);
    for (i, h) in STEPS.iter().enumerate() {
        let mut part = of(&batch.get(i as i64 + 1));
        part += *h;
    }
    let fixed = Classes { classes: vec![classes.classes[0]; count], against: classes.against };
    let parts = batch.split(size.max(1) as i64, 0);
    let logits = parts.iter().map(|part| model.logits(part)).collect::<Result<Vec<_>>>()?;
    let scores = fixed.scores(&Tensor::cat(&logits, 0))?.to_kind(Kind::Double);
    let score = |i: usize| scores.double_value(&[i as i64]);
    let steps: Vec<Step> = STEPS
        .iter()
        .enumerate()
        .map(|(i, &h)| step(h, (score(i + 1) - score(0)) / h, autograd))
        .collect();
    let off = |s: &Step| (s.quotient - autograd).abs();
    let best = steps.iter().min_by(|a, b| off(a).total_cmp(&off(b))).map_or(f64::NAN, |s| s.h);
    Ok(Series { patch, autograd, steps, best })
}

/// The pixels where a gradient (1×C×H×W) is largest in absolute value, summed over channels.
pub fn largest(gradient: &Tensor, count: usize) -> Vec<Patch> {
    let size = gradient.size();
    let width = size[size.len() - 1];
    let flat = gradient.sum_dim_intlist([1i64].as_slice(), false, Kind::Double).abs().reshape([-1]);
    let (_, places) = flat.topk((count as i64).min(flat.numel() as i64), 0, true, true);
    let places: Vec<i64> = Vec::try_from(places).unwrap_or_default();
    let patch = |place: i64| Patch {
        row: (place / width) as usize,
        column: (place % width) as usize,
        side: 1,
    };
    places.into_iter().map(patch).collect()
}

fn step(h: f64, quotient: f64, autograd: f64) -> Step {
    let error = (quotient - autograd).abs() / autograd.abs();
    Step { h, quotient, relative_error: Some(error).filter(|e| e.is_finite()) }
}

fn check(input: &Tensor, patch: Patch) -> Result<()> {
    let shape = input.size();
    let (height, width) = (shape[shape.len() - 2] as usize, shape[shape.len() - 1] as usize);
    if patch.side == 0 || patch.row + patch.side > height || patch.column + patch.side > width {
        let Patch { row, column, side } = patch;
        return Err(Error::usage(
            format!("the patch {row},{column} of side {side} lies outside the image"),
            format!("give rows below {height} and columns below {width}"),
        ));
    }
    Ok(())
}
