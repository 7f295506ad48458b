//! Mean and covariance of features, in one pass.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use serde::{Deserialize, Serialize};

use super::Sum;

/// Columns of a scatter that are added to at once.
const COLUMNS: usize = 256;

/// Mean and scatter of the rows seen so far, in float64.
///
/// With n rows of mean m and scatter S = Σ(x−m)(x−m)ᵀ, and b more of mean m′ and scatter S′, all
/// rows together have
///
/// ```text
/// m″ = m + (b/(n+b))·(m′−m)        S″ = S + S′ + (nb/(n+b))·(m′−m)(m′−m)ᵀ
/// ```
///
/// (Chan, Golub & LeVeque 1979). The first row is subtracted from all before anything is summed,
/// so that a large mean costs no digits. Memory is D², whatever n.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    count: usize,
    /// The first row; what follows is relative to it.
    #[serde(with = "super::packed")]
    origin: Array1<f64>,
    #[serde(with = "super::packed")]
    mean: Array1<f64>,
    /// Only the lower triangle counts.
    #[serde(with = "super::packed::triangle")]
    scatter: Array2<f64>,
}

impl Moments {
    /// No rows yet, of `width` features.
    pub fn new(width: usize) -> Self {
        Self {
            count: 0,
            origin: Array1::zeros(width),
            mean: Array1::zeros(width),
            scatter: Array2::zeros((width, width)),
        }
    }

    /// Whether all it has is of so many features.
    pub fn is_of(&self, width: usize) -> bool {
        [&self.origin, &self.mean].iter().all(|one| one.len() == width)
            && self.scatter.dim() == (width, width)
    }

    /// Rows seen.
    pub fn count(&self) -> usize {
        self.count
    }

    /// D.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// Adds the rows of an n×D matrix.
    ///
    /// # Panics
    /// Where D is another.
    pub fn push_rows(&mut self, rows: ArrayView2<'_, f64>) {
        let count = rows.nrows();
        if count == 0 {
            return;
        }
        if self.count == 0 {
            self.origin = rows.row(0).to_owned();
        }
        let mut shifted = Array2::zeros((count + 1, self.width()));
        let mut own = shifted.slice_mut(s![..count, ..]);
        own.assign(&rows);
        own -= &self.origin;
        let mean = own.sum_axis(Axis(0)) / count as f64;
        own -= &mean;
        // What rounding left of the mean, removed in a second step.
        let rest = own.sum_axis(Axis(0)) / count as f64;
        own -= &rest;
        self.join(count, &(mean + rest), &mut shifted);
    }

    /// Adds the scatter of centred rows, whose last row is free, and of the distance of their mean.
    fn join(&mut self, count: usize, mean: &Array1<f64>, rows: &mut Array2<f64>) {
        let (n, b) = (self.count as f64, count as f64);
        let apart = mean - &self.mean;
        rows.row_mut(count).assign(&(&apart * (n * b / (n + b)).sqrt()));
        for first in (0..self.width()).step_by(COLUMNS) {
            let left = rows.slice(s![.., first..]);
            let right = rows.slice(s![.., first..self.width().min(first + COLUMNS)]);
            let mut sums = self.scatter.slice_mut(s![first.., first..first + right.ncols()]);
            general_mat_mul(1.0, &left.t(), &right, 1.0, &mut sums);
        }
        self.mean.scaled_add(b / (n + b), &apart);
        self.count += count;
    }

    /// Adds the rows that another one saw.
    ///
    /// # Panics
    /// Where D is another.
    pub fn merge(&mut self, other: &Self) {
        if self.count == 0 {
            self.clone_from(other);
        } else if other.count > 0 {
            let (n, b) = (self.count as f64, other.count as f64);
            let apart = (&other.origin - &self.origin) + &other.mean - &self.mean;
            let column = apart.view().insert_axis(Axis(1));
            self.scatter += &other.scatter;
            general_mat_mul(n * b / (n + b), &column, &column.t(), 1.0, &mut self.scatter);
            self.mean.scaled_add(b / (n + b), &apart);
            self.count += other.count;
        }
    }

    /// The mean, of D features; zeros without rows.
    pub fn mean(&self) -> Array1<f64> {
        &self.origin + &self.mean
    }

    /// The covariance, D×D, over n − `ddof`; `None` where that is not positive.
    pub fn covariance(&self, ddof: usize) -> Option<Array2<f64>> {
        let divisor = self.count.checked_sub(ddof).filter(|d| *d > 0)? as f64;
        let mut matrix = self.scatter.clone();
        for i in 0..self.width() {
            for j in 0..=i {
                let value = matrix[(i, j)] / divisor;
                matrix[(i, j)] = value;
                matrix[(j, i)] = value;
            }
        }
        Some(matrix)
    }
}

impl Sum for Moments {
    fn merge(&mut self, later: Self) {
        match self.count {
            0 => *self = later,
            _ => Self::merge(self, &later),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    /// Whole numbers that no float64 rounds, also far from zero.
    fn rows(count: usize, offset: f64) -> Array2<f64> {
        Array2::from_shape_fn((count, 3), |(i, j)| {
            ((i * i * (j + 3) + 5 * j * i) % 17) as f64 + offset
        })
    }

    fn by_definition(rows: &Array2<f64>) -> Array2<f64> {
        let first = rows.row(0).to_owned();
        let rows = rows - &first;
        let centred = &rows - &(rows.sum_axis(Axis(0)) / rows.nrows() as f64);
        centred.t().dot(&centred) / (rows.nrows() - 1) as f64
    }

    fn streamed(rows: &Array2<f64>, batch: usize) -> Moments {
        let mut moments = Moments::new(rows.ncols());
        rows.axis_chunks_iter(Axis(0), batch).for_each(|part| moments.push_rows(part));
        moments
    }

    #[test]
    fn any_batches_give_the_definition_at_any_offset() {
        for offset in [0.0, 1e3, 2f64.powi(40)] {
            let rows = rows(50, offset);
            let expected = by_definition(&rows);
            for batch in [1, 2, 7, 49, 50] {
                let moments = streamed(&rows, batch);
                let found = moments.covariance(1).unwrap_or_default();
                assert_relative_eq!(found, expected, max_relative = 1e-12);
                let mean = rows.mapv(|v| v - offset).sum_axis(Axis(0)) / 50.0;
                assert_relative_eq!(
                    moments.mean() - offset,
                    mean,
                    epsilon = offset * 3e-16 + 1e-14
                );
            }
        }
    }

    #[test]
    fn columns_in_several_blocks_give_the_definition() {
        let width = 2 * COLUMNS + 3;
        let rows = Array2::from_shape_fn((9, width), |(i, j)| ((i * i * (j + 3)) % 17) as f64);
        let found = streamed(&rows, 4).covariance(1).unwrap_or_default();
        assert_relative_eq!(found, by_definition(&rows), epsilon = 1e-12);
    }

    #[test]
    fn merging_at_every_point_gives_the_whole() {
        let rows = rows(20, 2f64.powi(40));
        let expected = by_definition(&rows);
        for split in 0..=20 {
            let (left, right) = rows.view().split_at(Axis(0), split);
            let (mut a, mut b) = (Moments::new(3), Moments::new(3));
            a.push_rows(left);
            b.push_rows(right);
            a.merge(&b);
            assert_eq!(a.count(), 20);
            assert_relative_eq!(
                a.covariance(1).unwrap_or_default(),
                expected,
                max_relative = 1e-12
            );
        }
    }

    #[test]
    fn too_few_rows_have_no_covariance() {
        let moments = streamed(&rows(1, 0.0), 1);
        assert!(moments.covariance(1).is_none() && moments.covariance(0).is_some());
    }
}
