//! FID∞: the Fréchet distance as the number of samples goes to infinity.

use ndarray::{ArrayView2, Axis};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::Gaussian;
use crate::error::{Error, Result};

/// Numbers of samples at which the distance is taken.
pub const POINTS: usize = 15;

/// The smallest number of samples taken where there are enough (Chong & Forsyth 2020).
const FIRST: usize = 5000;

/// An extrapolated distance.
#[derive(Debug, Clone, PartialEq)]
pub struct Infinity {
    /// The distance at 1/N = 0.
    pub value: f64,
    /// Change of the distance with 1/N.
    pub slope: f64,
    /// Share of the variance of the distances that the line explains.
    pub r_squared: f64,
    /// The numbers of samples, and the distance at each.
    pub points: Vec<(usize, f64)>,
}

/// A straight line through points by least squares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Height at 0.
    pub intercept: f64,
    /// Slope.
    pub slope: f64,
    /// Share of the variance that it explains; 1 where there is none to explain.
    pub r_squared: f64,
}

/// Extrapolates the distance between `reference` and the samples in `rows` (Chong & Forsyth 2020).
///
/// The bias of the distance is linear in 1/N to first order. So the distance is taken at
/// [`POINTS`] numbers of samples, each a random choice of the rows by `seed`, and the line through
/// the distances over 1/N is read at 0. The reference stays as it is, with a bias of its own. The
/// bias is linear only for N well above D.
///
/// # Errors
/// Fewer than four rows, or what [`Gaussian::distance`] says.
pub fn infinity(reference: &Gaussian, rows: ArrayView2<'_, f64>, seed: u64) -> Result<Infinity> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut points = Vec::new();
    for size in sizes(rows.nrows())? {
        let chosen = rows.select(Axis(0), &choose(rows.nrows(), size, &mut random));
        let subset = Gaussian::of_samples(chosen.view())?;
        points.push((size, reference.distance(&subset)?.value));
    }
    Ok(from_points(points))
}

/// Evenly spaced numbers of samples from 5,000, or from half of what there is where that is less
/// than 10,000, up to all.
fn sizes(count: usize) -> Result<Vec<usize>> {
    if count < 4 {
        let problem = format!("{count} samples are too few to extrapolate from");
        return Err(Error::usage(problem, "leave fid-inf out of --metrics"));
    }
    let first = if count >= 2 * FIRST { FIRST } else { count / 2 };
    let step = (count - first) as f64 / (POINTS - 1) as f64;
    let mut sizes: Vec<usize> = (0..POINTS).map(|i| first + (step * i as f64) as usize).collect();
    sizes[POINTS - 1] = count;
    sizes.dedup();
    Ok(sizes)
}

/// A random choice of `size` of `0..count`, ascending.
fn choose(count: usize, size: usize, random: &mut ChaCha8Rng) -> Vec<usize> {
    let mut keyed: Vec<_> = (0..count).map(|i| (random.next_u64(), i)).collect();
    keyed.sort_unstable();
    let mut chosen: Vec<_> = keyed.into_iter().take(size).map(|(_, i)| i).collect();
    chosen.sort_unstable();
    chosen
}

/// The line through distances over 1/N, read at 0.
pub fn from_points(points: Vec<(usize, f64)>) -> Infinity {
    let over: Vec<_> = points.iter().map(|&(n, fid)| (1.0 / n as f64, fid)).collect();
    let Line { intercept, slope, r_squared } = line(&over);
    Infinity { value: intercept, slope, r_squared, points }
}

/// The line through points by least squares.
pub fn line(points: &[(f64, f64)]) -> Line {
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let sum =
        |of: &dyn Fn(f64, f64) -> f64| points.iter().map(|p| of(p.0 - x, p.1 - y)).sum::<f64>();
    let (xx, xy, yy) = (sum(&|a, _| a * a), sum(&|a, b| a * b), sum(&|_, b| b * b));
    let slope = if xx > 0.0 { xy / xx } else { 0.0 };
    let r_squared = if yy > 0.0 { slope * xy / yy } else { 1.0 };
    Line { intercept: y - slope * x, slope, r_squared }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use ndarray::Array2;

    #[test]
    fn a_line_is_found() {
        let found = line(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]);
        assert_relative_eq!(found.intercept, 1.0, max_relative = 1e-14);
        assert_relative_eq!(found.slope, 2.0, max_relative = 1e-14);
        assert_relative_eq!(found.r_squared, 1.0, max_relative = 1e-14);
    }

    #[test]
    fn sizes_end_at_all() -> Result<()> {
        assert_eq!(sizes(19_000)?[..2], [5000, 6000]);
        assert_eq!((sizes(300)?[0], sizes(300)?[14]), (150, 300));
        assert_eq!(sizes(5)?, [2, 3, 4, 5]);
        assert!(sizes(3).is_err());
        Ok(())
    }

    #[test]
    fn the_bias_of_few_samples_goes() -> Result<()> {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut noise = |rows| {
            Array2::from_shape_simple_fn((rows, 8), || {
                (0..12).map(|_| random.next_u32() as f64 / u32::MAX as f64).sum::<f64>() - 6.0
            })
        };
        let reference = Gaussian::of_samples(noise(20_000).view())?;
        let few = noise(400);
        let plain = reference.distance(&Gaussian::of_samples(few.view())?)?.value;
        let found = infinity(&reference, few.view(), 0)?;
        assert!(found.value.abs() < plain / 2.0, "{found:?} against {plain}");
        assert_eq!(found, infinity(&reference, few.view(), 0)?);
        Ok(())
    }
}
