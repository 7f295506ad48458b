//! Features of mean 0 and variance 1.

use ndarray::{Array1, Array2, ArrayView2, Axis};

/// What is subtracted from features and what they are divided by, taken from the samples that a probe is fitted on.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaling {
    mean: Array1<f64>,
    scale: Array1<f64>,
}

impl Scaling {
    /// Mean and standard deviation of each column of n×D features, with divisor n, as scikit-learn's
    /// `StandardScaler`; a column that is constant except for rounding is divided by 1:
    ///
    /// ```text
    /// σ² ≤ n·ε·σ² + (n·ε·μ)²
    /// ```
    pub fn of(rows: ArrayView2<'_, f64>) -> Self {
        let n = rows.nrows().max(1) as f64;
        let mean = rows.sum_axis(Axis(0)) / n;
        let mut variance = Array1::zeros(rows.ncols());
        for row in rows.rows() {
            let centred = &row - &mean;
            variance += &(&centred * &centred);
        }
        variance /= n;
        let scale = variance.iter().zip(&mean).map(|(&variance, &mean): (&f64, &f64)| {
            let rounding = n * f64::EPSILON * variance + (n * f64::EPSILON * mean).powi(2);
            if variance <= rounding { 1.0 } else { variance.sqrt() }
        });
        Self { scale: scale.collect(), mean }
    }

    /// The features with mean and deviation taken out.
    ///
    /// # Panics
    /// If the features are of another width.
    pub fn apply(&self, rows: ArrayView2<'_, f64>) -> Array2<f64> {
        (&rows - &self.mean) / &self.scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use ndarray::array;

    #[test]
    fn columns_have_variance_one_and_constants_stay_constant() {
        let rows = array![[1.0, 0.1], [3.0, 0.1], [5.0, 0.1]];
        let scaled = Scaling::of(rows.view()).apply(rows.view());
        let end = 1.5f64.sqrt();
        let expected = array![[-end, 0.0], [0.0, 0.0], [end, 0.0]];
        assert_abs_diff_eq!(scaled, expected, epsilon = 1e-15);
        assert_eq!(Scaling::of(rows.view()).apply(array![[3.0, 2.1]].view())[(0, 1)].round(), 2.0);
    }
}
