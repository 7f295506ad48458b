//! What a measure gives by chance.

use super::absence::Absence;
use super::measure::Measure;
use super::pair::Pair;
use crate::stats::Draws;

/// How near two values of a measure have to be to count as equal: rounding.
const EQUAL: f64 = 1e-12;

/// A value against those of permuted samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Null {
    /// The value.
    pub value: f64,
    /// Mean over the permutations.
    pub mean: f64,
    /// Standard deviation over the permutations, with divisor P.
    pub deviation: f64,
    /// (1 + b)/(1 + P), where b of P permutations are at least as alike (Phipson & Smyth 2010).
    pub p: f64,
    /// (value − mean)/(best − mean): 0 by chance and 1 for a layer with itself, the adjustment for
    /// chance of Hubert & Arabie (1985), as Gröger et al. (2026) ask of representations. `None`
    /// where the measure has no best value, or chance reaches it.
    pub calibrated: Option<f64>,
    /// P.
    pub permutations: usize,
}

/// The null distribution of a measure: B's samples are put in P random orders, which keeps the
/// geometry of both layers and breaks their correspondence. Nothing that concerns one layer alone
/// is computed again: entries of matrices and rows of singular vectors are taken in another order.
///
/// The orders depend on `seed`, n and P alone, so all pairs see the same ones.
///
/// # Errors
/// Why the measure has no value, for the samples as they are or for an order of them.
pub fn null(
    measure: Measure,
    pair: &Pair<'_>,
    permutations: usize,
    seed: u64,
) -> Result<Null, Absence> {
    let value = measure.value(pair)?;
    let mut draws = Draws::new(seed);
    let mut permuted = Vec::with_capacity(permutations);
    for _ in 0..permutations {
        let order = draws.order(pair.a().samples());
        permuted.push(measure.value(&pair.permuted(&order))?);
    }
    Ok(against(measure, value, &permuted))
}

/// A value against those of permuted samples.
fn against(measure: Measure, value: f64, permuted: &[f64]) -> Null {
    let facts = measure.facts();
    let slack = EQUAL * value.abs().max(1.0);
    let as_alike = |v: &&f64| match facts.larger_is_more_alike {
        true => **v >= value - slack,
        false => **v <= value + slack,
    };
    let count = permuted.len() as f64;
    let mean = permuted.iter().sum::<f64>() / count;
    let spread = permuted.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count;
    let calibrated = (value - mean) / (facts.best - mean);
    let reachable = facts.best.is_finite() && (facts.best - mean).abs() > EQUAL;
    Null {
        value,
        mean,
        deviation: spread.sqrt(),
        p: (1 + permuted.iter().filter(as_alike).count()) as f64 / (1.0 + count),
        calibrated: Some(calibrated).filter(|v| reachable && v.is_finite()),
        permutations: permuted.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn chance_is_counted_on_the_right_side() {
        let permuted = [0.1, 0.2, 0.3, 0.6];
        let found = against(Measure::Rsa, 0.6, &permuted);
        assert_relative_eq!(found.p, 0.4);
        assert_relative_eq!(found.mean, 0.3);
        assert_eq!(found.calibrated.map(|v| (v * 7.0).round()), Some(3.0));
        let found = against(Measure::ProcrustesAngle, 0.2, &permuted);
        assert_relative_eq!(found.p, 0.6);
        assert_eq!(found.calibrated.map(|v| (v * 3.0).round()), Some(1.0));
        assert_eq!(against(Measure::Hsic, 0.2, &permuted).calibrated, None);
        assert_eq!(against(Measure::Rsa, 0.2, &[]).calibrated, None);
    }
}
