//! Clusters of samples by k-means.

use ndarray::{Array2, ArrayView1, Axis};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::mean;
use crate::linalg::distances::squared_distances;

/// Random beginnings, of which the best end is kept.
const BEGINNINGS: usize = 10;

/// Steps after which centres are taken as they are.
const STEPS: usize = 300;

/// The centres of clusters.
#[derive(Debug, Clone)]
pub(super) struct Cells {
    centres: Array2<f64>,
}

impl Cells {
    /// Lloyd's algorithm from centres of k-means++ (Arthur & Vassilvitskii 2007).
    ///
    /// # Errors
    /// Fewer different rows than clusters.
    pub(super) fn new(rows: &Array2<f64>, count: usize, seed: u64) -> Result<Self, String> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut best: Option<(f64, Self)> = None;
        for _ in 0..BEGINNINGS {
            let mut cells = Self { centres: beginning(rows, count, &mut random)? };
            let spread = cells.settle(rows);
            if best.as_ref().is_none_or(|(least, _)| spread < *least) {
                best = Some((spread, cells));
            }
        }
        best.map(|(_, cells)| cells).ok_or_else(|| "there are no clusters".to_owned())
    }

    /// Moves the centres to the means of their cells until no sample changes its cell; the sum of squared distances.
    fn settle(&mut self, rows: &Array2<f64>) -> f64 {
        let (mut places, mut spread) = self.places(rows);
        for _ in 0..STEPS {
            for (cell, mut centre) in self.centres.rows_mut().into_iter().enumerate() {
                let own: Vec<usize> = (0..rows.nrows()).filter(|&i| places[i] == cell).collect();
                if !own.is_empty() {
                    centre.assign(&mean(rows.select(Axis(0), &own).view()));
                }
            }
            let (moved, now) = self.places(rows);
            spread = now;
            if moved == places {
                break;
            }
            places = moved;
        }
        spread
    }

    /// The cell of each row, and the sum of squared distances to their centres.
    fn places(&self, rows: &Array2<f64>) -> (Vec<usize>, f64) {
        let distances = squared_distances(rows.view(), self.centres.view());
        let nearest = distances.rows().into_iter().filter_map(least).collect::<Vec<_>>();
        let spread = nearest.iter().map(|(_, d)| d).sum();
        (nearest.into_iter().map(|(cell, _)| cell).collect(), spread)
    }

    /// Rows by their cells.
    pub(super) fn divided(&self, rows: &Array2<f64>) -> Vec<Array2<f64>> {
        let (places, _) = self.places(rows);
        let of = |cell| (0..places.len()).filter(|&i| places[i] == cell).collect::<Vec<_>>();
        (0..self.centres.nrows()).map(|cell| rows.select(Axis(0), &of(cell))).collect()
    }
}

fn least(row: ArrayView1<'_, f64>) -> Option<(usize, f64)> {
    row.iter().copied().enumerate().min_by(|a, b| a.1.total_cmp(&b.1))
}

/// A row drawn evenly, and then rows drawn by the squared distance to the nearest one drawn.
fn beginning(
    rows: &Array2<f64>,
    count: usize,
    random: &mut ChaCha8Rng,
) -> Result<Array2<f64>, String> {
    let mut weights = vec![1.0; rows.nrows()];
    let mut chosen: Vec<usize> = vec![];
    while chosen.len() < count {
        let total: f64 = weights.iter().sum();
        if total <= 0.0 {
            return Err(format!("the training samples are fewer than {count} different ones"));
        }
        chosen.push(drawn(&weights, total, random));
        let centres = rows.select(Axis(0), &chosen);
        let distances = squared_distances(rows.view(), centres.view());
        weights =
            distances.rows().into_iter().map(|row| least(row).map_or(0.0, |(_, d)| d)).collect();
    }
    Ok(rows.select(Axis(0), &chosen))
}

/// A place by its weight, never one of weight 0.
fn drawn(weights: &[f64], total: f64, random: &mut ChaCha8Rng) -> usize {
    let mut left = total * (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let mut last = 0;
    for (place, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        last = place;
        left -= weight;
        if left < 0.0 {
            break;
        }
    }
    last
}
