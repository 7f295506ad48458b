//! Structural similarity of two maps.

use ndarray::{Array1, Array2, ArrayView2, Axis, Slice, Zip};

/// Pixels of the window's half, beside its centre: 3.5 σ, rounded.
const RADIUS: usize = 5;

/// σ of the Gaussian window, in pixels.
const SIGMA: f64 = 1.5;

/// (K₁L)² and (K₂L)², with the range of the values L = 1.
const C1: f64 = 0.01 * 0.01;
const C2: f64 = 0.03 * 0.03;

/// A map and its weighted means, which serve any number of comparisons.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    map: Array2<f64>,
    mean: Array2<f64>,
    variance: Array2<f64>,
}

impl Windows {
    /// Of an H×W map with values from 0 to 1; `None` where H or W is below 11, the width of the
    /// window.
    pub fn of(map: Array2<f64>) -> Option<Self> {
        let widest = 2 * RADIUS + 1;
        if map.nrows() < widest || map.ncols() < widest {
            return None;
        }
        let mean = blur(map.view());
        let variance = blur(map.mapv(|v| v * v).view()) - mean.mapv(|v| v * v);
        Some(Self { map, mean, variance })
    }

    /// The mean structural similarity (Wang, Bovik, Sheikh & Simoncelli 2004), from −1 to 1, over
    /// all windows that lie inside the maps. With the means, variances and covariance under a
    /// Gaussian window of 11×11 pixels, σ = 1.5, and C₁ = 0.01², C₂ = 0.03²:
    ///
    /// ```text
    /// SSIM = (2 μx μy + C₁)(2 σxy + C₂) / ((μx² + μy² + C₁)(σx² + σy² + C₂))
    /// ```
    ///
    /// As scikit-image's `structural_similarity` with `gaussian_weights=True, sigma=1.5,
    /// use_sample_covariance=False, data_range=1`: it reflects the maps at their borders, but
    /// leaves out of the mean all windows that reach beyond.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn similarity(&self, other: &Self) -> f64 {
        let covariance = blur((&self.map * &other.map).view()) - &self.mean * &other.mean;
        let mut sum = 0.0;
        Zip::from(&self.mean)
            .and(&other.mean)
            .and(&self.variance)
            .and(&other.variance)
            .and(&covariance)
            .for_each(|x, y, xx, yy, xy| {
                let means = (2.0 * x * y + C1) / (x * x + y * y + C1);
                sum += means * (2.0 * xy + C2) / (xx + yy + C2);
            });
        sum / covariance.len() as f64
    }
}

/// The Gaussian mean around each pixel whose window lies inside the map, (H−10)×(W−10).
fn blur(map: ArrayView2<'_, f64>) -> Array2<f64> {
    let window = window();
    let lines = blur_along(map, Axis(0), &window);
    blur_along(lines.view(), Axis(1), &window)
}

fn blur_along(map: ArrayView2<'_, f64>, axis: Axis, window: &Array1<f64>) -> Array2<f64> {
    let count = map.len_of(axis) - 2 * RADIUS;
    let shifted = |from: usize| map.slice_axis(axis, Slice::from(from..from + count));
    let mut sum = &shifted(0) * window[0];
    for (from, weight) in window.iter().enumerate().skip(1) {
        sum.scaled_add(*weight, &shifted(from));
    }
    sum
}

/// The window along one axis, with sum 1.
fn window() -> Array1<f64> {
    let weight = |i: usize| (i as f64 - RADIUS as f64).powi(2) / (-2.0 * SIGMA * SIGMA);
    let window = Array1::from_shape_fn(2 * RADIUS + 1, |i| weight(i).exp());
    &window / window.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    fn waves(height: usize, width: usize, i0: usize, j0: usize) -> Array2<f64> {
        Array2::from_shape_fn((height, width), |(i, j)| {
            ((i * i * i0 + j * j0 + i * j * 5) % 31) as f64 / 30.0
        })
    }

    fn similarity(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
        let windows = |map: &Array2<f64>| Windows::of(map.clone()).expect("large enough");
        windows(a).similarity(&windows(b))
    }

    #[test]
    fn a_map_is_like_itself() {
        let map = waves(13, 17, 7, 13);
        assert_relative_eq!(similarity(&map, &map), 1.0, max_relative = 1e-12);
    }

    // i, j = np.indices((h, w)); f = lambda p, q: (i*i*p + j*q + i*j*5) % 31 / 30
    // skimage.metrics.structural_similarity(f(7, 13), f(3, 11), gaussian_weights=True, sigma=1.5,
    //     use_sample_covariance=False, data_range=1)     (scikit-image 0.26.0)
    #[test]
    fn values_of_scikit_image() {
        for (height, width, expected) in
            [(11, 11, -0.04397196015462), (16, 20, 0.03705776842963), (40, 12, -0.16470796519393)]
        {
            let (a, b) = (waves(height, width, 7, 13), waves(height, width, 3, 11));
            assert_relative_eq!(similarity(&a, &b), expected, max_relative = 1e-10);
        }
        let a = waves(32, 32, 7, 13);
        let b = a.mapv(f64::sqrt);
        assert_relative_eq!(similarity(&a, &b), 0.92447559848555, max_relative = 1e-10);
    }

    #[test]
    fn flat_maps_differ_by_their_means() {
        let (a, b) = (Array2::from_elem((12, 12), 0.2), Array2::from_elem((12, 12), 0.8));
        let expected = (2.0 * 0.16 + C1) / (0.04 + 0.64 + C1);
        assert_relative_eq!(similarity(&a, &b), expected, max_relative = 1e-10);
    }

    #[test]
    fn a_map_below_the_window_has_none() {
        assert!(Windows::of(Array2::zeros((10, 30))).is_none());
        assert!(Windows::of(Array2::zeros((30, 10))).is_none());
        assert!(Windows::of(Array2::zeros((0, 0))).is_none());
    }

    proptest! {
        #[test]
        fn either_may_come_first_and_both_may_be_turned(
            a in prop::collection::vec(0f64..1.0, 14 * 12),
            b in prop::collection::vec(0f64..1.0, 14 * 12),
        ) {
            let of = |values| Array2::from_shape_vec((14, 12), values).expect("fits");
            let (a, b) = (of(a), of(b));
            let found = similarity(&a, &b);
            prop_assert!((-1.0..=1.0).contains(&found));
            assert_relative_eq!(found, similarity(&b, &a), epsilon = 1e-12);
            let turned = |m: &Array2<f64>| m.t().as_standard_layout().into_owned();
            assert_relative_eq!(found, similarity(&turned(&a), &turned(&b)), epsilon = 1e-12);
        }
    }
}
