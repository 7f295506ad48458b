//! Every measure of every pair of layers.

use ndarray::Array2;

use super::absence::Absence;
use super::halves::{Halves, drawn, large_enough};
use super::measure::Measure;
use super::null::{Null, null};
use super::pair::Pair;
use super::parallel::each;
use super::{options::Options, representation::Representation};

/// Halves of the samples that a thread measures before their values are put together.
const HALVES: usize = 8;

/// What is measured of each pair, and with how many threads.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The measures.
    pub measures: Vec<Measure>,
    /// Options of the layers' measures.
    pub options: Options,
    /// Random orders of the samples that values are held against; 0 for none.
    pub permutations: usize,
    /// Random halves of the samples that intervals are made from; 0 for none.
    pub halves: usize,
    /// Share of the halves within an interval.
    pub level: f64,
    /// Seed of both.
    pub seed: u64,
    /// Pairs, or halves, that are measured at a time.
    pub threads: usize,
}

/// One measure of one pair.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// The value, or why there is none.
    pub value: Result<f64, Absence>,
    /// The value against permuted samples, or why there is no such: where that was asked for and
    /// there is a value.
    pub null: Option<Result<Null, Absence>>,
    /// The interval over samples, as [`interval`](super::interval) gives it, likewise.
    pub interval: Option<Result<(f64, f64), Absence>>,
}

/// For each measure a row a layer of A and a column a layer of B; `None` where one of the two layers
/// is missing.
pub type Table = Vec<Array2<Option<Cell>>>;

/// Two layers, and which of the measures are made of them.
struct Job {
    at: (usize, usize),
    measures: Vec<usize>,
}

/// A value that is to have an interval.
struct Sound {
    measure: usize,
    at: (usize, usize),
    value: f64,
}

/// Layers of A and of B, `None` for one that is missing.
#[derive(Clone, Copy)]
struct Layers<'a> {
    a: &'a [Option<&'a Representation>],
    b: &'a [Option<&'a Representation>],
}

impl<'a> Layers<'a> {
    fn pair(self, (i, j): (usize, usize)) -> Option<Pair<'a>> {
        Pair::new(self.a[i]?, self.b[j]?).ok()
    }

    fn samples(self) -> usize {
        self.a.iter().flatten().map(|layer| layer.samples()).next().unwrap_or(0)
    }
}

impl Plan {
    /// The same with no more threads than these.
    pub fn within(&self, threads: usize) -> Self {
        Self { threads: self.threads.min(threads), ..self.clone() }
    }

    /// Rounds of pairs and of halves that [`table`] reports as done.
    pub fn steps(&self, a: usize, b: Option<usize>) -> usize {
        self.jobs(a, b).len() + self.halves
    }

    /// All pairs; of A with itself a symmetric measure is made once for each two layers.
    fn jobs(&self, a: usize, b: Option<usize>) -> Vec<Job> {
        let pairs = (0..a).flat_map(|i| (0..b.unwrap_or(a)).map(move |j| (i, j)));
        let job = |at: (usize, usize)| {
            let mirrored = b.is_none() && at.0 > at.1;
            let made = |m: &usize| !(mirrored && self.measures[*m].is_symmetric(&self.options));
            Job { at, measures: (0..self.measures.len()).filter(made).collect() }
        };
        pairs.map(job).filter(|job| !job.measures.is_empty()).collect()
    }
}

/// Measures every pair: of the layers of A with those of B or, without a B, with each other. The
/// measures of a pair share what they can, and a symmetric measure of A with itself is made once for
/// each two layers. `done` is called [`Plan::steps`] times.
///
/// The result does not depend on the number of threads.
pub fn table(
    a: &[Option<&Representation>],
    b: Option<&[Option<&Representation>]>,
    plan: &Plan,
    done: &mut dyn FnMut(),
) -> Table {
    let jobs = plan.jobs(a.len(), b.map(<[_]>::len));
    let layers = Layers { a, b: b.unwrap_or(a) };
    let size = (layers.a.len(), layers.b.len());
    let mut found: Table = plan.measures.iter().map(|_| Array2::from_elem(size, None)).collect();
    let cells = each(&jobs, plan.threads, |job| measured(layers, job, plan), done);
    for (job, cells) in jobs.iter().zip(cells) {
        job.measures.iter().zip(cells).for_each(|(&m, cell)| found[m][job.at] = cell);
    }
    if plan.halves > 0 {
        add_intervals(layers, b.is_none(), (plan, &jobs), &mut found, done);
    }
    if b.is_none() {
        let all = plan.measures.iter().zip(&mut found);
        all.filter(|(m, _)| m.is_symmetric(&plan.options)).for_each(|(_, cells)| mirror(cells));
    }
    found
}

fn measured(layers: Layers<'_>, job: &Job, plan: &Plan) -> Vec<Option<Cell>> {
    let pair = layers.pair(job.at);
    let of = |m: &usize| pair.as_ref().map(|pair| cell(plan.measures[*m], pair, plan));
    job.measures.iter().map(of).collect()
}

fn cell(measure: Measure, pair: &Pair<'_>, plan: &Plan) -> Cell {
    let value = measure.value(pair);
    let asked = value.is_ok() && plan.permutations > 0;
    let null = asked.then(|| null(measure, pair, plan.permutations, plan.seed));
    let resampled = value.is_ok() && plan.halves > 0;
    let interval = resampled.then(|| large_enough(measure, pair).err()).flatten().map(Err);
    Cell { value, null, interval }
}

/// A symmetric measure of A with itself has the same cell on both sides of the diagonal.
fn mirror(cells: &mut Array2<Option<Cell>>) {
    for i in 0..cells.nrows() {
        (0..i).for_each(|j| cells[(i, j)] = cells[(j, i)].clone());
    }
}

/// Gives each value its interval. Every half is taken of each layer once, whatever the number of
/// pairs: its Gram matrix, singular vectors and ranks serve all of them.
fn add_intervals(
    layers: Layers<'_>,
    alone: bool,
    (plan, jobs): (&Plan, &[Job]),
    found: &mut Table,
    done: &mut dyn FnMut(),
) {
    let sound = |measure: usize, at: (usize, usize)| {
        let cell = found[measure][at].as_ref().filter(|cell| cell.interval.is_none())?;
        Some(Sound { measure, at, value: cell.value.ok()? })
    };
    let cells: Vec<Sound> =
        jobs.iter().flat_map(|job| job.measures.iter().filter_map(|&m| sound(m, job.at))).collect();
    let mut all: Vec<Halves> = cells.iter().map(|_| Halves::default()).collect();
    let work = |rows: &Vec<usize>| of_half(layers, alone, plan, &cells, rows);
    let mut drawn = drawn(layers.samples(), plan.halves, plan.seed);
    loop {
        let rows: Vec<Vec<usize>> = drawn.by_ref().take(HALVES * plan.threads.max(1)).collect();
        if rows.is_empty() {
            break;
        }
        for values in each(&rows, plan.threads, work, done) {
            all.iter_mut().zip(values).for_each(|(halves, value)| halves.push(value));
        }
    }
    for (Sound { measure, at, value }, halves) in cells.into_iter().zip(all) {
        let range = plan.measures[measure].range(&plan.options);
        let interval = halves.around(value, layers.samples(), plan.level, range);
        if let Some(cell) = &mut found[measure][at] {
            cell.interval = Some(interval);
        }
    }
}

/// The measures of half of the samples, in the order of the cells: those of one pair side by side.
fn of_half(
    layers: Layers<'_>,
    alone: bool,
    plan: &Plan,
    cells: &[Sound],
    rows: &[usize],
) -> Vec<Result<f64, Absence>> {
    let part = |layer: &Option<&Representation>| match layer {
        Some(layer) => layer.part(rows),
        None => Err(Absence::Constant),
    };
    let a: Vec<_> = layers.a.iter().map(part).collect();
    let b: Vec<_> = if alone { vec![] } else { layers.b.iter().map(part).collect() };
    let b = if alone { &a } else { &b };
    let mut values = Vec::with_capacity(cells.len());
    for same in cells.chunk_by(|x, y| x.at == y.at) {
        let (i, j) = same[0].at;
        match (&a[i], &b[j]) {
            (Ok(a), Ok(b)) => {
                let pair = Pair::of_same(a, b);
                let value =
                    |one: &Sound| plan.measures[one.measure].of_part(&pair, layers.samples());
                values.extend(same.iter().map(value));
            }
            (Err(why), _) | (_, Err(why)) => values.extend(same.iter().map(|_| Err(*why))),
        }
    }
    values
}
