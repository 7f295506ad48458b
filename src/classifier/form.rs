//! Whether the outputs of a classifier are logits or probabilities.

use std::fmt;

use ndarray::{ArrayView1, ArrayView2};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far from 1 the probabilities of a sample may sum: what half precision rounds to.
const SLACK: f64 = 1e-3;

/// What the numbers are that a classifier gives for the classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OutputForm {
    /// Any numbers: a softmax makes probabilities of them, a sigmoid of a single one.
    #[default]
    Logits,
    /// None is negative, and those of each sample sum to 1: the network ends in a softmax.
    Probabilities,
    /// Logarithms of probabilities: the network ends in a log-softmax. Their softmax is right.
    LogProbabilities,
    /// Each is a probability of its own, and those of a sample need not sum to 1: the network ends in a
    /// sigmoid, with several labels a sample or a single output for two classes, or in some entries of a
    /// softmax.
    IndependentProbabilities,
}

impl OutputForm {
    /// Whether the outputs are probabilities as they are.
    pub fn is_probability(self) -> bool {
        matches!(self, Self::Probabilities | Self::IndependentProbabilities)
    }

    /// What one of the outputs is called.
    pub fn one(self) -> &'static str {
        match self {
            Self::Logits => "logit",
            Self::Probabilities | Self::IndependentProbabilities => "probability",
            Self::LogProbabilities => "log-probability",
        }
    }

    /// Above what a single output says the second of two classes: a probability of 0.5.
    pub fn threshold(self) -> f64 {
        match self {
            Self::Logits => 0.0,
            Self::Probabilities | Self::IndependentProbabilities => 0.5,
            Self::LogProbabilities => 0.5_f64.ln(),
        }
    }
}

/// What the graph of a network shows of where its outputs come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Ending {
    /// Nothing, as of stored outputs: numbers that are all in 0…1 are taken for those of a sigmoid.
    #[default]
    Unknown,
    /// From a sigmoid, or from a softmax, of which it may be a part.
    Sigmoid,
    /// From something else.
    Other,
}

impl Ending {
    /// Of a network that was seen to end in a sigmoid, or not to.
    pub fn seen(is_sigmoid: bool) -> Self {
        if is_sigmoid { Self::Sigmoid } else { Self::Other }
    }
}

impl fmt::Display for OutputForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Logits => "logits",
            Self::Probabilities => "probabilities",
            Self::LogProbabilities => "log-probabilities",
            Self::IndependentProbabilities => "independent-probabilities",
        })
    }
}

/// The forms that all rows so far fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forms {
    ending: Ending,
    probabilities: bool,
    logarithms: bool,
    in_unit: bool,
    rows: usize,
}

impl Default for Forms {
    fn default() -> Self {
        Self::behind(Ending::Unknown)
    }
}

impl Forms {
    /// Of a network with this ending; no rows yet.
    pub fn behind(ending: Ending) -> Self {
        Self { ending, probabilities: true, logarithms: true, in_unit: true, rows: 0 }
    }

    /// Takes in N×K outputs.
    pub fn add(&mut self, outputs: ArrayView2<'_, f64>) {
        for row in outputs.rows() {
            self.rows += 1;
            self.probabilities = self.probabilities && is_distribution(row, |v| v);
            self.logarithms = self.logarithms && is_distribution(row, f64::exp);
            self.in_unit = self.in_unit && row.iter().all(|v| (0.0..=1.0).contains(v));
        }
    }

    /// Takes in the rows that another one took in.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.probabilities &= other.probabilities;
        self.logarithms &= other.logarithms;
        self.in_unit &= other.in_unit;
    }

    /// What all rows are; `None` without any row. Outputs behind a sigmoid are probabilities of their own
    /// as long as all are in 0…1.
    pub fn form(&self) -> Option<OutputForm> {
        let can_be_sigmoids = self.in_unit && self.ending != Ending::Other;
        (self.rows > 0).then_some(match (self.probabilities, self.logarithms) {
            (true, _) => OutputForm::Probabilities,
            _ if can_be_sigmoids => OutputForm::IndependentProbabilities,
            (false, true) => OutputForm::LogProbabilities,
            (false, false) => OutputForm::Logits,
        })
    }

    /// The form of some outputs alone, `Logits` where there is none.
    pub fn of(outputs: ArrayView2<'_, f64>, ending: Ending) -> OutputForm {
        let mut forms = Self::behind(ending);
        forms.add(outputs);
        forms.form().unwrap_or_default()
    }
}

/// Whether two or more numbers are at least 0 and sum to 1.
fn is_distribution(row: ArrayView1<'_, f64>, value: fn(f64) -> f64) -> bool {
    let sum: f64 = row.iter().map(|&v| value(v)).sum();
    row.len() > 1 && row.iter().all(|&v| value(v) >= 0.0) && (sum - 1.0).abs() <= SLACK
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn forms_are_told_by_all_rows() {
        let of = |rows: ndarray::Array2<f64>| Forms::of(rows.view(), Ending::Other);
        assert_eq!(of(array![[0.25, 0.75], [1.0, 0.0]]), OutputForm::Probabilities);
        assert_eq!(of(array![[0.25, 0.75], [1.0, 0.1]]), OutputForm::Logits);
        assert_eq!(of(array![[1.5, -0.5], [0.5, 0.5]]), OutputForm::Logits);
        let logs = array![[0.25, 0.75], [0.5, 0.5]].mapv(f64::ln);
        assert_eq!(of(logs), OutputForm::LogProbabilities);
        assert_eq!(of(array![[f64::NAN, 1.0]]), OutputForm::Logits);
        assert_eq!(of(array![[1.0], [1.0]]), OutputForm::Logits);
        assert_eq!(Forms::default().form(), None);
    }

    #[test]
    fn sigmoids_are_told_by_the_graph_or_where_there_is_none_by_their_range() {
        let rows = array![[0.9, 0.8], [0.1, 0.0]];
        let of = |rows: &ndarray::Array2<f64>, ending| Forms::of(rows.view(), ending);
        for ending in [Ending::Sigmoid, Ending::Unknown] {
            assert_eq!(of(&rows, ending), OutputForm::IndependentProbabilities);
            assert_eq!(of(&array![[0.985]], ending), OutputForm::IndependentProbabilities);
            assert_eq!(of(&(&rows * 2.0), ending), OutputForm::Logits);
            assert_eq!(of(&array![[0.25, 0.75]], ending), OutputForm::Probabilities);
        }
        assert_eq!(of(&rows, Ending::Other), OutputForm::Logits);
        assert_eq!(of(&array![[f64::NAN, 0.5]], Ending::Sigmoid), OutputForm::Logits);
    }

    #[test]
    fn one_row_of_logits_decides() {
        let mut forms = Forms::default();
        forms.add(array![[0.5, 0.5]].view());
        assert_eq!(forms.form(), Some(OutputForm::Probabilities));
        forms.add(array![[3.0, -1.0]].view());
        forms.add(array![[0.5, 0.5]].view());
        assert_eq!(forms.form(), Some(OutputForm::Logits));
    }
}
