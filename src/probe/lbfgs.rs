//! Minimising smooth functions of many variables.

use std::collections::VecDeque;

use ndarray::Array2;

/// Steps that the curvature is known from.
const MEMORY: usize = 10;

/// Share of the slope by which a step has to lower the function.
const LOWER: f64 = 1e-4;

/// Share of the slope that may be left after a step.
const FLATTER: f64 = 0.9;

/// Trials of a step's length.
const TRIALS: usize = 40;

/// By how much of its size a value may rise by rounding alone.
const ROUNDING: f64 = 1e-14;

/// When a search ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stop {
    /// Where the largest entry of the gradient is as small.
    pub gradient: f64,
    /// After so many steps.
    pub steps: usize,
}

/// Where a search ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Minimum {
    /// The variables.
    pub point: Array2<f64>,
    /// Steps.
    pub steps: usize,
    /// Whether the gradient is as small as was asked for.
    pub converged: bool,
}

/// A point with its value and gradient.
struct Point {
    at: Array2<f64>,
    value: f64,
    gradient: Array2<f64>,
}

/// Minimises a convex function of the entries of a matrix by limited-memory BFGS (Liu & Nocedal 1989) with 10 pairs and
/// steps that meet the weak Wolfe conditions. `evaluate` gives value and gradient. Near the minimum, where differences
/// of values are rounding, slopes decide (approximate Wolfe conditions, Hager & Zhang 2005).
pub fn minimise(
    start: Array2<f64>,
    stop: Stop,
    mut evaluate: impl FnMut(&Array2<f64>) -> (f64, Array2<f64>),
) -> Minimum {
    let (value, gradient) = evaluate(&start);
    let mut now = Point { at: start, value, gradient };
    let mut pairs: VecDeque<(Array2<f64>, Array2<f64>)> = VecDeque::new();
    let mut steps = 0;
    while steps < stop.steps && largest(&now.gradient) > stop.gradient {
        let direction = direction(&now.gradient, &pairs);
        let first = if pairs.is_empty() { 1.0 / largest(&now.gradient).max(1.0) } else { 1.0 };
        let Some(next) = search(&now, &direction, first, &mut evaluate) else {
            if pairs.is_empty() {
                break;
            }
            pairs.clear();
            continue;
        };
        let (step, change) = (&next.at - &now.at, &next.gradient - &now.gradient);
        if dot(&step, &change) > f64::EPSILON * dot(&change, &change) {
            pairs.push_back((step, change));
            if pairs.len() > MEMORY {
                pairs.pop_front();
            }
        }
        now = next;
        steps += 1;
    }
    let converged = largest(&now.gradient) <= stop.gradient;
    Minimum { point: now.at, steps, converged }
}

/// Σ aᵢ·bᵢ.
fn dot(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn largest(gradient: &Array2<f64>) -> f64 {
    gradient.fold(0.0, |most: f64, v| if v.abs() > most || v.is_nan() { v.abs() } else { most })
}

/// −H·g by the two loops over the pairs.
fn direction(gradient: &Array2<f64>, pairs: &VecDeque<(Array2<f64>, Array2<f64>)>) -> Array2<f64> {
    let mut found = -gradient;
    let mut shares = vec![];
    for (step, change) in pairs.iter().rev() {
        let share = dot(step, &found) / dot(step, change);
        found.scaled_add(-share, change);
        shares.push(share);
    }
    if let Some((step, change)) = pairs.back() {
        found *= dot(step, change) / dot(change, change);
    }
    for ((step, change), share) in pairs.iter().zip(shares.into_iter().rev()) {
        let back = dot(change, &found) / dot(step, change);
        found.scaled_add(share - back, step);
    }
    found
}

/// A step along a direction, by bisection and doubling.
fn search(
    now: &Point,
    direction: &Array2<f64>,
    first: f64,
    evaluate: &mut impl FnMut(&Array2<f64>) -> (f64, Array2<f64>),
) -> Option<Point> {
    let slope = dot(&now.gradient, direction);
    if slope >= 0.0 {
        return None;
    }
    let (mut low, mut high, mut length) = (0.0, f64::INFINITY, first);
    for _ in 0..TRIALS {
        let at = &now.at + &(direction * length);
        let (value, gradient) = evaluate(&at);
        let after = dot(&gradient, direction);
        let lower = value <= now.value + LOWER * length * slope;
        let level =
            value <= now.value + ROUNDING * now.value.abs() && after <= (2.0 * LOWER - 1.0) * slope;
        if !(lower || level) {
            high = length;
        } else if after < FLATTER * slope {
            low = length;
        } else {
            return Some(Point { at, value, gradient });
        }
        length = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * length };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use ndarray::array;

    const STOP: Stop = Stop { gradient: 1e-10, steps: 500 };

    #[test]
    fn a_narrow_valley_is_followed_to_its_end() {
        let valley = |x: &Array2<f64>| {
            let (a, b) = (1.0 - x[(0, 0)], x[(0, 1)] - x[(0, 0)] * x[(0, 0)]);
            let gradient = array![[-2.0 * a - 400.0 * x[(0, 0)] * b, 200.0 * b]];
            (a * a + 100.0 * b * b, gradient)
        };
        let found = minimise(array![[-1.2, 1.0]], STOP, valley);
        assert!(found.converged, "{found:?}");
        assert_abs_diff_eq!(found.point, array![[1.0, 1.0]], epsilon = 1e-9);
    }

    #[test]
    fn a_search_that_was_cut_short_says_so() {
        let bowl = |x: &Array2<f64>| {
            let scales = array![[1.0, 1e4, 1e-3]];
            ((&scales * x * x).sum() / 2.0, &scales * x)
        };
        let found = minimise(array![[1.0, 1.0, 1.0]], Stop { steps: 2, ..STOP }, bowl);
        assert!(!found.converged && found.steps == 2);
        assert!(minimise(array![[1.0, 1.0, 1.0]], STOP, bowl).converged);
        let slope = |x: &Array2<f64>| (x[(0, 0)], array![[1.0]]);
        assert!(!minimise(array![[0.0]], Stop { steps: 20, ..STOP }, slope).converged);
    }
}
