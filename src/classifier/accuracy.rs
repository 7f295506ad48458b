//! How often a classifier is right, beside chance.

use std::collections::BTreeMap;

use ndarray::{ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use super::form::{Ending, Forms, OutputForm};

/// Above this probability under chance an accuracy is not clearly above it.
pub const LEVEL: f64 = 0.01;

/// What a single output can be.
const FORMS: [OutputForm; 2] = [OutputForm::Logits, OutputForm::IndependentProbabilities];

/// What is known of the predictions so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    forms: Forms,
    outputs: usize,
    rows: usize,
    broken: usize,
    correct: usize,
    /// Of single outputs, those that are right with each of [`FORMS`].
    singles: [usize; 2],
    /// Samples of each class.
    classes: BTreeMap<usize, usize>,
}

/// How often a classifier is right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accuracy {
    /// Samples predicted rightly.
    pub correct: usize,
    /// Samples.
    pub count: usize,
    /// K.
    pub outputs: usize,
    /// The share that is right by naming the most frequent class each time, and no less than 1/K; of a
    /// single output no less than 1/2.
    pub chance: f64,
    /// The probability of so many right or more by chance; `None` where it could not be small.
    pub p_value: Option<f64>,
}

impl Tally {
    /// Of a network with this ending; nothing seen yet.
    pub fn behind(ending: Ending) -> Self {
        Self { forms: Forms::behind(ending), ..Self::default() }
    }

    /// Takes in N×K outputs, with the class of each sample by the number of its output where that is
    /// known. A single output says the second of two classes where it is above
    /// [`OutputForm::threshold`].
    pub fn add(&mut self, outputs: ArrayView2<'_, f64>, labels: Option<&[usize]>) {
        self.forms.add(outputs);
        self.outputs = outputs.ncols();
        self.rows += outputs.nrows();
        for (row, &label) in outputs.rows().into_iter().zip(labels.unwrap_or_default()) {
            *self.classes.entry(label).or_default() += 1;
            match prediction(row) {
                Some(class) => self.correct += usize::from(class == label),
                None => self.broken += 1,
            }
            for (right, form) in self.singles.iter_mut().zip(FORMS) {
                *right += usize::from(usize::from(row[0] > form.threshold()) == label);
            }
        }
    }

    /// Takes in what another one of the same network took in.
    pub fn merge(&mut self, other: &Self) {
        self.forms.merge(&other.forms);
        self.outputs = self.outputs.max(other.outputs);
        self.rows += other.rows;
        self.broken += other.broken;
        self.correct += other.correct;
        self.singles.iter_mut().zip(other.singles).for_each(|(own, more)| *own += more);
        for (class, count) in &other.classes {
            *self.classes.entry(*class).or_default() += count;
        }
    }

    /// K; 0 without any rows.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Rows taken in.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// What the outputs are; `None` without any.
    pub fn form(&self) -> Option<OutputForm> {
        self.forms.form()
    }

    /// How often the classifier was right.
    ///
    /// # Errors
    /// Why that is not known: no sample has a label, or outputs are not finite.
    pub fn accuracy(&self) -> Result<Accuracy, String> {
        let count: usize = self.classes.values().sum();
        let most = self.classes.values().max().copied().unwrap_or(0);
        if count == 0 {
            return Err("no sample has a label".to_owned());
        }
        if self.broken > 0 {
            return Err(format!("the outputs of {} samples are NaN or infinite", self.broken));
        }
        let correct = match (self.outputs, self.form()) {
            (1, Some(form)) => self.singles[usize::from(form.is_probability())],
            _ => self.correct,
        };
        let chance = (most as f64 / count as f64).max(1.0 / self.outputs.max(2) as f64);
        let can_tell = chance.powf(count as f64) <= LEVEL;
        let p_value = can_tell.then(|| at_least(correct, count, chance));
        Ok(Accuracy { correct, count, outputs: self.outputs, chance, p_value })
    }
}

impl Accuracy {
    /// The share of samples predicted rightly.
    pub fn share(&self) -> f64 {
        self.correct as f64 / self.count as f64
    }

    /// Whether it is not clearly above chance.
    pub fn is_at_chance(&self) -> bool {
        self.p_value.is_some_and(|p| p > LEVEL)
    }
}

/// The place of the largest number, of equals the first; `None` where one is not finite.
pub fn prediction(row: ArrayView1<'_, f64>) -> Option<usize> {
    let mut best = 0;
    for (i, value) in row.iter().enumerate() {
        if !value.is_finite() {
            return None;
        }
        if *value > row[best] {
            best = i;
        }
    }
    Some(best)
}

/// The probability of k or more of n where each has probability p: the p-value of the one-sided binomial
/// test.
///
/// ```text
/// P(X ≥ k) = Σ_{i=k}^{n} C(n,i) pⁱ (1−p)ⁿ⁻ⁱ
/// ```
pub fn at_least(k: usize, n: usize, p: f64) -> f64 {
    if k == 0 || p >= 1.0 {
        return 1.0;
    }
    let ln_choose: f64 = (1..=k).map(|i| (((n - k + i) as f64) / i as f64).ln()).sum();
    let ln_first = ln_choose + k as f64 * p.ln() + (n - k) as f64 * (-p).ln_1p();
    // The terms relative to the largest, which is the first or that at the mode.
    let ratio = |i: usize| ((n - i) as f64 / (i + 1) as f64).ln() + p.ln() - (-p).ln_1p();
    let logs: Vec<f64> = std::iter::once(ln_first)
        .chain((k..n).scan(ln_first, |term, i| {
            *term += ratio(i);
            Some(*term)
        }))
        .collect();
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logs.iter().map(|term| (term - most).exp()).sum();
    (most + sum.ln()).exp().min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use ndarray::array;

    // scipy.stats.binomtest(k, n, p, alternative="greater").pvalue     (scipy 1.17.1)
    #[test]
    fn tails_are_those_of_scipy() {
        let cases: [((usize, usize, f64), f64); 6] = [
            ((4, 40, 0.1), 0.576_869_346_906_997_4),
            ((39, 40, 0.1), 3.610_000_000_000_008e-38),
            ((10, 40, 0.1), 0.005_063_053_657_834_403),
            ((1, 3, 0.5), 0.875),
            ((5200, 10000, 0.5), 3.296_757_799_336_171_4e-5),
            ((700, 1000, 0.75), 0.999_852_070_825_456_6),
        ];
        for ((k, n, p), expected) in cases {
            assert_relative_eq!(at_least(k, n, p), expected, max_relative = 1e-9);
        }
        assert_eq!(at_least(0, 5, 0.3), 1.0);
        assert_eq!(at_least(5, 5, 1.0), 1.0);
    }

    fn accuracy(outputs: ndarray::Array2<f64>, labels: &[usize]) -> Result<Accuracy, String> {
        let mut tally = Tally::default();
        tally.add(outputs.view(), Some(labels));
        tally.accuracy()
    }

    #[test]
    fn chance_is_the_most_frequent_class() {
        let outputs =
            ndarray::Array2::from_shape_fn((12, 3), |(i, k)| f64::from(u8::from(i % 3 == k)));
        let labels: Vec<usize> = (0..12).map(|i| i % 3).collect();
        let found = accuracy(outputs.clone(), &labels).expect("labels");
        assert_eq!((found.correct, found.count, found.chance), (12, 12, 1.0 / 3.0));
        assert!(!found.is_at_chance());
        let constant = accuracy(outputs * 0.0, &labels).expect("labels");
        assert_eq!(constant.correct, 4);
        assert!(constant.is_at_chance());
        let uneven = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2];
        let found = accuracy(ndarray::Array2::zeros((12, 3)), &uneven).expect("labels");
        assert_eq!((found.correct, found.chance), (9, 0.75));
    }

    #[test]
    fn few_samples_or_one_class_claim_nothing() {
        let found = accuracy(array![[0.0, 1.0], [0.0, 1.0]], &[0, 1]).expect("labels");
        assert_eq!(found.p_value, None);
        let found = accuracy(ndarray::Array2::zeros((50, 2)), &[1; 50]).expect("labels");
        assert_eq!((found.chance, found.p_value, found.is_at_chance()), (1.0, None, false));
    }

    #[test]
    fn a_single_output_is_held_against_its_threshold() {
        let of = |outputs: ndarray::Array2<f64>, ending| {
            let mut tally = Tally::behind(ending);
            tally.add(outputs.view(), Some(&[0, 1, 1]));
            tally.accuracy().map(|found| (found.correct, found.chance))
        };
        let most = 2.0 / 3.0;
        assert_eq!(of(array![[0.2], [0.4], [0.9]], Ending::Sigmoid), Ok((2, most)));
        assert_eq!(of(array![[0.2], [0.4], [0.9]], Ending::Other), Ok((2, most)));
        assert_eq!(of(array![[-0.2], [0.4], [0.9]], Ending::Other), Ok((3, most)));
        assert_eq!(of(array![[0.6], [0.4], [0.3]], Ending::Sigmoid), Ok((0, most)));
    }

    #[test]
    fn outputs_that_are_not_finite_have_no_accuracy() {
        let found = accuracy(array![[0.0, f64::NAN], [0.0, 1.0]], &[0, 1]);
        assert!(found.is_err_and(|why| why.contains("of 1 samples")));
        assert!(Tally::default().accuracy().is_err());
    }
}
