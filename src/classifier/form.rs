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
    /// Any numbers: a softmax makes probabilities of them.
    #[default]
    Logits,
    /// None is negative, and those of each sample sum to 1: the network ends in a softmax.
    Probabilities,
    /// Logarithms of probabilities: the network ends in a log-softmax. Their softmax is right.
    LogProbabilities,
}

impl fmt::Display for OutputForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Logits => "logits",
            Self::Probabilities => "probabilities",
            Self::LogProbabilities => "log-probabilities",
        })
    }
}

/// The forms that all rows so far fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forms {
    probabilities: bool,
    logarithms: bool,
    rows: usize,
}

impl Default for Forms {
    fn default() -> Self {
        Self { probabilities: true, logarithms: true, rows: 0 }
    }
}

impl Forms {
    /// Takes in N×K outputs.
    pub fn add(&mut self, outputs: ArrayView2<'_, f64>) {
        for row in outputs.rows() {
            self.rows += 1;
            self.probabilities = self.probabilities && is_distribution(row, |v| v);
            self.logarithms = self.logarithms && is_distribution(row, f64::exp);
        }
    }

    /// What all rows are; `None` without any row, or where there is but one output.
    pub fn form(&self) -> Option<OutputForm> {
        (self.rows > 0).then_some(match (self.probabilities, self.logarithms) {
            (true, _) => OutputForm::Probabilities,
            (false, true) => OutputForm::LogProbabilities,
            (false, false) => OutputForm::Logits,
        })
    }

    /// The form of some outputs alone, `Logits` where there is none.
    pub fn of(outputs: ArrayView2<'_, f64>) -> OutputForm {
        let mut forms = Self::default();
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
        let of = |rows: ndarray::Array2<f64>| Forms::of(rows.view());
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
    fn one_row_of_logits_decides() {
        let mut forms = Forms::default();
        forms.add(array![[0.5, 0.5]].view());
        assert_eq!(forms.form(), Some(OutputForm::Probabilities));
        forms.add(array![[3.0, -1.0]].view());
        forms.add(array![[0.5, 0.5]].view());
        assert_eq!(forms.form(), Some(OutputForm::Logits));
    }
}
