//! Every measure of every pair of layers.

use ndarray::Array2;

use super::absence::Absence;
use super::measure::Measure;
use super::null::{Null, interval, null};
use super::pair::Pair;
use super::parallel::each;
use super::representation::Representation;

/// What is measured of each pair, and with how many threads.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The measures.
    pub measures: Vec<Measure>,
    /// Random orders of the samples that values are held against; 0 for none.
    pub permutations: usize,
    /// Resamples of the samples that intervals are made from; 0 for none.
    pub resamples: usize,
    /// Share of the resamples within an interval.
    pub level: f64,
    /// Seed of both.
    pub seed: u64,
    /// Pairs that are measured at a time.
    pub threads: usize,
}

/// One measure of one pair.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// The value, or why there is none.
    pub value: Result<f64, Absence>,
    /// The value against permuted samples, where that was asked for and there is one.
    pub null: Option<Null>,
    /// The bootstrap interval, likewise.
    pub interval: Option<(f64, f64)>,
}

/// For each measure a row a layer of A and a column a layer of B; `None` where one of the two layers
/// is missing.
pub type Table = Vec<Array2<Option<Cell>>>;

/// Measures every pair: of the layers of A with those of B or, without a B, with each other. The
/// measures of a pair share what they can, and a symmetric measure of A with itself is made once for
/// each two layers. `done` is called after each pair.
///
/// The result does not depend on the number of threads.
pub fn table(
    a: &[Option<&Representation>],
    b: Option<&[Option<&Representation>]>,
    plan: &Plan,
    done: &mut dyn FnMut(),
) -> Table {
    let columns = b.unwrap_or(a);
    let pairs: Vec<(usize, usize)> = (0..a.len())
        .flat_map(|i| (0..columns.len()).map(move |j| (i, j)))
        .filter(|(i, j)| b.is_some() || i <= j)
        .collect();
    let mut found: Table =
        plan.measures.iter().map(|_| Array2::from_elem((a.len(), columns.len()), None)).collect();
    let work = |&(i, j): &(usize, usize)| {
        let both = [(a[i], columns[j]), (columns[j], a[i])];
        measured(both, plan, b.is_none() && i != j)
    };
    let cells = each(&pairs, plan.threads, work, done);
    for (&(i, j), [there, back]) in pairs.iter().zip(cells) {
        there.into_iter().zip(&mut found).for_each(|(cell, all)| all[(i, j)] = cell);
        back.into_iter().zip(&mut found).for_each(|(cell, all)| all[(j, i)] = cell);
    }
    found
}

/// The measures of two layers and, where wanted, of the same two the other way round.
fn measured(
    [there, back]: [(Option<&Representation>, Option<&Representation>); 2],
    plan: &Plan,
    both: bool,
) -> [Vec<Option<Cell>>; 2] {
    let pair = |(a, b): (Option<_>, Option<_>)| Pair::new(a?, b?).ok();
    let (there, back) = (pair(there), pair(back));
    let of = |pair: &Option<Pair<'_>>, m: Measure| pair.as_ref().map(|pair| cell(m, pair, plan));
    let found: Vec<Option<Cell>> = plan.measures.iter().map(|&m| of(&there, m)).collect();
    let other = |(cell, m): (&Option<Cell>, &Measure)| match m.facts().symmetric {
        true => cell.clone(),
        false => of(&back, *m),
    };
    let mirrored = match both {
        true => found.iter().zip(&plan.measures).map(other).collect(),
        false => vec![],
    };
    [found, mirrored]
}

fn cell(measure: Measure, pair: &Pair<'_>, plan: &Plan) -> Cell {
    let value = measure.value(pair);
    let sound = value.is_ok();
    let against = || null(measure, pair, plan.permutations, plan.seed).ok();
    let within = || interval(measure, pair, plan.resamples, plan.level, plan.seed).ok();
    Cell {
        null: (sound && plan.permutations > 0).then(against).flatten(),
        interval: (sound && plan.resamples > 0).then(within).flatten(),
        value,
    }
}
