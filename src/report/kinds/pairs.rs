//! The report of `repsim cka` of more than two models.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cka::{CkaResults, CkaSettings};
use crate::report::{Number, Report};

/// CKA of every pair of several models.
pub type PairsReport = Report<CkaSettings, PairsResults>;

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PairsResults {
    /// Names of the models, in the order given.
    pub models: Vec<String>,
    /// Samples.
    pub n: usize,
    /// A row and a column a model: CKA of corresponding layers (of the same name, else in the same place), the
    /// mean over layers; 1 for a model with itself, `null` where none correspond.
    pub mean_diagonal: Vec<Vec<Number>>,
    /// The pairs, those of the first model in front.
    pub pairs: Vec<PairResult>,
}

/// Two of the models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PairResult {
    /// A, by its name.
    pub a: String,
    /// B, by its name.
    pub b: String,
    /// What `repsim cka A B` finds.
    pub results: CkaResults,
}

impl PairsResults {
    /// Of all pairs, in their order.
    pub fn of(models: Vec<String>, found: Vec<CkaResults>) -> Self {
        let count = models.len();
        let mut mean_diagonal = vec![vec![Number::from(None); count]; count];
        (0..count).for_each(|i| mean_diagonal[i][i] = Number::from(1.0));
        let places = (0..count).flat_map(|i| (i + 1..count).map(move |j| (i, j)));
        let mut pairs = vec![];
        let n = found.first().map_or(0, |results| results.n);
        for ((i, j), results) in places.zip(found) {
            let mean = Number::from(mean(&results.diagonal()));
            (mean_diagonal[i][j], mean_diagonal[j][i]) = (mean, mean);
            pairs.push(PairResult { a: models[i].clone(), b: models[j].clone(), results });
        }
        Self { models, n, mean_diagonal, pairs }
    }
}

/// The mean of the values that are there.
fn mean(values: &[Option<f64>]) -> Option<f64> {
    let known: Vec<f64> = values.iter().copied().flatten().collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}
