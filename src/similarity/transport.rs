//! Optimal transport between units that all weigh the same.

use ndarray::{Array1, Array2, ArrayView2};

/// The least mean cost of moving m rows, each of weight 1/m, to n columns of weight 1/n,
///
/// ```text
/// min_P Σᵢⱼ PᵢⱼCᵢⱼ      P ≥ 0, Σⱼ Pᵢⱼ = 1/m, Σᵢ Pᵢⱼ = 1/n
/// ```
///
/// exactly, by shortest augmenting paths with potentials (Tomizawa 1971, Edmonds & Karp 1972) on
/// whole weights m and n over their greatest common divisor: with m = n it is the assignment
/// problem. Costs must not be negative. Time grows with (m + n)·m·n.
pub fn least_cost(costs: ArrayView2<'_, f64>) -> f64 {
    let (m, n) = costs.dim();
    if m == 0 || n == 0 {
        return 0.0;
    }
    let mut plan = Plan::new(costs);
    (0..m).for_each(|row| plan.supply(row));
    let moved =
        plan.flow.iter().enumerate().flat_map(|(j, from)| {
            from.iter().map(move |&(i, amount)| costs[(i, j)] * amount as f64)
        });
    moved.sum::<f64>() / (m * (n / divisor(m, n))) as f64
}

/// The greatest common divisor.
fn divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { divisor(b, a % b) }
}

struct Plan<'a> {
    costs: ArrayView2<'a, f64>,
    /// What each row gives.
    weight: usize,
    /// What each column still takes.
    room: Vec<usize>,
    /// For each column the rows that it takes from, and how much.
    flow: Vec<Vec<(usize, usize)>>,
    rows: Array1<f64>,
    columns: Array1<f64>,
}

/// The search from a row.
struct Search {
    /// Length of the shortest path to each column, and the row before it.
    distance: Vec<f64>,
    before: Vec<usize>,
    /// Columns whose path is known to be shortest.
    done: Vec<bool>,
    /// Rows that are reached, with their distance; the column before a row.
    reached: Vec<(usize, f64)>,
    back: Vec<Option<usize>>,
}

impl<'a> Plan<'a> {
    fn new(costs: ArrayView2<'a, f64>) -> Self {
        let (m, n) = costs.dim();
        let common = divisor(m, n);
        let least = |column: ndarray::ArrayView1<'_, f64>| {
            column.iter().copied().fold(f64::INFINITY, f64::min)
        };
        Self {
            costs,
            weight: n / common,
            room: vec![m / common; n],
            flow: vec![Vec::new(); n],
            rows: Array1::zeros(m),
            columns: costs.columns().into_iter().map(least).collect(),
        }
    }

    /// Sends all that a row gives.
    fn supply(&mut self, row: usize) {
        let mut left = self.weight;
        while left > 0 {
            let (search, end, length) = self.search(row);
            self.reprice(&search, length);
            left -= self.augment(row, &search, end, left);
        }
    }

    /// Dijkstra's search from a row to the nearest column that has room.
    fn search(&self, row: usize) -> (Search, usize, f64) {
        let (m, n) = self.costs.dim();
        let mut search = Search {
            distance: vec![f64::INFINITY; n],
            before: vec![row; n],
            done: vec![false; n],
            reached: Vec::new(),
            back: vec![None; m],
        };
        self.reach(&mut search, row, 0.0);
        loop {
            let (column, length) = search.nearest();
            search.done[column] = true;
            if self.room[column] > 0 {
                return (search, column, length);
            }
            for &(from, _) in &self.flow[column] {
                if from != row && search.back[from].is_none() {
                    search.back[from] = Some(column);
                    self.reach(&mut search, from, length);
                }
            }
        }
    }

    /// Takes a row into the search: its columns may be nearer through it.
    fn reach(&self, search: &mut Search, row: usize, length: f64) {
        search.reached.push((row, length));
        let base = length - self.rows[row];
        for (j, (cost, price)) in self.costs.row(row).iter().zip(&self.columns).enumerate() {
            let through = base + cost - price;
            if !search.done[j] && through < search.distance[j] {
                search.distance[j] = through;
                search.before[j] = row;
            }
        }
    }

    /// Moves the potentials so that no edge costs less than nothing and the path costs nothing.
    fn reprice(&mut self, search: &Search, length: f64) {
        search.reached.iter().for_each(|&(row, at)| self.rows[row] += length - at);
        for (j, price) in self.columns.iter_mut().enumerate() {
            if search.done[j] {
                *price -= length - search.distance[j];
            }
        }
    }

    /// Sends as much along the path as it takes, and says how much.
    fn augment(&mut self, row: usize, search: &Search, end: usize, left: usize) -> usize {
        let path = path(row, search, end);
        let taken = |&(_, column, next): &(usize, usize, Option<usize>)| {
            next.map_or(usize::MAX, |next| amount(&self.flow[column], next))
        };
        let most = path.iter().map(taken).min().unwrap_or(left).min(left).min(self.room[end]);
        for (from, column, next) in path {
            let flow = &mut self.flow[column];
            if let Some(next) = next {
                flow.iter_mut().filter(|(i, _)| *i == next).for_each(|(_, a)| *a -= most);
                flow.retain(|(_, a)| *a > 0);
            }
            match flow.iter_mut().find(|(i, _)| *i == from) {
                Some((_, amount)) => *amount += most,
                None => flow.push((from, most)),
            }
        }
        self.room[end] -= most;
        most
    }
}

impl Search {
    fn nearest(&self) -> (usize, f64) {
        let open = (0..self.done.len()).filter(|&j| !self.done[j]);
        let nearer = |best: (usize, f64), j: usize| match self.distance[j] < best.1 {
            true => (j, self.distance[j]),
            false => best,
        };
        open.fold((0, f64::INFINITY), nearer)
    }
}

/// The steps of a path from its end: the row that sends, the column that takes, and the row that
/// takes back from this column in exchange (none at the end).
fn path(row: usize, search: &Search, end: usize) -> Vec<(usize, usize, Option<usize>)> {
    let mut steps = Vec::new();
    let (mut column, mut next) = (end, None);
    loop {
        let from = search.before[column];
        steps.push((from, column, next));
        match search.back[from] {
            Some(before) if from != row => (column, next) = (before, Some(from)),
            _ => return steps,
        }
    }
}

fn amount(flow: &[(usize, usize)], row: usize) -> usize {
    flow.iter().find(|(i, _)| *i == row).map_or(0, |(_, amount)| *amount)
}

/// Squared distances between the columns of two n×m matrices, not below zero.
pub(super) fn column_distances(x: ArrayView2<'_, f64>, y: ArrayView2<'_, f64>) -> Array2<f64> {
    let norms = |z: ArrayView2<'_, f64>| -> Vec<f64> {
        z.columns().into_iter().map(|c| c.dot(&c)).collect()
    };
    let (of_x, of_y) = (norms(x), norms(y));
    let mut found = x.t().dot(&y);
    for ((i, j), v) in found.indexed_iter_mut() {
        *v = (of_x[i] + of_y[j] - 2.0 * *v).max(0.0);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use ndarray::array;

    fn costs(m: usize, n: usize, seed: usize) -> Array2<f64> {
        let wave = |i: usize, j: usize| ((i * 37 + j * 19 + i * j * 5 + seed) as f64 * 0.61).sin();
        Array2::from_shape_fn((m, n), |(i, j)| 1.0 + wave(i, j))
    }

    /// Every row and column as often as their weights say: an assignment problem.
    fn copied(costs: &Array2<f64>) -> Array2<f64> {
        let (m, n) = costs.dim();
        Array2::from_shape_fn((m * n, m * n), |(i, j)| costs[(i / n, j / m)])
    }

    #[test]
    fn small_ones_are_known() {
        assert_eq!(least_cost(array![[0.0, 1.0], [1.0, 0.0]].view()), 0.0);
        assert_eq!(least_cost(array![[3.0, 1.0]].view()), 2.0);
        // Half of the first row has to go where it costs 1.
        assert_eq!(least_cost(array![[0.0], [4.0]].view()), 2.0);
        assert_eq!(least_cost(Array2::zeros((0, 3)).view()), 0.0);
    }

    #[test]
    fn unequal_sides_are_copies_assigned() {
        for (m, n) in [(2, 3), (4, 6), (5, 3), (7, 4), (6, 6)] {
            for seed in 0..5 {
                let c = costs(m, n, seed);
                let wanted = least_cost(copied(&c).view());
                assert_relative_eq!(least_cost(c.view()), wanted, max_relative = 1e-12);
                assert_relative_eq!(least_cost(c.t()), wanted, max_relative = 1e-12);
            }
        }
    }

    #[test]
    fn an_assignment_is_the_best_of_all() {
        let c = costs(5, 5, 3);
        let mut best = f64::INFINITY;
        let mut orders = vec![vec![]];
        for _ in 0..5 {
            let longer = |o: &Vec<usize>| -> Vec<Vec<usize>> {
                let free = (0..5).filter(|j| !o.contains(j));
                free.map(|j| o.iter().copied().chain([j]).collect()).collect()
            };
            orders = orders.iter().flat_map(longer).collect();
        }
        for order in orders {
            best = order.iter().enumerate().map(|(i, &j)| c[(i, j)]).sum::<f64>().min(best);
        }
        assert_relative_eq!(least_cost(c.view()), best / 5.0, max_relative = 1e-12);
    }
}
