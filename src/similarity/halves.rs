//! How sure a value is, by halves of the samples.

use super::absence::Absence;
use super::measure::Measure;
use super::pair::Pair;
use crate::stats::{Draws, percentiles};

/// The share of halves that may have no value: one in so many.
const FEW: usize = 10;
/// Values this close are equal except for rounding.
const EQUAL: f64 = 1e-9;

/// An interval over samples, as (low, high), from `count` random halves of them.
///
/// Of half of n samples, drawn without repetition, a measure varies as much as it does from one set
/// of n samples to another (the delete-half jackknife: Shao & Wu 1989), and in the same way (Wu
/// 1990). With the values v of the halves, m = ⌊n/2⌋ samples each, and quantiles q of them,
///
/// ```text
/// value + √(m/(n−m))·(q(v) − median(v))
/// ```
///
/// but not out of the measure's range. It is about the value that other n samples would give: what a
/// measure owes to their number alone, it owes there too.
///
/// A bootstrap would not do. A resample with repetitions holds about 0.63·n different samples, and
/// measures of directions or neighbours find layers more alike where samples are fewer or recur:
/// their percentile intervals seldom hold the value that they are made for.
///
/// Halves for which the measure is undefined are left out. There is no interval where halves are too
/// too small to stand for the whole: where the two layers together fill all directions of a half, so
/// that canonical correlations are 1 whatever the data (of linear regression, where the layer that
/// explains fills half of them), where a half has fewer than 2k + 2 samples for k neighbours, or where
/// all halves give one value that is not that of the whole. Of measures of directions it is somewhat
/// short (80 to 95 of 100 at a level of 0.95) where a half has not far more samples than features.
///
/// # Errors
/// Why the measure has no value for the samples as they are, or for more than a tenth of the halves, or
/// why halves are too small.
pub fn interval(
    measure: Measure,
    pair: &Pair<'_>,
    count: usize,
    level: f64,
    seed: u64,
) -> Result<(f64, f64), Absence> {
    let value = measure.value(pair)?;
    large_enough(measure, pair)?;
    let mut halves = Halves::default();
    for rows in drawn(pair.a().samples(), count, seed) {
        halves.push(of_half(measure, pair, &rows));
    }
    halves.around(value, pair.a().samples(), level, measure.range(pair.a().options()))
}

/// Whether half of the samples is enough for the measure.
pub(super) fn large_enough(measure: Measure, pair: &Pair<'_>) -> Result<(), Absence> {
    let samples = pair.a().samples() / 2;
    let options = pair.a().options();
    let whitened = measure == Measure::ShapeMetric && options.alpha == 0.0;
    match measure {
        Measure::MutualKnn | Measure::Cknna | Measure::Jaccard | Measure::SecondOrderCosine => {
            match 2 * options.neighbours + 2 {
                needs if samples < needs => Err(Absence::TooFew { samples, needs }),
                _ => Ok(()),
            }
        }
        _ if whitened || measure.facts().needs_more_samples => match filled(measure, pair)? {
            rank if rank + 1 > samples => Err(Absence::HalfFilled { rank, samples }),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Directions that the layers fill together; of linear regression, which is unsure long before the layer
/// that explains fills all of them, twice those of that layer.
fn filled(measure: Measure, pair: &Pair<'_>) -> Result<usize, Absence> {
    let (a, b) = (measure.directions(pair.a())?, measure.directions(pair.b())?);
    Ok(match measure {
        Measure::LinearRegression if pair.a().options().both_ways => 2 * a.max(b),
        Measure::LinearRegression => 2 * a,
        _ => a + b,
    })
}

fn of_half(measure: Measure, pair: &Pair<'_>, rows: &[usize]) -> Result<f64, Absence> {
    let (a, b) = (pair.a().part(rows)?, pair.b().part(rows)?);
    measure.of_part(&Pair::of_same(&a, &b), pair.a().samples())
}

/// Random halves of n samples: of each the positions, in their order. They depend on `seed`, n and
/// their number alone, so all pairs see the same ones.
pub(super) fn drawn(samples: usize, count: usize, seed: u64) -> impl Iterator<Item = Vec<usize>> {
    let mut draws = Draws::new(seed);
    (0..count).map(move |_| draws.half(samples))
}

/// What halves of the samples give.
#[derive(Debug, Clone, Default)]
pub(super) struct Halves {
    values: Vec<f64>,
    /// How many have no value, and why the first has none.
    without: Option<(usize, Absence)>,
}

impl Halves {
    /// Adds the value of one.
    pub(super) fn push(&mut self, value: Result<f64, Absence>) {
        match value {
            Ok(value) => self.values.push(value),
            Err(why) => self.without = Some(self.without.map_or((1, why), |(n, w)| (n + 1, w))),
        }
    }

    /// The interval around a value.
    ///
    /// # Errors
    /// More than a tenth of them have no value, or all have one that is not that of the whole.
    pub(super) fn around(
        mut self,
        value: f64,
        samples: usize,
        level: f64,
        (least, most): (f64, f64),
    ) -> Result<(f64, f64), Absence> {
        let too_few = Absence::TooFew { samples: samples / 2, needs: 2 };
        let (missing, why) = self.without.unwrap_or((0, too_few));
        if self.values.is_empty() || FEW * missing > missing + self.values.len() {
            return Err(why);
        }
        self.values.sort_unstable_by(f64::total_cmp);
        let (first, last) = (self.values[0], self.values[self.values.len() - 1]);
        if last - first <= EQUAL && (first - value).abs() > EQUAL {
            return Err(Absence::Saturated);
        }
        let (low, high) = percentiles(self.values.clone(), level).ok_or(why)?;
        let (middle, _) = percentiles(self.values, 0.0).ok_or(why)?;
        let half = (samples / 2) as f64;
        let scale = (half / (samples as f64 - half)).sqrt();
        let end = |quantile: f64| (value + scale * (quantile - middle)).clamp(least, most);
        Ok((end(low), end(high)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(
        values: &[Result<f64, Absence>],
        value: f64,
        samples: usize,
    ) -> Result<(f64, f64), Absence> {
        let mut halves = Halves::default();
        values.iter().for_each(|v| halves.push(*v));
        halves.around(value, samples, 1.0, (-1.0, 1.0))
    }

    #[test]
    fn values_of_halves_are_put_around_the_value() {
        let values = [0.5, 0.6, 0.9].map(Ok);
        let near = |(x, y): (f64, f64), (u, v): (f64, f64)| {
            assert!((x - u).abs() < 1e-12 && (y - v).abs() < 1e-12, "{x} {y}");
        };
        near(around(&values, 0.4, 10).unwrap_or_default(), (0.3, 0.7));
        // Nothing correlates by more than 1.
        near(around(&values, 0.8, 10).unwrap_or_default(), (0.7, 1.0));
        // Halves of 3 samples have one sample and leave out two.
        let root = 0.5_f64.sqrt();
        near(around(&values, 0.0, 3).unwrap_or_default(), (-0.1 * root, 0.3 * root));
    }

    #[test]
    fn nearly_all_halves_must_have_a_value() {
        let (value, none) = (Ok(0.5), Err(Absence::Constant));
        let mut halves = [value; 10];
        halves[3] = none;
        assert_eq!(around(&halves, 0.5, 10), Ok((0.5, 0.5)));
        halves[4] = none;
        assert_eq!(around(&halves, 0.5, 10), Err(Absence::Constant));
        assert_eq!(around(&[value; 10], 0.6, 10), Err(Absence::Saturated));
        assert!(around(&[], 0.5, 10).is_err());
    }
}
