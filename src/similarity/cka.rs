//! Centred kernel alignment (Kornblith et al. 2019).

use ndarray::Array2;

use super::hsic::Bias;
use crate::stats::HsicTable;

/// The scatter of a layer relative to the squared norm of its mean, below which float32 features
/// cannot be distinguished from constant ones: a relative deviation of 10⁻⁶.
pub const CONSTANT: f64 = 1e-12;

/// The same for float64 features: a relative deviation of 10⁻¹³, of which float64 still holds some
/// three digits.
pub const CONSTANT_DOUBLE: f64 = 1e-26;

/// The same for float16 features: the most that rounding them once gives, 2⁻¹¹ of each number.
pub const CONSTANT_HALF: f64 = 1.0 / (1 << 22) as f64;

/// The same for bfloat16 features: 2⁻⁸ of each number.
pub const CONSTANT_BFLOAT16: f64 = 1.0 / (1 << 16) as f64;

/// CKA of every layer of A with every layer of B,
///
/// ```text
/// CKA(a, b) = HSIC(a, b) / √(HSIC(a, a) · HSIC(b, b))
/// ```
///
/// `None` where a layer is not usable. With unbiased HSIC the value can leave 0…1 by chance: below
/// 0 for unrelated layers, above 1 in small minibatches.
pub fn matrix(table: &HsicTable, usable_a: &[bool], usable_b: &[bool]) -> Array2<Option<f64>> {
    Array2::from_shape_fn(table.ab.dim(), |(i, j)| {
        let scale = table.aa[i].sqrt() * table.bb[j].sqrt();
        let usable = usable_a[i] && usable_b[j] && scale > 0.0 && scale.is_finite();
        usable.then(|| table.ab[(i, j)] / scale).filter(|v| v.is_finite())
    })
}

/// About what biased CKA gives for independent Gaussian features: D/(n+D) for layers of equal
/// width, √(D₁D₂/((n+D₁)(n+D₂))) otherwise. Zero for the unbiased estimator.
pub fn expected_of_noise(n: usize, widths: (usize, usize), bias: Bias) -> f64 {
    let share = |d: usize| d as f64 / (n as f64 + d as f64);
    match bias {
        Bias::Unbiased => 0.0,
        Bias::Biased => (share(widths.0) * share(widths.1)).sqrt(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn unusable_layers_have_no_value() {
        let table = HsicTable { ab: array![[2.0, 1.0]], aa: array![4.0], bb: array![1.0, 1.0] };
        assert_eq!(matrix(&table, &[true], &[true, false]), array![[Some(1.0), None]]);
    }

    #[test]
    fn noise_looks_alike_where_samples_are_few() {
        assert!((expected_of_noise(32, (512, 512), Bias::Biased) - 0.941).abs() < 1e-3);
        assert_eq!(expected_of_noise(32, (512, 512), Bias::Unbiased), 0.0);
    }
}
