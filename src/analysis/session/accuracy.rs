//! How often models are right on the data of a run: said, and warned of where it is chance.

use crate::analysis::Observer;
use crate::capture::Judged;
use crate::classifier::OutputForm;
use crate::report::{ModelInput, Warning};

/// Notes in the records what the models' outputs said on a data set, says how often each is right, and
/// warns where that is not clearly above chance.
pub fn judge(
    records: &mut [ModelInput],
    data: &str,
    judged: &[Judged],
    observer: &dyn Observer,
) -> Vec<Warning> {
    let mut warnings = vec![];
    for (record, judged) in records.iter_mut().zip(judged) {
        let known = record.accuracy.len();
        record.judge(data, judged);
        for found in &record.accuracy[known..] {
            if let Some(words) = found.in_words() {
                observer.aside(&format!("{}: {words}", record.path));
            }
            warnings.extend(found.at_chance(&record.path, !record.inputs.is_empty()));
        }
    }
    warnings
}

/// Warns of gradients that are taken through a softmax or a sigmoid.
pub fn of_probabilities(record: &ModelInput) -> Option<Warning> {
    let last = match record.output? {
        OutputForm::Probabilities => "softmax",
        OutputForm::IndependentProbabilities => "last sigmoid (or softmax)",
        OutputForm::Logits | OutputForm::LogProbabilities => return None,
    };
    let text = format!(
        "{} gives probabilities, not logits: gradients go through its {last} and vanish where it is \
         certain; export the network without its {last}",
        record.path
    );
    Some(Warning::new("outputs-are-probabilities", &record.path, text))
}
