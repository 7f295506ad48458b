//! The trace of the root of a positive definite tridiagonal matrix.

use super::lapack::Tridiagonal;

/// The step of the quadrature: its error is below 2·exp(−π²/h) = 1e-14 of each root.
const STEP: f64 = 0.3;
/// How far, as a logarithm, the sum goes beyond the roots of the least and of the greatest eigenvalue.
const BEYOND: f64 = 8.0;
/// Nodes that are taken together.
const LANES: usize = 8;

/// What the trace of a root takes, and how near the matrix is to a singular one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Roots {
    /// tr √T.
    pub trace: f64,
    /// tr T⁻¹: no eigenvalue is below its inverse.
    pub inverses: f64,
    /// An upper bound of the eigenvalues.
    pub largest: f64,
}

impl Roots {
    /// Of a symmetric tridiagonal matrix T, by
    ///
    /// ```text
    /// √x = (2/π) ∫ x·eˢ/(x + e²ˢ) ds      tr √T = (2h/π) Σₖ eˢ·tr(T·(T + e²ˢ·I)⁻¹),  s = k·h
    /// ```
    ///
    /// with the trapezoidal rule, whose error falls as exp(−π²/h) for any x > 0 (Trefethen & Weideman 2014). What
    /// lies beyond the nodes is a geometric series in T and T², or in the unit matrix and T⁻¹. A node costs a pass over
    /// the diagonal, so that this takes a twentieth of the time of the eigenvalues.
    ///
    /// `None` where T is not positive definite, or so nearly singular that roots are no more than rounding.
    pub fn of(matrix: &Tridiagonal) -> Option<Self> {
        let largest = matrix.norm();
        let scaled = |values: &[f64]| values.iter().map(|v| v / largest).collect();
        let unit =
            Tridiagonal { diagonal: scaled(&matrix.diagonal), beside: scaled(&matrix.beside) };
        let found = Self::of_unit(&unit)?;
        Some(Self {
            trace: found.trace * largest.sqrt(),
            inverses: found.inverses / largest,
            largest,
        })
    }

    /// Of one whose greatest eigenvalue is about 1.
    fn of_unit(matrix: &Tridiagonal) -> Option<Self> {
        let order = matrix.diagonal.len() as f64;
        let trace: f64 = matrix.diagonal.iter().sum();
        let inverses = matrix.inverses()?;
        if !(trace.is_finite() && inverses * order * f64::EPSILON < 1.0) {
            return None;
        }
        let first = ((-inverses.ln() / 2.0 - BEYOND) / STEP).floor();
        let last = (BEYOND / STEP).ceil();
        let mut sum = 0.0;
        let mut node = first;
        while node <= last {
            let roots: [f64; LANES] = std::array::from_fn(|i| (STEP * (node + i as f64)).exp());
            let inside = |i: usize| node + i as f64 <= last;
            let parts = matrix.shares(roots.map(|root| root * root));
            sum += (0..LANES).filter(|i| inside(*i)).map(|i| roots[i] * parts[i]).sum::<f64>();
            node += LANES as f64;
        }
        // Above: x·e⁻ˢ − x²·e⁻³ˢ; below: eˢ − e³ˢ/x.
        let (above, below) = ((STEP * (last + 1.0)).exp(), (STEP * (first - 1.0)).exp());
        let series = |power: f64| 1.0 / (1.0 - (-power * STEP).exp());
        sum += trace / above * series(1.0) - matrix.squares() / above.powi(3) * series(3.0);
        sum += order * below * series(1.0) - below.powi(3) * inverses * series(3.0);
        Some(Self { trace: sum * 2.0 * STEP / std::f64::consts::PI, inverses, largest: 1.0 })
    }
}

impl Tridiagonal {
    /// The greatest sum of a row's absolute values, above which no eigenvalue is.
    fn norm(&self) -> f64 {
        let beside = |i: usize| self.beside.get(i).map_or(0.0, |v| v.abs());
        let row =
            |i: usize| self.diagonal[i].abs() + beside(i) + i.checked_sub(1).map_or(0.0, beside);
        (0..self.diagonal.len()).map(row).fold(0.0, f64::max)
    }

    /// tr T².
    fn squares(&self) -> f64 {
        let sum = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>();
        sum(&self.diagonal) + 2.0 * sum(&self.beside)
    }

    /// tr T⁻¹ by the pivots of T = LDLᵀ, where all are positive.
    fn inverses(&self) -> Option<f64> {
        let (mut pivot, mut slope, mut sum) = (self.diagonal[0], 1.0, 0.0);
        for i in 0..self.diagonal.len() {
            if i > 0 {
                let ratio = self.beside[i - 1] / pivot;
                slope = 1.0 + ratio * ratio * slope;
                pivot = self.diagonal[i] - ratio * self.beside[i - 1];
            }
            if pivot.is_nan() || pivot <= 0.0 {
                return None;
            }
            sum += slope / pivot;
        }
        sum.is_finite().then_some(sum)
    }

    /// tr T(T + τI)⁻¹ for some τ > 0: with the pivots d of T + τI and their derivatives d′ by τ, Σ (d − τd′)/d.
    fn shares(&self, shifts: [f64; LANES]) -> [f64; LANES] {
        let mut pivots = shifts.map(|shift| self.diagonal[0] + shift);
        let mut slopes = [1.0; LANES];
        let mut sums = [0.0; LANES];
        for lane in 0..LANES {
            sums[lane] = self.diagonal[0] / pivots[lane];
        }
        for (diagonal, beside) in self.diagonal[1..].iter().zip(&self.beside) {
            for lane in 0..LANES {
                let ratio = beside / pivots[lane];
                let lost = ratio * ratio * (pivots[lane] + shifts[lane] * slopes[lane]);
                slopes[lane] = 1.0 + ratio * ratio * slopes[lane];
                pivots[lane] = diagonal + shifts[lane] - ratio * beside;
                sums[lane] += (diagonal - lost) / pivots[lane];
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    /// −1, 2, −1: its eigenvalues are 4·sin²(kπ/(2n + 2)).
    fn second_differences(order: usize, scale: f64) -> Tridiagonal {
        Tridiagonal { diagonal: vec![2.0 * scale; order], beside: vec![-scale; order - 1] }
    }

    #[test]
    fn roots_of_known_eigenvalues() {
        for (order, scale) in [(1, 1.0_f64), (2, 1e-9), (30, 1e12), (700, 1e-300)] {
            let angle = |k: usize| k as f64 * std::f64::consts::PI / (2 * order + 2) as f64;
            let root = |k: usize| 2.0 * scale.sqrt() * angle(k).sin();
            let exact: f64 = (1..=order).map(root).sum();
            let found = Roots::of(&second_differences(order, scale)).map(|roots| roots.trace);
            assert_relative_eq!(found.unwrap_or(0.0), exact, max_relative = 1e-12);
        }
    }

    #[test]
    fn eigenvalues_over_many_decades() {
        let diagonal: Vec<f64> = (0..60).map(|i| 10f64.powf(-12.0 * f64::from(i) / 60.0)).collect();
        let exact: f64 = diagonal.iter().map(|v| v.sqrt()).sum();
        let inverse: f64 = diagonal.iter().map(|v| 1.0 / v).sum();
        let beside = vec![0.0; 59];
        let Some(found) = Roots::of(&Tridiagonal { diagonal, beside }) else { panic!("no roots") };
        assert_relative_eq!(found.trace, exact, max_relative = 1e-12);
        assert_relative_eq!(found.inverses, inverse, max_relative = 1e-12);
        assert_eq!(found.largest, 1.0);
    }

    #[test]
    fn what_is_singular_or_indefinite_has_none() {
        let of = |diagonal: &[f64], beside: &[f64]| {
            Roots::of(&Tridiagonal { diagonal: diagonal.to_vec(), beside: beside.to_vec() })
        };
        assert_eq!(of(&[1.0, 1.0], &[1.0]), None);
        assert_eq!(of(&[1.0, 1.0], &[2.0]), None);
        assert_eq!(of(&[0.0], &[]), None);
        assert_eq!(of(&[1.0, 1e-16], &[0.0]), None);
        assert_eq!(of(&[1.0, f64::NAN], &[0.0]), None);
        assert_eq!(of(&[f64::INFINITY, 1.0], &[0.0]), None);
        assert!(of(&[1.0, 1e-14], &[0.0]).is_some());
    }
}
