//! How well predictions meet what they are of.

/// How often samples of each class (row) are predicted as each (column); samples without a prediction do not count.
pub fn confusion(truth: &[usize], predicted: &[Option<usize>], classes: usize) -> Vec<Vec<usize>> {
    let mut counts = vec![vec![0; classes]; classes];
    for (&truth, predicted) in truth.iter().zip(predicted) {
        if let Some(predicted) = predicted {
            counts[truth][*predicted] += 1;
        }
    }
    counts
}

/// The coefficient of determination over the samples with a prediction:
///
/// ```text
/// R² = 1 − Σ(y − ŷ)² / Σ(y − ȳ)²
/// ```
///
/// 1 at best, 0 for the mean of what is predicted, and as negative as predictions are far off. `None` where all y are
/// equal, or without any.
pub fn r2(truth: &[f64], predicted: &[Option<f64>]) -> Option<f64> {
    let known: Vec<(f64, f64)> =
        truth.iter().zip(predicted).filter_map(|(&y, p)| Some((y, (*p)?))).collect();
    let mean = known.iter().map(|(y, _)| y).sum::<f64>() / known.len() as f64;
    let total: f64 = known.iter().map(|(y, _)| (y - mean).powi(2)).sum();
    let left: f64 = known.iter().map(|(y, p)| (y - p).powi(2)).sum();
    let first = known.first()?.0;
    let varies = known.iter().any(|(y, _)| *y != first);
    (varies && total > 0.0).then(|| 1.0 - left / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_what_varies() {
        // sklearn.metrics.r2_score([3, -0.5, 2, 7], [2.5, 0.0, 2, 8])
        let found = r2(&[3.0, -0.5, 2.0, 7.0], &[2.5, 0.0, 2.0, 8.0].map(Some));
        assert!((found.unwrap_or(0.0) - 0.948_608_137_044_967_9).abs() < 1e-15);
        assert_eq!(r2(&[1.0, 1.0], &[Some(1.0), Some(2.0)]), None);
        assert_eq!(r2(&[1.0, 2.0], &[None, None]), None);
        let counts = confusion(&[0, 0, 1], &[Some(1), None, Some(1)], 2);
        assert_eq!(counts, [[0, 1], [0, 1]]);
    }
}
