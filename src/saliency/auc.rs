//! The order in which pixels are taken away or shown, and the area under what a score does then.

use ndarray::ArrayView2;

use super::rank::descending;

/// Pixels of an H×W map by descending value, as indices in row-major order, from 0 to H·W − 1;
/// those of equal value in their order, NaN last.
pub fn order<T: Copy + Into<f64>>(map: ArrayView2<'_, T>) -> Vec<usize> {
    let values: Vec<f64> = map.iter().map(|&v| v.into()).collect();
    descending(&values)
}

/// Area by the trapezoid rule under a curve known at m equally spaced points from 0 to 1, both
/// included.
///
/// ```text
/// ∫₀¹ f ≈ [f₀/2 + f₁ + … + f₍ₘ₋₂₎ + f₍ₘ₋₁₎/2] / (m − 1)
/// ```
///
/// With the score of a class after each share of the pixels is taken away, or shown, these are the
/// deletion and insertion areas (Petsiuk, Das & Saenko 2018). `None` with fewer than 2 points.
pub fn trapezoid(values: &[f64]) -> Option<f64> {
    let steps = values.len().checked_sub(1).filter(|steps| *steps > 0)?;
    let sum: f64 = values.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).sum();
    Some(sum / steps as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use ndarray::array;

    #[test]
    fn pixels_fall_in_value() {
        let map = array![[1.0f32, -3.0, 2.0], [2.0, 0.0, f32::NAN]];
        assert_eq!(order(map.view()), [2, 3, 0, 4, 1, 5]);
        assert_eq!(order(map.t()), [1, 4, 0, 3, 2, 5]);
    }

    #[test]
    fn areas_of_lines_are_exact() {
        assert_eq!(trapezoid(&[1.0, 0.0]), Some(0.5));
        assert_eq!(trapezoid(&[0.25; 7]), Some(0.25));
        assert_eq!(trapezoid(&[0.0, 0.0, 1.0]), Some(0.25));
        assert_eq!(trapezoid(&[1.0]), None);
        assert_eq!(trapezoid(&[]), None);
    }

    #[test]
    fn a_parabola_is_off_by_a_sixth_of_the_step_squared() {
        let curve: Vec<f64> = (0..=10).map(|i| (f64::from(i) / 10.0).powi(2)).collect();
        let expected = 1.0 / 3.0 + 0.01 / 6.0;
        assert_relative_eq!(trapezoid(&curve).expect("defined"), expected, max_relative = 1e-12);
    }
}
