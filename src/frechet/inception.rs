//! The Inception Score.

use ndarray::{Array2, ArrayView1, Axis, s};

use super::numpy_order::permutation;

/// Seed of the order in which samples are split: that of torch-fidelity.
const SEED: u32 = 2020;

/// How samples are split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Parts of the samples, 1 or more.
    pub splits: usize,
    /// Whether samples are shuffled before; else parts are taken in the order of the samples.
    pub shuffle: bool,
}

impl Default for Settings {
    /// 10 parts of shuffled samples, as in torch-fidelity.
    fn default() -> Self {
        Self { splits: 10, shuffle: true }
    }
}

/// What a classifier gave for each sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Outputs {
    /// N×K: a row a sample.
    pub rows: Array2<f64>,
    /// Whether they are probabilities, of which no softmax is taken.
    pub are_probabilities: bool,
}

/// Mean and spread of the score over the splits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Inception {
    /// From 1 (every sample has the same prediction, or none is certain) to K.
    pub mean: f64,
    /// Standard deviation over the splits, with divisor n as in torch-fidelity; `None` of a single one.
    pub std: Option<f64>,
}

/// The Inception Score (Salimans et al. 2016), as torch-fidelity computes it: with p(y|x) the probabilities of
/// K classes for a sample, and p(y) their mean over the samples of a split,
///
/// ```text
/// IS = exp( mean over x of  Σ_y p(y|x)·(ln p(y|x) − ln p(y)) )
/// ```
///
/// of each split, of which mean and standard deviation are given. With N samples split i goes from ⌊iN/S⌋ to
/// ⌊(i+1)N/S⌋. Shuffled, the order is that of `numpy.random.RandomState(2020).permutation(N)`.
///
/// # Errors
/// Fewer than two classes, fewer than two samples a split, or outputs that are not finite.
pub fn inception(outputs: &Outputs, settings: Settings) -> Result<Inception, String> {
    let (n, classes) = outputs.rows.dim();
    let Settings { splits, shuffle } = settings;
    if classes < 2 {
        return Err(format!(
            "the model gives {classes} number a sample, and it needs 2 classes or more"
        ));
    }
    if splits < 1 || n < 2 * splits {
        return Err(format!(
            "{n} samples cannot be split into {splits} parts of 2 or more, and the score of one sample is 1 (--isc-splits)"
        ));
    }
    if outputs.rows.iter().any(|v| !v.is_finite()) {
        return Err("the model's output is NaN or infinite for a sample".to_owned());
    }
    let mut logarithms = outputs.rows.clone();
    logarithms.rows_mut().into_iter().for_each(|mut row| {
        let shift = if outputs.are_probabilities { 0.0 } else { log_of_sum(row.view()) };
        row.mapv_inplace(|v| if outputs.are_probabilities { v.max(0.0).ln() } else { v - shift });
    });
    if shuffle {
        logarithms = logarithms.select(Axis(0), &permutation(SEED, n));
    }
    let part = |i: usize| logarithms.slice(s![i * n / splits..(i + 1) * n / splits, ..]).to_owned();
    let scores: Vec<f64> = (0..splits).map(|i| score(&part(i))).collect();
    let count = splits as f64;
    let mean = scores.iter().sum::<f64>() / count;
    let variance = scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / count;
    Ok(Inception { mean, std: (splits > 1).then(|| variance.sqrt()) })
}

/// The score of one split, of the logarithms of probabilities.
fn score(logarithms: &Array2<f64>) -> f64 {
    let probabilities = logarithms.mapv(f64::exp);
    let marginal = probabilities.mean_axis(Axis(0)).unwrap_or_default().mapv(f64::ln);
    let mut total = 0.0;
    for (p, log_p) in probabilities.rows().into_iter().zip(logarithms.rows()) {
        let terms = p.iter().zip(log_p).zip(&marginal);
        total += terms.filter(|((p, _), _)| **p > 0.0).map(|((p, l), m)| p * (l - m)).sum::<f64>();
    }
    (total / logarithms.nrows() as f64).exp()
}

/// ln Σ exp v.
fn log_of_sum(row: ArrayView1<'_, f64>) -> f64 {
    let most = row.fold(f64::NEG_INFINITY, |most, v| most.max(*v));
    most + row.iter().map(|v| (v - most).exp()).sum::<f64>().ln()
}
