//! How far two saliency maps agree.

use ndarray::{Array2, ArrayView2};

use super::rank::{cosine, ranks, standardised, top_tenth};
use super::ssim::Windows;
use super::summary::Range;
use crate::error::{Error, Result};

/// How far two maps agree; 1 is the same in all four. `None` where a map is constant or degenerate
/// (see [`Summary`](super::summary::Summary)).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Agreement {
    /// Pearson's correlation over the pixels.
    pub pearson: Option<f64>,
    /// Spearman's rank correlation over the pixels.
    pub spearman: Option<f64>,
    /// Structural similarity of the maps scaled from 0 to 1 each; `None` also below 11×11 pixels.
    pub ssim: Option<f64>,
    /// |A∩B| / |A∪B| of the tenth of the pixels, rounded up, with the highest values. By chance
    /// about 0.05.
    pub overlap: Option<f64>,
}

/// How far two H×W maps agree. Signed maps are compared as they are.
///
/// With one map in many pairs, [`Compared`] computes once what is its own.
///
/// # Errors
/// The shapes differ.
pub fn agreement<A, B>(a: ArrayView2<'_, A>, b: ArrayView2<'_, B>) -> Result<Agreement>
where
    A: Copy + Into<f64>,
    B: Copy + Into<f64>,
{
    Compared::of(a).with(&Compared::of(b))
}

/// A map made ready to be compared with others.
///
/// It holds six numbers a pixel: the values and their ranks, each less the mean and at length 1,
/// the pixels of the top tenth, and what structural similarity needs.
#[derive(Debug, Clone)]
pub struct Compared {
    shape: [usize; 2],
    /// `None` where the map is constant or degenerate.
    sides: Option<Sides>,
}

#[derive(Debug, Clone)]
struct Sides {
    values: Vec<f64>,
    ranks: Vec<f64>,
    top: Vec<usize>,
    windows: Option<Windows>,
}

impl Compared {
    /// Of an H×W map.
    pub fn of<T: Copy + Into<f64>>(map: ArrayView2<'_, T>) -> Self {
        let map = Array2::from_shape_fn(map.dim(), |pixel| map[pixel].into());
        Self { shape: [map.nrows(), map.ncols()], sides: Sides::of(&map) }
    }

    /// Whether the map is constant or degenerate: it agrees with none.
    pub fn is_flat(&self) -> bool {
        self.sides.is_none()
    }

    /// How far the two agree.
    ///
    /// # Errors
    /// The shapes differ.
    pub fn with(&self, other: &Self) -> Result<Agreement> {
        if self.shape != other.shape {
            return Err(Error::shape(
                "compare maps",
                ("the first map", &self.shape),
                ("the second map", &other.shape),
                "bring both to one size",
            ));
        }
        let both = self.sides.as_ref().zip(other.sides.as_ref());
        Ok(both.map_or_else(Agreement::default, |(a, b)| a.with(b)))
    }
}

impl Sides {
    fn of(map: &Array2<f64>) -> Option<Self> {
        let values = map.iter().copied().collect::<Vec<f64>>();
        let range = Range::of(&values).filter(|range| !range.is_flat())?;
        let width = range.max - range.min;
        Some(Self {
            ranks: standardised(&ranks(&values))?,
            top: top_tenth(&values),
            values: standardised(&values)?,
            windows: Windows::of(map.mapv(|v| (v - range.min) / width)),
        })
    }

    fn with(&self, other: &Self) -> Agreement {
        let windows = self.windows.as_ref().zip(other.windows.as_ref());
        Agreement {
            pearson: Some(cosine(&self.values, &other.values)),
            spearman: Some(cosine(&self.ranks, &other.ranks)),
            ssim: windows.map(|(a, b)| a.similarity(b)),
            overlap: Some(overlap(&self.top, &other.top)),
        }
    }
}

/// |A∩B| / |A∪B| of ascending indices.
fn overlap(a: &[usize], b: &[usize]) -> f64 {
    let both = a.iter().filter(|i| b.binary_search(i).is_ok()).count();
    both as f64 / (a.len() + b.len() - both) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use ndarray::array;
    use proptest::prelude::*;

    fn waves(height: usize, width: usize) -> [Array2<f64>; 2] {
        [(7, 13, 31, 0.0), (3, 11, 29, 10.0)].map(|(p, q, modulus, shift)| {
            Array2::from_shape_fn((height, width), |(i, j)| {
                ((i * i * p + j * q + i * j * 5) % modulus) as f64 - shift
            })
        })
    }

    // i, j = np.indices((16, 20))
    // a, b = (i*i*7 + j*13 + i*j*5) % 31, (i*i*3 + j*11 + i*j*5) % 29 - 10
    // scipy.stats.pearsonr(a.ravel(), b.ravel()), spearmanr likewise (scipy 1.17.1);
    // s = lambda m: (m - m.min()) / (m.max() - m.min())
    // skimage.metrics.structural_similarity(s(a), s(b), gaussian_weights=True, sigma=1.5,
    //     use_sample_covariance=False, data_range=1)     (scikit-image 0.26.0)
    // top = lambda m: set(np.argsort(-m.ravel(), kind="stable")[:32])
    // len(top(a) & top(b)) / len(top(a) | top(b))
    #[test]
    fn values_of_scipy_and_scikit_image() {
        let [a, b] = waves(16, 20);
        let found = agreement(a.view(), b.view()).expect("equal shapes");
        assert_relative_eq!(
            found.pearson.expect("defined"),
            0.02834436476616,
            max_relative = 1e-10
        );
        assert_relative_eq!(
            found.spearman.expect("defined"),
            0.02674841942626,
            max_relative = 1e-10
        );
        assert_relative_eq!(found.ssim.expect("defined"), -0.01962657436786, max_relative = 1e-10);
        assert_relative_eq!(
            found.overlap.expect("defined"),
            0.03225806451613,
            max_relative = 1e-10
        );
    }

    #[test]
    fn float32_and_float64_may_be_compared() {
        let [a, _] = waves(16, 20);
        let found = agreement(a.mapv(|v| v as f32).view(), a.view()).expect("equal shapes");
        for value in [found.pearson, found.spearman, found.ssim, found.overlap] {
            assert_relative_eq!(value.expect("defined"), 1.0, max_relative = 1e-12);
        }
    }

    #[test]
    fn maps_that_say_nothing_agree_with_none() {
        let map = waves(16, 20)[0].clone();
        for flat in [0.0, 0.3, f64::NAN] {
            let flat = Array2::from_elem((16, 20), flat);
            assert_eq!(
                agreement(map.view(), flat.view()).expect("equal shapes"),
                Agreement::default()
            );
            assert_eq!(
                agreement(flat.view(), flat.view()).expect("equal shapes"),
                Agreement::default()
            );
        }
        let empty = Array2::<f32>::zeros((0, 0));
        assert_eq!(
            agreement(empty.view(), empty.view()).expect("equal shapes"),
            Agreement::default()
        );
    }

    #[test]
    fn small_maps_have_no_structural_similarity() {
        let [a, b] = waves(10, 20);
        let found = agreement(a.view(), b.view()).expect("equal shapes");
        assert!(found.ssim.is_none() && found.pearson.is_some() && found.overlap.is_some());
    }

    #[test]
    fn signs_count() {
        let (a, b) = (array![[1.0, -2.0], [3.0, 0.0]], array![[-1.0, 2.0], [-3.0, 0.0]]);
        let found = agreement(a.view(), b.view()).expect("equal shapes");
        assert_relative_eq!(found.pearson.expect("defined"), -1.0, max_relative = 1e-12);
        assert_relative_eq!(found.spearman.expect("defined"), -1.0, max_relative = 1e-12);
        assert_eq!(found.overlap, Some(0.0));
    }

    #[test]
    fn shapes_must_be_equal() {
        let (a, b) = (Array2::<f32>::zeros((2, 3)), Array2::<f32>::zeros((3, 2)));
        let message = agreement(a.view(), b.view()).expect_err("shapes differ").to_string();
        assert_eq!(
            message,
            "failed to compare maps: the first map has shape [2, 3] but the second map has [3, 2]; \
             bring both to one size"
        );
    }

    #[test]
    fn overlaps_are_shares_of_the_union() {
        assert_eq!(overlap(&[1, 2, 3], &[2, 3, 4]), 0.5);
        assert_eq!(overlap(&[1], &[2]), 0.0);
        assert_eq!(overlap(&[1, 2], &[1, 2]), 1.0);
    }

    proptest! {
        #[test]
        fn scale_and_shift_change_nothing(
            a in prop::collection::vec(-9..9i8, 12 * 11),
            b in prop::collection::vec(-9..9i8, 12 * 11),
        ) {
            let of = |values: Vec<i8>| {
                let values = values.into_iter().map(f64::from).collect();
                Array2::from_shape_vec((12, 11), values).expect("fits")
            };
            let (a, b) = (of(a), of(b));
            let moved = a.mapv(|v| v * 4.0 + 64.0);
            let found = agreement(a.view(), b.view()).expect("equal shapes");
            let other = agreement(b.view(), moved.view()).expect("equal shapes");
            let pairs = [
                (found.pearson, other.pearson),
                (found.spearman, other.spearman),
                (found.ssim, other.ssim),
                (found.overlap, other.overlap),
            ];
            for (x, y) in pairs {
                assert_relative_eq!(x.expect("defined"), y.expect("defined"), epsilon = 1e-12);
            }
        }
    }
}
