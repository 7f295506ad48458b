//! How often a model is right on the data of a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ModelInput, Number, Warning};
use crate::capture::Judged;
use crate::classifier::{Accuracy, LEVEL, Matched};

/// How often a model is right on one data set, beside chance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelAccuracy {
    /// The path of the data.
    pub data: String,
    /// `correct` / `count`; `null` with the reason where it is not known.
    pub accuracy: Number,
    /// Samples predicted rightly: the largest output is that of their class.
    pub correct: usize,
    /// Samples with a label.
    pub count: usize,
    /// K, the outputs of the model; 0 where the accuracy is not known.
    pub outputs: usize,
    /// By what the classes of the data were matched with the outputs.
    pub matched: Option<Matched>,
    /// The share that is right by naming the most frequent class each time, and no less than 1/K.
    pub chance: Number,
    /// The probability of so many right or more by chance (one-sided binomial test); `null` where the
    /// samples are of one class, or so few that even a model that is always right could not be distinguished
    /// from chance at 0.01.
    pub p_value: Number,
    /// Why the accuracy is not known.
    pub reason: Option<String>,
}

impl ModelInput {
    /// Notes what its outputs said on a data set: their form, and how often they were right.
    pub fn judge(&mut self, data: &str, judged: &Judged) {
        self.output = judged.form.or(self.output);
        let made = judged.accuracy.as_ref().map(|found| ModelAccuracy::new(data, found));
        self.accuracy.extend(made);
    }
}

impl ModelAccuracy {
    fn new(data: &str, found: &Result<(Accuracy, Matched), String>) -> Self {
        let data = data.to_owned();
        let none = Number::default();
        match found {
            Ok((found, matched)) => Self {
                data,
                accuracy: found.share().into(),
                correct: found.correct,
                count: found.count,
                outputs: found.outputs,
                matched: Some(*matched),
                chance: found.chance.into(),
                p_value: found.p_value.into(),
                reason: None,
            },
            Err(reason) => Self {
                data,
                accuracy: none,
                correct: 0,
                count: 0,
                outputs: 0,
                matched: None,
                chance: none,
                p_value: none,
                reason: Some(reason.clone()),
            },
        }
    }

    /// `right for 39 of 40 samples of photos/ (97.5 %, chance 10 %)`; `None` where it is not known.
    pub fn in_words(&self) -> Option<String> {
        let (share, chance) = (self.accuracy.get()?, self.chance.get()?);
        Some(format!(
            "right for {} of {} samples of {} ({} %, chance {} %)",
            self.correct,
            self.count,
            self.data,
            percent(share),
            percent(chance)
        ))
    }

    /// Warns of an accuracy that is not clearly above chance. Labels that are numbers below half of the
    /// outputs claim nothing: the outputs may be features.
    pub fn at_chance(&self, model: &str, of_arrays: bool) -> Option<Warning> {
        let inputs = match of_arrays {
            true => {
                "are the arrays those of its inputs, made as in training (tokenizer, padding, scale)"
            }
            false => "is the preprocessing right (--preprocess, --mean, --std, --channels)",
        };
        let (share, p) = (self.accuracy.get()?, self.p_value.get().filter(|p| *p > LEVEL)?);
        let text = format!(
            "{model} is right for {} % of {} samples of {} (chance {} %, p = {p:.2}): {inputs}, and do the outputs stand in the order of the \
             classes?",
            percent(share),
            self.count,
            self.data,
            percent(self.chance.get()?)
        );
        Some(Warning::new("accuracy-at-chance", model, text))
    }
}

/// A share in per cent, with one digit where it is not whole.
fn percent(share: f64) -> String {
    let text = format!("{:.1}", 100.0 * share);
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(correct: usize, p_value: Option<f64>) -> ModelAccuracy {
        let found = Accuracy { correct, count: 40, outputs: 10, chance: 0.1, p_value };
        ModelAccuracy::new("photos/", &Ok((found, Matched::Names)))
    }

    #[test]
    fn chance_stands_beside_the_accuracy() {
        let words = found(39, Some(0.0)).in_words();
        let expected = "right for 39 of 40 samples of photos/ (97.5 %, chance 10 %)";
        assert_eq!(words.as_deref(), Some(expected));
        assert!(found(39, Some(0.0)).at_chance("a.pt", false).is_none());
        assert!(found(40, None).at_chance("a.pt", false).is_none());
        let warning =
            found(4, Some(0.5768)).at_chance("a.pt", false).map(|w| w.text).unwrap_or_default();
        let begin =
            "a.pt is right for 10 % of 40 samples of photos/ (chance 10 %, p = 0.58): is the";
        assert!(warning.starts_with(begin), "{warning}");
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        let unknown = ModelAccuracy::new("photos/", &Err("why".to_owned()));
        assert_eq!((unknown.in_words(), unknown.at_chance("a.pt", false)), (None, None));
        assert_eq!(unknown.reason.as_deref(), Some("why"));
    }
}
