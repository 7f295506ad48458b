//! Ridge regression, on numbers or on indicators of classes.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::Span;

/// A linear map of coordinates: Z·W + b.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    /// W, r×T.
    pub weights: Array2<f64>,
    /// b, T.
    pub intercepts: Array1<f64>,
}

impl Linear {
    /// Decision values of rows, m×T.
    ///
    /// # Panics
    /// If the rows are of another width.
    pub fn decide(&self, rows: ArrayView2<'_, f64>) -> Array2<f64> {
        rows.dot(&self.weights) + &self.intercepts
    }

    /// The class of each row: that with the largest decision value, the first of equals; of one column the second
    /// class where it is above 0.
    pub fn classes(&self, rows: ArrayView2<'_, f64>) -> Vec<usize> {
        let class = |row: ndarray::ArrayView1<'_, f64>| match row.len() {
            1 => usize::from(row[0] > 0.0),
            _ => first_largest(row.iter().copied()),
        };
        self.decide(rows).rows().into_iter().map(class).collect()
    }
}

/// The place of the largest value, the first of equals.
pub fn first_largest(values: impl Iterator<Item = f64>) -> usize {
    let larger = |best: (usize, f64), (i, v): (usize, f64)| if v > best.1 { (i, v) } else { best };
    values.enumerate().fold((0, f64::NEG_INFINITY), larger).0
}

/// Indicators of K classes as scikit-learn's `RidgeClassifier` takes them: 1 for the class of the sample and −1 for
/// the others, n×K; of two classes one column, 1 for the second.
pub fn indicators(labels: &[usize], classes: usize) -> Array2<f64> {
    let sign = |is: bool| if is { 1.0 } else { -1.0 };
    match classes {
        2 => Array2::from_shape_fn((labels.len(), 1), |(i, _)| sign(labels[i] == 1)),
        _ => Array2::from_shape_fn((labels.len(), classes), |(i, c)| sign(labels[i] == c)),
    }
}

/// Ridge regression with an intercept that is not penalised, for any penalty at the price of two products:
///
/// ```text
/// min ‖Y − X·W − 1bᵀ‖² + α‖W‖²      W = V·diag(1/(s² + α))·Zᵀ(Y − 1ȳᵀ),  b = ȳ − x̄·W
/// ```
#[derive(Debug, Clone)]
pub struct Ridge<'a> {
    span: &'a Span,
    /// What of Y − ȳ lies outside of the span, n×T; 0 where that fills all directions.
    unexplained: Array2<f64>,
    means: Array1<f64>,
    /// ZᵀY, r×T.
    cross: Array2<f64>,
    /// Of each sample the share of its direction that lies outside of the span and of the mean; 0 where those fill
    /// all directions.
    outside: Array1<f64>,
}

impl<'a> Ridge<'a> {
    /// Of n×T targets of the samples of a span.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn new(span: &'a Span, targets: ArrayView2<'_, f64>) -> Self {
        let n = targets.nrows();
        let means = targets.sum_axis(Axis(0)) / n.max(1) as f64;
        let targets = &targets - &means;
        let cross = span.rows.t().dot(&targets);
        let filled = span.rank() + 1 >= n;
        let outside = span.rows.rows().into_iter().map(|row| {
            let within: f64 = row.iter().zip(&span.squares).map(|(z, s)| z * z / s).sum();
            if filled { 0.0 } else { (1.0 - 1.0 / n as f64 - within).max(0.0) }
        });
        let outside = outside.collect();
        let unexplained = match filled {
            true => Array2::zeros(targets.dim()),
            false => {
                let squares = span.squares.view().insert_axis(Axis(1));
                &targets - &span.rows.dot(&(&cross / &squares))
            }
        };
        Self { span, unexplained, means, cross, outside }
    }

    /// The map for a penalty of each target.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn fit(&self, alphas: &[f64]) -> Linear {
        let weights = Array2::from_shape_fn(self.cross.dim(), |(j, t)| {
            self.cross[(j, t)] / (self.span.squares[j] + alphas[t])
        });
        Linear { weights, intercepts: self.means.clone() }
    }

    /// The mean squared error of each target where each sample is predicted from all others, in closed form
    /// (Allen 1974), which is also what scikit-learn's `RidgeCV` chooses by:
    ///
    /// ```text
    /// eᵢ = rᵢ/(1 − hᵢᵢ)      r = Y − Ŷ,  h = 1/n + Σⱼ uᵢⱼ²·sⱼ²/(sⱼ² + α)
    /// ```
    ///
    /// 1 − h and r are summed from their parts α/(s² + α), which do not cancel where D > n.
    pub fn errors(&self, alpha: f64) -> Array1<f64> {
        let Span { rows, squares, .. } = self.span;
        let left = squares.mapv(|s| if alpha == 0.0 { 0.0 } else { alpha / (s + alpha) });
        let shrunk = &self.cross * &(&left / squares).insert_axis(Axis(1));
        let mut residuals = rows.dot(&shrunk) + &self.unexplained;
        for ((row, mut residual), outside) in
            rows.rows().into_iter().zip(residuals.rows_mut()).zip(&self.outside)
        {
            let within: f64 =
                row.iter().zip(squares).zip(&left).map(|((z, s), left)| z * z / s * left).sum();
            residual /= outside + within;
        }
        residuals.mapv_inplace(|r| r * r);
        residuals.sum_axis(Axis(0)) / rows.nrows().max(1) as f64
    }

    /// The penalty of a grid with the smallest error over all targets, the first of equals.
    pub fn choose(&self, grid: &[f64]) -> f64 {
        best(grid, |alpha| self.errors(alpha).sum())
    }

    /// The same for each target by itself.
    pub fn choose_each(&self, grid: &[f64]) -> Vec<f64> {
        let errors: Vec<Array1<f64>> = grid.iter().map(|&alpha| self.errors(alpha)).collect();
        let of = |t: usize| {
            let place = first_largest(errors.iter().map(|errors| -errors[t]));
            grid.get(place).copied().unwrap_or(0.0)
        };
        (0..self.means.len()).map(of).collect()
    }
}

fn best(grid: &[f64], error: impl Fn(f64) -> f64) -> f64 {
    match grid {
        [only] => *only,
        _ => grid[first_largest(grid.iter().map(|&alpha| -error(alpha)))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use ndarray::s;

    fn example(n: usize, width: usize) -> Array2<f64> {
        Array2::from_shape_fn((n, width), |(i, j)| ((i * 31 + j * j * (i + 1)) as f64).sin() + 1.0)
    }

    /// Each sample predicted by a fit without it.
    fn by_hand(rows: &Array2<f64>, targets: &Array2<f64>, alpha: f64) -> Array1<f64> {
        let n = rows.nrows();
        let mut sum = Array1::zeros(targets.ncols());
        for i in 0..n {
            let others: Vec<usize> = (0..n).filter(|&j| j != i).collect();
            let span = Span::of(rows.select(Axis(0), &others).view()).expect("finite");
            let ridge = Ridge::new(&span, targets.select(Axis(0), &others).view());
            let found = ridge.fit(&vec![alpha; targets.ncols()]);
            let row = rows.slice(s![i..=i, ..]);
            let error = &found.decide(span.place(row).view()).row(0) - &targets.row(i);
            sum += &(&error * &error);
        }
        sum / n as f64
    }

    #[test]
    fn errors_in_closed_form_are_those_of_leaving_each_out() {
        for (n, width) in [(12, 4), (9, 30)] {
            let rows = example(n, width);
            let targets = example(n, 2).mapv(|v| 3.0 * v * v);
            let span = Span::of(rows.view()).expect("finite");
            let ridge = Ridge::new(&span, targets.view());
            for alpha in [1e-3, 1.0, 100.0] {
                let expected = by_hand(&rows, &targets, alpha);
                assert_abs_diff_eq!(ridge.errors(alpha), expected, epsilon = 1e-8);
            }
        }
    }

    #[test]
    fn an_endless_penalty_leaves_the_majority() {
        let rows = example(15, 4);
        let labels: Vec<usize> =
            (0..15).map(|i| usize::from(i % 3 == 0) + usize::from(i == 0)).collect();
        let span = Span::of(rows.view()).expect("finite");
        let found = Ridge::new(&span, indicators(&labels, 3).view()).fit(&[1e15; 3]);
        assert!(found.classes(span.rows.view()).iter().all(|&class| class == 0));
    }
}
