//! C_T: whether generated samples lie nearer to the training samples than held-out ones do.

mod cells;
mod components;

use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use self::cells::Cells;
use self::components::Components;
use crate::linalg::distances::{row_blocks, squared_distances};

/// Cells that the training samples are divided into.
pub const CELLS: usize = 3;

/// Generated samples that a cell needs more than, to count.
pub const LEAST_GENERATED: usize = 20;

/// Principal components of the training samples that are kept where there are more features.
pub const COMPONENTS: usize = 64;

/// Training and held-out samples, divided into cells.
#[derive(Debug, Clone)]
pub struct Split {
    components: Option<Components>,
    cells: Cells,
    /// The training samples of each cell.
    training: Vec<Array2<f64>>,
    /// Distances of the held-out samples of each cell to the nearest training sample in it, ascending.
    held_out: Vec<Vec<f64>>,
}

/// The test of one set of generated samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Copying {
    /// The statistic, in standard deviations of the hypothesis that generated and held-out samples are alike: far below
    /// 0 for copies of training samples, far above for samples that miss what the training set holds.
    pub value: f64,
    /// Cells that held too few generated samples to count.
    pub left_out: usize,
}

impl Split {
    /// Training and held-out samples, n×D and m×D: a row a sample. Of more than 64 features the first 64 principal
    /// components of the training samples are taken. Cells are found by k-means++ from ten beginnings by `seed`, of
    /// which the best is kept.
    ///
    /// # Errors
    /// Too few samples, or a cell without held-out ones.
    pub fn new(
        training: ArrayView2<'_, f64>,
        held_out: ArrayView2<'_, f64>,
        seed: u64,
    ) -> Result<Self, String> {
        if training.ncols() != held_out.ncols() {
            let (own, other) = (held_out.ncols(), training.ncols());
            return Err(format!("the held-out set has {own} features, and the reference {other}"));
        }
        let components = match training.ncols() > COMPONENTS {
            true => Some(Components::new(training, COMPONENTS)?),
            false => None,
        };
        let projected = |rows: ArrayView2<'_, f64>| project(components.as_ref(), rows);
        let (training, held_out) = (projected(training), projected(held_out));
        let cells = Cells::new(&training, CELLS, seed)?;
        Self::of_cells(components, cells, &training, &held_out)
    }

    fn of_cells(
        components: Option<Components>,
        cells: Cells,
        training: &Array2<f64>,
        held_out: &Array2<f64>,
    ) -> Result<Self, String> {
        let (training, held_out) = (cells.divided(training), cells.divided(held_out));
        if training.iter().chain(&held_out).any(|cell| cell.nrows() == 0) {
            return Err(format!(
                "one of the {CELLS} clusters of the training samples holds no training or held-out sample; give more \
                 held-out samples"
            ));
        }
        let held_out = held_out.iter().zip(&training).map(|(p, t)| nearest(p, t)).collect();
        Ok(Self { components, cells, training, held_out })
    }

    /// The three-sample test of data copying (Meehan et al. 2020) of generated samples, as dgm-eval computes it. In
    /// each cell, with distances L to the nearest training sample of the cell, n held-out samples P and m generated
    /// ones Q:
    ///
    /// ```text
    /// U = #{L(Q) > L(P)} + ½·#{L(Q) = L(P)}        Z = (U − (nm/2 − ½)) / √(nm(n+m+1)/12)
    /// C_T = Σ w·Z / Σ w   over cells with more than 20 generated samples, w = share of the held-out samples
    /// ```
    ///
    /// # Errors
    /// No cell holds more than 20 generated samples.
    pub fn against(&self, generated: ArrayView2<'_, f64>) -> Result<Copying, String> {
        let generated = self.cells.divided(&project(self.components.as_ref(), generated));
        let (mut sum, mut weights, mut left_out) = (0.0, 0.0, 0);
        for ((generated, training), held_out) in
            generated.iter().zip(&self.training).zip(&self.held_out)
        {
            if generated.nrows() <= LEAST_GENERATED {
                left_out += 1;
                continue;
            }
            let weight = held_out.len() as f64;
            sum += weight * standardised(&nearest(generated, training), held_out);
            weights += weight;
        }
        match weights > 0.0 {
            true => Ok(Copying { value: sum / weights, left_out }),
            false => Err(format!(
                "no cluster of the training samples holds more than {LEAST_GENERATED} generated samples"
            )),
        }
    }
}

fn project(components: Option<&Components>, rows: ArrayView2<'_, f64>) -> Array2<f64> {
    components.map_or_else(|| rows.to_owned(), |components| components.of(rows))
}

/// Squared distances of rows to the nearest of others, ascending.
fn nearest(rows: &Array2<f64>, others: &Array2<f64>) -> Vec<f64> {
    let mut all = vec![];
    for block in row_blocks(rows.nrows(), others.nrows()) {
        let distances = squared_distances(rows.slice(s![block, ..]), others.view());
        all.extend(
            distances.map_axis(Axis(1), |row| row.fold(f64::INFINITY, |least, d| least.min(*d))),
        );
    }
    all.sort_by(f64::total_cmp);
    all
}

/// Z of the Mann–Whitney U of two ascending lists, with the correction for continuity of the published code.
fn standardised(generated: &[f64], held_out: &[f64]) -> f64 {
    let below =
        |d: f64, or_equal: bool| held_out.partition_point(|p| *p < d || (or_equal && *p == d));
    let u: f64 = generated.iter().map(|&d| 0.5 * (below(d, false) + below(d, true)) as f64).sum();
    let (m, n) = (generated.len() as f64, held_out.len() as f64);
    (u - (n * m / 2.0 - 0.5)) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}

/// The mean of each column; of no rows nothing.
fn mean(rows: ArrayView2<'_, f64>) -> Array1<f64> {
    rows.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(rows.ncols()))
}
