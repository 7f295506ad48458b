//! Multinomial logistic regression.

use ndarray::{Array2, ArrayView1, ArrayView2, Axis, s};

use super::lbfgs::{Minimum, Stop, minimise};
use super::ridge::{Linear, first_largest};
use super::{Part, folds};
use crate::stats::Draws;

/// A fitted classifier.
#[derive(Debug, Clone, PartialEq)]
pub struct Logistic {
    /// Its decision values: a column a class of those it was fitted on, one of two.
    pub linear: Linear,
    /// The classes it was fitted on, ascending.
    pub classes: Vec<usize>,
    /// Steps of the solver.
    pub steps: usize,
    /// Whether the solver reached its tolerance.
    pub converged: bool,
}

/// What is minimised, as scikit-learn's `LogisticRegression` does: with inverse strength of regularisation c, over n
/// samples and without a penalty on the intercepts,
///
/// ```text
/// (1/n) Σᵢ −log softmax(zᵢ·W + b)[yᵢ] + ‖W‖²/(2·c·n)
/// ```
///
/// Of two classes (1/n) Σᵢ log(1 + exp(−yᵢ(zᵢ·w + b))) with y = ±1 takes the place of the first term.
#[derive(Debug)]
pub struct Objective<'a> {
    rows: ArrayView2<'a, f64>,
    /// The class of each sample among those that occur.
    labels: Vec<usize>,
    classes: Vec<usize>,
    columns: usize,
    penalty: f64,
}

impl<'a> Objective<'a> {
    /// Of n×r rows and the class of each.
    ///
    /// # Panics
    /// If there is not a label a row.
    pub fn new(rows: ArrayView2<'a, f64>, labels: &[usize], cost: f64) -> Self {
        assert_eq!(rows.nrows(), labels.len(), "a label a row");
        let mut classes = labels.to_vec();
        classes.sort_unstable();
        classes.dedup();
        let place = |label: &usize| classes.binary_search(label).unwrap_or_default();
        let own = labels.iter().map(place).collect();
        let columns = if classes.len() == 2 { 1 } else { classes.len() };
        let penalty = 1.0 / (cost * rows.nrows().max(1) as f64);
        Self { rows, labels: own, classes, columns, penalty }
    }

    /// Its minimum; begun at that for another cost of the same classes, or at 0.
    pub fn fit(&self, stop: Stop, start: Option<&Logistic>) -> Logistic {
        let width = self.rows.ncols();
        let start = start.filter(|other| other.classes == self.classes);
        let mut first = Array2::zeros((width + 1, self.columns));
        if let Some(Linear { weights, intercepts }) = start.map(|other| &other.linear) {
            first.slice_mut(s![..width, ..]).assign(weights);
            first.row_mut(width).assign(intercepts);
        }
        let Minimum { point, steps, converged } =
            minimise(first, stop, |point| self.evaluate(point));
        let (weights, intercepts) = parts(&point);
        let linear = Linear { weights: weights.to_owned(), intercepts: intercepts.to_owned() };
        Logistic { linear, classes: self.classes.clone(), steps, converged }
    }

    fn evaluate(&self, point: &Array2<f64>) -> (f64, Array2<f64>) {
        let (weights, intercepts) = parts(point);
        let mut scores = self.rows.dot(&weights) + intercepts;
        let n = self.rows.nrows().max(1) as f64;
        let loss = match self.columns {
            1 => self.of_two(&mut scores),
            _ => self.of_many(&mut scores),
        };
        scores /= n;
        let width = weights.nrows();
        let mut gradient = Array2::zeros(point.dim());
        let mut own = gradient.slice_mut(s![..width, ..]);
        own.assign(&self.rows.t().dot(&scores));
        own.scaled_add(self.penalty, &weights);
        gradient.row_mut(width).assign(&scores.sum_axis(Axis(0)));
        let squares = weights.iter().map(|w| w * w).sum::<f64>();
        (loss / n + 0.5 * self.penalty * squares, gradient)
    }

    /// The sum of the losses; the scores become their derivatives.
    fn of_many(&self, scores: &mut Array2<f64>) -> f64 {
        let mut loss = 0.0;
        for (mut row, &label) in scores.rows_mut().into_iter().zip(&self.labels) {
            let most = row.fold(f64::NEG_INFINITY, |most: f64, v| most.max(*v));
            let own = row[label] - most;
            row.mapv_inplace(|v| (v - most).exp());
            let sum = row.sum();
            loss += sum.ln() - own;
            row /= sum;
            row[label] -= 1.0;
        }
        loss
    }

    fn of_two(&self, scores: &mut Array2<f64>) -> f64 {
        let mut loss = 0.0;
        for (score, &label) in scores.iter_mut().zip(&self.labels) {
            let sign = if label == 1 { 1.0 } else { -1.0 };
            let margin = sign * *score;
            // log(1 + exp(−m)) without overflow.
            loss += (-margin.abs()).exp().ln_1p() + (-margin).max(0.0);
            let small = (-margin.abs()).exp();
            let wrong = if margin > 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) };
            *score = -sign * wrong;
        }
        loss
    }
}

/// Weights and intercepts, which are the last row.
fn parts(point: &Array2<f64>) -> (ArrayView2<'_, f64>, ArrayView1<'_, f64>) {
    let width = point.nrows() - 1;
    (point.slice(s![..width, ..]), point.row(width))
}

impl Logistic {
    /// The class of each row.
    ///
    /// # Panics
    /// If the rows are of another width.
    pub fn predict(&self, rows: ArrayView2<'_, f64>) -> Vec<usize> {
        let chosen = self.linear.classes(rows);
        chosen.into_iter().map(|place| self.classes[place.min(self.classes.len() - 1)]).collect()
    }
}

/// The cost of a grid, ascending, with the largest mean accuracy over parts, the first of equals; and fits that did
/// not converge.
pub fn choose_cost(
    rows: ArrayView2<'_, f64>,
    labels: &[usize],
    (grid, stop): (&[f64], Stop),
    parts: &[Part],
) -> (f64, usize) {
    if let [only] = grid {
        return (*only, 0);
    }
    let mut sums = vec![0.0; grid.len()];
    let mut failed = 0;
    for part in parts {
        let of = |places: &[usize]| -> Vec<usize> { places.iter().map(|&i| labels[i]).collect() };
        let (own, truth) = (of(&part.fit), of(&part.held_out));
        let (fitted, held_out) =
            (rows.select(Axis(0), &part.fit), rows.select(Axis(0), &part.held_out));
        let mut before: Option<Logistic> = None;
        for (sum, &cost) in sums.iter_mut().zip(grid) {
            let found = Objective::new(fitted.view(), &own, cost).fit(stop, before.as_ref());
            let right =
                found.predict(held_out.view()).iter().zip(&truth).filter(|(a, b)| a == b).count();
            *sum += right as f64 / truth.len().max(1) as f64;
            failed += usize::from(!found.converged);
            before = Some(found);
        }
    }
    (grid[first_largest(sums.into_iter())], failed)
}

/// Parts that a cost is chosen by: so many stratified folds, or as many as the smallest class has samples.
pub fn inner_parts(labels: &[usize], count: usize, seed: u64) -> Vec<Part> {
    let classes = labels.iter().max().map_or(0, |most| most + 1);
    let sizes = (0..classes).map(|c| labels.iter().filter(|&&l| l == c).count());
    let smallest = sizes.filter(|&size| size > 0).min().unwrap_or(0);
    folds(labels, count.min(smallest).max(2), &mut Draws::new(seed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    fn example(n: usize, width: usize) -> Array2<f64> {
        Array2::from_shape_fn((n, width), |(i, j)| ((i * 31 + j * j * (i + 1)) as f64).sin())
    }

    #[test]
    fn gradients_are_those_of_the_values() {
        let rows = example(14, 3);
        for classes in [2, 4] {
            let labels: Vec<usize> = (0..14).map(|i| i % classes).collect();
            let objective = Objective::new(rows.view(), &labels, 0.7);
            let size = (4, if classes == 2 { 1 } else { classes });
            let point = Array2::from_shape_fn(size, |(i, j)| ((4 * i + j) as f64 * 1.3).cos());
            let (_, gradient) = objective.evaluate(&point);
            for (at, found) in gradient.indexed_iter() {
                let value = |step: f64| {
                    let mut moved = point.clone();
                    moved[at] += step;
                    objective.evaluate(&moved).0
                };
                let slope = (value(1e-5) - value(-1e-5)) / 2e-5;
                assert_abs_diff_eq!(*found, slope, epsilon = 1e-8);
            }
        }
    }

    #[test]
    fn classes_that_do_not_occur_are_never_predicted() {
        let rows = example(12, 3);
        let labels: Vec<usize> = (0..12).map(|i| [1, 4, 6][i % 3]).collect();
        let stop = Stop { gradient: 1e-8, steps: 500 };
        let found = Objective::new(rows.view(), &labels, 1.0).fit(stop, None);
        assert!(found.converged);
        assert!(found.predict(example(40, 3).view()).iter().all(|class| [1, 4, 6].contains(class)));
    }
}
