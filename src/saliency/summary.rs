//! What a saliency map says, in a few numbers.

use ndarray::ArrayView2;

use super::rank::top_tenth;

/// A map whose values differ by no more than this share of the largest of them is constant: float32
/// leaves such differences where a constant map is enlarged.
const FLAT: f64 = 1e-6;

/// A map m, H×W, in a few numbers; those that speak of its mass take |m|.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Share of Σ|m| in the tenth of the pixels, rounded up, where |m| is largest; of equal pixels
    /// the first. From 0.1 (about, an even map) to 1.
    pub mass_in_top: Option<f64>,
    /// Centre of mass of |m| as (row, column): (0, 0) is the upper left corner of the map, (1, 1)
    /// the lower right.
    pub centre: Option<(f64, f64)>,
    /// Entropy of |m|/Σ|m|: 0 where one pixel holds all, 1 where all hold the same. `None` also
    /// with a single pixel.
    pub entropy: Option<f64>,
    /// The lowest value; `None` without pixels, and where a value is not finite.
    pub min: Option<f64>,
    /// The highest value, likewise.
    pub max: Option<f64>,
    /// All values are zero (a class activation map with nothing positive is), one is not finite, or
    /// there is none. The map says nothing then, and has neither mass nor centre nor entropy.
    pub degenerate: bool,
    /// The values are not zero, but equal: none differs from another by more than 10⁻⁶ of the
    /// largest.
    pub constant: bool,
}

/// The summary of an H×W map.
///
/// With p = |m|/Σ|m| and rows i, columns j from 0:
///
/// ```text
/// mass    = Σ p over the ⌈HW/10⌉ pixels where it is largest
/// centre  = (Σ p·(i + ½)/H, Σ p·(j + ½)/W)
/// entropy = −Σ p ln p / ln(HW)
/// ```
pub fn summarise<T: Copy + Into<f64>>(map: ArrayView2<'_, T>) -> Summary {
    let values: Vec<f64> = map.iter().map(|&v| v.into()).collect();
    let range = Range::of(&values);
    let shares = range.as_ref().and_then(|range| shares(&values, range));
    let shares = shares.as_deref();
    Summary {
        mass_in_top: shares.map(|p| top_tenth(p).iter().map(|&i| p[i]).sum::<f64>().min(1.0)),
        centre: shares.map(|p| centre(p, map.dim())),
        entropy: shares.and_then(entropy),
        min: range.as_ref().map(|range| range.min),
        max: range.as_ref().map(|range| range.max),
        degenerate: shares.is_none(),
        constant: shares.is_some() && range.is_some_and(|range| range.is_flat()),
    }
}

/// The lowest and the highest of finite values.
pub(super) struct Range {
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Range {
    /// `None` without values, and where one is not finite.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let first = *values.first()?;
        let wider = |range: Self, v: &f64| {
            let finite = v.is_finite();
            finite.then(|| Self { min: range.min.min(*v), max: range.max.max(*v) })
        };
        values.iter().try_fold(Self { min: first, max: first }, wider)
    }

    /// Whether the values are equal, or zero, as near as float32 tells.
    pub(super) fn is_flat(&self) -> bool {
        self.max - self.min <= FLAT * self.largest()
    }

    /// The largest absolute value.
    fn largest(&self) -> f64 {
        self.min.abs().max(self.max.abs())
    }
}

/// |m|/Σ|m|; `None` where all is zero.
fn shares(values: &[f64], range: &Range) -> Option<Vec<f64>> {
    let largest = range.largest();
    if largest == 0.0 {
        return None;
    }
    let mut shares: Vec<f64> = values.iter().map(|v| v.abs() / largest).collect();
    let sum: f64 = shares.iter().sum();
    shares.iter_mut().for_each(|share| *share /= sum);
    Some(shares)
}

/// Centre of mass of shares in row-major order.
fn centre(shares: &[f64], (height, width): (usize, usize)) -> (f64, f64) {
    let (mut row, mut column) = (0.0, 0.0);
    for (i, line) in shares.chunks_exact(width).enumerate() {
        for (j, share) in line.iter().enumerate() {
            row += share * (i as f64 + 0.5);
            column += share * (j as f64 + 0.5);
        }
    }
    (row / height as f64, column / width as f64)
}

/// Entropy over its largest value.
fn entropy(shares: &[f64]) -> Option<f64> {
    let nats = 0.0 - shares.iter().filter(|p| **p > 0.0).map(|p| p * p.ln()).sum::<f64>();
    (shares.len() > 1).then(|| (nats / (shares.len() as f64).ln()).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    fn one_pixel(height: usize, width: usize, at: (usize, usize)) -> Array2<f32> {
        Array2::from_shape_fn((height, width), |pixel| if pixel == at { -3.0 } else { 0.0 })
    }

    #[test]
    fn one_pixel_holds_all() {
        let found = summarise(one_pixel(4, 5, (1, 4)).view());
        assert_eq!(found.mass_in_top, Some(1.0));
        assert_eq!(found.centre, Some((0.375, 0.9)));
        assert_eq!(found.entropy, Some(0.0));
        assert_eq!((found.min, found.max), (Some(-3.0), Some(0.0)));
        assert!(!found.degenerate && !found.constant);
    }

    #[test]
    fn an_even_map_is_constant() {
        let found = summarise(Array2::from_elem((5, 6), 0.3f32).view());
        assert_relative_eq!(found.mass_in_top.expect("defined"), 0.1, max_relative = 1e-12);
        let (row, column) = found.centre.expect("defined");
        assert_relative_eq!(row, 0.5, max_relative = 1e-12);
        assert_relative_eq!(column, 0.5, max_relative = 1e-12);
        assert_relative_eq!(found.entropy.expect("defined"), 1.0, max_relative = 1e-12);
        assert!(found.constant && !found.degenerate);
    }

    // p = [1, 2, 3, 4]/10; scipy.stats.entropy(p)/np.log(4),
    // scipy.ndimage.center_of_mass([[1, 2], [3, 4]]) = (0.7, 0.6)
    #[test]
    fn values_of_scipy() {
        let found = summarise(array![[1.0, -2.0], [3.0, -4.0]].view());
        assert_relative_eq!(found.mass_in_top.expect("defined"), 0.4, max_relative = 1e-12);
        let (row, column) = found.centre.expect("defined");
        assert_relative_eq!(row, (0.7 + 0.5) / 2.0, max_relative = 1e-12);
        assert_relative_eq!(column, (0.6 + 0.5) / 2.0, max_relative = 1e-12);
        assert_relative_eq!(
            found.entropy.expect("defined"),
            0.92321967233551,
            max_relative = 1e-12
        );
    }

    #[test]
    fn a_map_that_says_nothing_is_degenerate() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let found = summarise(array![[1.0, 2.0], [bad, 0.0]].view());
            assert!(found.degenerate && !found.constant);
            assert_eq!((found.min, found.max, found.centre), (None, None, None));
        }
        let zero = summarise(array![[0.0f32, -0.0]].view());
        assert!(zero.degenerate && !zero.constant);
        assert_eq!((zero.mass_in_top, zero.centre, zero.entropy), (None, None, None));
        assert_eq!(zero.max, Some(0.0));
        assert!(summarise(Array2::<f32>::zeros((0, 3)).view()).degenerate);
        assert!(summarise(Array2::<f32>::zeros((3, 0)).view()).degenerate);
    }

    #[test]
    fn what_float32_rounds_is_constant() {
        let map = array![[0.1f32, 0.1 + 3.0 * f32::EPSILON * 0.1], [0.1, 0.1]];
        assert!(summarise(map.view()).constant);
        assert!(!summarise(array![[0.1f32, 0.10001]].view()).constant);
        assert_eq!(summarise(array![[2.0]].view()).entropy, None);
        assert_eq!(summarise(array![[2.0]].view()).mass_in_top, Some(1.0));
    }

    #[test]
    fn the_largest_and_the_smallest_numbers_are_no_trouble() {
        for size in [f64::MAX, 1e-300, f64::MIN_POSITIVE] {
            let found = summarise(array![[size, 0.0], [size, 0.0]].view());
            assert_eq!(found.centre, Some((0.5, 0.25)));
            assert_eq!(found.mass_in_top, Some(0.5));
        }
    }

    proptest! {
        #[test]
        fn scale_and_sign_change_nothing(values in prop::collection::vec(-9..9i8, 12)) {
            let map: Vec<f64> = values.into_iter().map(f64::from).collect();
            let map = Array2::from_shape_vec((3, 4), map).expect("fits");
            let (found, scaled) = (summarise(map.view()), summarise((&map * -4.0).view()));
            prop_assert_eq!(found.mass_in_top, scaled.mass_in_top);
            prop_assert_eq!(found.centre, scaled.centre);
            prop_assert_eq!(found.entropy, scaled.entropy);
            prop_assert_eq!(found.degenerate, scaled.degenerate);
        }

        #[test]
        fn numbers_stay_in_their_range(values in prop::collection::vec(-9f64..9.0, 35)) {
            let found = summarise(Array2::from_shape_vec((5, 7), values).expect("fits").view());
            let (row, column) = found.centre.expect("defined");
            prop_assert!((0.1..=0.9).contains(&row) && (0.0..=1.0).contains(&column));
            prop_assert!((4.0 / 35.0 - 1e-12..=1.0).contains(&found.mass_in_top.expect("defined")));
            prop_assert!((0.0..=1.0).contains(&found.entropy.expect("defined")));
        }
    }
}
