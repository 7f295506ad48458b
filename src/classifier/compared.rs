//! What two classifiers say of the same samples, held against each other.

use ndarray::{ArrayView1, ArrayView2};

use super::accuracy::prediction;
use super::form::{Forms, OutputForm};

/// Outputs that are to become probabilities by a softmax, and outputs that are probabilities as they are.
const READINGS: [OutputForm; 2] = [OutputForm::Logits, OutputForm::IndependentProbabilities];

/// The outputs of two classifiers for the same samples, batch by batch: of each sample what is compared, and not the
/// outputs themselves.
#[derive(Debug, Clone, Default)]
pub struct OutputPair {
    forms: [Forms; 2],
    /// K of each.
    outputs: [usize; 2],
    samples: Vec<Sample>,
}

/// One sample, for each of [`READINGS`]: what the outputs are is known when all have been seen.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// The class that each classifier names, where its outputs are finite.
    classes: [Option<[usize; 2]>; 2],
    /// By the reading of A and that of B.
    divergence: [[f64; 2]; 2],
}

/// What two classifiers say of the same samples.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparedOutputs {
    /// What the outputs of each are.
    pub forms: [OutputForm; 2],
    /// K.
    pub outputs: usize,
    /// The class that each names for each sample.
    pub classes: [Vec<usize>; 2],
    /// The Jensen–Shannon divergence of their probabilities for each sample, or why there is none.
    pub divergences: Result<Vec<f64>, String>,
}

impl OutputPair {
    /// Takes in N×K outputs of both.
    pub fn add(&mut self, a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) {
        for ((forms, count), rows) in self.forms.iter_mut().zip(&mut self.outputs).zip([&a, &b]) {
            forms.add(rows.view());
            *count = rows.ncols();
        }
        self.samples.extend(a.rows().into_iter().zip(b.rows()).map(|(a, b)| Sample::of(a, b)));
    }

    /// N.
    pub fn samples(&self) -> usize {
        self.samples.len()
    }

    /// What both say. What their outputs are follows from all of them, where it is not known otherwise.
    ///
    /// # Errors
    /// Why nothing can be said: other numbers of outputs, or the place of a sample whose outputs are not finite.
    pub fn compared(&self, known: [Option<OutputForm>; 2]) -> Result<ComparedOutputs, Unlike> {
        let [a, b] = self.outputs;
        if a != b {
            return Err(Unlike::Outputs(a, b));
        }
        let forms = [0, 1].map(|i| known[i].or(self.forms[i].form()).unwrap_or_default());
        let reading = forms.map(|form| usize::from(form.is_probability()));
        let mut classes = [vec![], vec![]];
        for (i, sample) in self.samples.iter().enumerate() {
            for (side, named) in classes.iter_mut().enumerate() {
                let class = sample.classes[side].ok_or(Unlike::NotFinite(side, i))?;
                named.push(class[reading[side]]);
            }
        }
        let independent = |form: &OutputForm| *form == OutputForm::IndependentProbabilities;
        let divergences = match a > 1 && forms.iter().any(independent) {
            true => Err("the outputs are probabilities each of its own, which are no distribution over classes"
                .to_owned()),
            false => {
                Ok(self.samples.iter().map(|s| s.divergence[reading[0]][reading[1]]).collect())
            }
        };
        Ok(ComparedOutputs { forms, outputs: a, classes, divergences })
    }
}

/// Why two classifiers cannot be held against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlike {
    /// They have these numbers of outputs.
    Outputs(usize, usize),
    /// The outputs of the first or second are NaN or infinite for the sample in this place.
    NotFinite(usize, usize),
}

impl Sample {
    fn of(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> Self {
        let [p, q] = [a, b].map(|row| READINGS.map(|form| read_as(row, form)));
        let between = |p: &Option<Vec<f64>>, q: &Option<Vec<f64>>| match (p, q) {
            (Some(p), Some(q)) => jensen_shannon(p, q),
            _ => f64::NAN,
        };
        let divergence = [0, 1].map(|i| [0, 1].map(|j| between(&p[i], &q[j])));
        Self { classes: [a, b].map(named), divergence }
    }
}

/// Their probabilities, unless they cannot be probabilities as they are: nothing below 0 is one.
fn read_as(row: ArrayView1<'_, f64>, form: OutputForm) -> Option<Vec<f64>> {
    let can_be = !form.is_probability() || row.iter().all(|v| *v >= 0.0);
    can_be.then(|| probabilities(row, form))
}

/// The class that outputs name by each of [`READINGS`], of a single output the second of two above its threshold.
fn named(row: ArrayView1<'_, f64>) -> Option<[usize; 2]> {
    let class = prediction(row)?;
    Some(READINGS.map(|form| match row.len() {
        1 => usize::from(row[0] > form.threshold()),
        _ => class,
    }))
}

/// The probabilities that outputs stand for: themselves, or the softmax of logits and of log-probabilities; of a single
/// output p those of two classes, 1 − p and p, of a logit z with p = 1 / (1 + exp(−z)).
pub fn probabilities(outputs: ArrayView1<'_, f64>, form: OutputForm) -> Vec<f64> {
    if let Some(&only) = outputs.first().filter(|_| outputs.len() == 1) {
        let (p, rest) = match form.is_probability() {
            true => (only, 1.0 - only),
            false => (1.0 / (1.0 + (-only).exp()), 1.0 / (1.0 + only.exp())),
        };
        return vec![rest, p];
    }
    if form.is_probability() {
        return outputs.to_vec();
    }
    let most = outputs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = outputs.iter().map(|z| (z - most).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|w| w / sum).collect()
}

/// The Jensen–Shannon divergence of two distributions, in bits (Lin 1991):
///
/// ```text
/// JSD(p, q) = ½ Σ p·log₂(p/m) + ½ Σ q·log₂(q/m)     m = (p + q)/2
/// ```
///
/// 0 where they are equal, 1 where they share no class. Each is divided by its sum first, and rounding below 0 is 0, as
/// in ReSi (Klabunde et al. 2024).
pub fn jensen_shannon(p: &[f64], q: &[f64]) -> f64 {
    let (of_p, of_q): (f64, f64) = (p.iter().sum(), q.iter().sum());
    let term = |x: f64, m: f64| if x > 0.0 { x * (x / m).ln() } else { 0.0 };
    let terms = p.iter().zip(q).map(|(p, q)| {
        let (p, q) = (p / of_p, q / of_q);
        term(p, (p + q) / 2.0) + term(q, (p + q) / 2.0)
    });
    let divergence = terms.sum::<f64>() / (2.0 * std::f64::consts::LN_2);
    divergence.clamp(0.0, 1.0)
}

/// The least and the greatest share of samples on which two classifiers can disagree that are wrong for these shares:
///
/// ```text
/// least = |eₐ − e_b|     greatest = min(eₐ + e_b, 1)
/// ```
///
/// (Klabunde & Lemmerich 2023).
pub fn bounds_of_disagreement([a, b]: [f64; 2]) -> (f64, f64) {
    ((a - b).abs(), (a + b).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// scipy.spatial.distance.jensenshannon([0.2, 0.8], [0.6, 0.4], base=2)**2     (scipy 1.17.1)
    #[test]
    fn divergences_are_those_of_scipy() {
        const JSD: f64 = 0.124_511_249_783_653_06;
        let of = |p: [f64; 2], q: [f64; 2]| jensen_shannon(&p, &q);
        assert!((of([0.2, 0.8], [0.6, 0.4]) - JSD).abs() < 1e-15);
        assert!((of([1.0, 4.0], [3.0, 2.0]) - JSD).abs() < 1e-15);
        assert_eq!((of([0.3, 0.7], [0.3, 0.7]), of([1.0, 0.0], [0.0, 1.0])), (0.0, 1.0));
    }

    #[test]
    fn a_single_output_stands_for_two_classes() {
        let mut pair = OutputPair::default();
        pair.add(array![[0.2], [0.9]].view(), array![[0.2], [-0.3]].view());
        let found = pair.compared([Some(OutputForm::IndependentProbabilities), None]);
        let found = found.expect("one output each");
        assert_eq!(found.forms[1], OutputForm::Logits);
        assert_eq!(found.classes, [vec![0, 1], vec![1, 0]]);
        let p = 1.0 / (1.0 + (-0.2_f64).exp());
        let wanted = jensen_shannon(&[0.8, 0.2], &[1.0 - p, p]);
        assert!((found.divergences.expect("distributions")[0] - wanted).abs() < 1e-15);
    }

    #[test]
    fn what_cannot_be_compared_says_why() {
        let mut pair = OutputPair::default();
        pair.add(array![[0.2, 3.0]].view(), array![[0.2, 0.1, 0.0]].view());
        assert_eq!(pair.compared([None; 2]), Err(Unlike::Outputs(2, 3)));
        let mut pair = OutputPair::default();
        pair.add(array![[0.2, 3.0], [1.0, 0.0]].view(), array![[2.0, 3.0], [f64::NAN, 0.0]].view());
        assert_eq!(pair.compared([None; 2]), Err(Unlike::NotFinite(1, 1)));
        let mut pair = OutputPair::default();
        pair.add(array![[0.9, 0.8]].view(), array![[4.0, -1.0]].view());
        let found = pair.compared([None; 2]).expect("finite");
        assert!(found.divergences.is_err_and(|why| why.contains("no distribution")));
        assert_eq!(bounds_of_disagreement([0.7, 0.5]), (0.7 - 0.5, 1.0));
    }
}
