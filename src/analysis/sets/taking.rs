//! Features of a set as they come.

use ndarray::{Array2, s};

use super::Plan;
use super::watch::Watch;
use crate::capture::extract::Piece;
use crate::stats::Moments;

/// What is taken in of the features of a set.
pub(super) struct Taking {
    pub(super) rows: Option<Array2<f64>>,
    pub(super) moments: Option<Moments>,
    pub(super) watch: Watch,
    done: usize,
}

impl Taking {
    /// Of at most so many samples of so many features, what a plan wants.
    pub(super) fn new(plan: Plan, (count, width): (usize, usize)) -> Self {
        Self {
            rows: plan.samples.then(|| Array2::zeros((count, width))),
            moments: plan.covariance.then(|| Moments::new(width)),
            watch: Watch::default(),
            done: 0,
        }
    }

    /// Takes in a batch.
    pub(super) fn take(&mut self, piece: &Piece<'_>) {
        let count = piece.features.nrows();
        self.watch.add(piece.features, piece.averaged, piece.constant);
        if let Some(moments) = &mut self.moments {
            moments.push_rows(piece.features);
        }
        if let Some(rows) = &mut self.rows {
            rows.slice_mut(s![self.done..self.done + count, ..]).assign(&piece.features);
        }
        self.done += count;
    }

    /// All have come: samples that were left out have no row.
    pub(super) fn end(&mut self) {
        if let Some(rows) = &mut self.rows {
            rows.slice_collapse(s![..self.done, ..]);
        }
    }
}
