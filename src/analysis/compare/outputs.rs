//! What two models themselves say of the samples, held against each other.

use ndarray::Array2;

use super::Compare;
use crate::analysis::session::stored;
use crate::classifier::{ComparedOutputs, OutputPair, Unlike, bounds_of_disagreement};
use crate::error::Result;
use crate::functional::wilson;
use crate::report::compare::{OutputMeasure, OutputResults};
use crate::report::{Inputs, Number};
use crate::saliency::bootstrap::{interval, interval_of, mean};

/// Resamples of an interval by bootstrap.
const RESAMPLES: usize = 1000;

/// Share of the resamples within an interval.
const LEVEL: f64 = 0.95;

/// A value with its interval, or why there is none.
type Value = Result<(f64, Option<(f64, f64)>), String>;

/// The measures: name, and what it is.
const MEASURES: [(&str, &str); 4] = [
    (
        "disagreement",
        "The share of samples for which the two name different classes (also called churn).",
    ),
    (
        "min-max-disagreement",
        "The disagreement d between the least and the greatest that the error rates allow: \
         (d − |eA − eB|) / (min(eA + eB, 1) − |eA − eB|) (Klabunde & Lemmerich 2023).",
    ),
    (
        "jensen-shannon",
        "The Jensen–Shannon divergence of the predicted probabilities in bits, the mean over samples.",
    ),
    ("accuracy-difference", "The difference of the two accuracies, without its sign."),
];

/// Where models and samples stand: what was read, the class of each sample, and its name.
type Beside<'a> = (&'a Inputs, Option<&'a [usize]>, &'a [String]);

/// What is reported of the outputs of two models, or of two files that hold some; nothing of one.
///
/// # Errors
/// A file of features cannot be read.
pub(super) fn results(
    asked: &Compare,
    pair: Option<OutputPair>,
    (inputs, labels, samples): Beside<'_>,
    seed: u64,
) -> Result<Option<OutputResults>> {
    let stored = stored::logits(&asked.sides.features)?;
    if asked.sides.models.len() != 2 && stored.is_none() {
        return Ok(None);
    }
    let pair = match stored {
        Some(stored) => of_rows(&stored, samples.len()),
        None => pair.ok_or_else(|| {
            "the models do not both give a row of outputs a sample (of a tuple --output-index chooses one)"
                .to_owned()
        }),
    };
    let known = [0, 1].map(|i| inputs.models.get(i).and_then(|model| model.output));
    let compared = pair.and_then(|pair| pair.compared(known).map_err(|why| told(why, samples)));
    let compared = match compared {
        Ok(compared) => compared,
        Err(why) => return Ok(Some(without(&why))),
    };
    let fit = |labels: &&[usize]| labels.iter().all(|label| *label < compared.outputs.max(2));
    let judged = labels.filter(|_| are_judged(inputs)).filter(fit);
    let right = judged.map(|labels| of_right(&compared, labels));
    Ok(Some(Said { compared, right, seed }.results()))
}

/// Of which samples each is right.
fn of_right(compared: &ComparedOutputs, labels: &[usize]) -> [Vec<bool>; 2] {
    let of = |classes: &Vec<usize>| classes.iter().zip(labels).map(|(c, l)| c == l).collect();
    compared.classes.each_ref().map(of)
}

/// Outputs that lie in files.
fn of_rows([a, b]: &[Array2<f64>; 2], samples: usize) -> Result<OutputPair, String> {
    match (a.nrows(), b.nrows()) {
        (one, two) if (one, two) == (samples, samples) => {
            let mut pair = OutputPair::default();
            pair.add(a.view(), b.view());
            Ok(pair)
        }
        (one, two) => {
            Err(format!("the arrays logits have {one} and {two} rows for {samples} samples"))
        }
    }
}

/// Whether the outputs of both models were matched with the classes of the samples.
fn are_judged(inputs: &Inputs) -> bool {
    let is_known = |accuracy: &crate::report::ModelAccuracy| accuracy.accuracy.get().is_some();
    inputs.models.iter().all(|model| model.accuracy.last().is_some_and(is_known))
}

fn told(why: Unlike, samples: &[String]) -> String {
    match why {
        Unlike::Outputs(a, b) => format!("A has {a} outputs and B {b}"),
        Unlike::NotFinite(side, i) => {
            format!(
                "the outputs of {} are NaN or infinite for sample {}",
                ["A", "B"][side],
                samples[i]
            )
        }
    }
}

/// All measures without a value.
fn without(why: &str) -> OutputResults {
    OutputResults {
        outputs: 0,
        forms: vec![],
        differing: 0,
        accuracies: [Number::default(); 2],
        measures: MEASURES.map(|measure| row(measure, Err(why.to_owned()))).into(),
    }
}

fn row((name, what): (&str, &str), value: Value) -> OutputMeasure {
    let (value, interval, reason) = match value {
        Ok((value, interval)) => (value.into(), interval, None),
        Err(why) => (Number::default(), None, Some(why)),
    };
    OutputMeasure { name: name.to_owned(), what: what.to_owned(), value, interval, reason }
}

/// What two models said, and of which samples each was right.
struct Said {
    compared: ComparedOutputs,
    right: Option<[Vec<bool>; 2]>,
    seed: u64,
}

impl Said {
    fn results(self) -> OutputResults {
        let differ = self.differ();
        let count = differ.iter().filter(|differs| **differs).count();
        let share = count as f64 / differ.len() as f64;
        let values = [
            Ok((share, wilson(count, differ.len()))),
            self.within_bounds(&differ),
            self.divergence(),
            self.accuracy_difference(),
        ];
        let accuracies = self.right.as_ref().map(|right| right.each_ref().map(|r| share_of(r)));
        OutputResults {
            outputs: self.compared.outputs,
            forms: self.compared.forms.to_vec(),
            differing: count,
            accuracies: accuracies.map_or([Number::default(); 2], |both| both.map(Number::from)),
            measures: MEASURES.into_iter().zip(values).map(|(m, value)| row(m, value)).collect(),
        }
    }

    /// For which samples they name different classes.
    fn differ(&self) -> Vec<bool> {
        let [a, b] = &self.compared.classes;
        a.iter().zip(b).map(|(a, b)| a != b).collect()
    }

    fn divergence(&self) -> Value {
        let values = self.compared.divergences.as_ref().map_err(Clone::clone)?;
        let found = mean(values.iter().map(|value| Some(*value))).ok_or("there are no samples")?;
        Ok((found.value, interval(values, self.seed, RESAMPLES, LEVEL)))
    }

    /// Which samples each is right on.
    fn right(&self) -> Result<&[Vec<bool>; 2], String> {
        self.right.as_ref().ok_or_else(|| {
            "the classes of the samples are not known, or not which output is which".to_owned()
        })
    }

    /// The disagreement between its bounds.
    fn within_bounds(&self, differ: &[bool]) -> Value {
        let [a, b] = self.right()?;
        let of = |drawn: &[usize]| {
            let wrong = |right: &[bool]| share_at(drawn, |i| !right[i]);
            let (least, greatest) = bounds_of_disagreement([wrong(a), wrong(b)]);
            let between = (share_at(drawn, |i| differ[i]) - least) / (greatest - least);
            (greatest > least).then(|| between.clamp(0.0, 1.0))
        };
        let all: Vec<usize> = (0..differ.len()).collect();
        let value = of(&all)
            .ok_or("the error rates allow one disagreement only: a model is right for all samples, or wrong")?;
        Ok((value, interval_of(all.len(), self.seed, RESAMPLES, LEVEL, of)))
    }

    /// The difference of the accuracies; its interval is that of the difference with its sign, folded at 0.
    fn accuracy_difference(&self) -> Value {
        let [a, b] = self.right()?;
        let gained = |(a, b): (&bool, &bool)| f64::from(*b) - f64::from(*a);
        let gained: Vec<f64> = a.iter().zip(b).map(gained).collect();
        let ends = interval(&gained, self.seed, RESAMPLES, LEVEL);
        Ok(((share_of(a) - share_of(b)).abs(), ends.map(folded)))
    }
}

/// The absolute values of the numbers within an interval.
fn folded((low, high): (f64, f64)) -> (f64, f64) {
    let (near, far) = (low.abs().min(high.abs()), low.abs().max(high.abs()));
    (if low <= 0.0 && high >= 0.0 { 0.0 } else { near }, far)
}

fn share_of(hits: &[bool]) -> f64 {
    hits.iter().filter(|hit| **hit).count() as f64 / hits.len() as f64
}

fn share_at(drawn: &[usize], hit: impl Fn(usize) -> bool) -> f64 {
    drawn.iter().filter(|&&i| hit(i)).count() as f64 / drawn.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// What ReSi says (`tests/golden/outputs/make_outputs.py`).
    #[test]
    fn values_are_those_of_resi() {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/outputs");
        let files = ["a", "b"].map(|name| PathBuf::from(format!("{golden}/{name}.npz")));
        let stored = stored::logits(&files).expect("readable").expect("logits");
        let json = std::fs::read_to_string(format!("{golden}/outputs.json")).expect("readable");
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let labels: Vec<usize> = serde_json::from_value(json["labels"].clone()).expect("labels");
        let pair = of_rows(&stored, labels.len()).expect("as many rows");
        let compared = pair.compared([None; 2]).expect("finite");
        let right = of_right(&compared, &labels);
        let found = Said { compared, right: Some(right), seed: 0 }.results();
        assert_eq!(json["accuracies"], serde_json::json!(found.accuracies));
        for measure in &found.measures {
            let (value, wanted) = (measure.value.get(), json[&measure.name].as_f64());
            let (value, wanted) = value.zip(wanted).expect("a value");
            assert!((value - wanted).abs() < 1e-12, "{}: {value}", measure.name);
            let (low, high) = measure.interval.expect("an interval");
            assert!(low < value && value < high, "{}: {low} {high}", measure.name);
        }
        assert!(of_rows(&stored, 7).is_err_and(|why| why.contains("80 and 80 rows for 7")));
    }

    #[test]
    fn an_interval_over_zero_begins_there() {
        assert_eq!(folded((-0.02, 0.05)), (0.0, 0.05));
        assert_eq!(folded((-0.05, -0.02)), (0.02, 0.05));
    }
}
