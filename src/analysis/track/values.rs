//! Measuring one checkpoint against those that are held.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Track;
use super::kept::{Layer, Seen, Stage};
use crate::analysis::Observer;
use crate::analysis::compare::measured;
use crate::capture::Judged;
use crate::error::{Error, Result, did_you_mean};
use crate::report::ModelInput;
use crate::similarity::{Cell, Measure, Pair, Plan, Representation, each};

/// A value, or why there is none.
pub type Value = Result<f64, String>;

/// One layer of a checkpoint against the others.
pub struct Row {
    pub with_last: Value,
    pub with_previous: Value,
    pub with_reference: Option<Value>,
}

/// A checkpoint: what it is, and a row a layer of the last one.
pub struct Checkpoint {
    pub record: ModelInput,
    pub judged: Option<Judged>,
    /// The share of the samples that it is right on, or why that is not known.
    pub accuracy: Result<f64, String>,
    pub rows: Vec<Row>,
    /// Layers that it has but no values of, and why.
    pub absent: Vec<(String, String)>,
}

/// What was found so far.
pub struct Followed {
    /// The checkpoint that the others are held against.
    pub last: Seen,
    pub reference: Option<Seen>,
    pub checkpoints: Vec<Checkpoint>,
    /// The layer at which all are compared.
    pub at: String,
    /// That layer of each checkpoint.
    layers: Vec<Option<Arc<Layer>>>,
    /// Whether all have each layer of the last one.
    pub common: Vec<bool>,
    /// Layers that the last one does not have.
    pub others: BTreeSet<String>,
}

impl Followed {
    /// Nothing but the last checkpoint and the reference.
    ///
    /// # Errors
    /// The last has no layer at which all are to be compared.
    pub fn new(asked: &Track, last: Seen, reference: Option<Seen>) -> Result<Self> {
        let names: Vec<&str> = last.layers.iter().map(|layer| layer.name.as_str()).collect();
        let at = asked.at.as_deref().or(names.last().copied()).unwrap_or_default();
        let meant =
            last.record.layers.iter().find(|layer| layer.aliases.iter().any(|name| name == at));
        let at = meant.map_or(at, |layer| &layer.name).to_owned();
        if !names.contains(&at.as_str()) {
            let problem = format!("--at {at} is not one of the layers that are compared");
            return Err(Error::usage(problem, did_you_mean(&at, &names)));
        }
        let common = vec![true; names.len()];
        let (checkpoints, layers, others) = (vec![], vec![], BTreeSet::new());
        Ok(Self { last, reference, checkpoints, at, layers, common, others })
    }

    /// Measures a checkpoint that is not the last one.
    pub fn add(&mut self, now: &Seen, previous: Option<&Seen>, stage: &Stage<'_>) {
        let rows = self.rows(now, previous, stage);
        for (common, layer) in self.common.iter_mut().zip(&self.last.layers) {
            *common &= now.layer(&layer.name).is_some();
        }
        let other = now.layers.iter().filter(|layer| self.last.layer(&layer.name).is_none());
        self.others.extend(other.map(|layer| layer.name.clone()));
        self.layers.push(now.layer(&self.at).cloned());
        self.checkpoints.push(checkpoint(now, rows));
    }

    /// Measures the last one.
    pub fn finish(&mut self, previous: Option<&Seen>, stage: &Stage<'_>) {
        let rows = self.rows(&self.last, previous, stage);
        self.layers.push(self.last.layer(&self.at).cloned());
        self.checkpoints.push(checkpoint(&self.last, rows));
    }

    fn rows(&self, now: &Seen, previous: Option<&Seen>, stage: &Stage<'_>) -> Vec<Row> {
        let (measure, samples) = (stage.asked.measure, stage.told.samples.as_slice());
        let steps = stage.observer.steps("layers", self.last.layers.len());
        let row = |layer: &Arc<Layer>| {
            let with = |other: &Seen, name| {
                let pair = [now, other].map(|seen| seen.layer(&layer.name).map(Arc::as_ref));
                value(measure, pair, name, samples)
            };
            let first = || Err("it is the first checkpoint".to_owned());
            Row {
                with_last: with(&self.last, "the last checkpoint"),
                with_previous: previous.map_or_else(first, |one| with(one, "the one before")),
                with_reference: self.reference.as_ref().map(|one| with(one, "the reference")),
            }
        };
        each(&self.last.layers, stage.threads(), row, &mut || steps.advance())
    }

    /// All checkpoints against each other at one layer: a row and a column each.
    pub fn pairwise(
        &self,
        asked: &Track,
        samples: &[String],
        observer: &dyn Observer,
    ) -> Vec<Vec<Value>> {
        let plan = Plan {
            measures: vec![asked.measure],
            options: asked.options,
            permutations: 0,
            halves: 0,
            level: 0.95,
            seed: 0,
            threads: asked.running.threads(),
        };
        let made: Vec<Result<&Representation, String>> =
            self.layers.iter().map(|layer| found(layer.as_deref())).collect();
        let known: Vec<_> = made.iter().map(|one| one.as_ref().ok().copied()).collect();
        let Some(cells) = measured(&known, None, &plan, observer).pop() else { return vec![] };
        let of = |i: usize, j: usize| match &cells[(i, j)] {
            Some(Cell { value, .. }) => {
                value.as_ref().copied().map_err(|why| why.of_samples(samples))
            }
            None => Err([i, j]
                .iter()
                .find_map(|&i| made[i].as_ref().err().cloned())
                .unwrap_or_default()),
        };
        let all = 0..made.len();
        all.clone().map(|i| all.clone().map(|j| of(i, j)).collect()).collect()
    }
}

fn checkpoint(seen: &Seen, rows: Vec<Row>) -> Checkpoint {
    let absent = seen
        .layers
        .iter()
        .filter_map(|layer| Some((layer.name.clone(), layer.found.as_ref().err()?.clone())));
    Checkpoint {
        record: seen.record.clone(),
        judged: seen.judged.clone(),
        accuracy: seen.accuracy.clone(),
        absent: absent.collect(),
        rows,
    }
}

/// The measure of a layer and the same one of another network, which is called `name`.
fn value(measure: Measure, pair: [Option<&Layer>; 2], name: &str, samples: &[String]) -> Value {
    let one = found(pair[0])?;
    let other = found(pair[1]).map_err(|why| format!("{name}: {why}"))?;
    let pair = Pair::new(one, other).map_err(|error| error.to_string())?;
    measure.value(&pair).map_err(|why| why.of_samples(samples))
}

fn found(layer: Option<&Layer>) -> Result<&Representation, String> {
    let layer = layer.ok_or_else(|| "there is no layer of this name".to_owned())?;
    layer.found.as_ref().map_err(Clone::clone)
}
