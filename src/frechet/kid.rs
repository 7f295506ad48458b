//! The kernel Inception distance.

use std::borrow::Cow;
use std::sync::OnceLock;

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::error::{Error, Result};
use crate::linalg::distances::row_blocks;

/// Least width that blocks of a symmetric kernel are cut for, which leaves them at most 256 rows:
/// the lower they are, the less of the upper triangle is computed in vain.
const LEAST_WIDTH: usize = 1 << 14;

/// How many random subsets the distance is averaged over, and their size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Number of subsets, 1 or more.
    pub subsets: usize,
    /// Rows of each side in a subset, 2 or more; where a side has fewer, all of its rows.
    pub subset_size: usize,
    /// Seed of the random choice.
    pub seed: u64,
}

impl Default for Settings {
    /// 100 subsets of 1000, as in torch-fidelity.
    fn default() -> Self {
        Self { subsets: 100, subset_size: 1000, seed: 0 }
    }
}

/// Mean and spread of the squared maximum mean discrepancy over the subsets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kid {
    /// The distance. It is unbiased, so it may be negative.
    pub mean: f64,
    /// Standard deviation over the subsets, with divisor n as in torch-fidelity; `None` where it would
    /// say nothing: there is one subset, or each of them has all rows of both sides.
    pub std: Option<f64>,
    /// Number of subsets.
    pub subsets: usize,
    /// Rows of each side in a subset: the size asked for, or all rows of the smaller side.
    pub subset_size: usize,
}

/// The reference's side of the kernel Inception distance (Bińkowski et al. 2018), which serves any
/// number of candidates.
///
/// With m random rows of each side, D columns wide:
///
/// ```text
/// k(x, y) = (x·y/D + 1)³
/// MMD²    = [Σ_{i≠j} k(xᵢ, xⱼ) + Σ_{i≠j} k(yᵢ, yⱼ)] / (m(m−1)) − 2 Σᵢⱼ k(xᵢ, yⱼ) / m²
/// ```
///
/// The distance is the mean of MMD² over the subsets. Each subset is a part of the rows without
/// repetition, chosen by a partial Fisher–Yates shuffle with a ChaCha8 stream of its own, one for
/// each side: what is drawn of one side depends on the seed, the number of its rows and m alone.
/// The sums within the reference's subsets are kept from one candidate to the next.
///
/// Where the subsets cover pairs of rows many times over, every pair is computed once: with K the
/// whole kernel matrix, in blocks of rows, and Z, Y the members of the subsets as columns of 0 and
/// 1, the sums of all subsets are the column sums of Z ∘ KY. Otherwise a subset takes a product of
/// its own. Memory beyond the rows is a block of about 32 MiB, with Z and Y or one subset's rows.
#[derive(Debug)]
pub struct Reference<'a> {
    rows: ArrayView2<'a, f64>,
    settings: Settings,
    within: OnceLock<Array1<f64>>,
}

impl<'a> Reference<'a> {
    /// The reference, n×D: a row a sample, not centred, as the kernel depends on the origin.
    ///
    /// # Errors
    /// Fewer than 2 rows, no column, no subset, or a subset of fewer than 2.
    pub fn new(rows: ArrayView2<'a, f64>, settings: Settings) -> Result<Self> {
        if settings.subsets < 1 || settings.subset_size < 2 {
            let Settings { subsets, subset_size, .. } = settings;
            let problem = format!("{subsets} subsets of {subset_size} rows leave KID undefined");
            return Err(Error::usage(problem, "ask for 1 or more subsets of 2 or more rows"));
        }
        check_rows("reference", rows)?;
        Ok(Self { rows, settings, within: OnceLock::new() })
    }

    /// The distance of a candidate, n₂×D, from the reference.
    ///
    /// # Errors
    /// Fewer than 2 rows, or another width than the reference's.
    pub fn against(&self, candidate: ArrayView2<'_, f64>) -> Result<Kid> {
        check_rows("candidate", candidate)?;
        if candidate.ncols() != self.rows.ncols() {
            return Err(Error::shape(
                "compute KID",
                ("the reference", self.rows.shape()),
                ("the candidate", candidate.shape()),
                "take both from the same layer",
            ));
        }
        let size = self.largest().min(candidate.nrows());
        let ours = Subsets::draw(self.settings, Side::Reference, self.rows.nrows(), size);
        let theirs = Subsets::draw(self.settings, Side::Candidate, candidate.nrows(), size);
        let own = within(candidate, &theirs, theirs.way(&theirs, candidate.ncols()));
        let cross =
            between((self.rows, &ours), (candidate, &theirs), ours.way(&theirs, candidate.ncols()));
        let differ = ours.differ() || theirs.differ();
        Ok(summary(&estimates(&self.within(&ours), &own, &cross, size), size, differ))
    }

    /// The largest subset there can be.
    fn largest(&self) -> usize {
        self.settings.subset_size.min(self.rows.nrows())
    }

    /// Sums within the reference's subsets; those of the largest size are kept.
    fn within(&self, ours: &Subsets) -> Cow<'_, Array1<f64>> {
        let sums = || within(self.rows, ours, ours.way(ours, self.rows.ncols()));
        match ours.size == self.largest() {
            true => Cow::Borrowed(self.within.get_or_init(sums)),
            false => Cow::Owned(sums()),
        }
    }
}

fn check_rows(side: &str, rows: ArrayView2<'_, f64>) -> Result<()> {
    match rows.nrows() >= 2 && rows.ncols() >= 1 {
        true => Ok(()),
        false => Err(Error::usage(
            format!("failed to compute KID: the {side} has shape {:?}", rows.shape()),
            "give 2 or more samples with features",
        )),
    }
}

/// MMD² of each subset.
fn estimates(x: &Array1<f64>, y: &Array1<f64>, cross: &Array1<f64>, size: usize) -> Array1<f64> {
    let m = size as f64;
    (x + y) / (m * (m - 1.0)) - cross * (2.0 / (m * m))
}

fn summary(values: &Array1<f64>, subset_size: usize, differ: bool) -> Kid {
    let count = values.len() as f64;
    let mean = values.sum() / count;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    let std = differ.then(|| (squares / count).sqrt());
    Kid { mean, std, subsets: values.len(), subset_size }
}

/// Which side's random stream is drawn from.
#[derive(Debug, Clone, Copy)]
enum Side {
    Reference,
    Candidate,
}

/// How kernel sums are computed; both give the same up to rounding.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// The kernel of all pairs of rows, once.
    Whole,
    /// The kernel of each subset.
    EachSubset,
}

/// Random subsets of one side's rows.
struct Subsets {
    rows: usize,
    size: usize,
    chosen: Vec<Vec<usize>>,
}

impl Subsets {
    fn draw(settings: Settings, side: Side, rows: usize, size: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
        let mut chosen = Vec::with_capacity(settings.subsets);
        for subset in 0..settings.subsets as u64 {
            random.set_stream(2 * subset + side as u64);
            random.set_word_pos(0);
            chosen.push(choose(&mut random, rows, size));
        }
        Self { rows, size, chosen }
    }

    /// Whether there are several that need not hold the same rows.
    fn differ(&self) -> bool {
        self.chosen.len() > 1 && self.size < self.rows
    }

    /// The cheaper way to sum over the pairs of these rows and others', by multiplications.
    fn way(&self, others: &Self, width: usize) -> Way {
        let subsets = self.chosen.len() as f64;
        let (width, pairs) = (width as f64, self.rows as f64 * others.rows as f64);
        match pairs * (width + subsets) <= subsets * (self.size as f64).powi(2) * width {
            true => Way::Whole,
            false => Way::EachSubset,
        }
    }

    /// A column a subset: 1 for the rows in it, 0 for the others.
    fn members(&self) -> Array2<f64> {
        let mut members = Array2::zeros((self.rows, self.chosen.len()));
        for (mut column, chosen) in members.columns_mut().into_iter().zip(&self.chosen) {
            chosen.iter().for_each(|&i| column[i] = 1.0);
        }
        members
    }

    /// A copy of each subset's rows.
    fn copies(&self, rows: ArrayView2<'_, f64>) -> impl Iterator<Item = Array2<f64>> {
        self.chosen.iter().map(move |chosen| rows.select(Axis(0), chosen))
    }

    /// The members of one subset among its own rows: all.
    fn all(&self) -> Array2<f64> {
        Array2::ones((self.size, 1))
    }
}

/// `size` different numbers of `0..rows`, in the order drawn; a smaller size gives their beginning.
fn choose(random: &mut ChaCha8Rng, rows: usize, size: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..rows).collect();
    for i in 0..size {
        let left = (rows - i) as u128;
        let step = (u128::from(random.next_u64()) * left) >> 64;
        all.swap(i, i + step as usize);
    }
    all.truncate(size);
    all
}

/// Σ_{i≠j} k(xᵢ, xⱼ) over each subset of the rows.
fn within(rows: ArrayView2<'_, f64>, subsets: &Subsets, way: Way) -> Array1<f64> {
    match way {
        Way::Whole => sums_within(rows, subsets.members().view()),
        Way::EachSubset => {
            let all = subsets.all();
            subsets.copies(rows).map(|x| sums_within(x.view(), all.view()).sum()).collect()
        }
    }
}

/// Σᵢⱼ k(xᵢ, yⱼ) over each pair of subsets.
fn between(
    (x, of_x): (ArrayView2<'_, f64>, &Subsets),
    (y, of_y): (ArrayView2<'_, f64>, &Subsets),
    way: Way,
) -> Array1<f64> {
    if way == Way::Whole {
        return sums_between(x, y, of_x.members().view(), of_y.members().view());
    }
    let all = of_x.all();
    let copies = of_x.copies(x).zip(of_y.copies(y));
    copies.map(|(x, y)| sums_between(x.view(), y.view(), all.view(), all.view()).sum()).collect()
}

/// Σ_{i≠j} zᵢ zⱼ k(xᵢ, xⱼ) for each column z of `members`, as twice the sum below the diagonal.
fn sums_within(x: ArrayView2<'_, f64>, members: ArrayView2<'_, f64>) -> Array1<f64> {
    let mut sums = Array1::zeros(members.ncols());
    for block in row_blocks(x.nrows(), x.nrows().max(LEAST_WIDTH)) {
        let before = s![..block.end, ..];
        let mut kernel = kernel(x.slice(s![block.clone(), ..]), x.slice(before));
        for (mut row, i) in kernel.rows_mut().into_iter().zip(block.clone()) {
            row.slice_mut(s![i..]).fill(0.0);
        }
        let products = kernel.dot(&members.slice(before)) * members.slice(s![block, ..]);
        sums += &products.sum_axis(Axis(0));
    }
    sums * 2.0
}

/// Σᵢⱼ zᵢ wⱼ k(xᵢ, yⱼ) for each column z of `of_x` and w of `of_y`, in blocks of the longer side.
fn sums_between(
    x: ArrayView2<'_, f64>,
    y: ArrayView2<'_, f64>,
    of_x: ArrayView2<'_, f64>,
    of_y: ArrayView2<'_, f64>,
) -> Array1<f64> {
    if x.nrows() < y.nrows() {
        return sums_between(y, x, of_y, of_x);
    }
    let mut sums = Array1::zeros(of_x.ncols());
    for block in row_blocks(x.nrows(), y.nrows()) {
        let products = kernel(x.slice(s![block.clone(), ..]), y).dot(&of_y);
        sums += &(products * of_x.slice(s![block, ..])).sum_axis(Axis(0));
    }
    sums
}

/// (x·y/D + 1)³ of all rows of both.
fn kernel(x: ArrayView2<'_, f64>, y: ArrayView2<'_, f64>) -> Array2<f64> {
    let mut kernel = Array2::ones((x.nrows(), y.nrows()));
    general_mat_mul(1.0 / x.ncols() as f64, &x, &y.t(), 1.0, &mut kernel);
    kernel.mapv_inplace(|v| v * v * v);
    kernel
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    fn example(n: usize, seed: usize) -> Array2<f64> {
        let wave = |i: usize, j: usize| ((i * i * 31 + j * 17 + i * j * seed) as f64 * 0.7).sin();
        Array2::from_shape_fn((n, 6), |(i, j)| wave(i, j) + seed as f64 * 0.1)
    }

    fn brute_force(x: &Array2<f64>, y: &Array2<f64>) -> f64 {
        let k = |a: usize, b: usize, x: &Array2<f64>, y: &Array2<f64>| {
            (x.row(a).dot(&y.row(b)) / x.ncols() as f64 + 1.0).powi(3)
        };
        let m = x.nrows();
        let (mut own, mut cross) = (0.0, 0.0);
        for (i, j) in (0..m * m).map(|p| (p / m, p % m)) {
            cross += k(i, j, x, y);
            if i != j {
                own += k(i, j, x, x) + k(i, j, y, y);
            }
        }
        let m = m as f64;
        own / (m * (m - 1.0)) - 2.0 * cross / (m * m)
    }

    #[test]
    fn a_subset_of_all_rows_is_the_formula() -> Result<()> {
        let (x, y) = (example(12, 1), example(12, 2));
        let settings = Settings { subsets: 3, ..Settings::default() };
        let kid = Reference::new(x.view(), settings)?.against(y.view())?;
        assert_relative_eq!(kid.mean, brute_force(&x, &y), max_relative = 1e-12);
        assert_eq!((kid.std, kid.subsets, kid.subset_size), (None, 3, 12));
        Ok(())
    }

    #[test]
    fn a_spread_needs_subsets_that_differ() -> Result<()> {
        let (x, y) = (example(12, 1), example(15, 2));
        let std = |subsets, subset_size, y: ArrayView2<'_, f64>| {
            let settings = Settings { subsets, subset_size, seed: 0 };
            Ok::<_, Error>(Reference::new(x.view(), settings)?.against(y)?.std)
        };
        assert!(
            std(5, 1000, y.view())?.is_some_and(|s| s > 0.0),
            "subsets of the candidate differ"
        );
        assert!(std(5, 10, y.slice(s![..12, ..]))?.is_some_and(|s| s > 0.0));
        assert_eq!(std(5, 1000, y.slice(s![..12, ..]))?, None);
        assert_eq!(std(1, 10, y.view())?, None);
        Ok(())
    }

    #[test]
    fn constant_rows_have_a_closed_form() -> Result<()> {
        // k(0,0) = 1, k(1,1) = 8, k(0,1) = 1
        let (x, y) = (Array2::zeros((5, 3)), Array2::ones((4, 3)));
        let kid = Reference::new(x.view(), Settings::default())?.against(y.view())?;
        assert_relative_eq!(kid.mean, 1.0 + 8.0 - 2.0, max_relative = 1e-14);
        Ok(())
    }

    #[test]
    fn both_ways_agree() {
        let (x, y) = (example(700, 1), example(900, 2));
        let settings = Settings { subsets: 4, subset_size: 300, seed: 5 };
        let ours = Subsets::draw(settings, Side::Reference, 700, 300);
        let theirs = Subsets::draw(settings, Side::Candidate, 900, 300);
        let own = |way| within(x.view(), &ours, way);
        assert_relative_eq!(own(Way::Whole), own(Way::EachSubset), max_relative = 1e-12);
        let cross = |way| between((x.view(), &ours), (y.view(), &theirs), way);
        assert_relative_eq!(cross(Way::Whole), cross(Way::EachSubset), max_relative = 1e-12);
    }

    #[test]
    fn few_rows_are_taken_at_once_and_many_by_subsets() {
        let way = |rows| {
            let subsets = Subsets::draw(Settings::default(), Side::Reference, rows, 1000);
            subsets.way(&subsets, 2048)
        };
        assert_eq!((way(2_000), way(20_000)), (Way::Whole, Way::EachSubset));
    }

    #[test]
    fn subsets_are_nested_seeded_and_without_repetition() {
        let draw = |seed, side, size| {
            let settings = Settings { subsets: 5, subset_size: size, seed };
            Subsets::draw(settings, side, 40, size).chosen
        };
        let (small, large) = (draw(1, Side::Reference, 9), draw(1, Side::Reference, 40));
        assert!(small.iter().zip(&large).all(|(s, l)| l.starts_with(s)));
        for mut subset in large {
            subset.sort_unstable();
            assert!(subset.into_iter().eq(0..40));
        }
        assert_ne!(small, draw(2, Side::Reference, 9));
        assert_ne!(small, draw(1, Side::Candidate, 9));
        assert_ne!(small[0], small[1]);
    }

    #[test]
    fn candidates_do_not_depend_on_each_other() -> Result<()> {
        let (x, y, few) = (example(60, 1), example(50, 2), example(7, 3));
        let settings = Settings { subsets: 10, subset_size: 20, seed: 3 };
        let shared = Reference::new(x.view(), settings)?;
        for candidate in [y.view(), few.view(), y.view()] {
            let alone = Reference::new(x.view(), settings)?.against(candidate)?;
            assert_eq!(shared.against(candidate)?, alone);
        }
        assert_eq!(shared.against(few.view())?.subset_size, 7);
        Ok(())
    }

    #[test]
    fn what_is_undefined_is_refused() -> Result<()> {
        let x = example(8, 1);
        let settings = Settings::default();
        assert!(Reference::new(x.slice(s![..1, ..]), settings).is_err());
        assert!(Reference::new(x.view(), Settings { subset_size: 1, ..settings }).is_err());
        assert!(Reference::new(x.view(), Settings { subsets: 0, ..settings }).is_err());
        let reference = Reference::new(x.view(), settings)?;
        assert!(reference.against(x.slice(s![..1, ..])).is_err());
        assert!(reference.against(x.slice(s![.., ..3])).is_err());
        Ok(())
    }
}
