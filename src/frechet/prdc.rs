//! Precision, recall, density and coverage of generated samples.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, s};

use crate::error::{Error, Result};
use crate::linalg::distances::{row_blocks, squared_distances};

/// Share of a squared radius by which a sample has to lie inside it: distances that are equal but
/// for rounding count as equal.
const TIE: f64 = 1e-9;

/// The samples of one set, each with a ball that reaches to its k-th nearest other.
#[derive(Debug, Clone)]
pub struct Manifold {
    rows: Array2<f64>,
    centre: Array1<f64>,
    squared_radii: Vec<f64>,
    k: usize,
}

/// How well fake samples and real ones cover each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prdc {
    /// Share of the fake samples that lie in a real one's ball.
    pub precision: f64,
    /// Share of the real samples that lie in a fake one's ball.
    pub recall: f64,
    /// Mean over the fake samples of the number of real balls around them, divided by k. It may
    /// exceed 1.
    pub density: f64,
    /// Share of the real samples whose ball holds a fake one.
    pub coverage: f64,
}

impl Manifold {
    /// The balls of an n×D set: a row a sample. Rows are held as differences from `centre`, which
    /// keeps rounding small; take the mean of the real set for both sets.
    ///
    /// Equal rows are exactly 0 apart, so that k+1 of them have radius 0 and hold nothing. It takes
    /// n²·D/2 multiplications and, beyond the rows, one block of distances.
    ///
    /// # Errors
    /// k below 1, fewer than k+1 rows, or a centre of another width.
    pub fn new(rows: ArrayView2<'_, f64>, centre: ArrayView1<'_, f64>, k: usize) -> Result<Self> {
        if k < 1 || rows.nrows() <= k {
            return Err(Error::usage(
                format!("{} samples have no nearest neighbour number {k}", rows.nrows()),
                "ask for a neighbour from 1 to the number of samples less one",
            ));
        }
        if centre.len() != rows.ncols() {
            return Err(Error::shape(
                "centre features",
                ("the features", rows.shape()),
                ("the centre", centre.shape()),
                "take the centre from the same layer",
            ));
        }
        let rows = &rows - &centre;
        let squared_radii = squared_radii(&rows, k);
        Ok(Self { rows, centre: centre.to_owned(), squared_radii, k })
    }
}

/// Improved precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al.
/// 2020) of fake samples against real ones, as Naeem's `prdc` package computes them.
///
/// With r the distance of a sample to its k-th nearest other of the same set, n real samples x and
/// m fake ones y:
///
/// ```text
/// precision  1/m  Σⱼ [∃i: ‖xᵢ−yⱼ‖ < r(xᵢ)]     density   1/(km) Σᵢⱼ [‖xᵢ−yⱼ‖ < r(xᵢ)]
/// recall     1/n  Σᵢ [∃j: ‖xᵢ−yⱼ‖ < r(yⱼ)]     coverage  1/n    Σᵢ [∃j: ‖xᵢ−yⱼ‖ < r(xᵢ)]
/// ```
///
/// A sample on the surface of a ball is outside. Squared distances within a relative 10⁻⁹ of the
/// squared radius count as on it, where the package leaves the answer to rounding.
///
/// # Errors
/// Sets of different width, k or centre.
pub fn prdc(real: &Manifold, fake: &Manifold) -> Result<Prdc> {
    check(real, fake)?;
    let mut counts = Counts { held: vec![false; fake.rows.nrows()], ..Counts::default() };
    for block in row_blocks(real.rows.nrows(), fake.rows.nrows()) {
        let rows = real.rows.slice(s![block.clone(), ..]);
        let distances = squared_distances(rows, fake.rows.view());
        for (row, radius) in distances.rows().into_iter().zip(&real.squared_radii[block]) {
            counts.add(row, *radius, &fake.squared_radii);
        }
    }
    let (n, m) = (real.rows.nrows() as f64, fake.rows.nrows() as f64);
    Ok(Prdc {
        precision: counts.held.iter().filter(|held| **held).count() as f64 / m,
        recall: counts.recalled as f64 / n,
        density: counts.inside as f64 / (real.k as f64 * m),
        coverage: counts.covered as f64 / n,
    })
}

fn check(real: &Manifold, fake: &Manifold) -> Result<()> {
    if real.rows.ncols() != fake.rows.ncols() {
        return Err(Error::shape(
            "compute precision and recall",
            ("the real set", real.rows.shape()),
            ("the fake set", fake.rows.shape()),
            "take both from the same layer",
        ));
    }
    if real.k != fake.k {
        let problem = format!("neighbour {} of one set and {} of the other", real.k, fake.k);
        return Err(Error::usage(problem, "take the same for both"));
    }
    match real.centre == fake.centre {
        true => Ok(()),
        false => Err(Error::usage("two sets have different centres", "take one for both")),
    }
}

/// What is counted over the pairs of real and fake samples.
#[derive(Default)]
struct Counts {
    /// Whether each fake sample lies in a real one's ball.
    held: Vec<bool>,
    recalled: usize,
    inside: u64,
    covered: usize,
}

impl Counts {
    /// Adds a real sample: its distances from the fake ones, its radius and theirs.
    fn add(&mut self, distances: ArrayView1<'_, f64>, radius: f64, fake_radii: &[f64]) {
        let before = self.inside;
        for (held, distance) in self.held.iter_mut().zip(&distances) {
            let inside = lies_inside(*distance, radius);
            *held |= inside;
            self.inside += u64::from(inside);
        }
        self.covered += usize::from(self.inside > before);
        let recalled = distances.iter().zip(fake_radii).any(|(d, r)| lies_inside(*d, *r));
        self.recalled += usize::from(recalled);
    }
}

fn lies_inside(squared_distance: f64, squared_radius: f64) -> bool {
    squared_distance < squared_radius * (1.0 - TIE)
}

/// Squared distance of each row to the k-th nearest other. Of the symmetric distances half are computed.
pub(super) fn squared_radii(rows: &Array2<f64>, k: usize) -> Vec<f64> {
    let n = rows.nrows();
    let mut nearest = vec![Nearest(Vec::with_capacity(k + 1)); n];
    for block in row_blocks(n, n) {
        let before = rows.slice(s![..block.end, ..]);
        let distances = squared_distances(rows.slice(s![block.clone(), ..]), before);
        for (row, own) in distances.rows().into_iter().zip(block) {
            for (other, distance) in row.iter().take(own).enumerate() {
                nearest[own].add(*distance, k);
                nearest[other].add(*distance, k);
            }
        }
    }
    nearest.iter().map(|found| found.0.last().copied().unwrap_or(f64::NAN)).collect()
}

/// The smallest distances of a row from others, in order, NaN last.
#[derive(Clone)]
struct Nearest(Vec<f64>);

impl Nearest {
    /// Adds a distance to the k smallest.
    fn add(&mut self, distance: f64, k: usize) {
        let is_nearer = |kept: &f64| kept.total_cmp(&distance).is_le();
        if self.0.len() == k && self.0.last().is_some_and(is_nearer) {
            return;
        }
        let place = self.0.partition_point(is_nearer);
        self.0.insert(place, distance);
        self.0.truncate(k);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use ndarray::{Axis, array, concatenate};

    fn example(n: usize, seed: usize) -> Array2<f64> {
        Array2::from_shape_fn((n, 5), |(i, j)| ((i * i * 31 + j * 17 + seed) as f64 * 0.7).sin())
    }

    fn of(real: &Array2<f64>, fake: &Array2<f64>, k: usize) -> Result<Prdc> {
        let centre = real.sum_axis(Axis(0)) / real.nrows() as f64;
        let manifold = |rows: &Array2<f64>| Manifold::new(rows.view(), centre.view(), k);
        prdc(&manifold(real)?, &manifold(fake)?)
    }

    #[test]
    fn points_on_a_line() -> Result<()> {
        let (real, fake) = (array![[0.0], [1.0], [3.0]], array![[0.5], [2.5], [9.0]]);
        // radii: real 1, 1, 2; fake 2, 2, 6.5
        let found = of(&real, &fake, 1)?;
        assert_relative_eq!(found.precision, 2.0 / 3.0);
        assert_relative_eq!(found.recall, 1.0);
        assert_relative_eq!(found.density, 3.0 / 3.0);
        assert_relative_eq!(found.coverage, 1.0);
        Ok(())
    }

    #[test]
    fn agrees_with_brute_force() -> Result<()> {
        let (real, fake) = (example(40, 1), example(30, 2) + 0.2);
        let distance = |a: ArrayView1<f64>, b: ArrayView1<f64>| {
            a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
        };
        let radius = |rows: &Array2<f64>, i: usize| {
            let mut all: Vec<_> =
                rows.rows().into_iter().map(|r| distance(r, rows.row(i))).collect();
            all.sort_by(f64::total_cmp);
            all[3]
        };
        let inside = |i: usize, j: usize| distance(real.row(i), fake.row(j)) < radius(&real, i);
        let pairs = (0..40).flat_map(|i| (0..30).map(move |j| (i, j)));
        let found = of(&real, &fake, 3)?;
        let count = pairs.filter(|&(i, j)| inside(i, j)).count();
        assert_relative_eq!(found.density, count as f64 / 90.0);
        let covered = (0..40).filter(|&i| (0..30).any(|j| inside(i, j))).count();
        assert_relative_eq!(found.coverage, covered as f64 / 40.0);
        assert_relative_eq!(found.recall, of(&fake, &real, 3)?.precision);
        Ok(())
    }

    #[test]
    fn a_set_covers_itself_and_ties_are_outside() -> Result<()> {
        let rows = example(200, 4) + 1e3;
        let all = Prdc { precision: 1.0, recall: 1.0, density: 1.0, coverage: 1.0 };
        assert_eq!(of(&rows, &rows, 5)?, all);
        Ok(())
    }

    #[test]
    fn repeated_samples_hold_nothing() -> Result<()> {
        let once = example(4, 1) / 3.0;
        let thrice = concatenate![Axis(0), once, once, once];
        let found = of(&thrice, &thrice, 2)?;
        assert_eq!((found.precision, found.density), (0.0, 0.0));
        assert!(of(&thrice, &thrice, 3)?.precision > 0.0);
        Ok(())
    }

    #[test]
    fn what_does_not_fit_is_refused() -> Result<()> {
        let (rows, zero) = (example(5, 1), Array1::zeros(5));
        let new = |k| Manifold::new(rows.view(), zero.view(), k);
        assert!(new(0).is_err() && new(5).is_err() && new(4).is_ok());
        assert!(Manifold::new(rows.view(), zero.slice(s![..2]), 1).is_err());
        assert!(prdc(&new(1)?, &new(2)?).is_err());
        let narrow = Manifold::new(rows.slice(s![.., ..2]), zero.slice(s![..2]), 1)?;
        assert!(prdc(&new(1)?, &narrow).is_err());
        let elsewhere = Manifold::new(rows.view(), Array1::ones(5).view(), 1)?;
        assert!(prdc(&new(1)?, &elsewhere).is_err());
        Ok(())
    }
}
